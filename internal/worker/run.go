package worker

import "github.com/ekaf-go/ekaf/internal/batch"

// Run puts messages of one call, with one completer, one after another: what is
// the same for all of them is looked up once, and they get one completion. It
// takes what fits the open batch as it is; the rest is Lane.Put's.
//
// It is begun in place, as it is written field by field: a copy of it right then
// would wait until the processor has put all of that into the cache.
type Run struct {
	lane  *Lane
	done  batch.Completer // nil: nobody hears of them
	batch *batch.Batch    // nil: nothing fits as it is
	delta int32           // timestamp less the batch's base

	// The messages put since the last completion was noted.
	first, arg, count int32
}

// Begin begins a run on a lane. Between the lane's Begin and Commit, and without
// another Put before End.
func (r *Run) Begin(l *Lane, done batch.Completer) {
	r.lane, r.done, r.count = l, done, 0
	r.batch, r.delta = l.fitting()
}

// fitting is the open batch and the distance of the present from its base, where
// a plain message needs nothing but room in its last chunk; else nil.
func (l *Lane) fitting() (b *batch.Batch, delta int32) {
	b = l.open
	if b == nil || l.Partition.limits.Messages != nil || l.cfg.BatchRecords > 0 {
		return nil, 0
	}
	// Never below the base: the clock of every few milliseconds may lag behind the
	// one that was read when the batch opened.
	base := b.BaseTime()
	since := max(l.host.Clock(), base) - base
	if delta = int32(since); since != int64(delta) {
		return nil, 0
	}
	return b, delta
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
