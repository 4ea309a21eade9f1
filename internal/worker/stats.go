package worker

import (
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
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

type counters struct{ Stats }

func (c *counters) sent(b *batch.Batch, now time.Time) {
	if b.Attempts > 1 {
		return
	}
	c.Batches++
	c.Records += int64(b.Count())
	c.Bytes += int64(b.WireSize())
	c.QueueTime += now.Sub(b.Opened)
}

func (c *counters) answered(b *batch.Batch, took time.Duration, ok bool) {
	if ok {
		c.Answers++
		c.RoundTrip += took
	}
}

func (c *counters) settled(b *batch.Batch) {
	if b.State == batch.Acked {
		c.Acked += int64(b.Count())
	} else {
		c.Failed += int64(b.Count())
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
