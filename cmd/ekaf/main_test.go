package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// childVariable makes the test binary run as ekaf itself, for tests that need a process.
const childVariable = "RUN_AS_THE_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) != "" {
		main()
	}
	for _, pair := range os.Environ() { // the tests' own environment must not set flags
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "EKAF_") {
			os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(m)
}

// result is what a run of the program left behind.
type result struct {
	code        int
	out, errOut string
}

// lockedBuffer may be read while a command writes to it.
type lockedBuffer struct {
	mu sync.Mutex // guards the following
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func ekafWith(ctx context.Context, in io.Reader, args ...string) result {
	var out, errOut lockedBuffer
	code := run(ctx, args, in, &out, &errOut)
	return result{code, out.String(), errOut.String()}
}

func ekafRun(t *testing.T, input string, args ...string) result {
	t.Helper()
	return ekafWith(t.Context(), strings.NewReader(input), args...)
}

func TestUsageFaultsExitWith2AndSayWhatToDo(t *testing.T) {
	for _, c := range []struct {
		args string
		want string
	}{
		{"produce --tpic x", "did you mean --topic?"},
		{"produce -q", "unknown shorthand flag"},
		{"prduce", "did you mean produce?"},
		{"nonsense", "ekaf --help"},
		{"topics lst", "did you mean list?"},
		{"topics describe", "requires at least 1 arg"},
		{"version now", "unknown command"},
		{"produce", "give --topic TOPIC"},
		{"produce -t x", "give --brokers HOST:PORT"},
		{"produce -t x -b a:1 -X lingr.ms=5", "did you mean linger.ms?"},
		{"produce -t x -b a:1 --acks 7", "all, 1 or 0"},
		{"produce -t x -b a:1 --compression rar", "none, gzip, snappy, lz4 or zstd"},
		{"produce -t x -b a:1 --acks 1 -X enable.idempotence=true", "needs acks=all"},
		{"produce -t x -b a:1 --strategy best", "by-key, adaptive"},
		{"produce -t x -b a:1 --strategy sticky:0", "sticky:N"},
		{"produce -t x -b a:1 --header h", "NAME=VALUE"},
		{"produce -t x -b a:1 --timestamp noon", "RFC 3339"},
		{"produce -t x -b a:1 --partition -2", "0 or more"},
		{"produce -t x -b a:1 --max-line -1", "0 or more"},
		{"produce -t x -b a:1 --config /nowhere/a.properties", "/nowhere/a.properties"},
		{"produce -t x -b a:1 /nowhere/input", "/nowhere/input"},
		{"produce -t x -b a:1 --ack-log /nowhere/log", "/nowhere/log"},
		{"mock --listen here", "HOST:PORT"},
		{"bench --verb publish", "async-batched, sync-batched, async, sync"},
		{"bench --size -1", "0 or more"},
		{"bench --callers 0", "1 or more"},
		{"bench -n 0", "--records must be 1 or more"},
		{"bench --replication-factor 0", "1 or more"},
		{"bench --acks 7", "all, 1 or 0"},
		{"bench -n x", "--help"},
		{"serve", "give --brokers HOST:PORT"},
		{"serve -b a:1 --listen here", "cannot listen on here"},
		{"serve -b a:1 --ack all", "buffered, durable, kafka"},
		{"serve -b a:1 --ack durable", "use kafka"},
		{"serve -b a:1 --allow-origin shop", "https://shop.example"},
		{"mock --listen 127.0.0.1:99999", "0 to 65535"},
		{"mock --topic a:0", "NAME:PARTITIONS"},
		{"mock --topic a/b:1", `cannot create topic "a/b": INVALID_TOPIC_EXCEPTION`},
		{"mock --expect -3", "0 or more"},
		{"mock --timeout -1s", "0 or more"},
		{"dev --topic a/b:1", `cannot create topic "a/b": INVALID_TOPIC_EXCEPTION`},
		{"mock --topic :3", "NAME:PARTITIONS"},
		{"topics create x -b a:1 --topic-config y", "NAME=VALUE"},
		{"topics create x -b a:1 --partitions 0", "1 or more"},
		{"topics list", "give --brokers HOST:PORT"},
	} {
		t.Run(c.args, func(t *testing.T) {
			r := ekafRun(t, "", strings.Fields(c.args)...)
			if r.code != exitUsage || !strings.Contains(r.errOut, c.want) || r.out != "" {
				t.Errorf("exit code %d, standard error %q, want %q", r.code, r.errOut, c.want)
			}
		})
	}
}

// TestAllFaultsOfUsageAreToldAtOnce: whoever mends one should not meet the next.
func TestAllFaultsOfUsageAreToldAtOnce(t *testing.T) {
	for args, wanted := range map[string][]string{
		"produce --compression foo --strategy bar --workers 0 --partition -2 --topic a/b /nowhere/input": {
			"--brokers", "none, gzip, snappy", "by-key, adaptive", "Workers and WorkersMax", "--partition", "--topic \"a/b\"", "/nowhere/input",
		},
		"produce -b a:1 --strategy bar --workers 0":            {"--topic TOPIC", "by-key, adaptive", "Workers and WorkersMax"},
		"serve -b a:1 --compression foo --workers 0 --ack all": {"none, gzip, snappy", "Workers and WorkersMax", "buffered, durable, kafka"},
	} {
		r := ekafRun(t, "", strings.Fields(args)...)
		for _, want := range wanted {
			if r.code != exitUsage || !strings.Contains(r.errOut, want) {
				t.Errorf("ekaf %s: exit code %d, %q is missing in\n%s", args, r.code, want, r.errOut)
			}
		}
		if strings.Contains(r.errOut, "unsettled") {
			t.Errorf("ekaf %s: the stand-in for a broker is told\n%s", args, r.errOut)
		}
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Setenv("EKAF_PROPERTY", "hunter2")
	r := ekafRun(t, "", "produce", "-t", "x", "-b", "a:1")
	if r.code != exitUsage || strings.Contains(r.errOut, "hunter2") {
		t.Errorf("exit code %d, standard error %q", r.code, r.errOut)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("EKAF_WORKERS", "many")
	r := ekafRun(t, "", "produce")
	if r.code != exitUsage || !strings.Contains(r.errOut, "EKAF_WORKERS does not hold a value for --workers") {
		t.Errorf("exit code %d, standard error %q", r.code, r.errOut)
	}
	r = ekafRun(t, "", "produce", "--workers", "2")
	if !strings.Contains(r.errOut, "give --topic") {
		t.Errorf("the flag does not win: %q", r.errOut)
	}
	t.Run("two", func(t *testing.T) {
		t.Setenv("EKAF_PARTITION", "first")
		if r := ekafRun(t, "", "produce"); !strings.Contains(r.errOut, "EKAF_WORKERS") || !strings.Contains(r.errOut, "EKAF_PARTITION") {
			t.Errorf("of two variables one is told: %q", r.errOut)
		}
	})
	t.Setenv("EKAF_TOPIC", "x")
	t.Setenv("EKAF_PROPERTY", "linger.ms=soon\nacks=7")
	r = ekafRun(t, "", "produce", "--workers", "2")
	if !strings.Contains(r.errOut, "linger.ms") || !strings.Contains(r.errOut, "acks") {
		t.Errorf("two values of one variable gave %q", r.errOut)
	}
}

func TestHelp(t *testing.T) {
	for args, wanted := range map[string][]string{
		"--help":               {"demo", "mock", "produce", "topics", "version", "Exit codes: 0 all delivered; 1 some not; 2 wrong usage."},
		"produce --help":       {"[EKAF_HEADER, one a line]", "[EKAF_PROPERTY, one a line]", "--ack-log FILE", "[EKAF_ACK_LOG]", "--brokers HOST:PORT[,...]", "[EKAF_BROKERS]", "-X, --property NAME=VALUE", "Examples:", "linger.ms", "\"acked\":N"},
		"demo --help":          {"[EKAF_BROKERS]", "20 requests"},
		"mock --help":          {"[EKAF_EXPECT]", "--expect 20", "[EKAF_LISTEN]"},
		"topics create --help": {"[EKAF_PARTITIONS]", "--brokers HOST:PORT[,...]", "[EKAF_BROKERS]"},
		"help options":         {"linger.ms", "BatchBytes", "DEFAULT"},
		"completion bash":      {"bash completion"},
	} {
		r := ekafRun(t, "", strings.Fields(args)...)
		for _, want := range wanted {
			if r.code != exitDone || !strings.Contains(r.out, want) {
				t.Errorf("ekaf %s: exit code %d, %q is missing in\n%s%s", args, r.code, want, r.out, r.errOut)
			}
		}
	}
}

func TestVersion(t *testing.T) {
	if r := ekafRun(t, "", "version"); r.code != exitDone || !strings.HasPrefix(r.out, "ekaf ") || !strings.Contains(r.out, "go1.") {
		t.Errorf("got %+v", r)
	}
}
