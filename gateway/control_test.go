package gateway_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/ekaf-go/ekaf/gateway"
)

// start serves a request that will wait.
func (d *door) start(line, body string, header ...string) chan *httptest.ResponseRecorder {
	answered := make(chan *httptest.ResponseRecorder, 1)
	go func() { answered <- d.ask(line, body, header...) }()
	synctest.Wait()
	return answered
}

const busy = `{"error":"too many requests at once: try again later"}`

// TestAdmission: under /safe/ so many run, so many queue, for so long; all others
// are told at once to come again. The plain routes are not concerned.
func TestAdmission(t *testing.T) {
	bubble(t, behind{gateway: []gateway.Option{gateway.Safe(2, 1, 300*time.Millisecond)}}, func(t *testing.T, d *door) {
		d.want(d.ask("POST /sync/events", "first"), 200, `[{"ok":true,"partition":0,"offset":0}]`)
		d.cluster.Stop()
		time.Sleep(time.Second)
		running := []chan *httptest.ResponseRecorder{d.start("POST /safe/sync/events", "a"), d.start("POST /safe/sync/events", "b")}
		queued := d.start("POST /safe/async/events", "c")
		before := time.Now()
		w := d.ask("POST /safe/async/events", "d")
		d.want(w, 503, busy)
		if w.Header().Get("Retry-After") != "1" || time.Since(before) != 0 {
			t.Errorf("headers %v after %v", w.Header(), time.Since(before))
		}
		d.want(<-queued, 503, busy)
		if waited := time.Since(before); waited != 300*time.Millisecond {
			t.Errorf("waited %v in the queue", waited)
		}
		queued = d.start("POST /safe/async/events", "e")
		d.want(d.ask("POST /async/events", "f"), 200, `{"ok":1}`)
		if err := d.cluster.Restart(); err != nil {
			t.Fatal(err)
		}
		for _, r := range running {
			if w := <-r; w.Code != 200 {
				t.Errorf("answered %d %s", w.Code, w.Body)
			}
		}
		<-queued // in time for its turn, or not
		d.want(d.ask("POST /safe/async/events", "g"), 200, `{"ok":1}`)
	})
}

func TestSyncWaitersAreBounded(t *testing.T) {
	bubble(t, behind{gateway: []gateway.Option{gateway.MaxWaiting(1)}}, func(t *testing.T, d *door) {
		d.cluster.Stop()
		waiting := d.start("POST /sync/events", "a")
		d.refused(d.ask("POST /v1/topics/events?ack=kafka", "b"), 503, "too many requests wait for Kafka", "1", false)
		d.refused(<-waiting, 503, "Kafka did not answer within 10s", "1", false)
	})
}

// TestIdempotencyKey: a repeated request is answered as the first was, and produced once.
func TestIdempotencyKey(t *testing.T) {
	d := open(t, behind{})
	for _, line := range []string{"POST /sync/events", "POST /v1/topics/events?ack=kafka&timestamp=7", "POST /async/events", "POST /batch/sync/events", "POST /v1/beacon/events", "GET /v1/beacon/events?a=1"} {
		first := d.ask(line, "x", "Idempotency-Key", "one")
		if first.Code/100 != 2 || first.Header().Get("Idempotent-Replayed") != "" {
			t.Fatalf("%s answered %d %s", line, first.Code, first.Body)
		}
		for range 3 {
			w := d.ask(line, "x", "Idempotency-Key", "one")
			d.want(w, first.Code, first.Body.String())
			again := w.Header()
			if again.Get("Idempotent-Replayed") != "true" || again.Get("Content-Type") != first.Header().Get("Content-Type") || again.Get("Cache-Control") != first.Header().Get("Cache-Control") {
				t.Errorf("headers %v", w.Header())
			}
		}
	}
	d.want(d.ask("POST /sync/events", "other", "Idempotency-Key", "one"), 422, `{"error":"this Idempotency-Key came before with another message: another body, Content-Type or X-Kafka- header"}`)
	d.want(d.ask("POST /sync/events", "x", "Idempotency-Key", ""), 422, `{"error":"Idempotency-Key is one text of 1 to 255 bytes"}`)
	d.want(d.ask("POST /sync/events", "x", "Idempotency-Key", "a", "Idempotency-Key", "b"), 422, `{"error":"Idempotency-Key is one text of 1 to 255 bytes"}`)
	d.want(d.ask("POST /sync/events", "x", "Idempotency-Key", strings.Repeat("k", 256)), 422, `{"error":"Idempotency-Key is one text of 1 to 255 bytes"}`)
	d.ask("POST /sync/events", "last")
	if got := values(d.consumed("events", 7)); len(got) != 7 {
		t.Errorf("a consumer sees %q", got)
	}
}

