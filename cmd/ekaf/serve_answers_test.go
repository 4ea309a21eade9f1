//go:build unix

package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/ekaf-go/ekaf/ekaftest"
)

// answer is what a client gets.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request as a client writes it: "POST /async/events", its body, and
// headers by name and value in turn. nil: there was no answer.
func (s *served) ask(line, body string, header ...string) *answer {
	s.t.Helper()
	method, target, _ := strings.Cut(line, " ")
	r, err := http.NewRequest(method, s.url+target, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	w, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return &answer{w.StatusCode, w.Header, string(text)}
}

// TestServeAnswersWithEachCode: all that come from requests alone.
func TestServeAnswersWithEachCode(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 2))
	s := startServe(t, "-b", c.Addrs()[0], "--max-body", "5000", "-X", "allow.auto.create.topics=false", "-X", "max.request.size=2000")
	const jsonType, linesType = "application/json", "application/x-ndjson"
	long := strings.Repeat("x", 3000)
	for _, c := range []struct {
		line, body, kind string
		status           int
		want             string // of the body
		allow            string
	}{
		{"POST /sync/events", "x", "", 200, `[{"ok":true,"partition":`, ""},
		{"POST /v1/topics/events", "x", "", 202, `{"accepted":1}`, ""},
		{"POST /v1/beacon/events", "x", "", 204, "", ""},
		{"POST /v3/clusters/any/topics/events/records:batch", `{"entries":[{"id":"a","value":{"type":"STRING","data":"x"}}]}`, jsonType, 207, `{"successes":[{"id":"a",`, ""},
		// Methods and paths.
		{"HEAD /healthz", "", "", 200, "", ""},
		{"HEAD /v1/topics", "", "", 200, "", ""},
		{"HEAD /v1/beacon/events?a=b", "", "", 405, "", "GET, OPTIONS, POST"},
		{"HEAD /sync/events", "", "", 400, "", ""},
		{"OPTIONS /v1/topics/events", "", "", 204, "", "GET, HEAD, OPTIONS, POST"},
		{"OPTIONS /async/events", "", "", 204, "", "OPTIONS, POST"},
		{"DELETE /v1/topics/events", "", "", 405, `{"error":"DELETE is not served here; GET, HEAD, OPTIONS, POST are"}`, "GET, HEAD, OPTIONS, POST"},
		{"GET /v3/clusters/any/topics/events/records", "", "", 405, `{"error_code":405,`, "OPTIONS, POST"},
		{"BREW /healthz", "", "", 405, `{"error":"BREW is not served here`, "GET, HEAD, OPTIONS"},
		{"GET /async/events", "", "", 400, `{"error":"POST exp"}`, ""},
		{"GET /nothing/here", "", "", 404, `{"error":"there is nothing at this path`, ""},
		{"POST /async/", "x", "", 404, `{"error":"there is nothing at this path`, ""},
		// Bodies.
		{"POST /async/events", "", "", 400, `{"error":"ekaf.insufficient"}`, ""},
		{"POST /async/events", long + long, "", 413, `{"error":"the body is larger than 5000 bytes"}`, ""},
		{"POST /sync/events", long, "", 413, `{"error":"`, ""},
		{"POST /async/events", long, "", 413, `{"error":"`, ""},
		{"POST /v1/topics/events?ack=kafka", "x\n" + long + "\ny\n", linesType, 413, `{"error":"1 of 3 messages failed, the first with: `, ""},
		{"POST /async/events", "x", "multipart/form-data; boundary=x", 415, `{"error":"multipart/form-data is not taken`, ""},
		{"POST /topics/events", `{"records":[{"value":1}]}`, jsonType, 415, `{"error_code":415,`, ""},
		{"POST /batch/async/events", `[1,]`, jsonType, 422, "at line 1, column 4 (byte 3)", ""},
		{"POST /batch/sync/events", "[1,\n2", jsonType, 422, "at line 2, column 1 (byte 4)", ""},
		{"POST /async/events", "a=%zz", "application/x-www-form-urlencoded", 422, "% needs two hexadecimal digits, at line 1, column 3 (byte 2)", ""},
		{"POST /v1/topics/events?timestamp=soon", "x", "", 422, "X-Kafka-Timestamp is milliseconds", ""},
		{"POST /topics/events", `{"records":[]}`, "application/vnd.kafka.json.v2+json", 422, `{"error_code":422,`, ""},
		{"POST /topics/events", `{"records":[{"value":1}]}`, "application/vnd.kafka.avro.v2+json", 422, `{"error_code":42206,`, ""},
		{"POST /v1/topics/events?ack=durable", "x", "", 501, "needs a spool", ""},
		// Topics.
		{"POST /sync/no%20topic", "x", "", 422, "the topic's name is not valid", ""},
		{"POST /sync/none", "x", "", 404, "the topic does not exist", ""},
		{"POST /async/none", "x", "", 404, "the topic does not exist", ""},
		{"GET /v1/topics/none", "", "", 404, "the topic does not exist", ""},
		{"POST /v1/topics/events?partition=9&ack=kafka", "x", "", 404, "no such partition", ""},
		{"POST /topics/none", `{"records":[{"value":1}]}`, "application/vnd.kafka.json.v2+json", 404, `{"error_code":40401,`, ""},
	} {
		a := s.ask(c.line, c.body, "Content-Type", c.kind)
		if a == nil || a.status != c.status || !strings.Contains(a.body, c.want) || a.header.Get("Allow") != c.allow || c.want == "" && a.body != "" {
			t.Errorf("%s (%.20q): %+v, want %d, %q, Allow %q", c.line, c.body, a, c.status, c.want, c.allow)
		}
	}
	if a := s.ask("POST /async/events", "x", "Content-Encoding", "br"); a.status != 415 {
		t.Errorf("an unknown encoding: %+v", a)
	}
	s.signal(syscall.SIGTERM)
	s.wait()
	// What was claimed: two single ones, the beacon, the batch, and two lines of three.
	messages, err := c.Consume("events")
	if err != nil || len(messages) != 6 {
		t.Errorf("a consumer sees %d messages (%v)", len(messages), err)
	}
}

