package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/ekaf-go/ekaf/gateway"
)

// told is an error's answer.
type told struct {
	Error        string
	MaybeWritten *bool `json:"maybe_written"`
}

func (d *door) refused(w *httptest.ResponseRecorder, status int, text string, retry string, maybe bool) {
	d.t.Helper()
	var e told
	if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code != status || !strings.Contains(e.Error, text) ||
		w.Header().Get("Retry-After") != retry || e.MaybeWritten == nil || *e.MaybeWritten != maybe {
		d.t.Errorf("answered %d %s, Retry-After %q; want %d, %q, %q and %v", w.Code, w.Body, w.Header().Get("Retry-After"), status, text, retry, maybe)
	}
}

// syncRoutes wait for Kafka to have the message.
var syncRoutes = []string{"POST /sync/events", "POST /safe/sync/events", "POST /v1/topics/events?ack=kafka"}

// TestWhatBrokersRefuse: each error of a broker has its status on each route that waits for it.
func TestWhatBrokersRefuse(t *testing.T) {
	for _, c := range []struct {
		err    *kerr.Error
		status int
		retry  string
	}{
		{kerr.MessageTooLarge, 413, ""},
		{kerr.TopicAuthorizationFailed, 403, ""},
		{kerr.ClusterAuthorizationFailed, 403, ""},
		{kerr.InvalidTopicException, 422, ""},
		{kerr.InvalidTimestamp, 422, ""},
		{kerr.InvalidRecord, 422, ""},
		{kerr.PolicyViolation, 422, ""},
		{kerr.InvalidRequiredAcks, 502, ""},
	} {
		d := open(t, behind{})
		for _, route := range syncRoutes {
			d.cluster.Inject(ekaftest.Fault{Code: c.err.Code})
			d.refused(d.ask(route, "x"), c.status, "cannot deliver to events[0]", c.retry, false)
		}
		if messages, err := d.cluster.Consume("events"); err != nil || len(messages) > 0 {
			t.Errorf("%s: a consumer sees %v (%v)", c.err.Message, messages, err)
		}
	}
}

func TestTopicsThatAreNot(t *testing.T) {
	d := open(t, behind{producer: []ekaf.Option{ekaf.AutoCreateTopics(false)}})
	for _, route := range []string{"POST /sync/none", "POST /batch/sync/none", "POST /v1/topics/none?ack=kafka"} {
		d.refused(d.ask(route, "x"), 404, "the topic does not exist", "", false)
	}
	// Now that the brokers have said so, nobody is told that it was accepted.
	for _, route := range []string{"POST /async/none", "POST /batch/async/none", "POST /v1/topics/none", "POST /v1/beacon/none", "GET /v1/beacon/none?a=1"} {
		d.refused(d.ask(route, "x"), 404, "the topic does not exist", "", false)
	}
	for _, route := range append(slices.Clone(syncRoutes), "POST /async/events") {
		d.refused(d.ask(strings.ReplaceAll(route, "events", "no%20topic"), "x"), 422, "the topic's name is not valid", "", false)
	}
	d.refused(d.ask("POST /v1/topics/events?partition=1&ack=kafka", "x"), 404, "no such partition", "", false)
	d.refused(d.ask("POST /v1/topics/events?partition=1", "x"), 404, "no such partition", "", false)
	if err := d.cluster.CreateTopic("none", 1); err != nil {
		t.Fatal(err)
	}
	for d.ask("POST /async/none", "x").Code == 404 {
		time.Sleep(10 * time.Millisecond) // until the brokers were asked again
	}
	d.consumed("none", 1)
}

