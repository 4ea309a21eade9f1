package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/ekaf-go/ekaf/ekaftest"
)

// summaryOf reads the last line of standard error.
func summaryOf(t *testing.T, errOut string) summary {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(errOut), "\n")
	var s summary
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &s); err != nil {
		t.Fatalf("the last line is no JSON object: %v\n%s", err, errOut)
	}
	return s
}

// producing runs ekaf produce against a cluster and checks the exit code.
func producing(t *testing.T, c *ekaftest.Cluster, input string, code int, args ...string) (summary, string) {
	t.Helper()
	all := append([]string{"produce", "--brokers", strings.Join(c.Addrs(), ","), "--topic", "events"}, args...)
	r := ekafRun(t, input, all...)
	if r.code != code || r.out != "" {
		t.Fatalf("exit code %d, want %d; standard output %q, standard error\n%s", r.code, code, r.out, r.errOut)
	}
	return summaryOf(t, r.errOut), r.errOut
}

func consumed(t *testing.T, c *ekaftest.Cluster) []ekaftest.Message {
	t.Helper()
	messages, err := c.Consume("events")
	if err != nil {
		t.Fatal(err)
	}
	return messages
}

func values(messages []ekaftest.Message) (list []string) {
	for _, m := range messages {
		list = append(list, shown(m.Key, m.Value))
	}
	return list
}

func same(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// numbered makes n lines, each key:number, with a few keys.
func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "key%d:%d\n", i%7, i+1)
	}
	return b.String()
}

func TestProduceDeliversEachLineOnceAndInOrderOfItsKey(t *testing.T) {
	const n = 20_000
	for _, compression := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			c := ekaftest.Start(t, ekaftest.Topic("events", 3), ekaftest.Brokers(2))
			log := filepath.Join(t.TempDir(), "acks")
			input := numbered(n)
			s, _ := producing(t, c, input, exitDone, "--key-delim", ":", "--compression", compression, "--ack-log", log)
			if s.Acked != n || s.Failed != 0 || s.Read != n || s.Bytes != int64(len(input)-n) || s.MaybeWritten != 0 || len(s.Errors) != 0 {
				t.Errorf("the summary is %+v", s)
			}
			last, total := map[string]int{}, 0
			for _, m := range consumed(t, c) {
				number, err := strconv.Atoi(string(m.Value))
				if err != nil || number <= last[string(m.Key)] {
					t.Fatalf("%s follows %d of %s (%v)", m.Value, last[string(m.Key)], m.Key, err)
				}
				last[string(m.Key)] = number
				total++
			}
			if total != n {
				t.Errorf("a consumer sees %d of %d", total, n)
			}
			checkAckLog(t, log, n)
		})
	}
}

// checkAckLog wants each number from 1 to n once.
func checkAckLog(t *testing.T, path string, n int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[int]bool{}
	for line := range strings.FieldsSeq(string(text)) {
		number, err := strconv.Atoi(line)
		if err != nil || number < 1 || number > n || seen[number] {
			t.Fatalf("the ack log holds %q (again: %v, %v)", line, seen[number], err)
		}
		seen[number] = true
	}
	if len(seen) != n {
		t.Errorf("the ack log holds %d of %d lines", len(seen), n)
	}
}