// TestIdempotencyAtOnce: repeats that come while the first is under way wait for its answer.
func TestIdempotencyAtOnce(t *testing.T) {
	d := open(t, behind{})
	d.cluster.Inject(ekaftest.Fault{Delay: 50 * time.Millisecond})
	var wg sync.WaitGroup
	answers := make([]string, 20)
	for i := range answers {
		wg.Go(func() { answers[i] = d.ask("POST /sync/events", "x", "Idempotency-Key", "k").Body.String() })
	}
	wg.Wait()
	if same := slices.Compact(answers); len(same) != 1 || same[0] != `[{"ok":true,"partition":0,"offset":0}]` {
		t.Errorf("answered %q", answers)
	}
	d.want(d.ask("POST /sync/events", "y"), 200, `[{"ok":true,"partition":0,"offset":1}]`)
}

// TestIdempotencyAfterFailure: what produced nothing may be tried again under the
// same key; what may have been written is not produced again.
func TestIdempotencyAfterFailure(t *testing.T) {
	bubble(t, behind{gateway: []gateway.Option{gateway.IdempotencyWindow(time.Hour, 100)}}, func(t *testing.T, d *door) {
		ask := func() *httptest.ResponseRecorder { return d.ask("POST /sync/events", "x", "Idempotency-Key", "k") }
		d.cluster.Stop()
		d.refused(ask(), 503, "Kafka did not answer within 10s", "1", false)
		if err := d.cluster.Restart(); err != nil {
			t.Fatal(err)
		}
		d.cluster.Inject(ekaftest.Fault{Lose: ekaftest.LoseAnswer, Times: 1})
		d.refused(ask(), 503, "Kafka did not answer within 10s", "1", true)
		time.Sleep(time.Minute)
		before := time.Now()
		d.refused(ask(), 503, "Kafka did not answer within 10s", "1", true)
		if time.Since(before) != 0 {
			t.Error("the answer was not the one remembered")
		}
		d.consumed("events", 1)
		time.Sleep(time.Hour) // the window is over
		d.want(ask(), 200, `[{"ok":true,"partition":0,"offset":1}]`)
	})
}

