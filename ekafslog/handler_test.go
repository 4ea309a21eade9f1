package ekafslog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekafslog"
	"github.com/ekaf-go/ekaf/ekaftest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start is a cluster with the topic of the logs, and a handler attached to a producer.
func start(t *testing.T, opts []ekafslog.Option, more ...ekaf.Option) (*ekaftest.Cluster, *ekaf.Producer, *ekafslog.Handler) {
	t.Helper()
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("logs", 1))
	h := ekafslog.New("logs", opts...)
	p, err := ekaf.New(append([]ekaf.Option{
		ekaf.Brokers(c.Addrs()...), ekaf.Dialer(c.Dialer()), ekaf.Logger(slog.New(h)),
	}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = closeSoon(p) })
	if err := h.Attach(p); err != nil {
		t.Fatal(err)
	}
	return c, p, h
}

func closeSoon(p *ekaf.Producer) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return p.Close(ctx)
}

// logged is what a consumer finds, once the producer is closed.
func logged(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) (list []map[string]any) {
	t.Helper()
	if err := closeSoon(p); err != nil {
		t.Fatal(err)
	}
	seen, err := c.Consume("logs")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range seen {
		record := map[string]any{}
		if err := json.Unmarshal(m.Value, &record); err != nil {
			t.Fatalf("%q: %v", m.Value, err)
		}
		list = append(list, record)
	}
	return list
}

func TestSlogtest(t *testing.T) {
	var c *ekaftest.Cluster
	var p *ekaf.Producer
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		var h *ekafslog.Handler
		c, p, h = start(t, nil)
		return h
	}, func(t *testing.T) map[string]any {
		records := logged(t, c, p)
		if len(records) != 1 {
			t.Fatalf("%d records", len(records))
		}
		return records[0]
	})
}

// A producer that logs at debug level through the handler that it serves has
// something to say about each batch: none of that may become a message.
func TestTheProducersOwnLogDoesNotFeedItself(t *testing.T) {
	var own bytes.Buffer
	fallback := slog.NewTextHandler(&own, &slog.HandlerOptions{Level: slog.LevelDebug})
	opts := []ekafslog.Option{ekafslog.Level(slog.LevelDebug), ekafslog.Fallback(fallback)}
	c, p, h := start(t, opts)
	log := slog.New(h).With("app", "shop")
	for i := range 10 {
		log.Info("order", "n", i)
		if err := p.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	records := logged(t, c, p)
	if len(records) != 10 {
		t.Fatalf("%d messages for 10 records", len(records))
	}
	for i, r := range records {
		if r["msg"] != "order" || r["n"] != float64(i) || r["app"] != "shop" {
			t.Errorf("record %d: %v", i, r)
		}
	}
	if s := h.Stats(); s.Acked != 10 || s.Dropped != 0 || s.Failed != 0 || s.Own == 0 {
		t.Errorf("%+v", s)
	}
	if text := own.String(); !strings.Contains(text, "msg=flush") || strings.Contains(text, "order") {
		t.Errorf("the fallback got\n%s", text)
	}
}

// With the brokers away the buffer fills, and the rest is dropped, counted, and
// given to the fallback. The test's time is virtual: a call that waited would show.
func TestAFullBufferDropsAndNeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lost bytes.Buffer
		opts := []ekafslog.Option{ekafslog.Fallback(slog.NewTextHandler(&lost, nil))}
		c, p, h := start(t, opts, ekaf.BufferMessages(100))
		c.Stop()
		log := slog.New(h)
		before := time.Now()
		for i := range 500 {
			log.Info("line", "n", i)
		}
		if waited := time.Since(before); waited != 0 {
			t.Errorf("logging waited for %v", waited)
		}
		if s := h.Stats(); s.Dropped != 400 {
			t.Errorf("%+v", s)
		}
		if n := strings.Count(lost.String(), "msg=line"); n != 400 {
			t.Errorf("the fallback got %d records", n)
		}
		if err := c.Restart(); err != nil {
			t.Fatal(err)
		}
		if records := logged(t, c, p); len(records) != 100 {
			t.Errorf("%d records arrived", len(records))
		}
		if s := h.Stats(); s.Acked != 100 || s.Failed != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestFailuresAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p, h := start(t, nil, ekaf.DeliveryTimeout(time.Second))
		c.Stop()
		slog.New(h).Info("lost")
		time.Sleep(5 * time.Second)
		_ = closeSoon(p)
		if s := h.Stats(); s.Failed != 1 || s.Acked != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestAttach(t *testing.T) {
	h := ekafslog.New("logs")
	if err := h.Handle(t.Context(), slog.Record{}); !errors.Is(err, ekafslog.ErrNotAttached) {
		t.Error(err)
	}
	if s := h.Stats(); s.Dropped != 1 {
		t.Errorf("%+v", s)
	}
	p, err := ekaf.New(ekaf.Brokers("127.0.0.1:1"), ekaf.WhenFull(ekaf.Block), ekaf.Topic("fine", ekaf.WhenFullAsync(ekaf.DropNewest)))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = closeSoon(p) }()
	for topic, part := range map[string]string{"logs": "WhenFullAsync(Error)", "not valid": "not valid", "fine": ""} {
		err := ekafslog.New(topic).Attach(p)
		if (err == nil) != (part == "") || err != nil && !strings.Contains(err.Error(), part) {
			t.Errorf("%s: %v", topic, err)
		}
	}
}

