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
	news := l.noteEvents(broker, first, out.events)
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
	if news {
		l.tellEvents()
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

// noteEvents keeps events for tellEvents. The lock is held.
func (l *Lane) noteEvents(broker int32, lists ...[]Event) (some bool) {
	for _, list := range lists {
		for _, e := range list {
			e.Broker = broker
			l.untold = append(l.untold, e)
			some = true
		}
	}
	return some
}

// tellEvents tells the host of what was noted, in the order in which it happened. Two
// goroutines may have noted something at almost the same time, one that the lane is in
// downtime, the next that it connects again. If each told its own, the first might be
// held up between the unlock and the host, and come second. So whoever is first here
// tells what there is, of others too, until there is no more.
func (l *Lane) tellEvents() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reporting {
		return
	}
	l.reporting = true
	var told []Event
	for len(l.untold) > 0 {
		told, l.untold = l.untold, told[:0]
		l.mu.Unlock()
		for i := range told {
			l.host.Event(told[i])
		}
		clear(told)
		l.mu.Lock()
	}
	l.reporting = false
	if l.untold == nil || cap(told) > cap(l.untold) {
		l.untold = told[:0]
	}
}