// TestNamesFromTheNetworkAreBounded: each name that is asked for is remembered, and
// those that nobody ever created are not in the way of topics that exist.
func TestNamesFromTheNetworkAreBounded(t *testing.T) {
	b := behind{producer: []ekaf.Option{ekaf.AutoCreateTopics(false)}, gateway: []gateway.Option{gateway.MaxPendingTopics(3)}}
	bubble(t, b, func(t *testing.T, d *door) {
		for i := range 3 {
			// 404 if the brokers' answer comes before the handler looks for it.
			if w := d.ask(fmt.Sprint("POST /async/none", i), "x"); w.Code != 200 && w.Code != 404 {
				t.Errorf("answered %d %s", w.Code, w.Body)
			}
		}
		time.Sleep(time.Minute) // and they have failed as unknown
		for range 3 {
			d.refused(d.ask("POST /async/none3", "x"), 503, "too many topics", "1", false)
		}
		if n := len(d.producer.Stats().Topics); n != 3 {
			t.Errorf("the producer has %d topics", n)
		}
		d.want(d.ask("POST /sync/events", "x"), 200, `[{"ok":true,"partition":0,"offset":0}]`)
		if err := d.cluster.CreateTopic("none3", 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // the brokers are asked once a second
		d.want(d.ask("POST /sync/none3", "x"), 200, `[{"ok":true,"partition":0,"offset":0}]`)
		d.cluster.Stop()
		time.Sleep(time.Second)
		before := time.Now()
		for range 10 {
			d.refused(d.ask("POST /async/many", "x"), 503, "too many topics", "1", false)
		}
		if waited := time.Since(before); waited > time.Second {
			t.Errorf("waited %v for brokers that are away", waited)
		}
	})
}

// TestNamesThatCameToExistCountNoMore: there is room for others then.
func TestNamesThatCameToExistCountNoMore(t *testing.T) {
	d := open(t, behind{gateway: []gateway.Option{gateway.MaxPendingTopics(3)}})
	for i := range 3 {
		d.want(d.ask(fmt.Sprint("POST /async/none", i), "x"), 200, `{"ok":1}`)
	}
	for i := range 3 {
		if err := d.cluster.CreateTopic(fmt.Sprint("none", i), 1); err != nil {
			t.Fatal(err)
		}
		d.consumed(fmt.Sprint("none", i), 1)
	}
	d.want(d.ask("POST /async/none3", "x"), 200, `{"ok":1}`)
}

// bubble runs a test inside a synctest bubble, where outages take no time.
func bubble(t *testing.T, b behind, test func(t *testing.T, d *door)) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, b)
		test(t, d)
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = d.producer.Close(ctx) // the brokers may be away
	})
}

