// Package histogram owns counts of durations in fixed buckets.
//
//	a batch is sent ──► Latency.Linger, Latency.Queue ─┐
//	it is answered  ──► Latency.RoundTrip             ─┼──► buckets ──► Load ──► ekaf.Stats
//	it is acked     ──► Latency.Delivery              ─┘   (atomic)
//
// It is used once for a batch, never for a message.
package histogram

import (
	"sync/atomic"
	"time"
)

// Buckets is the number of buckets: one for each bound, and one for what is above all.
const Buckets = len(bounds) + 1

// bounds are the inclusive upper bounds of the buckets: 1-2-5 from what a
// loopback takes to what an outage takes. A series of this kind bounds the error
// of a quantile, read from the buckets, by half of its value.
var bounds = [...]time.Duration{
	50 * time.Microsecond, 100 * time.Microsecond, 200 * time.Microsecond, 500 * time.Microsecond,
	1 * time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond,
	10 * time.Millisecond, 20 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	1 * time.Second, 2 * time.Second, 5 * time.Second,
	10 * time.Second, 30 * time.Second, 60 * time.Second,
	5 * time.Minute, 30 * time.Minute,
}

// Bound is the inclusive upper bound of a bucket, from 0; the last bucket has none.
func Bound(bucket int) time.Duration { return bounds[bucket] }

// Histogram counts durations. The zero value is empty; all methods may be called
// from any goroutine, and none waits.
type Histogram struct {
	counts [Buckets]atomic.Int64
	sum    atomic.Int64 // nanoseconds
}

// Observe counts a duration n times. A negative one, of a clock that was set
// back, counts as none at all.
func (h *Histogram) Observe(d time.Duration, n int64) {
	d = max(d, 0)
	low, high := 0, len(bounds)
	for low < high {
		middle := (low + high) / 2
		if d <= bounds[middle] {
			high = middle
		} else {
			low = middle + 1
		}
	}
	h.counts[low].Add(n)
	h.sum.Add(int64(d) * n)
}

// Load reads the counts, bucket by bucket: what is observed meanwhile may be in
// some of them, and not yet in the sum.
func (h *Histogram) Load() (counts [Buckets]int64, sum time.Duration) {
	for i := range h.counts {
		counts[i] = h.counts[i].Load()
	}
	return counts, time.Duration(h.sum.Load())
}

// Latency is where the time of a topic's batches goes.
type Latency struct {
	Linger    Histogram // from a batch's first message to its closing
	Queue     Histogram // from its closing to its first attempt
	RoundTrip Histogram // from an attempt to its answer without an error
	Delivery  Histogram // from a batch's first message to its ack, once for each message
}
