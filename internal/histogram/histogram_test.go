package histogram

import (
	"math"
	"sync"
	"testing"
	"time"
)

func TestObserve(t *testing.T) {
	for _, c := range []struct {
		d      time.Duration
		bucket int
	}{
		{math.MinInt64, 0}, {-time.Second, 0}, {0, 0}, {50 * time.Microsecond, 0}, {50*time.Microsecond + 1, 1},
		{time.Millisecond, 4}, {30 * time.Minute, len(bounds) - 1}, {30*time.Minute + 1, len(bounds)}, {math.MaxInt64, len(bounds)},
	} {
		var h Histogram
		h.Observe(c.d, 1)
		counts, sum := h.Load()
		if counts[c.bucket] != 1 || sum != max(c.d, 0) {
			t.Errorf("%v is not in bucket %d: %v, sum %v", c.d, c.bucket, counts, sum)
		}
	}
}

func TestBoundsRise(t *testing.T) {
	for i := 1; i < len(bounds); i++ {
		if Bound(i) <= Bound(i-1) {
			t.Errorf("bound %d, %v, is not above %v", i, Bound(i), Bound(i-1))
		}
	}
}

func TestObserveTogether(t *testing.T) {
	const goroutines, each = 8, 1000
	var h Histogram
	var running sync.WaitGroup
	for range goroutines {
		running.Go(func() {
			for range each {
				h.Observe(3*time.Millisecond, 2)
			}
		})
	}
	running.Wait()
	counts, sum := h.Load()
	if n := int64(goroutines * each * 2); counts[6] != n || sum != time.Duration(n)*3*time.Millisecond {
		t.Errorf("%v, %v", counts, sum)
	}
}

func TestObserveAllocatesNothing(t *testing.T) {
	var h Histogram
	if n := testing.AllocsPerRun(100, func() { h.Observe(time.Second, 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	var h Histogram
	for b.Loop() {
		h.Observe(3*time.Millisecond, 1)
	}
}
