package dashboard

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf"
)

func newBoard(t *testing.T, options ...Option) *Board {
	t.Helper()
	b, err := New(options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}

// watching is how many viewers there are.
func (b *Board) watching() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open
}

// told is what a viewer gets of an event.
type told struct {
	name string
	data struct {
		Seq     uint64
		Columns []string
		Rows    [][]any
		Row     []any
		Totals  totals
		Topics  topicList
		Kinds   []kind
		Recent  []happening
	}
}

// viewing reads the events of a stream that a server serves.
type viewing struct {
	t      *testing.T
	answer *http.Response
	lines  *bufio.Scanner
}

// visit opens the stream over a real connection.
func visit(t *testing.T, b *Board) *viewing {
	t.Helper()
	server := httptest.NewServer(b.stream())
	t.Cleanup(server.Close)
	return watchAt(t, server.URL)
}

func watchAt(t *testing.T, url string) *viewing {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = answer.Body.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 10<<20)
	return &viewing{t, answer, lines}
}

// next is the next event; its name is empty when the stream has ended.
func (v *viewing) next() (e told) {
	v.t.Helper()
	for v.lines.Scan() {
		field, value, _ := strings.Cut(v.lines.Text(), ": ")
		switch field {
		case "event":
			e.name = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e.data); err != nil {
				v.t.Fatal(err)
			}
		case "":
			if e.name != "" {
				return e
			}
		case "retry":
		default:
			v.t.Fatalf("not a line of an event: %q", v.lines.Text())
		}
	}
	return told{}
}

// TestAViewer is told all there is, and then what comes.
func TestAViewer(t *testing.T) {
	b := newBoard(t)
	for i := range 3 {
		b.take(noon.Add(time.Duration(i)*time.Second), many(2, 1, 1))
	}
	b.Observe(ekaf.Event{Kind: ekaf.EventWorkerUp, Time: noon, Topic: "topic-00001", Partition: 0, Broker: 0, Addr: "kafka:9092"})
	if b.frame != nil {
		t.Error("a frame was made although nobody watches")
	}
	v := visit(t, b)
	header := v.answer.Header
	if header.Get("Content-Type") != "text/event-stream" || header.Get("Cache-Control") != "no-store" || header.Get("Content-Security-Policy") == "" {
		t.Errorf("headers %v", header)
	}
	e := v.next()
	if e.name != "whole" || len(e.data.Rows) != 3 || len(e.data.Columns) != len(columns) || e.data.Topics.Total != 2 || len(e.data.Recent) != 1 || len(e.data.Kinds) != 10 {
		t.Errorf("%s: %+v", e.name, e.data)
	}
	b.take(noon.Add(3*time.Second), many(3, 1, 1))
	if e = v.next(); e.name != "frame" || e.data.Seq != 4 || len(e.data.Row) != len(columns) || e.data.Rows != nil || e.data.Topics.Total != 3 || len(e.data.Kinds) == 0 {
		t.Errorf("%s: %+v", e.name, e.data)
	}
	b.take(noon.Add(4*time.Second), many(3, 1, 1))
	if e = v.next(); e.name != "frame" || e.data.Kinds != nil || e.data.Recent != nil {
		t.Errorf("events are told again: %+v", e.data)
	}
	b.Observe(ekaf.Event{Kind: ekaf.EventWorkerDown, Time: noon, Topic: "topic-00001", Partition: 0, Broker: 0})
	b.take(noon.Add(5*time.Second), many(3, 1, 1))
	if e = v.next(); len(e.data.Recent) != 2 {
		t.Errorf("what happened is not told: %+v", e.data)
	}
}

// TestASlowViewer gets the whole again, and nothing was kept for it.
func TestASlowViewer(t *testing.T) {
	b := newBoard(t)
	b.take(noon, many(1, 1, 1))
	for range 2 {
		if !b.enter() {
			t.Fatal("a viewer is not let in")
		}
		defer b.leave()
	}
	var quick, slow viewer
	kinds := map[*viewer][]string{}
	look := func(v *viewer) {
		news, _ := b.next(v)
		name, _, _ := strings.Cut(strings.TrimPrefix(string(news), "event: "), "\n")
		kinds[v] = append(kinds[v], name)
	}
	look(&quick)
	look(&slow)
	for i := range 5 {
		b.take(noon.Add(time.Duration(i+1)*time.Second), many(1, 1, 1))
		look(&quick)
		look(&quick) // nothing more to tell
	}
	look(&slow)
	if got := strings.Join(kinds[&quick], " "); got != "whole frame  frame  frame  frame  frame " {
		t.Errorf("the quick one is told %q", got)
	}
	if got := strings.Join(kinds[&slow], " "); got != "whole whole" {
		t.Errorf("the slow one is told %q", got)
	}
}

// stuck is a client that reads nothing: a write waits for its deadline.
type stuck struct {
	header   http.Header
	deadline time.Time
}

func (s *stuck) Header() http.Header                 { return s.header }
func (s *stuck) WriteHeader(int)                     {}
func (s *stuck) FlushError() error                   { return nil }
func (s *stuck) SetWriteDeadline(at time.Time) error { s.deadline = at; return nil }
func (s *stuck) Write([]byte) (int, error) {
	time.Sleep(time.Until(s.deadline))
	return 0, http.ErrHandlerTimeout
}

