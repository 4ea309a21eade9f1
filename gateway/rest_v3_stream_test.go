package gateway_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/ekaf-go/ekaf/gateway"
)

// streamed is a client of a stream of records: it writes chunks, and reads the
// answers meanwhile.
type streamed struct {
	t    *testing.T
	conn *net.TCPConn
	in   *bufio.Reader
}

// serveStreams serves a door as a program would whose requests have to come in time.
func serveStreams(t *testing.T, d *door) *httptest.Server {
	s := httptest.NewUnstartedServer(d)
	s.Config.ReadTimeout = 500 * time.Millisecond // streams outlive it, and a slow machine sends its headers within it
	s.Config.WriteTimeout = 500 * time.Millisecond
	s.Start()
	t.Cleanup(s.Close)
	return s
}

func dialStream(t *testing.T, s *httptest.Server) *streamed {
	t.Helper()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	c := &streamed{t, conn.(*net.TCPConn), bufio.NewReader(conn)}
	c.write("POST " + v3Records + " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
	return c
}

func (c *streamed) write(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c.conn, text); err != nil {
		c.t.Fatal(err)
	}
}

// chunk sends a part of the body.
func (c *streamed) chunk(part string) { c.write(fmt.Sprintf("%x\r\n%s\r\n", len(part), part)) }

// answer begins to read the answer: its body is readable while it comes in.
func (c *streamed) answer() *bufio.Reader {
	c.t.Helper()
	r, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	if r.StatusCode != 200 || r.Header.Get("Content-Type") != "application/json" {
		body, err := io.ReadAll(r.Body)
		c.t.Fatalf("answered %s %s (%v)", r.Status, body, err)
	}
	return bufio.NewReader(r.Body)
}

// wantLine reads one record's answer.
func wantLine(t *testing.T, from *bufio.Reader, want string) {
	t.Helper()
	if line, err := from.ReadString('\n'); line != want || err != nil {
		t.Fatalf("answered %q (%v), want %q", line, err, want)
	}
}

func wantEnd(t *testing.T, from *bufio.Reader, want string) {
	t.Helper()
	if rest, err := io.ReadAll(from); string(rest) != want || err != nil {
		t.Fatalf("answered %q (%v), want %q", rest, err, want)
	}
}

// TestStreamAnswersEachRecord: each record is answered while the request still
// goes on, for longer than the server gives a request, and the connection serves
// the next request after it.
func TestStreamAnswersEachRecord(t *testing.T) {
	d := open(t, behind{})
	c := dialStream(t, serveStreams(t, d))
	c.chunk("{" + at + "}")
	body := c.answer()
	wantLine(t, body, v3Acked(0, 0, ""))
	for i := range 4 {
		time.Sleep(30 * time.Millisecond) // a slow client: the four are longer than the server's timeouts
		c.chunk("{" + at + `,"value":{"type":"STR`)
		time.Sleep(5 * time.Millisecond)
		c.chunk(`ING","data":"x"}}`)
		wantLine(t, body, v3Acked(0, i+1, `,"value":{"type":"STRING","size":1}`))
	}
	c.chunk("{" + at + "}{" + at + "}\n{" + at + "}")
	for i := range 3 {
		wantLine(t, body, v3Acked(0, i+5, ""))
	}
	c.write("0\r\n\r\n")
	wantEnd(t, body, "")
	c.write("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	if r, err := http.ReadResponse(c.in, nil); err != nil || r.StatusCode != 200 {
		t.Fatalf("answered %+v (%v)", r, err)
	}
}

// TestStreamHangUp: what had come in whole is produced, the rest is not, and the
// stream ends.
func TestStreamHangUp(t *testing.T) {
	var taken atomic.Int32
	d := open(t, behind{gateway: []gateway.Option{gateway.Rewrite(func(*gateway.Event) error {
		taken.Add(1)
		return nil
	})}})
	s := serveStreams(t, d)
	c := dialStream(t, s)
	c.chunk("{" + at + `}{"value":{"type":"STRING","data":"half`)
	body := c.answer()
	wantLine(t, body, v3Acked(0, 0, ""))
	if err := c.conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	wantEnd(t, body, v3Failed(400, "Bad Request: Error processing message: the body ended in the midst of a record, which was not produced"))
	c = dialStream(t, s)
	c.chunk(strings.Repeat("{"+at+"}", 50))
	if err := c.conn.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	wantLine(t, c.answer(), v3Acked(0, 1, "")) // of 50, whose answers it does not read
	_ = c.conn.Close()
	s.Close() // waits for the handler
	// How far it came depends on when it heard of the end: what it took is there, save
	// for a last one that was not sent yet and is withdrawn with its client.
	if err := d.producer.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := int(taken.Load())
	if n := len(d.consumed("events", max(want-1, 2))); n != want && n != want-1 || want > 51 {
		t.Errorf("a consumer sees %d records, %d were taken", n, want)
	}
}

