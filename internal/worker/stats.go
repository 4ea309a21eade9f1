package worker

import (
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/histogram"
)

// Stats are a lane's counters since it was started, and what it holds now.
type Stats struct {
	Batches, Records, Bytes int64 // given to connections, retries not counted
	Acked                   int64 // records
	Failed                  int64 // records
	Retries                 int64 // batches
	Splits                  int64
	QueueTime               time.Duration // sum over batches, from the first record to the first attempt
	RoundTrip               time.Duration // sum over answers
	Answers                 int64
	// Now:
	Messages int
	Held     int64
	InFlight int
	State    State
}

// counters are a lane's, and the histograms of its topic, nil for none.
type counters struct {
	Stats
	latency *histogram.Latency
}

func (c *counters) sent(b *batch.Batch, now time.Time) {
	if b.Attempts > 1 {
		return
	}
	if c.latency != nil {
		c.latency.Linger.Observe(b.Closed.Sub(b.Opened), 1)
		c.latency.Queue.Observe(now.Sub(b.Closed), 1)
	}
	c.Batches++
	c.Records += int64(b.Count())
	c.Bytes += int64(b.WireSize())
	c.QueueTime += now.Sub(b.Opened)
}

func (c *counters) answered(took time.Duration) {
	c.Answers++
	c.RoundTrip += took
	if c.latency != nil {
		c.latency.RoundTrip.Observe(took, 1)
	}
}

// settled counts the outcomes that callers hear of.
func (c *counters) settled(b *batch.Batch, now time.Time) {
	n := int64(b.Outcomes())
	if b.State != batch.Acked {
		c.Failed += n
		return
	}
	c.Acked += n
	if c.latency != nil && n > 0 {
		c.latency.Delivery.Observe(now.Sub(b.Opened), n)
	}
}

// Stats is a snapshot.
func (l *Lane) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats.Stats
	s.Messages, s.Held = l.waiting()
	s.InFlight, s.State = l.inFlight, l.state
	return s
}
