package callback

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ekaf-go/ekaf/internal/batch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// told is what completions wrote down, on the queue's one goroutine.
type told struct{ list []string }

// callback is a completer that panics where its name says so.
type callback struct {
	to   *told
	name string
}

func (c *callback) Inline() bool { return false }
func (c *callback) Complete(e batch.Entry, r *batch.Result) {
	c.to.list = append(c.to.list, fmt.Sprintf("%s@%d", c.name, r.BaseOffset+int64(e.First)))
	if c.name == "bad" {
		panic("user code")
	}
}

// resolved is a batch with one callback per name, acked from an offset on.
func resolved(to *told, offset int64, names ...string) *batch.Batch {
	b := batch.New(time.Now())
	for i, name := range names {
		b.Note(&callback{to, name}, int32(i), batch.OwnPlace, 0)
	}
	b.Acked.BaseOffset = offset
	return b
}

func (to *told) expect(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(to.list, want) {
		t.Errorf("told %v, want %v", to.list, want)
	}
}

func TestBatchesInTheOrderOfTheirOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(func(v any) { t.Errorf("panic: %v", v) })
		to := &told{}
		hold := make(chan struct{})
		q.Call(func() { <-hold })
		synctest.Wait() // the goroutine is busy: what follows is queued behind
		q.Run(resolved(to, 0, "a", "b"), true)
		q.Run(resolved(to, 2, "c"), false)
		q.Run(resolved(to, 3, "d", "e"), true)
		close(hold)
		<-q.Quiet()
		to.expect(t, "a@0", "b@1", "c@2", "d@3", "e@4")
	})
}

// What is told without a batch, such as a refusal, keeps its place among the batches.
func TestFunctionsInTheirPlaceAmongBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(func(v any) { t.Errorf("panic: %v", v) })
		to := &told{}
		hold := make(chan struct{})
		q.Call(func() { <-hold })
		synctest.Wait()
		q.Call(func() { to.list = append(to.list, "first") })
		q.Run(resolved(to, 0, "a"), true)
		q.Call(func() { to.list = append(to.list, "second") })
		q.Run(resolved(to, 1, "b"), false)
		close(hold)
		<-q.Quiet()
		to.expect(t, "first", "a@0", "second", "b@1")
	})
}

// A panic ends one callback: neither its batch nor what is queued behind it.
func TestAPanicEndsOneCallback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var panics []any
		q := New(func(v any) { panics = append(panics, v) })
		to := &told{}
		q.Run(resolved(to, 0, "a", "bad", "bad", "b"), true)
		q.Call(func() { panic("function") })
		q.Call(func() { to.list = append(to.list, "function") })
		<-q.Quiet()
		q.Run(resolved(to, 4, "c"), true)
		<-q.Quiet()
		to.expect(t, "a@0", "bad@1", "bad@2", "b@3", "function", "c@4")
		if want := []any{"user code", "user code", "function"}; !slices.Equal(panics, want) {
			t.Errorf("panics %v, want %v", panics, want)
		}
	})
}

// What was completed inline is taken out, and is not told a second time.
func TestCompletedInlineIsPassedOver(t *testing.T) {
	q := New(func(v any) { t.Errorf("panic: %v", v) })
	to := &told{}
	b := resolved(to, 0, "a", "b", "c")
	b.Entries()[1].Done = nil
	q.Run(b, true)
	<-q.Quiet()
	to.expect(t, "a@0", "c@2")
}

// The goroutine ends when nothing is queued; Quiet is open exactly meanwhile.
func TestIdleQueueHoldsNoGoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New(func(v any) { t.Errorf("panic: %v", v) })
		<-q.Quiet()
		before := runtime.NumGoroutine()
		for range 3 {
			hold := make(chan struct{})
			q.Call(func() { <-hold })
			synctest.Wait()
			select {
			case <-q.Quiet():
				t.Error("quiet while a callback runs")
			default:
			}
			close(hold)
			<-q.Quiet()
			synctest.Wait()
			if n := runtime.NumGoroutine(); n != before {
				t.Errorf("%d goroutines when idle, %d before the first callback", n, before)
			}
		}
	})
}