// TestKafkaAway: buffered answers go on and come true; sync ones end at their
// deadline with nothing written.
func TestKafkaAway(t *testing.T) {
	bubble(t, behind{gateway: []gateway.Option{gateway.SyncTimeout(5 * time.Second)}}, func(t *testing.T, d *door) {
		d.want(d.ask("POST /sync/events", "first"), 200, `[{"ok":true,"partition":0,"offset":0}]`)
		d.cluster.Stop()
		time.Sleep(time.Second)
		var want []string
		for i := range 10 {
			d.want(d.ask("POST /async/events", fmt.Sprint(i)), 200, `{"ok":1}`)
			want = append(want, fmt.Sprint(i))
		}
		for _, route := range syncRoutes {
			d.refused(d.ask(route, "never"), 503, "Kafka did not answer within 5s", "1", false)
		}
		d.refused(d.ask("POST /v1/topics/events?ack=kafka&timeout=1s", "never"), 503, "Kafka did not answer within 1s", "1", false)
		d.refused(d.ask("POST /sync/many", "never"), 503, "Kafka did not answer within 5s", "1", false)
		w := d.ask("GET /readyz", "")
		if w.Code != 200 || !strings.Contains(w.Body.String(), `"down":["broker 0","kafka","topic events"`) {
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
		if err := d.cluster.Restart(); err != nil {
			t.Fatal(err)
		}
		if got := values(d.consumed("events", 11)); !slices.Equal(got[1:], want) {
			t.Errorf("a consumer sees %q", got)
		}
		d.want(d.ask("POST /sync/events", "last"), 200, `[{"ok":true,"partition":0,"offset":11}]`)
		time.Sleep(5 * time.Second) // until brokers were asked again about the other topic
		d.want(d.ask("GET /readyz", ""), 200, `{"ready":true,"down":[],"buffered_bytes":0,"buffered_messages":0}`)
	})
}

// TestBufferFull: what has no room is refused at once, and nothing of it arrives.
func TestBufferFull(t *testing.T) {
	bubble(t, behind{producer: []ekaf.Option{ekaf.BufferBytes(20_000), ekaf.BatchBytes(2_000)}}, func(t *testing.T, d *door) {
		d.want(d.ask("POST /sync/events", "first"), 200, `[{"ok":true,"partition":0,"offset":0}]`)
		d.cluster.Stop()
		accepted := 1
		var full *httptest.ResponseRecorder
		for full == nil {
			w := d.ask("POST /async/events", strings.Repeat("x", 500))
			if w.Code == 200 {
				accepted++
			} else {
				full = w
			}
		}
		before := time.Now()
		d.refused(full, 503, "the buffer is full", "1", false)
		d.refused(d.ask("POST /v1/topics/events", strings.Repeat("x", 500)), 503, "the buffer is full", "1", false)
		if time.Since(before) != 0 { // in a bubble time stands still while nobody sleeps
			t.Error("a refusal waited")
		}
		if w := d.ask("GET /readyz", ""); w.Code != 503 || !strings.Contains(w.Body.String(), `"why":["the buffer is full"]`) {
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
		if err := d.cluster.Restart(); err != nil {
			t.Fatal(err)
		}
		d.consumed("events", accepted)
		time.Sleep(time.Minute)
		if n := len(d.consumed("events", accepted)); n != accepted {
			t.Errorf("%d were accepted, a consumer sees %d", accepted, n)
		}
	})
}

// TestMaybeWritten: the request reached the broker, the answer never came.
func TestMaybeWritten(t *testing.T) {
	bubble(t, behind{}, func(t *testing.T, d *door) {
		d.want(d.ask("POST /sync/events", "first"), 200, `[{"ok":true,"partition":0,"offset":0}]`)
		d.cluster.Inject(ekaftest.Fault{Lose: ekaftest.LoseAnswer, Times: -1})
		d.refused(d.ask("POST /sync/events", "second"), 503, "Kafka did not answer within 10s", "1", true)
		if got := values(d.consumed("events", 2)); !slices.Equal(got, []string{"first", "second"}) {
			t.Errorf("a consumer sees %q", got)
		}
	})
}

// TestMetadataWithoutAnAnswer: the client is told who did not answer, and when.
func TestMetadataWithoutAnAnswer(t *testing.T) {
	bubble(t, behind{gateway: []gateway.Option{gateway.SyncTimeout(time.Second)}}, func(t *testing.T, d *door) {
		d.cluster.Inject(ekaftest.Fault{API: kmsg.Metadata, Lose: ekaftest.LoseAnswer, Times: -1})
		d.want(d.ask("POST /async/events", "x"), 200, `{"ok":1}`)
		time.Sleep(5 * time.Minute) // and the producer knows of a failure of its own
		for _, route := range []string{"GET /v1/topics", "GET /v1/topics/events"} {
			d.want(d.ask(route, ""), 503, `{"error":"Kafka did not answer within 1s"}`)
		}
	})
}

func TestAfterClose(t *testing.T) {
	d := open(t, behind{})
	if err := d.producer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, route := range append(slices.Clone(syncRoutes), "POST /async/events", "POST /batch/sync/events") {
		d.refused(d.ask(route, "x"), 503, "the producer is closed", "1", false)
	}
	if w := d.ask("GET /v1/topics", ""); w.Code != 503 {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
}

func TestBodyLimits(t *testing.T) {
	d := open(t, behind{gateway: []gateway.Option{gateway.MaxBody(30_000), gateway.BodyMemory(100_000)}})
	w := d.ask("POST /async/events", strings.Repeat("x", 30_001))
	d.want(w, 413, `{"error":"the body is larger than 30000 bytes"}`)
	if w.Header().Get("Connection") != "close" {
		t.Error("the rest of the body would be read")
	}
	r := request("POST /async/events", "")
	r.ContentLength, r.Body = -1, io.NopCloser(strings.NewReader(strings.Repeat("x", 40_000))) // chunked
	w = httptest.NewRecorder()
	d.ServeHTTP(w, r)
	d.want(w, 413, `{"error":"the body is larger than 30000 bytes"}`)
	d.want(d.ask("POST /sync/events", strings.Repeat("x", 30_000)), 200, `[{"ok":true,"partition":0,"offset":0}]`)

	// Bodies that are being read share one account.
	var readers []*io.PipeWriter
	done := make(chan int)
	for range 10 {
		body, in := io.Pipe()
		readers = append(readers, in)
		r := request("POST /async/events", "")
		r.ContentLength, r.Body = -1, body
		go func() {
			w := httptest.NewRecorder()
			d.ServeHTTP(w, r)
			_ = body.CloseWithError(errors.New("answered")) // what the server does with a body that was not read
			done <- w.Code
		}()
	}
	codes := map[int]int{}
	for _, in := range readers {
		go func() {
			if _, err := in.Write([]byte(strings.Repeat("x", 25_000))); err != nil {
				return // it was refused
			}
			time.Sleep(50 * time.Millisecond) // the others come meanwhile
			_ = in.Close()
		}()
	}
	for range readers {
		codes[<-done]++
	}
	if codes[503] == 0 || codes[200] == 0 || codes[200]+codes[503] != 10 {
		t.Errorf("answered %v", codes)
	}
	d.want(d.ask("POST /async/events", strings.Repeat("x", 25_000)), 200, `{"ok":1}`) // it is given back
}

func TestTooManyLines(t *testing.T) {
	d := open(t, behind{})
	d.want(d.ask("POST /v1/topics/events", strings.Repeat("x\n", 100_001), "Content-Type", "application/x-ndjson"), 413,
		`{"error":"a request has at most 100000 messages"}`)
	d.want(d.ask("POST /batch/async/events", "["+strings.Repeat("1,", 100_000)+"1]", "Content-Type", "application/json"), 413,
		`{"error":"a request has at most 100000 messages"}`)
	d.want(d.ask("POST /v1/topics/events", strings.Repeat("x\n", 10_000), "Content-Type", "application/x-ndjson"), 202, `{"accepted":10000}`)
	d.consumed("events", 10_000)
}

// TestHangUpWhileSending: a body that ends too early has produced nothing.
func TestHangUpWhileSending(t *testing.T) {
	d := open(t, behind{})
	s := httptest.NewServer(d)
	defer s.Close()
	for _, head := range []string{
		"POST /async/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf",
		"POST /v1/topics/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: 100\r\n\r\none\ntwo\n",
		"POST /batch/async/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
	} {
		conn, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, head); err != nil {
			t.Fatal(err)
		}
		_ = conn.(*net.TCPConn).CloseWrite()
		answer, err := io.ReadAll(conn)
		if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") || !strings.HasSuffix(string(answer), `{"error":"the body ended too early; nothing was produced"}`) {
			t.Errorf("answered %q (%v)", answer, err)
		}
		_ = conn.Close()
	}
	if messages, err := d.cluster.Consume("events"); err != nil || len(messages) > 0 {
		t.Errorf("a consumer sees %v (%v)", messages, err)
	}
}

// TestSlowBody: a client that does not go on sending is told so, and has produced nothing.
func TestSlowBody(t *testing.T) {
	d := open(t, behind{})
	s := httptest.NewUnstartedServer(d)
	s.Config.ReadTimeout = 50 * time.Millisecond
	s.Start()
	defer s.Close()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /async/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 408 ") || !strings.HasSuffix(string(answer), `{"error":"the body did not arrive in time; nothing was produced"}`) {
		t.Errorf("answered %q (%v)", answer, err)
	}
	if messages, err := d.cluster.Consume("events"); err != nil || len(messages) > 0 {
		t.Errorf("a consumer sees %v (%v)", messages, err)
	}
}

