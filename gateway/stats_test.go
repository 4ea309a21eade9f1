package gateway_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/gateway"
)

// counted are the answers by route, method and status.
func (d *door) counted() map[string]int64 {
	out := map[string]int64{}
	for _, r := range d.Stats().Routes {
		var all int64
		for status, n := range r.Statuses {
			out[fmt.Sprintf("%s %s %d", r.Method, r.Route, status)] += n
			all += n
		}
		if n := r.Duration.Count(); n != all {
			d.t.Errorf("%s %s: %d durations of %d answers", r.Method, r.Route, n, all)
		}
	}
	return out
}

// TestStatsCountsAnswers: by the pattern of the route, whatever the path, and with
// a bound on what clients may invent.
func TestStatsCountsAnswers(t *testing.T) {
	mounted := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("how") {
		case "status":
			w.WriteHeader(http.StatusTeapot)
		case "flush":
			w.(http.Flusher).Flush()
		case "write":
			_, _ = io.WriteString(w, "x")
		case "hint":
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusAccepted)
		}
	})
	d := open(t, behind{gateway: []gateway.Option{gateway.Mount("/mounted", "a page", mounted)}})
	for _, line := range []string{
		"POST /async/events", "POST /async/many", "GET /async/events", "POST /nothing/here", "GET /nothing/there", "POST /sync/events",
		"BREW /sync/events", "SMOKE /sync/events", "HEAD /healthz", "OPTIONS /healthz", "DELETE /healthz", "POST /v1/topics/events?ack=durable",
		"GET /mounted", "GET /mounted?how=status", "GET /mounted?how=flush", "GET /mounted?how=write", "GET /mounted?how=hint",
		"POST /v3/clusters/any/topics/events/records",
	} {
		d.ask(line, `{"value":{"type":"JSON","data":1}}`, "Content-Type", "application/json")
	}
	want := map[string]int64{
		"POST /async/{topic} 200": 2, "GET /async/{topic} 400": 1, "POST none 404": 1, "GET none 404": 1, "POST /sync/{topic} 200": 1,
		"other /sync/{topic} 400": 2, "HEAD /healthz 200": 1, "OPTIONS /healthz 204": 1, "DELETE /healthz 405": 1, "POST /v1/topics/{topic} 501": 1,
		"GET /mounted 200": 3, "GET /mounted 418": 1, "GET /mounted 202": 1,
		"POST /v3/clusters/{cluster}/topics/{topic}/records 200": 1,
	}
	got := d.counted()
	for what, n := range want {
		if got[what] != n {
			t.Errorf("%s: %d, want %d", what, got[what], n)
		}
	}
	if len(got) != len(want) || d.Stats().InFlight != 0 {
		t.Errorf("counted %v, %d in flight", got, d.Stats().InFlight)
	}
}

// TestStatsCountsPanics: a hook that panics leaves nothing in flight.
func TestStatsCountsPanics(t *testing.T) {
	d := open(t, behind{gateway: []gateway.Option{gateway.Rewrite(func(*gateway.Event) error { panic("a hook") })}})
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		d.ask("POST /async/events", "x")
	}()
	if got := d.counted(); got["POST /async/{topic} 0"] != 1 || d.Stats().InFlight != 0 {
		t.Errorf("counted %v, %d in flight", got, d.Stats().InFlight)
	}
}

