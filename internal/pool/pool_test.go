package pool

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Jobs begin in the order in which they came, never more at once than the limit.
func TestJobsBeginInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New()
		p.limit = 2
		var mu sync.Mutex
		var begun []int
		steps := make(chan struct{})
		var running, most atomic.Int32
		for i := range 6 {
			p.Run(func() {
				mu.Lock()
				begun = append(begun, i)
				mu.Unlock()
				most.Store(max(most.Load(), running.Add(1)))
				<-steps
				running.Add(-1)
			})
		}
		for n := range 6 {
			synctest.Wait()
			mu.Lock()
			slices.Sort(begun[max(0, len(begun)-2):]) // of two that begin at once either may be first
			if want := []int{0, 1, 2, 3, 4, 5}[:min(n+2, 6)]; !slices.Equal(begun, want) {
				t.Errorf("%d jobs done: begun %v, want %v", n, begun, want)
			}
			mu.Unlock()
			steps <- struct{}{}
		}
		p.Close()
		if n := most.Load(); n != 2 {
			t.Errorf("%d jobs at once, want the limit of 2", n)
		}
	})
}

// The goroutines end when there is nothing to do, and come back for more.
func TestIdlePoolHoldsNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := New()
		before := runtime.NumGoroutine()
		for range 3 {
			done := make(chan struct{})
			p.Run(func() { close(done) })
			<-done
			synctest.Wait()
			if n := runtime.NumGoroutine(); n != before {
				t.Errorf("%d goroutines when idle, %d before the first job", n, before)
			}
		}
	})
}

func TestCloseWaitsForTheJobsLeft(t *testing.T) {
	p := New()
	var done atomic.Int32
	for range 100 {
		p.Run(func() { runtime.Gosched(); done.Add(1) })
	}
	p.Close()
	if n := done.Load(); n != 100 {
		t.Errorf("%d of 100 jobs done", n)
	}
}