// TestIdempotencyIsOfTheMessage: what makes a message of a request belongs to it,
// and not what a try has of its own.
func TestIdempotencyIsOfTheMessage(t *testing.T) {
	upper := gateway.Rewrite(func(e *gateway.Event) error {
		copy(e.Message.Value, strings.ToUpper(string(e.Message.Value))) // in place
		return nil
	})
	d := open(t, behind{gateway: []gateway.Option{upper, gateway.TraceContext()}})
	const route = "POST /v1/topics/events?ack=kafka&timestamp=7"
	first := d.ask(route, "x", "Idempotency-Key", "k", "X-Kafka-Key", "a", "Content-Type", "text/plain", "Traceparent", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
	again := d.ask(route, "x", "Idempotency-Key", "k", "X-Kafka-Key", "a", "Content-Type", "text/plain; charset=utf-8")
	d.want(again, 200, first.Body.String())
	for _, other := range [][]string{
		{"X-Kafka-Key", "b", "Content-Type", "text/plain"},
		{"X-Kafka-Key", "a", "Content-Type", "text/plain", "X-Kafka-Partition", "77"},
		{"X-Kafka-Key", "a", "Content-Type", "text/plain", "X-Kafka-Header-Id", "1"},
		{"X-Kafka-Key", "a", "Content-Type", "application/x-ndjson"},
		{"Content-Type", "text/plain"},
	} {
		if w := d.ask(route, "x", append(other, "Idempotency-Key", "k")...); w.Code != 422 || !strings.Contains(w.Body.String(), "with another message") {
			t.Errorf("%v: answered %d %s", other, w.Code, w.Body)
		}
	}
	if got := values(d.consumed("events", 1)); !slices.Equal(got, []string{"X"}) {
		t.Errorf("a consumer sees %q", got)
	}
}

// TestIdempotencyOfRecords: a v3 request that has one answer, and none that streams.
func TestIdempotencyOfRecords(t *testing.T) {
	d := open(t, behind{})
	const route = "POST /v3/clusters/c/topics/events/records"
	ask := func(body, key string) *httptest.ResponseRecorder {
		return d.ask(route, body, "Content-Type", "application/json", "Idempotency-Key", key)
	}
	const records = `{"value":{"type":"STRING","data":"a"}} {"value":{"type":"AVRO","data":1}}{"value":{"type":"STRING","data":"b"}}`
	first := ask(records, "k")
	if first.Code != 200 || strings.Count(first.Body.String(), `"error_code":200`) != 2 || strings.Count(first.Body.String(), "\r\n") != 3 {
		t.Errorf("answered %d %s", first.Code, first.Body)
	}
	again := ask(records, "k")
	d.want(again, 200, first.Body.String())
	if again.Header().Get("Idempotent-Replayed") != "true" {
		t.Errorf("headers %v", again.Header())
	}
	bad := ask(`{"value":{"type":"AVRO","data":1}}`, "bad") // produced nothing: it may be tried again
	if w := ask(`{"value":{"type":"STRING","data":"c"}} x`, "bad"); bad.Code != 200 || !strings.Contains(w.Body.String(), `"error_code":200`) || !strings.Contains(w.Body.String(), "not JSON") {
		t.Errorf("answered %d %s, then %d %s", bad.Code, bad.Body, w.Code, w.Body)
	}
	if w := ask(" ", "empty"); w.Code != 422 {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	r := request(route, records, "Content-Type", "application/json", "Idempotency-Key", "of a stream")
	r.ContentLength = -1
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	if w.Code != 422 || !strings.Contains(w.Body.String(), `{"error_code":422,"message":"Idempotency-Key goes with a body of known length`) {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	if got := values(d.consumed("events", 3)); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("a consumer sees %q", got)
	}
}

// TestIdempotencyKeysAreBounded: beyond the number nothing is produced under
// another key, and those that are there stay for their window.
func TestIdempotencyKeysAreBounded(t *testing.T) {
	bubble(t, behind{gateway: []gateway.Option{gateway.IdempotencyWindow(time.Hour, 3)}}, func(t *testing.T, d *door) {
		ask := func(key string) *httptest.ResponseRecorder {
			return d.ask("POST /sync/events", "x", "Idempotency-Key", key)
		}
		for i := range 3 {
			d.want(ask(fmt.Sprint(i)), 200, fmt.Sprintf(`[{"ok":true,"partition":0,"offset":%d}]`, i))
		}
		d.refused(ask("3"), 503, "too many Idempotency-Keys", "3600", false)
		d.want(ask("0"), 200, `[{"ok":true,"partition":0,"offset":0}]`)
		if s := d.Stats(); s.Keys != 3 || s.MaxKeys != 3 || s.Full["keys"] != 1 {
			t.Errorf("%d keys of %d, %d turned away", s.Keys, s.MaxKeys, s.Full["keys"])
		}
		time.Sleep(time.Hour + time.Second)
		d.want(ask("3"), 200, `[{"ok":true,"partition":0,"offset":3}]`)
	})
}

// TestIdempotencyOff: without a window each request is a first one.
func TestIdempotencyOff(t *testing.T) {
	d := open(t, behind{gateway: []gateway.Option{gateway.IdempotencyWindow(0, 0)}})
	d.want(d.ask("POST /sync/events", "x", "Idempotency-Key", "0"), 200, `[{"ok":true,"partition":0,"offset":0}]`)
	d.want(d.ask("POST /sync/events", "x", "Idempotency-Key", "0"), 200, `[{"ok":true,"partition":0,"offset":1}]`)
}

// TestIdempotencyKeysAreOfOnePrincipal: another one's key is another key.
func TestIdempotencyKeysAreOfOnePrincipal(t *testing.T) {
	d := open(t, behind{gateway: []gateway.Option{gateway.Guard(func(a *gateway.Access) error {
		a.Principal = a.Request.Header.Get("Authorization")
		return nil
	})}})
	d.want(d.ask("POST /sync/events", "x", "Idempotency-Key", "k", "Authorization", "a"), 200, `[{"ok":true,"partition":0,"offset":0}]`)
	d.want(d.ask("POST /sync/events", "x", "Idempotency-Key", "k", "Authorization", "b"), 200, `[{"ok":true,"partition":0,"offset":1}]`)
	d.want(d.ask("POST /sync/events", "x", "Idempotency-Key", "k", "Authorization", "a"), 200, `[{"ok":true,"partition":0,"offset":0}]`)
}

// TestRewrite: the hook rewrites, rejects, and chooses topic, key and headers.
func TestRewrite(t *testing.T) {
	d := open(t, behind{gateway: []gateway.Option{gateway.Rewrite(func(e *gateway.Event) error {
		switch string(e.Message.Value) {
		case "teapot":
			return &gateway.StatusError{Status: 418, Message: "I am one"}
		case "bad":
			return errors.New("bad is not taken")
		case "away":
			e.Topic = "many"
			e.Message = e.Message.OnPartition(2)
			return nil
		}
		e.Message.Value = append([]byte(e.Topic+" "), e.Message.Value...)
		e.Message = e.Message.WithKey([]byte("k")).WithHeader("from", []byte(e.Request.URL.Path))
		e.Message.Callback = func(ekaf.Ack, error) { t.Error("the hook's callback was called") }
		return nil
	})}})
	d.want(d.ask("POST /sync/events", "a"), 200, `[{"ok":true,"partition":0,"offset":0}]`)
	d.want(d.ask("POST /sync/events", "away"), 200, `[{"ok":true,"partition":2,"offset":0}]`)
	d.want(d.ask("POST /sync/events", "teapot"), 418, `{"error":"I am one","maybe_written":false}`)
	d.want(d.ask("POST /async/events", "bad"), 422, `{"error":"bad is not taken","maybe_written":false}`)
	d.want(d.ask("POST /v1/topics/events?ack=kafka", "b\nbad\naway\nc\n", "Content-Type", "application/x-ndjson"), 422,
		`{"error":"1 of 4 messages failed, the first with: bad is not taken","acked":3,"lines":[{"line":1,"partition":0,"offset":1},{"line":2,"status":422,"error":"bad is not taken","maybe_written":false},{"line":3,"partition":2,"offset":1},{"line":4,"partition":0,"offset":2}]}`)
	messages := d.consumed("events", 3)
	if got := values(messages); !slices.Equal(got, []string{"events a", "events b", "events c"}) || string(messages[0].Key) != "k" || string(messages[0].Headers[0].Value) != "/sync/events" {
		t.Errorf("a consumer sees %+v", messages)
	}
	if w := d.ask("POST /batch/sync/events", `["x"]`, "Content-Type", "application/json"); w.Body.String() != `[{"ok":true,"partition":0,"worker":0,"buffered":1}]` {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
}

// TestRewriteToManyTopicsHasOneDeadline: Kafka is waited for once, whatever the
// number of topics that a hook chooses, and none of them waits for another.
func TestRewriteToManyTopicsHasOneDeadline(t *testing.T) {
	b := behind{
		producer: []ekaf.Option{ekaf.AutoCreateTopics(false)},
		gateway: []gateway.Option{gateway.SyncTimeout(time.Second), gateway.Rewrite(func(e *gateway.Event) error {
			if string(e.Message.Value) == "bad" {
				return errors.New("bad is not taken")
			}
			e.Topic = string(e.Message.Value)
			return nil
		})},
	}
	bubble(t, b, func(t *testing.T, d *door) {
		ask := func(query, body string) (*httptest.ResponseRecorder, time.Duration) {
			before := time.Now()
			w := d.ask("POST /v1/topics/events?ack=kafka"+query, body, "Content-Type", "application/x-ndjson")
			return w, time.Since(before)
		}
		w, _ := ask("", "many\nevents\nbad\nevents\n")
		d.want(w, 422, `{"error":"1 of 4 messages failed, the first with: bad is not taken","acked":3,"lines":[{"line":1,"partition":`+
			strings.SplitN(strings.SplitN(w.Body.String(), `"partition":`, 2)[1], ",", 2)[0]+
			`,"offset":0},{"line":2,"partition":0,"offset":0},{"line":3,"status":422,"error":"bad is not taken","maybe_written":false},{"line":4,"partition":0,"offset":1}]}`)
		w, _ = ask("", "nothing\nevents\n") // the first topic does not exist, which takes a while to tell
		if w.Code != 404 || !strings.Contains(w.Body.String(), `{"line":2,"partition":0,"offset":2}`) {
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
		d.cluster.Stop()
		time.Sleep(time.Second)
		var lines strings.Builder
		for i := range 100 {
			fmt.Fprintf(&lines, "topic%d\n", i)
		}
		for query, want := range map[string]time.Duration{"": time.Second, "&timeout=300ms": 300 * time.Millisecond} {
			w, took := ask(query, lines.String())
			if w.Code != 503 || took != want || strings.Count(w.Body.String(), `"status":503`) != 100 || strings.Contains(w.Body.String(), `"maybe_written":true`) {
				t.Errorf("%q: answered %d %.300s after %v, want %v", query, w.Code, w.Body, took, want)
			}
		}
		if n := d.Stats().Waiting; n != 0 {
			t.Errorf("%d wait", n)
		}
		if err := d.cluster.Restart(); err != nil {
			t.Fatal(err)
		}
	})
}