// TestStreamTimes: a stream is not silent for ever, does not go on for ever, and
// a record that has begun arrives in time.
func TestStreamTimes(t *testing.T) {
	d := open(t, behind{gateway: []gateway.Option{gateway.Streams(1, time.Second, time.Hour)}})
	s := serveStreams(t, d)
	c := dialStream(t, s)
	c.chunk("{" + at + "}")
	body := c.answer()
	wantLine(t, body, v3Acked(0, 0, ""))
	wantEnd(t, body, v3Failed(408, "Streaming connection idle for longer than allowed: Connection will be closed."))
	c = dialStream(t, s)
	c.chunk("{" + at + `}{"va`)
	body = c.answer()
	wantLine(t, body, v3Acked(0, 1, ""))
	wantEnd(t, body, v3Failed(408, "Request Timeout: the record did not arrive in time, and was not produced."))

	d = open(t, behind{gateway: []gateway.Option{gateway.Streams(1, time.Hour, 2*time.Second)}})
	c = dialStream(t, serveStreams(t, d))
	c.chunk("{" + at + "}")
	body = c.answer()
	wantLine(t, body, v3Acked(0, 0, ""))
	wantEnd(t, body, v3Failed(408, "Streaming connection open for longer than allowed: Connection will be closed."))
}

// TestStreamsAreBounded: in number, and Drain ends them where a record ends.
func TestStreamsAreBounded(t *testing.T) {
	d := open(t, behind{gateway: []gateway.Option{gateway.Streams(1, time.Hour, time.Hour)}})
	s := serveStreams(t, d)
	c := dialStream(t, s)
	c.chunk("{" + at + "}")
	body := c.answer()
	wantLine(t, body, v3Acked(0, 0, ""))
	w := d.ask("POST "+v3Records, "{}", "Content-Type", "application/json")
	d.want(w, 503, `{"error_code":503,"message":"too many streams are open: try again later"}`)
	if w.Header().Get("Retry-After") != "1" {
		t.Errorf("headers %v", w.Header())
	}
	d.Drain()
	wantEnd(t, body, "")
	s.Close()                                           // waits for the handler
	d.v3(v3Records, "{"+at+"}", 200, v3Acked(0, 1, "")) // those with an end are served as before
}

