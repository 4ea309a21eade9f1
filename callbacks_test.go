package ekaf

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/callback"
)

// reused is a call that serves another caller, with a callback, as soon as it
// was completed: what a pooled call may do.
type reused struct{ completed int }

func (r *reused) Complete(batch.Entry, *batch.Result) { r.completed++ }
func (r *reused) Inline() bool                        { return r.completed == 0 }

func TestACallIsCompletedOnceBesideCallbacks(t *testing.T) {
	p := &Producer{callbacks: callback.New(func(v any) { t.Errorf("panic: %v", v) })}
	call := &reused{}
	told := 0
	b := batch.New(time.Now())
	b.Note(call, 0, 0, 0)
	b.Note(completion(func(Ack, error) { told++ }), 1, batch.OwnPlace, 0)
	p.complete(b, true)
	<-p.callbacks.Quiet()
	if call.completed != 1 || told != 1 {
		t.Errorf("the call was completed %d times, the callback %d times", call.completed, told)
	}
}

// TestACallThatWasGivenUpIsStillAskedFor: its caller takes the answer out while a
// connection's reader, which has its batch's outcome only now, asks whether it is
// inline. Nothing orders the two, which the race detector sees.
func TestACallThatWasGivenUpIsStillAskedFor(t *testing.T) {
	p := &Producer{callbacks: callback.New(func(v any) { t.Errorf("panic: %v", v) })}
	topic := &topic{name: "t", producer: p}
	c := topic.newCall(1, nil)
	c.over = true
	c.acked.add(failedRun(0, ErrWithdrawn))
	b := batch.New(time.Now())
	b.Note(c, 0, 0, 0)
	var both sync.WaitGroup
	both.Go(func() { c.answer() })
	both.Go(func() { p.complete(b, true) })
	both.Wait()
}

// TestASharedCallbackIsToldOfEachMessage: messages with one and the same callback
// share an entry of the batch; each is told all the same, with its own offset,
// also after one whose callback panicked.
func TestASharedCallbackIsToldOfEachMessage(t *testing.T) {
	panics := 0
	p := &Producer{callbacks: callback.New(func(any) { panics++ })}
	topic := &topic{name: "t", producer: p}
	var offsets []int64
	shared := completion(func(ack Ack, err error) {
		offsets = append(offsets, ack.Offset)
		if len(offsets) == 2 {
			panic("the second")
		}
	})
	b := batch.New(time.Now())
	for at := range int32(4) {
		b.Note(shared, at, batch.OwnPlace, 0)
	}
	if n := len(b.Entries()); n != 1 {
		t.Errorf("%d entries", n)
	}
	b.Acked = batch.Result{Topic: topic, BaseOffset: 10}
	p.complete(b, true)
	<-p.callbacks.Quiet()
	if !slices.Equal(offsets, []int64{10, 11, 12, 13}) {
		t.Errorf("told of offsets %d", offsets)
	}
	if panics != 1 {
		t.Errorf("%d panics reported", panics)
	}
}