// TestHangUpWhileWaiting: of a request for one message nothing is produced if
// its client goes before it was sent; of several all are, as there is nobody left
// to tell which.
func TestHangUpWhileWaiting(t *testing.T) {
	bubble(t, behind{}, func(t *testing.T, d *door) {
		d.want(d.ask("POST /sync/events", "first"), 200, `[{"ok":true,"partition":0,"offset":0}]`)
		d.cluster.Stop()
		time.Sleep(time.Second) // so that nothing is written into a connection that is just ending
		gone := func(line, body string, header ...string) chan *httptest.ResponseRecorder {
			ctx, hangUp := context.WithCancel(t.Context())
			answered := make(chan *httptest.ResponseRecorder, 1)
			go func() {
				w := httptest.NewRecorder()
				d.ServeHTTP(w, request(line, body, header...).WithContext(ctx))
				answered <- w
			}()
			synctest.Wait()
			hangUp()
			return answered
		}
		one := gone("POST /sync/events", "one")
		several := gone("POST /v1/topics/events?ack=kafka", "two\nthree\n", "Content-Type", "application/x-ndjson")
		if w := <-one; w.Code != 503 {
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
		time.Sleep(time.Minute) // far beyond the deadline
		if err := d.cluster.Restart(); err != nil {
			t.Fatal(err)
		}
		if w := <-several; w.Code != 200 {
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
		if got := values(d.consumed("events", 3)); !slices.Equal(got, []string{"first", "two", "three"}) {
			t.Errorf("a consumer sees %q", got)
		}
	})
}