// TestServeAnswersForTheBrokers: what they refuse, and why it is said.
func TestServeAnswersForTheBrokers(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	s := startServe(t, "-b", c.Addrs()[0])
	for code, want := range map[*kerr.Error]int{
		kerr.TopicAuthorizationFailed: 403, kerr.MessageTooLarge: 413, kerr.InvalidRecord: 422, kerr.InvalidRequiredAcks: 502,
	} {
		c.Inject(ekaftest.Fault{Code: code.Code})
		if a := s.ask("POST /sync/events", "x"); a.status != want || !strings.Contains(a.body, `"maybe_written":false`) {
			t.Errorf("%s: %+v", code.Message, a)
		}
	}
	s.signal(syscall.SIGTERM)
	s.wait()
	if messages, err := c.Consume("events"); err != nil || len(messages) != 0 {
		t.Errorf("a consumer sees %v (%v)", messages, err)
	}
}

// outage takes the brokers away, and waits until the program has noticed: what is
// sent before may be on the wire.
func (s *served) outage(c *ekaftest.Cluster) {
	s.t.Helper()
	c.Stop()
	for !strings.Contains(s.ask("GET /readyz", "").body, `"topic events"`) {
		time.Sleep(time.Millisecond)
	}
}

// busy checks an answer that says when to come back.
func busy(t *testing.T, what string, a *answer, text string) {
	t.Helper()
	if a == nil || a.status != 503 || a.header.Get("Retry-After") != "1" || !strings.Contains(a.body, text) {
		t.Errorf("%s: %+v", what, a)
	}
}