// TestStatsShowsWhatIsUnderWay: what runs, waits and is held, while a hook holds
// requests up, and which limits turned others away.
func TestStatsShowsWhatIsUnderWay(t *testing.T) {
	reached, goOn := make(chan struct{}), make(chan struct{})
	d := open(t, behind{gateway: []gateway.Option{
		gateway.Safe(1, 1, time.Hour), gateway.MaxWaiting(1), gateway.MaxPendingTopics(1), gateway.Streams(1, time.Hour, time.Hour),
		gateway.IdempotencyWindow(time.Hour, 1),
		gateway.MaxBody(1 << 20), gateway.BodyMemory(1 << 20),
		gateway.Rewrite(func(e *gateway.Event) error {
			if e.Request.Header.Get("X-Hold") != "" {
				reached <- struct{}{}
				<-goOn
			}
			return nil
		}),
	}})
	d.want(d.ask("POST /sync/events", "known from here on"), 200, `[{"ok":true,"partition":0,"offset":0}]`)
	answers := make(chan *httptest.ResponseRecorder)
	hold := func(line, body string) {
		go func() { answers <- d.ask(line, body, "X-Hold", "1", "Content-Type", "text/plain") }()
	}
	hold("POST /safe/sync/events", "first") // runs, and waits for Kafka
	<-reached
	hold("POST /safe/async/events", "queued")
	for d.Stats().SafeQueued == 0 {
		time.Sleep(time.Millisecond)
	}
	hold("POST /async/events", strings.Repeat("x", 300<<10))
	<-reached
	r := request("POST /v3/clusters/any/topics/events/records", "", "Content-Type", "application/json")
	body, feed := io.Pipe()
	r.Body, r.ContentLength = body, -1
	streamed := make(chan struct{})
	go func() {
		defer close(streamed)
		d.ServeHTTP(httptest.NewRecorder(), r)
	}()
	for d.Stats().Streams == 0 {
		time.Sleep(time.Millisecond)
	}

	d.ask("POST /safe/async/events", "x")
	d.ask("POST /sync/events", "x")
	d.ask("POST /async/events", strings.Repeat("x", 900<<10))
	d.ask("POST /v3/clusters/any/topics/events/records", `{}`, "Content-Type", "application/json")
	for _, name := range []string{"none", "nobody", "nothing"} {
		d.ask("POST /async/"+name, "x")
	}
	for _, key := range []string{"one", "too many"} {
		d.ask("POST /async/events", "x", "Idempotency-Key", key)
	}
	s := d.Stats()
	if s.InFlight != 4 || s.Waiting != 1 || s.SafeRunning != 1 || s.SafeQueued != 1 || s.Streams != 1 || s.PendingTopics != 1 || s.BodyBytes < 200<<10 {
		t.Errorf("under way: %+v", s)
	}
	if s.MaxWaiting != 1 || s.MaxStreams != 1 || s.MaxPendingTopics != 1 || s.BodyLimit != 1<<20 || s.Draining {
		t.Errorf("limits: %+v", s)
	}
	for _, name := range gateway.Limits() {
		if n, ok := s.Full[name]; !ok || n == 0 || name != "topics" && n != 1 {
			t.Errorf("%s turned %d away", name, n)
		}
	}
	close(goOn)
	<-reached // the one that was queued
	for range 3 {
		if w := <-answers; w.Code != 200 {
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
	}
	if err := feed.CloseWithError(errors.New("the client went away")); err != nil {
		t.Error(err)
	}
	<-streamed
	d.Drain()
	s = d.Stats()
	if s.InFlight != 0 || s.Waiting != 0 || s.SafeRunning != 0 || s.SafeQueued != 0 || s.Streams != 0 || s.BodyBytes != 0 || !s.Draining {
		t.Errorf("at the end: %+v", s)
	}
	if !slices.Contains(gateway.Limits(), "safe") || len(s.Full) != len(gateway.Limits()) {
		t.Errorf("limits %v of %v", s.Full, gateway.Limits())
	}
}

// TestStatsCountsReplays: an answer given again is one of its own.
func TestStatsCountsReplays(t *testing.T) {
	d := open(t, behind{})
	for range 3 {
		d.ask("POST /sync/events", "x", "Idempotency-Key", "k")
	}
	if n := d.Stats().Replayed; n != 2 || d.counted()["POST /sync/{topic} 200"] != 3 {
		t.Errorf("%d replayed of %v", n, d.counted())
	}
}
