package ekaf

import (
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
	b.AddEntry(batch.Entry{Done: call, Count: 1})
	b.AddEntry(batch.Entry{Done: completion(func(Ack, error) { told++ }), First: 1, Count: 1})
	p.complete(b, batch.Result{}, true)
	<-p.callbacks.Quiet()
	if call.completed != 1 || told != 1 {
		t.Errorf("the call was completed %d times, the callback %d times", call.completed, told)
	}
}