// TestServeSaysWhenItIsFull: the buffer, admission control, and the deadline.
func TestServeSaysWhenItIsFull(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	s := startServe(t, "-b", c.Addrs()[0], "--buffer-bytes", "40000", "-X", "max.request.size=10000", "--sync-timeout", "1h",
		"--safe-running", "1", "--safe-queue", "0", "--grace", "1h")
	if a := s.ask("POST /sync/events", "first"); a.status != 200 {
		t.Fatalf("%+v", a)
	}
	s.outage(c)
	a := s.ask("POST /v1/topics/events?ack=kafka&timeout=50ms", "late")
	busy(t, "the deadline", a, "Kafka did not answer within 50ms")
	if !strings.Contains(a.body, `"maybe_written":false`) {
		t.Errorf("withdrawn, or not: %s", a.body)
	}
	waiting := make(chan *answer)
	go func() { waiting <- s.ask("POST /safe/sync/events", "waits") }()
	for sampleOf(s, "ekaf_gateway_safe_running_requests") == 0 {
		time.Sleep(time.Millisecond)
	}
	busy(t, "admission", s.ask("POST /safe/async/events", "x"), "too many requests at once")
	accepted := 0
	for {
		a := s.ask("POST /async/events", strings.Repeat("x", 1000))
		if a.status != 200 {
			busy(t, "the buffer", a, "the buffer is full")
			break
		}
		accepted++
	}
	if a := s.ask("GET /readyz", ""); a.status != 503 || !strings.Contains(a.body, `"why":["the buffer is full"]`) {
		t.Errorf("/readyz: %+v", a)
	}
	if a := s.ask("GET /healthz", ""); a.status != 200 {
		t.Errorf("/healthz: %+v", a)
	}
	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
	if a := <-waiting; a == nil || a.status != 200 {
		t.Errorf("the one that waited: %+v", a)
	}
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	messages, err := c.Consume("events")
	if err != nil || len(messages) != accepted+2 {
		t.Errorf("a consumer sees %d messages, and %d were accepted (%v)", len(messages), accepted+2, err)
	}
}

// sampleOf is a gauge without labels.
func sampleOf(s *served, name string) float64 {
	_, families := s.scraped("")
	return sample(families, name, "")
}

// TestServeWithClientsThatHangUp: in the midst of a body, and while they wait.
func TestServeWithClientsThatHangUp(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	s := startServe(t, "-b", c.Addrs()[0], "--sync-timeout", "1h", "--grace", "1h")
	if a := s.ask("POST /sync/events", "first"); a.status != 200 {
		t.Fatalf("%+v", a)
	}
	hangUp := func(request string, reached func() bool) {
		t.Helper()
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		for !reached() {
			time.Sleep(time.Millisecond)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		for sampleOf(s, "ekaf_gateway_inflight_requests") != 1 { // the scrape itself
			time.Sleep(time.Millisecond)
		}
	}
	underWay := func() bool { return sampleOf(s, "ekaf_gateway_inflight_requests") == 2 }
	half := "Host: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: 100\r\n\r\nhalf\na line"
	for _, path := range []string{"/sync/events", "/batch/async/events", "/v1/topics/events?ack=kafka"} {
		hangUp("POST "+path+" HTTP/1.1\r\n"+half, underWay)
	}
	s.outage(c)
	hangUp("POST /sync/events HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nwithdrawn",
		func() bool { return sampleOf(s, "ekaf_gateway_waiting_requests") == 1 })
	// Of several messages none is left behind: they are delivered, client or not.
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "POST /v1/topics/events?ack=kafka HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: 10\r\n\r\none\ntwo\n3\n"); err != nil {
		t.Fatal(err)
	}
	for sampleOf(s, "ekaf_gateway_waiting_requests") != 1 {
		time.Sleep(time.Millisecond)
	}
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != exitDone {
		t.Errorf("exit code %d\n%s", code, s.errOut.String())
	}
	messages, err := c.Consume("events")
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	for _, m := range messages {
		seen = append(seen, string(m.Value))
	}
	if got := strings.Join(seen, " "); got != "first one two 3" {
		t.Errorf("a consumer sees %q", got)
	}
}

// TestServeDrains: at SIGTERM /readyz says no while requests are served, then the
// one under way is answered and its message delivered.
func TestServeDrains(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	s := startServe(t, "-b", c.Addrs()[0], "--sync-timeout", "1h", "--grace", "1h", "--drain-delay", "2s")
	if a := s.ask("POST /sync/events", "first"); a.status != 200 {
		t.Fatalf("%+v", a)
	}
	s.outage(c)
	underWay := make(chan *answer)
	go func() { underWay <- s.ask("POST /sync/events", "second") }()
	for sampleOf(s, "ekaf_gateway_waiting_requests") != 1 {
		time.Sleep(time.Millisecond)
	}
	s.signal(syscall.SIGTERM)
	s.until("ending: ")
	ready, served := s.ask("GET /readyz", ""), s.ask("POST /async/events", "third")
	if ready != nil && (ready.status != 503 || !strings.Contains(ready.body, "shutting down")) || served != nil && served.status != 200 {
		t.Errorf("while it drains: %+v, %+v", ready, served)
	}
	for s.ask("GET /healthz", "") != nil { // until no connection is accepted
		time.Sleep(10 * time.Millisecond)
	}
	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
	if a := <-underWay; a == nil || a.status != 200 {
		t.Errorf("the request under way: %+v", a)
	}
	if code := s.wait(); code != exitDone {
		t.Errorf("exit code %d\n%s", code, s.errOut.String())
	}
	want := 2
	if served != nil {
		want++
	}
	if messages, err := c.Consume("events"); err != nil || len(messages) != want {
		t.Errorf("a consumer sees %d messages, not %d (%v)", len(messages), want, err)
	}
}