// TestStreamWithoutRecords: Drain ends a stream before its first record with an
// error that says to try again.
func TestStreamWithoutRecords(t *testing.T) {
	d := open(t, behind{})
	s := serveStreams(t, d)
	c := dialStream(t, s)
	answered := make(chan *http.Response, 1)
	go func() {
		r, err := http.ReadResponse(c.in, nil)
		if err != nil {
			t.Error(err)
		}
		answered <- r
	}()
	for { // until the stream is open
		d.Drain()
		select {
		case r := <-answered:
			if body, err := io.ReadAll(r.Body); r.StatusCode != 503 || string(body) != `{"error_code":503,"message":"the gateway is shutting down"}` {
				t.Errorf("answered %s %s (%v)", r.Status, body, err)
			}
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// TestStreamEndsWithItsCredentials: what is taken away from a client, or expires, is
// so for the streams that it has open.
func TestStreamEndsWithItsCredentials(t *testing.T) {
	var status atomic.Int32
	d := open(t, behind{gateway: []gateway.Option{gateway.Guard(func(*gateway.Access) error {
		if s := status.Load(); s != 0 {
			return &gateway.StatusError{Status: int(s), Message: "not any more"}
		}
		return nil
	})}})
	s := serveStreams(t, d)
	for refused, code := range map[int]int{401: 40101, 403: 40301} {
		status.Store(0)
		before, err := d.cluster.Consume("events")
		if err != nil {
			t.Fatal(err)
		}
		c := dialStream(t, s)
		c.chunk("{" + at + "}")
		body := c.answer()
		wantLine(t, body, v3Acked(0, len(before), ""))
		status.Store(503)
		c.chunk("{" + at + "}")
		wantLine(t, body, v3Failed(503, "not any more"))
		status.Store(int32(refused))
		c.chunk("{" + at + "}")
		wantLine(t, body, v3Failed(code, "not any more"))
		if rest, err := io.ReadAll(body); err != nil || len(rest) > 0 {
			t.Errorf("the stream went on with %q (%v)", rest, err)
		}
	}
	s.Close()
	if messages, err := d.cluster.Consume("events"); err != nil || len(messages) != 2 {
		t.Errorf("a consumer sees %d records (%v)", len(messages), err)
	}
}

// TestStreamIsHeldToItsRate: records wait for their turn, gather meanwhile, and are
// refused where the turn is too far away.
func TestStreamIsHeldToItsRate(t *testing.T) {
	var every atomic.Int64
	every.Store(int64(500 * time.Millisecond))
	var next time.Time
	asked := 0
	b := behind{gateway: []gateway.Option{gateway.Guard(func(*gateway.Access) error {
		if wait := time.Until(next); wait > 0 {
			return &gateway.StatusError{Status: 429, Message: "too often", RetryAfter: wait}
		}
		asked++
		next = time.Now().Add(time.Duration(every.Load()))
		return nil
	})}}
	bubble(t, b, func(t *testing.T, d *door) {
		body, feed := io.Pipe()
		r := request("POST "+v3Records, "", "Content-Type", "application/json")
		r.Body, r.ContentLength = body, -1
		w, done, began := httptest.NewRecorder(), make(chan struct{}), time.Now()
		go func() {
			defer close(done)
			d.ServeHTTP(w, r)
		}()
		const record = `{"timestamp":"2000-01-01T00:00:00Z"}`
		put := func(record string) {
			if _, err := io.WriteString(feed, record); err != nil {
				t.Error(err)
			}
			synctest.Wait()
		}
		put(record) // goes at once
		time.Sleep(100 * time.Millisecond)
		for range 11 { // the first of them waits, all others gather
			put(record)
		}
		time.Sleep(1100 * time.Millisecond)
		synctest.Wait()
		if acked := strings.Count(w.Body.String(), `"error_code":200`); acked != 12 || asked != 3 {
			t.Errorf("%d acked, let in %d times: %s", acked, asked, w.Body)
		}
		time.Sleep(800 * time.Millisecond)
		every.Store(int64(time.Minute))
		put(record)
		put(record)
		if !strings.HasSuffix(w.Body.String(), v3Failed(429, "too often")) || time.Since(began) != 2*time.Second {
			t.Errorf("after %v: %s", time.Since(began), w.Body)
		}
		if err := feed.Close(); err != nil {
			t.Error(err)
		}
		<-done
		if n := len(d.consumed("events", 13)); n != 13 {
			t.Errorf("a consumer sees %d records", n)
		}
	})
}

// TestStreamWhileKafkaIsAway: records of a stream have the deadline of any that
// wait for Kafka, and the stream goes on when it is back.
func TestStreamWhileKafkaIsAway(t *testing.T) {
	bubble(t, behind{}, func(t *testing.T, d *door) {
		const record = `{"timestamp":"2000-01-01T00:00:00Z"}`
		acked := func(offset int) string {
			return strings.Replace(v3Acked(0, offset, ""), "2026-01-31T12", "2000-01-01T00", 1)
		}
		d.v3(v3Records, record, 200, acked(0))
		d.cluster.Stop()
		time.Sleep(time.Second)
		const away = "cannot deliver to events: Kafka did not answer within 10s"
		d.v3(v3Records, record, 200, v3Failed(50003, away+"; the message was withdrawn and will not be sent"))
		if err := d.cluster.Restart(); err != nil {
			t.Fatal(err)
		}
		d.cluster.Inject(ekaftest.Fault{Lose: ekaftest.LoseAnswer, Times: 1})
		d.v3(v3Records, record, 200, v3Failed(50003, away+"; it may be in Kafka all the same"))
		time.Sleep(time.Minute)
		d.v3(v3Records, record, 200, acked(2))
	})
}

// TestStreamLimits: the memory of bodies bounds streams too, and is given back.
func TestStreamLimits(t *testing.T) {
	d := open(t, behind{gateway: []gateway.Option{gateway.MaxBody(100_000), gateway.BodyMemory(200_000), gateway.Rewrite(func(e *gateway.Event) error {
		if string(e.Message.Value) == "panic" {
			panic("of a hook")
		}
		return nil
	})}})
	large := `{"value":{"type":"STRING","data":"` + strings.Repeat("x", 90_000) + `"}}`
	for range 3 {
		d.v3(v3Records, large, 200, v3Failed(503, "too many large requests at once: try again later"))
	}
	for range 100 {
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the hook's panic did not arrive")
				}
			}()
			d.ask("POST "+v3Records, `{"value":{"type":"STRING","data":"panic"}}`+strings.Repeat(" ", 5000)+"{}", "Content-Type", "application/json")
		}()
	}
	middling := `{` + at + `,"value":{"type":"STRING","data":"` + strings.Repeat("x", 30_000) + `"}}`
	for i := range 10 {
		d.v3(v3Records, middling, 200, v3Acked(0, i, `,"value":{"type":"STRING","size":30000}`))
	}
}

// TestStreamKeepsOrder: thousands of records through one stream, whose client
// reads no answer before all are sent.
func TestStreamKeepsOrder(t *testing.T) {
	const records = 5000
	d := open(t, behind{producer: []ekaf.Option{ekaf.BatchRecords(100)}})
	c := dialStream(t, serveStreams(t, d))
	var want []string
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for i := range records {
			c.chunk(fmt.Sprintf(`{%s,"value":{"type":"JSON","data":%d}}`, at, i))
		}
		c.write("0\r\n\r\n")
	}()
	body := c.answer()
	for i := range records {
		want = append(want, fmt.Sprint(i))
		wantLine(t, body, v3Acked(0, i, fmt.Sprintf(`,"value":{"type":"JSON","size":%d}`, len(want[i]))))
	}
	wantEnd(t, body, "")
	<-sent
	if got := values(d.consumed("events", records)); !slices.Equal(got, want) {
		t.Error("a consumer sees another order")
	}
}
