package worker

import (
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// outcomes collects, under a lane's lock, what is to be said to the host once
// it is unlocked.
type outcomes struct {
	lane    *Lane
	now     time.Time // zero: to be read if it is needed
	done    []resolved
	events  []Event
	refresh bool
	ask     *Question
}

func (o *outcomes) retry(b *batch.Batch, err error) {
	o.lane.stats.Retries++
	o.events = append(o.events, Event{Kind: EventRetry, Lane: o.lane, Messages: b.Count(), Err: err})
}

func (o *outcomes) dropped(b *batch.Batch, err error) {
	o.events = append(o.events, Event{Kind: EventDropped, Lane: o.lane, Messages: b.Count(), Err: err})
}

func (o *outcomes) event(kind EventKind, messages int, err error) {
	o.events = append(o.events, Event{Kind: kind, Lane: o.lane, Messages: messages, Err: err})
}

// finish unlocks the lane and says all that was collected.
func (l *Lane) finish(out *outcomes, first ...Event) {
	broker := int32(-1)
	if l.sender != nil {
		broker = l.sender.Broker()
	}
	later, sender := l.notBefore, l.sender
	// Also with an empty queue: what comes during the back-off wakes nobody.
	waits := !later.IsZero() && l.inFlight == 0 && !l.doubting
	want := l.wantsID()
	out.ask = l.question()
	if len(out.done) > 0 && out.now.IsZero() {
		out.now = l.now()
	}
	for _, d := range out.done {
		l.stats.settled(d.batch, out.now)
	}
	l.telling.Add(int32(len(out.done)))
	l.unlock()
	for _, d := range out.done {
		l.Partition.count(d.batch.Generation, -1)
		l.host.Resolved(l, d.batch, d.batch.Acked, d.free)
		l.telling.Add(-1)
	}
	for _, e := range append(first, out.events...) {
		e.Broker = broker
		l.host.Event(e)
	}
	if out.refresh {
		l.host.Refresh()
	}
	if waits && sender != nil {
		sender.Later(l, later)
	}
	if want {
		l.askID()
	}
	if out.ask != nil {
		l.host.Doubt(l, *out.ask)
	}
}

// resolved is a batch that left the queue. free: no attempt of it is left, so
// its bytes may be recycled; otherwise a connection that the lane left may still
// be reading them.
type resolved struct {
	batch *batch.Batch
	free  bool
}

func (o *outcomes) resolve(b *batch.Batch) {
	b.Left = true
	o.done = append(o.done, resolved{b, b.Outstanding == 0})
}
