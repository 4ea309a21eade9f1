package load

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/ekaf-go/ekaf"
)

const (
	longestLatency = time.Hour // what takes longer counts as an hour
	latencyDigits  = 3
)

// tally counts outcomes and keeps their latencies.
type tally struct {
	reason func(error) string
	handed atomic.Int64 // messages

	mu       sync.Mutex // guards the following
	began    time.Time
	calls    time.Duration // until the last call returned
	acked    int64
	failed   int64
	errors   map[string]int64
	latency  *hdrhistogram.Histogram // microseconds, but for the recent ones
	recent   *hdrhistogram.Histogram // the same, since the live view last had new figures
	drawn    time.Time
	drawnAck int64
	shown    string
}

func newTally(reason func(error) string) *tally {
	return &tally{reason: reason, errors: map[string]int64{}, latency: newLatency(), recent: newLatency()}
}

func newLatency() *hdrhistogram.Histogram {
	return hdrhistogram.New(1, longestLatency.Microseconds(), latencyDigits)
}

func (t *tally) start(began time.Time) {
	t.mu.Lock()
	t.began, t.drawn = began, began
	t.mu.Unlock()
}

func (t *tally) returned(took time.Duration) {
	t.mu.Lock()
	t.calls = took
	t.mu.Unlock()
}

// open is the number of messages that were handed over and have no outcome.
func (t *tally) open() int64 { return t.handed.Load() - t.acked - t.failed }

// refused counts messages that were handed over and not accepted.
func (t *tally) refused(err error, n int) {
	t.mu.Lock()
	t.fail(err, n)
	t.mu.Unlock()
}

// settled counts the outcomes of a call that was handed over.
func (t *tally) settled(took time.Duration, acked ekaf.Acked, err error) {
	t.mu.Lock()
	t.count(took, acked, err)
	t.mu.Unlock()
}

func (t *tally) settledOne(took time.Duration, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.fail(err, 1)
		return
	}
	t.ack(took, 1)
}

// outcome counts a call that waited for its acks. A call that was refused as a
// whole names no message.
func (t *tally) outcome(took time.Duration, acked ekaf.Acked, err error, n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if acked.Len() == 0 && err != nil {
		t.fail(err, n)
		return
	}
	t.count(took, acked, err)
}

func (t *tally) count(took time.Duration, acked ekaf.Acked, err error) {
	if err == nil {
		t.ack(took, acked.Len())
		return
	}
	for _, ack := range acked.All() {
		if ack.Err != nil {
			t.fail(ack.Err, 1)
		} else {
			t.ack(took, 1)
		}
	}
}

func (t *tally) ack(took time.Duration, n int) {
	t.acked += int64(n)
	us := min(max(took, time.Microsecond), longestLatency).Microseconds()
	// A value within its bounds is always taken.
	_ = t.recent.RecordValues(us, int64(n))
}

func (t *tally) fail(err error, n int) {
	t.failed += int64(n)
	t.errors[t.reason(err)] += int64(n)
}

// merge moves the recent latencies to the others.
func (t *tally) merge() {
	t.latency.Merge(t.recent)
	t.recent.Reset()
}

// liveEvery is how often Live has new figures.
const liveEvery = time.Second

// Live says how many messages are acked so far, and in words what happened in
// the last second. It may be called while Do runs.
func (d *Run) Live() (acked int64, text string) { return d.tally.live() }

func (t *tally) live() (int64, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if since := time.Since(t.drawn); since >= liveEvery && !t.drawn.IsZero() {
		t.shown = fmt.Sprintf("%.0f/s", float64(t.acked-t.drawnAck)/since.Seconds())
		if t.recent.TotalCount() > 0 {
			t.shown += fmt.Sprintf(", p50 %v, p99 %v, max %v", micros(t.recent.ValueAtQuantile(50)),
				micros(t.recent.ValueAtQuantile(99)), micros(t.recent.Max()))
		}
		t.merge()
		t.drawn, t.drawnAck = time.Now(), t.acked
	}
	text := fmt.Sprintf("in flight %d", t.open())
	if t.shown != "" {
		text += ", " + t.shown
	}
	if t.failed > 0 {
		text += fmt.Sprintf(", failed %d", t.failed)
	}
	return t.acked, text
}

func micros(us int64) time.Duration { return time.Duration(us) * time.Microsecond }