// TestServeForgetsIdempotencyKeys after their window, and not within it.
func TestServeForgetsIdempotencyKeys(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	keyed := func(s *served) (offsets []int64, replayed int) {
		for range 2 {
			a := s.ask("POST /v1/topics/events?ack=kafka", "x", "Idempotency-Key", "k")
			var at struct{ Offset int64 }
			if err := json.Unmarshal([]byte(a.body), &at); err != nil || a.status != 200 {
				t.Fatalf("%+v: %v", a, err)
			}
			offsets = append(offsets, at.Offset)
			if a.header.Get("Idempotent-Replayed") == "true" {
				replayed++
			}
		}
		if a := s.ask("POST /v1/topics/events?ack=kafka", "y", "Idempotency-Key", "k"); replayed > 0 && a.status != 422 {
			t.Errorf("another body under the same key: %+v", a)
		}
		s.signal(syscall.SIGTERM)
		s.wait()
		return offsets, replayed
	}
	if offsets, replayed := keyed(startServe(t, "-b", c.Addrs()[0], "--idempotency-window", "1h")); replayed != 1 || offsets[0] != offsets[1] {
		t.Errorf("within the window: %v, %d replayed", offsets, replayed)
	}
	if offsets, replayed := keyed(startServe(t, "-b", c.Addrs()[0], "--idempotency-window", "1ns")); replayed != 0 || offsets[0] == offsets[1] {
		t.Errorf("after the window: %v, %d replayed", offsets, replayed)
	}
}

// TestServeWithSystemd: it takes the socket that systemd has opened, and tells of
// its states.
func TestServeWithSystemd(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	socket, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	file, err := socket.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	address := t.TempDir() + "/n"
	notices, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notices.Close()
	heard := func(want string) {
		t.Helper()
		text := make([]byte, 200)
		n, err := notices.Read(text)
		if err != nil || !bytes.HasPrefix(text[:n], []byte(want)) {
			t.Errorf("systemd hears %q, want %q (%v)", text[:n], want, err)
		}
	}
	child := prepareChild(t, "serve", "--listen", "127.0.0.1:1", "-b", c.Addrs()[0])
	// As systemd does: the process that is to be ekaf knows its own number.
	child.cmd.Args = append([]string{"sh", "-c", `LISTEN_PID=$$ LISTEN_FDS=1 exec "$0" "$@"`, child.cmd.Path}, child.cmd.Args[1:]...)
	child.cmd.Path = "/bin/sh"
	child.cmd.ExtraFiles = append(child.cmd.ExtraFiles, file)
	child.cmd.Env = append(child.cmd.Env, "NOTIFY_SOCKET="+address)
	child.start()
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	s := &served{child: child, url: "http://" + socket.Addr().String()}
	if err := socket.Close(); err != nil { // the child has it now
		t.Fatal(err)
	}
	s.until("(systemd's socket)")
	heard("READY=1")
	if a := s.ask("POST /sync/events", "x"); a == nil || a.status != 200 {
		t.Errorf("by systemd's socket: %+v", a)
	}
	s.signal(syscall.SIGHUP)
	heard("RELOADING=1\nMONOTONIC_USEC=")
	heard("READY=1")
	s.signal(syscall.SIGTERM)
	heard("STOPPING=1\nEXTEND_TIMEOUT_USEC=")
	if code := s.wait(); code != exitDone {
		t.Errorf("exit code %d\n%s", code, s.errOut.String())
	}
}