func TestProduceLines(t *testing.T) {
	dir := t.TempDir()
	first, second := filepath.Join(dir, "1"), filepath.Join(dir, "2")
	for path, text := range map[string]string{first: "a\nb", second: "c\n"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name  string
		input string
		args  []string
		want  []string
	}{
		{"no input", "", nil, nil},
		{"empty lines and a last one without its end", "a\n\nb\r\nc", nil, []string{`"a"`, `""`, `"b\r"`, `"c"`}},
		{"files, and standard input between them", "in", []string{first, "-", second}, []string{`"a"`, `"b"`, `"in"`, `"c"`}},
		{"keys", "k:v\nnone\n:v\nk:", []string{"-K", ":"}, []string{`{"k","v"}`, `"none"`, `{"","v"}`, `{"k",""}`}},
		{"tombstones", "k:\nk:v", []string{"-K", ":", "--null", ""}, []string{`{"k",null}`, `{"k","v"}`}},
		{"tombstones by a word", "k:NIL\nk:", []string{"-K", ":", "--null", "NIL"}, []string{`{"k",null}`, `{"k",""}`}},
		{"linger, and more workers", "a\nb", []string{"--linger", "5ms"}, []string{`"a"`, `"b"`}},
		{"acks=1", "a", []string{"--acks", "1"}, []string{`"a"`}},
		{"acks=0", "a", []string{"--acks", "0"}, []string{`"a"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cluster := ekaftest.Start(t, ekaftest.Topic("events", 1))
			s, _ := producing(t, cluster, c.input, exitDone, c.args...)
			if len(c.want) > 0 {
				if _, err := cluster.WaitFor(t.Context(), "events", len(c.want)); err != nil { // acks=0 comes later
					t.Fatal(err)
				}
			}
			same(t, values(consumed(t, cluster)), c.want...)
			if s.Acked != int64(len(c.want)) {
				t.Errorf("the summary is %+v", s)
			}
		})
	}
}

func TestProducePartitionHeadersAndTime(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 4))
	producing(t, c, "a\nb", exitDone, "--partition", "2", "-H", "source=app=1", "--header", "x=", "--timestamp", "2026-01-31T12:00:00Z", "--strategy", "strict", "--workers", "2")
	messages := consumed(t, c)
	if len(messages) != 2 {
		t.Fatalf("a consumer sees %d messages", len(messages))
	}
	for _, m := range messages {
		if m.Partition != 2 || !m.Timestamp.Equal(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)) || len(m.Headers) != 2 ||
			m.Headers[0].Key != "source" || string(m.Headers[0].Value) != "app=1" || m.Headers[1].Key != "x" {
			t.Errorf("got %+v", m)
		}
	}
}

func TestProduceCountsWhatCannotBeDelivered(t *testing.T) {
	long := strings.Repeat("x", 2000)
	t.Run("longer than --max-line", func(t *testing.T) {
		c := ekaftest.Start(t, ekaftest.Topic("events", 1))
		log := filepath.Join(t.TempDir(), "acks")
		s, errOut := producing(t, c, "a\n"+long+"\nb\n"+long, exitSome, "--max-line", "1000", "--ack-log", log)
		same(t, values(consumed(t, c)), `"a"`, `"b"`)
		if s.Acked != 2 || s.Failed != 2 || s.Read != 4 || s.Errors["too_large"] != 2 ||
			!strings.Contains(errOut, "line 2: the message is too large") || !strings.Contains(errOut, "line 4: ") {
			t.Errorf("the summary is %+v\n%s", s, errOut)
		}
		if text, err := os.ReadFile(log); err != nil || string(text) != "1\n3\n" {
			t.Errorf("the ack log holds %q, %v", text, err)
		}
	})
	t.Run("longer than a batch", func(t *testing.T) {
		c := ekaftest.Start(t, ekaftest.Topic("events", 1))
		s, errOut := producing(t, c, "a\n"+long+"\nb\n", exitSome, "-X", "max.request.size=1500", "--max-line", "5000")
		if s.Acked != 2 || s.Failed != 1 || s.Errors["too_large"] != 1 || !strings.Contains(errOut, "line 2: ") {
			t.Errorf("the summary is %+v\n%s", s, errOut)
		}
	})
	t.Run("longer than the broker takes", func(t *testing.T) {
		c := ekaftest.Start(t, ekaftest.Topic("events", 1), ekaftest.MaxMessageBytes(1500))
		s, errOut := producing(t, c, "a\n"+long+"\nb\n", exitSome)
		if s.Acked != 2 || s.Failed != 1 || s.Errors["too_large"] != 1 || !strings.Contains(errOut, "line 2: ") {
			t.Errorf("the summary is %+v\n%s", s, errOut)
		}
	})
	t.Run("refused by the broker", func(t *testing.T) {
		c := ekaftest.Start(t, ekaftest.Topic("events", 1))
		c.RejectRecords("events", func(m ekaftest.Message) error {
			if string(m.Value) == "bad" {
				return kerr.InvalidRecord
			}
			return nil
		})
		s, errOut := producing(t, c, "a\nbad\nb\n", exitSome)
		if s.Acked != 2 || s.Failed != 1 || s.Errors["INVALID_RECORD"] != 1 || !strings.Contains(errOut, "line 2: ") {
			t.Errorf("the summary is %+v\n%s", s, errOut)
		}
	})
}

func TestProduceToWhatDoesNotExist(t *testing.T) {
	t.Run("no such partition", func(t *testing.T) {
		c := ekaftest.Start(t, ekaftest.Topic("events", 1))
		s, errOut := producing(t, c, "a\n", exitSome, "--partition", "7")
		if s.Failed != 1 || s.Errors["unknown_partition"] != 1 {
			t.Errorf("the summary is %+v\n%s", s, errOut)
		}
	})
	t.Run("no such topic", func(t *testing.T) {
		c := ekaftest.Start(t)
		s, errOut := producing(t, c, "a\nb\n", exitSome, "-X", "topic.metadata.propagation.max.ms=300")
		if s.Failed != 2 || s.Errors["unknown_topic"] != 2 || strings.Count(errOut, "waiting for it to appear") != 1 {
			t.Errorf("the summary is %+v\n%s", s, errOut)
		}
	})
	t.Run("a name that no topic can have", func(t *testing.T) {
		c := ekaftest.Start(t)
		for _, input := range []string{"a\n", ""} { // nothing is read, so that nothing need come
			r := ekafRun(t, input, "produce", "--brokers", c.Addrs()[0], "--topic", "no/slash")
			if r.code != exitUsage || !strings.Contains(r.errOut, `--topic "no/slash"`) || !strings.Contains(r.errOut, "Kafka allows letters") {
				t.Errorf("exit code %d\n%s", r.code, r.errOut)
			}
		}
	})
}

func TestProduceNamesOnlySoManyLines(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	s, errOut := producing(t, c, strings.Repeat("xx\n", 300), exitSome, "--max-line", "1")
	if s.Failed != 300 || strings.Count(errOut, "\nline ") > namedLines || !strings.Contains(errOut, "only counted") {
		t.Errorf("the summary is %+v, %d lines are named", s, strings.Count(errOut, "\nline "))
	}
}

func TestProduceReadsOnlyAsFastAsTheBufferAllows(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	input := strings.Repeat(strings.Repeat("x", 1023)+"\n", 8000)
	s, _ := producing(t, c, input, exitDone, "--buffer-bytes", "1000000")
	if s.Acked != 8000 || len(consumed(t, c)) != 8000 {
		t.Errorf("the summary is %+v", s)
	}
}

func TestProduceWaitsForTheBrokers(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	c.Stop()
	var out, errOut lockedBuffer
	done := make(chan int)
	go func() {
		done <- run(t.Context(), []string{"produce", "-b", c.Addrs()[0], "-t", "events"}, strings.NewReader("a\nb\n"), &out, &errOut)
	}()
	for !strings.Contains(errOut.String(), "waiting for the brokers") {
		time.Sleep(time.Millisecond)
	}
	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
	if code := <-done; code != exitDone {
		t.Errorf("exit code %d\n%s", code, errOut.String())
	}
	if text := errOut.String(); strings.Count(text, "waiting for the brokers") != 1 || strings.Count(text, "the brokers are back") != 1 {
		t.Errorf("each change must be said once:\n%s", text)
	}
	same(t, values(consumed(t, c)), `"a"`, `"b"`)
}

func TestProduceOverTLSAndSASL(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1), ekaftest.TLS(), ekaftest.SASL("SCRAM-SHA-256", "alice", "hunter2"))
	dir := t.TempDir()
	config := filepath.Join(dir, "client.properties")
	text := "security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-256\n" +
		"sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \\\n  username=\"alice\" password=\"hunter2\";\n" +
		"ssl.truststore.type=PEM\nssl.truststore.location=" + filepath.ToSlash(filepath.Join(dir, "ca.pem")) + "\nkey.serializer=org.Foo\n"
	for path, text := range map[string]string{config: text, filepath.Join(dir, "ca.pem"): string(c.CAPEM())} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, errOut := producing(t, c, "a\nb\n", exitDone, "--config", config)
	if s.Acked != 2 || !strings.Contains(errOut, "note: key.serializer ("+config+":7): ignored") || strings.Contains(errOut, "hunter2") {
		t.Errorf("the summary is %+v\n%s", s, errOut)
	}
	r := ekafRun(t, "", "topics", "list", "--brokers", c.Addrs()[0], "--config", config)
	if r.code != exitDone || !strings.Contains(r.out, "events") {
		t.Errorf("topics list: %+v", r)
	}
}

func TestAckLogFailureIsSaidAndExitsWith1(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Log("this system has no /dev/full; only the error's way through close is checked")
		l := &ackLog{file: os.NewFile(^uintptr(0), "none"), stop: make(chan struct{}), stopped: make(chan struct{})}
		go l.loop()
		l.add(1, 1)
		if l.close() == nil {
			t.Error("a closed file takes lines")
		}
		return
	}
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	s, errOut := producing(t, c, "a\n", exitSome, "--ack-log", "/dev/full")
	if s.Acked != 1 || !strings.Contains(errOut, "cannot write the ack log") {
		t.Errorf("the summary is %+v\n%s", s, errOut)
	}
}