// TestADeadViewer is let go, and holds up nobody.
func TestADeadViewer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := New()
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		gone := make(chan struct{})
		go func() {
			b.serveStream(&stuck{header: http.Header{}}, httptest.NewRequest("GET", "/", nil))
			close(gone)
		}()
		synctest.Wait()
		for i := range 5 {
			b.take(noon.Add(time.Duration(i)*time.Second), many(1, 1, 1)) // does not wait for it
		}
		if n := b.watching(); n != 1 {
			t.Fatalf("%d viewers", n)
		}
		began := time.Now()
		<-gone
		if passed := time.Since(began); passed > patience || b.watching() != 0 {
			t.Errorf("after %v there are %d viewers", passed, b.watching())
		}
	})
}

// TestTooManyViewers are answered with 503, until one goes.
func TestTooManyViewers(t *testing.T) {
	b := newBoard(t, Viewers(2))
	b.take(noon, many(1, 1, 1))
	server := httptest.NewServer(b.stream())
	t.Cleanup(server.Close)
	first, second := watchAt(t, server.URL), watchAt(t, server.URL)
	first.next()
	second.next()
	w := httptest.NewRecorder()
	b.serveStream(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), `{"error":"too many browsers`) {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	if err := second.answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	for { // until the server has noticed
		w := httptest.NewRecorder()
		r := httptest.NewRequest("HEAD", "/", nil)
		if b.serveStream(w, r); w.Code == 200 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if _, err := New(Viewers(0)); err == nil {
		t.Error("a board for nobody was made")
	}
}

// TestPagesOfOthers take no viewer's place.
func TestPagesOfOthers(t *testing.T) {
	b := newBoard(t)
	for site, want := range map[string]int{"": 200, "same-origin": 200, "none": 200, "same-site": 403, "cross-site": 403} {
		w, r := httptest.NewRecorder(), httptest.NewRequest("HEAD", "/", nil)
		r.Header.Set("Sec-Fetch-Site", site)
		if b.serveStream(w, r); w.Code != want {
			t.Errorf("%q is answered with %d, want %d", site, w.Code, want)
		}
	}
}

// TestDrain ends the streams, so that a server's Shutdown has nothing to wait for.
func TestDrain(t *testing.T) {
	b := newBoard(t)
	b.take(noon, many(1, 1, 1))
	server := httptest.NewServer(b.stream())
	defer server.Close()
	v := watchAt(t, server.URL)
	v.next()
	b.Drain()
	b.Drain()
	if e := v.next(); e.name != "bye" {
		t.Errorf("told %q", e.name)
	}
	if e := v.next(); e.name != "" {
		t.Errorf("the stream goes on with %q", e.name)
	}
	if err := server.Config.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	w := httptest.NewRecorder()
	b.serveStream(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 503 || !strings.Contains(w.Body.String(), "shutting down") {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
}

// counted is a producer that counts how often it is asked, and takes its time.
type counted struct {
	mu    sync.Mutex
	asked int
	takes time.Duration
}

func (c *counted) Stats() ekaf.Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked++
	time.Sleep(c.takes)
	return many(1, 1, 1)
}

// TestSamples: one a second; fewer of a producer whose snapshots take long; none
// after Close.
func TestSamples(t *testing.T) {
	for _, c := range []struct {
		takes time.Duration
		asked int // in a minute, the first at once
	}{{0, 61}, {100 * time.Millisecond, 29}, {time.Second, 6}} {
		synctest.Test(t, func(t *testing.T) {
			b, err := New()
			if err != nil {
				t.Fatal(err)
			}
			from := &counted{takes: c.takes}
			b.watch(from)
			b.watch(&counted{}) // does nothing
			time.Sleep(time.Minute)
			synctest.Wait()
			b.Close()
			asked := from.asked
			if asked != c.asked || b.seq != uint64(asked) {
				t.Errorf("a producer that takes %v was asked %d times, want %d", c.takes, asked, c.asked)
			}
			time.Sleep(time.Minute)
			b.watch(from)
			b.Close()
			if from.asked != asked {
				t.Error("it is asked after Close")
			}
		})
	}
}

// limited is a connection that the server ends reading from after some time.
type limited struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (l *limited) SetReadDeadline(at time.Time) error {
	l.until = at
	return nil
}

// TestAStreamIsNeverSilent for long, so that nothing in between takes it for idle.
func TestAStreamIsNeverSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, err := New()
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		ctx, cancel := context.WithCancel(t.Context())
		w := &limited{httptest.NewRecorder(), time.Now().Add(time.Minute)}
		gone := make(chan struct{})
		go func() {
			b.serveStream(w, httptest.NewRequest("GET", "/", nil).WithContext(ctx))
			close(gone)
		}()
		time.Sleep(3*beat + time.Second)
		cancel()
		<-gone
		if !w.until.IsZero() {
			t.Error("the server's limit for reading a request will end the stream")
		}
		if got := w.Body.String(); got != "retry: 2000\n\n"+strings.Repeat(": still here\n\n", 3) || !w.Flushed {
			t.Errorf("told %q", got)
		}
	})
}
