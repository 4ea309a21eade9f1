package realkafka

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestReleases(t *testing.T) {
	cases := []struct {
		version       string
		scala         string
		kraft, topics bool
	}{
		{"4.4.0", "2.13", true, true},
		{"3.9.1", "2.13", true, true},
		{"3.2.0", "2.13", false, true},
		{"2.8.2", "2.13", false, true},
		{"1.1.1", "2.12", false, true},
		{"0.11.0.3", "2.12", false, true},
		{"0.10.2.2", "2.12", false, true},
		{"0.10.0.1", "2.11", false, false},
		{"0.8.2.2", "2.11", false, false},
	}
	for _, test := range cases {
		r, err := parseRelease(test.version)
		if err != nil {
			t.Fatal(err)
		}
		if r.scala() != test.scala || r.kraft() != test.kraft || r.topicsByProtocol() != test.topics {
			t.Errorf("%s: Scala %s, KRaft %v, topics by protocol %v; want %+v", test.version, r.scala(), r.kraft(), r.topicsByProtocol(), test)
		}
		if first := r.coordinates()[0]; first != "org.apache.kafka:kafka_"+test.scala+":"+test.version {
			t.Errorf("%s comes from %s", test.version, first)
		}
	}
	for _, bad := range []string{"", "4", "4.4", "4.x.0", "1.2.3.4.5", "-1.0.0", "../../etc"} {
		if _, err := parseRelease(bad); err == nil {
			t.Errorf("%q is taken for a version", bad)
		}
	}
}

func TestConfigFaultsAreAllTold(t *testing.T) {
	cases := []struct {
		config Config
		want   []string // parts of the error; none: no error
	}{
		{Config{}, nil},
		{Config{Version: "9", Brokers: 10, HeapMB: 1}, []string{`version "9"`, "10 brokers", "1 MiB"}},
		{Config{Security: Security{Protocol: "TLS"}}, []string{`protocol "TLS"`}},
		{Config{Security: Security{ACLs: true}}, []string{"without Security.Protocol"}},
		{Config{Version: "2.6.0", Security: Security{Protocol: SSL}}, []string{"2.7 or newer"}},
		{Config{Security: Security{Protocol: SASLPlaintext, ClientAuth: true}}, []string{"client certificates"}},
		{Config{Security: Security{Protocol: SASLSSL, Mechanisms: []string{"GSSAPI"}}}, []string{`mechanism "GSSAPI"`}},
		{Config{Security: Security{Protocol: SASLSSL, Users: map[string]string{"a": `b"c`}}}, []string{`user "a"`}},
	}
	for _, test := range cases {
		_, _, err := test.config.withDefaults()
		if (err != nil) != (len(test.want) > 0) {
			t.Errorf("%+v: got %v, want %q", test.config, err, test.want)
			continue
		}
		for _, part := range test.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%+v: %q does not hold %q", test.config, err, part)
			}
		}
		if err != nil && strings.Contains(err.Error(), `b"c`) {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

func TestPropertiesAreWrittenAsJavaReadsThem(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p")
	if err := (properties{"b": "two\nlines", "a": `back\slash`}).write(file); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := "a=back\\\\slash\nb=two\\nlines\n"; string(text) != want {
		t.Errorf("got %q, want %q", text, want)
	}
}

func TestLockExcludesAndWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir", "lock")
	first, err := lockFile(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tryLock(path); !errors.Is(err, errLocked) {
		t.Errorf("a second lock gives %v, want %v", err, errLocked)
	}
	time.AfterFunc(150*time.Millisecond, func() { first.Close() })
	second, err := lockFile(t.Context(), path)
	if err != nil {
		t.Fatalf("the lock was given back and not taken: %v", err)
	}
	second.Close()
}

func TestPortsAreLeasedOnce(t *testing.T) {
	seen := map[int]bool{}
	low, high := portRange()
	for range 5 {
		lease, err := leasePorts(10)
		if err != nil {
			t.Fatal(err)
		}
		defer lease.release()
		for range 10 {
			port := lease.take()
			if seen[port] || port < low || port >= high {
				t.Errorf("port %d is leased twice or not within %d..%d", port, low, high)
			}
			seen[port] = true
		}
	}
}

func TestTailBeginsWithALine(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	line := strings.Repeat("x", 99) + "\n"
	if err := os.WriteFile(file, []byte(strings.Repeat(line, 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if tail := tailOf(file); len(tail) > logTailBytes || len(tail)%len(line) != 0 || tail == "" {
		t.Errorf("the tail has %d bytes, want whole lines, at most %d", len(tail), logTailBytes)
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add("0\t7\t1700000000000\ta2V5\t-\t\t-")
	f.Add("1\t2\t-1\t-\tdmFsdWU=")
	f.Add("x\t2\t-1\t-\tdmFsdWU=")
	f.Fuzz(func(t *testing.T, line string) {
		r, err := parseRecord(line)
		if err == nil && len(r.Headers) != (strings.Count(line, "\t")-4)/2 {
			t.Errorf("%q gives %d headers", line, len(r.Headers))
		}
	})
}

func TestParseRecordKeepsNullApart(t *testing.T) {
	r, err := parseRecord("3\t7\t1700000000000\ta2V5\t\taA==\t-")
	if err != nil {
		t.Fatal(err)
	}
	if r.Partition != 3 || r.Offset != 7 || r.Time.UnixMilli() != 1700000000000 || string(r.Key) != "key" {
		t.Errorf("got %+v", r)
	}
	if r.Value == nil || len(r.Value) != 0 {
		t.Errorf("the empty value is %v", r.Value)
	}
	if len(r.Headers) != 1 || r.Headers[0].Key != "h" || r.Headers[0].Value != nil {
		t.Errorf("the headers are %+v", r.Headers)
	}
}
