package worker

import (
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// outcomes collects, under a lane's lock, what is to be said to the host once
// it is unlocked.
type outcomes struct {
	lane    *Lane
	now     time.Time    // zero: to be read if it is needed
	first   *batch.Batch // batches with an outcome, linked by Next
	last    *batch.Batch
	done    int
	events  []Event
	refresh bool
	ask     *Question
}

func (o *outcomes) retry(b *batch.Batch, err error) {
	o.lane.stats.Retries++
	o.events = append(o.events, Event{Kind: EventRetry, Lane: o.lane, Messages: b.Count(), Err: err})
}

func (o *outcomes) dropped(b *batch.Batch, err error) {
	o.events = append(o.events, Event{Kind: EventDropped, Lane: o.lane, Messages: b.Live(), Err: err})
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
	if out.done > 0 && out.now.IsZero() {
		out.now = l.now()
	}
	for b := out.first; b != nil; b = b.Next {
		l.stats.settled(b, out.now)
	}
	l.telling.Add(int32(out.done))
	l.unlock()
	for b := out.first; b != nil; {
		next := b.Next
		b.Next = nil
		if l.Partition.count(b.Generation, -1) {
			l.Partition.wake()
		}
		l.host.Resolved(l, b, b.Free)
		l.telling.Add(-1)
		b = next
	}
	if out.done > 0 {
		l.host.Told(l)
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

// resolve notes a batch that left the queue.
func (o *outcomes) resolve(b *batch.Batch) {
	b.Left, b.Free = true, b.Outstanding == 0
	if o.last == nil {
		o.first = b
	} else {
		o.last.Next = b
	}
	o.last = b
	o.done++
}
