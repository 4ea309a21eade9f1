package ekaf

import (
	"time"

	"github.com/ekaf-go/ekaf/internal/histogram"
)

// LatencyBuckets is the number of buckets of a Histogram.
const LatencyBuckets = histogram.Buckets

// LatencyBounds are the inclusive upper bounds of a Histogram's buckets, in
// order; the last bucket, of all that took longer, has none.
func LatencyBounds() []time.Duration {
	list := make([]time.Duration, LatencyBuckets-1)
	for i := range list {
		list[i] = histogram.Bound(i)
	}
	return list
}

// Histogram counts durations by how long they were. It is a value, and does not change.
type Histogram struct {
	// Counts are those of the buckets, each by itself.
	Counts [LatencyBuckets]int64
	// Sum is that of all durations.
	Sum time.Duration
}

// Count is the number of durations counted.
func (h Histogram) Count() (n int64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// Mean is the mean duration, 0 for none.
func (h Histogram) Mean() time.Duration {
	if n := h.Count(); n > 0 {
		return h.Sum / time.Duration(n)
	}
	return 0
}

// Quantile estimates the duration below which a share q, from 0 to 1, of the
// durations lies, taking those of a bucket as spread evenly over it; 0 for none.
// Beyond the last bound it answers that bound.
func (h Histogram) Quantile(q float64) time.Duration {
	total := h.Count()
	if total == 0 {
		return 0
	}
	rank := min(max(q, 0), 1) * float64(total)
	below := int64(0)
	for i, n := range h.Counts {
		if n == 0 || float64(below+n) < rank {
			below += n
			continue
		}
		if i == LatencyBuckets-1 {
			break
		}
		low := time.Duration(0)
		if i > 0 {
			low = histogram.Bound(i - 1)
		}
		within := (rank - float64(below)) / float64(n)
		return low + time.Duration(within*float64(histogram.Bound(i)-low))
	}
	return histogram.Bound(LatencyBuckets - 2)
}

// Since is what was counted after an earlier snapshot of the same histogram.
func (h Histogram) Since(earlier Histogram) Histogram {
	for i := range h.Counts {
		h.Counts[i] -= earlier.Counts[i]
	}
	h.Sum -= earlier.Sum
	return h
}

// Plus is what two histograms count together.
func (h Histogram) Plus(o Histogram) Histogram {
	for i := range h.Counts {
		h.Counts[i] += o.Counts[i]
	}
	h.Sum += o.Sum
	return h
}

// Latency says where the time of batches goes. Time is taken once for a batch,
// at its first message, which waits longest: each histogram is an upper bound for
// the others of the batch.
type Latency struct {
	// Linger is from a batch's first message to its closing: how long it was
	// open for more. It counts batches.
	Linger Histogram
	// Queue is from a batch's closing to its first attempt: massage, compression,
	// earlier batches, a connection. It counts batches.
	Queue Histogram
	// RoundTrip is from an attempt to its answer, where that is no error. It counts attempts.
	RoundTrip Histogram
	// Delivery is from a batch's first message to its ack, with all attempts. It
	// counts acked messages.
	Delivery Histogram
}

// Plus is what two count together.
func (l Latency) Plus(o Latency) Latency {
	return Latency{
		Linger: l.Linger.Plus(o.Linger), Queue: l.Queue.Plus(o.Queue),
		RoundTrip: l.RoundTrip.Plus(o.RoundTrip), Delivery: l.Delivery.Plus(o.Delivery),
	}
}

func latencyOf(from *histogram.Latency) (l Latency) {
	l.Linger.Counts, l.Linger.Sum = from.Linger.Load()
	l.Queue.Counts, l.Queue.Sum = from.Queue.Load()
	l.RoundTrip.Counts, l.RoundTrip.Sum = from.RoundTrip.Load()
	l.Delivery.Counts, l.Delivery.Sum = from.Delivery.Load()
	return l
}
