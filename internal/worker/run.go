package worker

import "github.com/ekaf-go/ekaf/internal/batch"

// Run puts messages of one call, with one completer, one after another: what is
// the same for all of them is looked up once, and they get one completion. It
// takes what fits the open batch as it is; the rest is Lane.Put's.
type Run struct {
	lane  *Lane
	done  batch.Completer // nil: nobody hears of them
	batch *batch.Batch    // nil: nothing fits as it is
	delta int32           // timestamp less the batch's base

	// The messages put since the last completion was noted.
	first, arg, count int32
}

// Run begins a run. Between Begin and Commit, and without another Put before End.
func (l *Lane) Run(done batch.Completer) Run {
	r := Run{lane: l, done: done}
	b := l.open
	if b == nil || l.Partition.limits.Messages != nil || l.cfg.BatchRecords > 0 {
		return r
	}
	// Never below the base: see append.
	delta := max(l.host.Clock(), b.BaseTime()) - b.BaseTime()
	if r.delta = int32(delta); delta == int64(r.delta) {
		r.batch = b
	}
	return r
}

// Put takes a message without headers or timestamp. Not ok: it is not taken, and
// the run must end.
func (r *Run) Put(key, value []byte, arg int32) (ok bool) {
	if r.batch == nil {
		return false
	}
	at, ok := r.batch.AppendPlain(key, value, r.delta, r.lane.cfg.BatchBytes)
	if !ok {
		return false
	}
	if r.count > 0 && r.done != nil && arg != r.arg+r.count {
		r.End()
	}
	if r.count == 0 {
		r.first, r.arg = at, arg
	}
	r.count++
	return true
}

// End notes the completion of what was put.
func (r *Run) End() {
	if r.count > 0 && r.done != nil {
		r.lane.note(r.batch, r.done, r.first, r.count, r.arg, r.delta)
	}
	r.count = 0
}