// A request's context is over when its last line is logged.
func TestAContextThatIsOverLogsAllTheSame(t *testing.T) {
	c, p, h := start(t, nil)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	slog.New(h).InfoContext(over, "gone")
	if records := logged(t, c, p); len(records) != 1 {
		t.Errorf("%v", records)
	}
	if err := h.Handle(t.Context(), slog.NewRecord(time.Now(), slog.LevelInfo, "late", 0)); !errors.Is(err, ekaf.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestEncoder(t *testing.T) {
	text := func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, nil) }
	c, p, h := start(t, []ekafslog.Option{ekafslog.Encoder(text)})
	slog.New(h).WithGroup("g").Info("hello", "a", 1)
	if err := closeSoon(p); err != nil {
		t.Fatal(err)
	}
	seen, err := c.Consume("logs")
	if err != nil || len(seen) != 1 || !strings.HasSuffix(string(seen[0].Value), "msg=hello g.a=1") {
		t.Errorf("%v, %v", seen, err)
	}
}

// noisy logs while it is being logged.
type noisy struct{ log *slog.Logger }

func (n noisy) LogValue() slog.Value {
	n.log.Info("inner")
	return slog.StringValue("noisy")
}

func TestManyAtOnce(t *testing.T) {
	const goroutines, each = 8, 50
	c, p, h := start(t, nil)
	log := slog.New(h)
	var running sync.WaitGroup
	for g := range goroutines {
		running.Go(func() {
			for i := range each {
				log.Info("line", "id", fmt.Sprintf("%d-%d", g, i), "v", noisy{log})
			}
		})
	}
	running.Wait()
	seen, next := map[string]int{}, [goroutines]int{}
	for _, r := range logged(t, c, p) {
		id, _ := r["id"].(string)
		seen[id]++
		var g, i int
		if _, err := fmt.Sscanf(id, "%d-%d", &g, &i); err != nil {
			continue // an inner line
		}
		if i != next[g] {
			t.Errorf("%s comes where %d-%d should", id, g, next[g])
		}
		next[g] = i + 1
	}
	if seen[""] != goroutines*each || len(seen) != goroutines*each+1 {
		t.Errorf("%d inner lines, %d different", seen[""], len(seen))
	}
}

// pausing is an encoder that stands still, once, after it has written a line.
type pausing struct {
	slog.Handler
	line            string
	written, resume chan struct{}
}

func (e pausing) Handle(ctx context.Context, r slog.Record) error {
	err := e.Handler.Handle(ctx, r)
	if r.Message == e.line {
		close(e.written)
		<-e.resume
	}
	return err
}

func pauseAfter(line string) (e pausing, opt ekafslog.Option) {
	e = pausing{line: line, written: make(chan struct{}), resume: make(chan struct{})}
	return e, ekafslog.Encoder(func(w io.Writer) slog.Handler {
		e.Handler = slog.NewJSONHandler(w, nil)
		return e
	})
}

// One goroutine is suspended when its first record is written; another one logs,
// and is suspended while the first record is produced, if it is the one to do so.
// The first goroutine goes on to its second record.
func TestTheOrderOfAGoroutineIsKept(t *testing.T) {
	encoder, opt := pauseAfter("first")
	producing, release := make(chan struct{}), make(chan struct{})
	c, p, h := start(t, []ekafslog.Option{opt}, ekaf.Strategy(ekaf.Custom(func(_ string, _, line []byte, _ int) int {
		if bytes.Contains(line, []byte(`"first"`)) {
			close(producing)
			<-release
		}
		return 0
	})))
	if err := p.Prepare(t.Context(), "logs"); err != nil {
		t.Fatal(err)
	}
	log := slog.New(h)
	var running sync.WaitGroup
	running.Go(func() {
		log.Info("first")
		log.Info("second")
		select {
		case <-release:
		default:
			close(release)
		}
	})
	select {
	case <-producing: // by its own call: no other has it
		close(release)
		<-encoder.written
	case <-encoder.written:
		running.Go(func() { log.Info("other") })
		<-producing
	}
	close(encoder.resume)
	running.Wait()
	var lines []any
	for _, r := range logged(t, c, p) {
		if r["msg"] != "other" {
			lines = append(lines, r["msg"])
		}
	}
	if fmt.Sprint(lines) != "[first second]" {
		t.Errorf("%v", lines)
	}
}

// A record that is refused falls back itself, and not one logged at the same time.
func TestWhatIsRefusedFallsBack(t *testing.T) {
	encoder, opt := pauseAfter("large")
	var lost bytes.Buffer
	c, p, h := start(t, []ekafslog.Option{opt, ekafslog.Fallback(slog.NewTextHandler(&lost, nil))}, ekaf.BatchBytes(1000))
	log := slog.New(h)
	var running sync.WaitGroup
	running.Go(func() { log.Info("large", "text", strings.Repeat("x", 2000)) })
	<-encoder.written
	log.Info("small")
	close(encoder.resume)
	running.Wait()
	if records := logged(t, c, p); len(records) != 1 || records[0]["msg"] != "small" {
		t.Errorf("%v arrived", records)
	}
	if text := lost.String(); !strings.Contains(text, "msg=large") || strings.Contains(text, "msg=small") {
		t.Errorf("the fallback got %q", text)
	}
}
