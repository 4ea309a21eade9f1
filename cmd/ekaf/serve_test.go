//go:build unix

package main

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/ekaf-go/ekaf/ekaftest"
)

// served is "ekaf serve" in a process of its own.
type served struct {
	*child
	url string
}

func startServe(t *testing.T, args ...string) *served {
	t.Helper()
	s := &served{child: startChild(t, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)}
	const mark = "listening on "
	s.until(mark)
	said := s.errOut.String()
	s.url, _, _ = strings.Cut(said[strings.Index(said, mark)+len(mark):], "\n")
	return s
}

// post gives the status and the body of an answer.
func (s *served) post(path, body string) (int, string) {
	s.t.Helper()
	answer, err := http.Post(s.url+path, "", strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	http.DefaultClient.CloseIdleConnections()
	return answer.StatusCode, string(text)
}

// wait ends with the program.
func (s *served) wait() int {
	for s.lines.Scan() {
		s.errOut.WriteString(s.lines.Text() + "\n")
	}
	_ = s.cmd.Wait() // its exit code is the answer
	return s.cmd.ProcessState.ExitCode()
}

func TestServeDeliversBeforeItEnds(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	s := startServe(t, "-b", c.Addrs()[0], "--linger", "1h")
	for path, want := range map[string]string{
		"/sync/events":                `[{"ok":true,"partition":0,"offset":0}]`,
		"/async/events":               `{"ok":1}`,
		"/batch/async/events":         `{"ok":1}`,
		"/v1/topics/events?ack=kafka": "",
	} {
		status, body := s.post(path, "x")
		if status != 200 || want != "" && path != "/sync/events" && body != want {
			t.Errorf("%s answered %d %s", path, status, body)
		}
	}
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != exitDone {
		t.Errorf("exit code %d\n%s", code, s.errOut.String())
	}
	if messages, err := c.Consume("events"); err != nil || len(messages) != 4 {
		t.Errorf("a consumer sees %d messages (%v)", len(messages), err)
	}
}

// Where asked to, the program tells of itself, and to its own machine alone.
func TestServeTellsOfItselfOnLoopback(t *testing.T) {
	s := startServe(t, "-b", "127.0.0.1:9", "--grace", "1s", "--debug-listen", "127.0.0.1:0")
	_, rest, _ := strings.Cut(s.errOut.String(), "figures and profiles on ")
	url, _, _ := strings.Cut(rest, "\n")
	answer, err := http.Get(url + "metrics")
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if err != nil || !strings.Contains(string(text), "/gc/heap/allocs:objects ") {
		t.Errorf("answered %v, %s", err, text)
	}
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != exitDone {
		t.Errorf("exit code %d\n%s", code, s.errOut.String())
	}
	r := ekafRun(t, "", "serve", "-b", "127.0.0.1:9", "-l", "127.0.0.1:0", "--debug-listen", "0.0.0.0:0")
	if r.code != exitUsage || !strings.Contains(r.errOut, "loopback only") {
		t.Errorf("exit code %d, %s", r.code, r.errOut)
	}
}

func TestServeSaysWhatWasNotDelivered(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	c.Stop()
	s := startServe(t, "-b", c.Addrs()[0], "--grace", "200ms")
	if status, body := s.post("/async/events", "x"); status != 200 || body != `{"ok":1}` {
		t.Errorf("answered %d %s", status, body)
	}
	s.signal(syscall.SIGINT)
	if code := s.wait(); code != exitSome || !strings.Contains(s.errOut.String(), "1 messages were not delivered") {
		t.Errorf("exit code %d\n%s", code, s.errOut.String())
	}
}

// TestServeFlags: what the flags say is what the program does.
func TestServeFlags(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	s := startServe(t, "-b", c.Addrs()[0], "--max-body", "2000", "--ack", "kafka", "--allow-origin", "https://shop.example",
		"--sync-timeout", "300ms", "--idempotency-window", "0s", "--safe-running", "1", "--safe-queue", "0", "-X", "allow.auto.create.topics=false", "--trace-context")
	ask := func(path, body, name, value string, want int) {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, s.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(name, value)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil || answer.StatusCode != want {
			t.Errorf("%s answered %d %s, want %d (%v)", path, answer.StatusCode, text, want, err)
		}
	}
	defer http.DefaultClient.CloseIdleConnections()
	ask("/v1/topics/events", "x", "Idempotency-Key", "k", 200) // not 202: --ack
	ask("/v1/topics/events", "x", "Idempotency-Key", "k", 200)
	ask("/safe/sync/events", "x", "Traceparent", parent, 200)
	ask("/async/events", strings.Repeat("x", 2001), "X", "y", 413)
	ask("/v1/beacon/events", "x", "Origin", "https://shop.example", 204)
	ask("/v1/beacon/events", "x", "Origin", "https://evil.example", 403)
	ask("/sync/none", "x", "X", "y", 404)
	if _, err := c.WaitFor(t.Context(), "events", 4); err != nil {
		t.Error(err)
	}
	c.Stop()
	ask("/sync/events", "x", "X", "y", 503) // within --sync-timeout, not in ten seconds
	s.signal(syscall.SIGTERM)
	s.wait()
	messages, err := c.Consume("events")
	if err != nil || len(messages) != 4 {
		t.Fatalf("a consumer sees %d messages (%v)", len(messages), err)
	}
	if traced := messages[2].Headers; len(traced) != 1 || traced[0].Key != "traceparent" || string(traced[0].Value) != parent {
		t.Errorf("the record's headers are %v", traced)
	}
}
