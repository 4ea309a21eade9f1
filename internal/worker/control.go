package worker

import (
	"errors"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/machine"
)

// ErrStopped is the failure of batches whose partition or producer has gone.
var ErrStopped = errors.New("the worker was stopped")

func (l *Lane) now() time.Time { return time.Now() }

// follow takes the partition's leader for the lane's. Attempts at another leader
// do not count any more: the same bytes, under the same numbers, go to the new
// one, which knows what it has.
//
// Which of two leaders is the newer one is decided where the metadata are merged,
// and nowhere else: a leader epoch may go back (a topic that was deleted and
// created again, a cluster restored from an older state), and before Kafka 2.1
// there is none. So whoever has the lane's turn looks what the partition says by
// then. Without turns: a lane is started, reads leader 0 and is descheduled; the
// leader moves to 1, and the lane is told; it goes on, and takes 0 for ever.
func (l *Lane) follow() {
	l.following.Lock()
	defer l.following.Unlock()
	leader, epoch := l.Partition.led()
	sender := Sender(nil)
	if leader >= 0 {
		sender = l.host.SenderFor(l, leader)
	}
	l.mu.Lock()
	if l.state == Stopped {
		l.mu.Unlock()
		if sender != nil {
			sender.Detach(l) // StopWith came before it was attached
		}
		return
	}
	if sender == l.sender && epoch == l.epoch {
		l.mu.Unlock()
		return
	}
	l.epoch = epoch
	l.confirmed = 0
	var events []Event
	old := l.sender
	if sender != old {
		l.sender = sender
		l.marks = marks{}
		l.abandon()
		l.notBefore = time.Time{}
		next := Connecting
		if sender == nil {
			next = Downtime
		}
		events = l.setState(next, events)
	}
	if l.forgetAsked() {
		l.rewind = true
	}
	out := outcomes{lane: l, events: events}
	l.turnBack(l.now())
	linger := l.lingers()
	l.finish(&out)
	if old != nil && old != sender {
		old.Detach(l)
	}
	if sender != nil && !linger.IsZero() {
		sender.Later(l, linger)
	}
}

// lingers is when the open batch is due, to be announced to a new sender.
func (l *Lane) lingers() time.Time {
	if l.open == nil || !l.open.Lingering || l.open.Count() == 0 {
		return time.Time{}
	}
	return l.open.Opened.Add(l.cfg.Linger)
}

// abandon begins a new term: batches in flight are unresolved, and the answers
// to their attempts come too late.
func (l *Lane) abandon() {
	l.term++
	l.inFlight = 0
	for i := range l.queue.len() {
		if b := l.queue.at(i); b.State == batch.InFlight {
			b.Move(batch.Unresolved)
		}
	}
	l.rewind = true
}

// setState moves the lane's machine, and notes the event.
func (l *Lane) setState(to State, events []Event) []Event {
	from := l.state
	if from == to {
		return events
	}
	if !Machine.CanMove(from, to) {
		machine.Illegal("a worker of "+l.cfg.Topic, from, to)
		return events
	}
	l.state = to
	return append(events, Event{Kind: EventState, Lane: l, From: from, To: to})
}

// Connected says that the connection to the lane's leader stands, or does not.
func (l *Lane) Connected(from Sender, up bool) {
	l.mu.Lock()
	if l.sender != from || l.state == Stopped {
		l.mu.Unlock()
		return
	}
	out := outcomes{lane: l}
	if up {
		out.events = l.setState(Ready, out.events)
		l.notBefore = time.Time{}
	} else {
		l.confirmed = 0
		out.events = l.setState(Downtime, out.events)
	}
	l.finish(&out)
}

// State is the worker's state.
func (l *Lane) State() State {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}

// StopWith ends the lane: what it holds fails with err.
func (l *Lane) StopWith(err error) {
	l.mu.Lock()
	if l.state == Stopped {
		l.mu.Unlock()
		return
	}
	l.close(l.now())
	l.term++
	l.inFlight = 0
	out := outcomes{lane: l}
	for l.queue.len() > 0 {
		b := l.queue.pop()
		if b.State == batch.InFlight {
			b.Move(batch.Unresolved)
		}
		if b.State != batch.Acked && b.State != batch.Failed {
			b.Acked = l.failure(b, 0, b.State == batch.Unresolved, err)
			b.Move(batch.Failed)
			out.dropped(b, err)
		}
		out.resolve(b)
	}
	l.next = 0
	out.events = l.setState(Stopped, out.events)
	old := l.sender
	l.sender = nil
	l.finish(&out)
	if old != nil {
		old.Detach(l)
	}
}

// Waiting is what the lane holds without an outcome: messages, and bytes charged.
func (l *Lane) Waiting() (messages int, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.waiting()
}

func (l *Lane) waiting() (messages int, bytes int64) {
	count := func(b *batch.Batch) {
		held, _ := b.Charged()
		messages, bytes = messages+b.Live(), bytes+held
	}
	for i := range l.queue.len() {
		count(l.queue.at(i))
	}
	if l.open != nil {
		count(l.open)
	}
	return messages, bytes
}

// Reborn brings the lane into a topic that was deleted and created again.
//
// Batches may be in the new log already: a request of before Produce v13 names the
// topic and not its id. The topic is created again; a batch that is on its way
// goes into the new log; only then do the metadata tell of another id. So what has
// no outcome keeps its numbers, by which the new leader knows it again. It takes
// any number of a producer that it does not know, as all of them are at first.
// Answers under way count: what they ack was written, be it to the old log.
func (l *Lane) Reborn() {
	l.mu.Lock()
	l.life++
	l.confirmed, l.checked, l.ackedEnd = 0, false, -1
	l.pendingDoubt, l.doubting = nil, false
	l.forgetFloor()
	l.forgetAsked()
	survivors := false
	for i := range l.queue.len() {
		b := l.queue.at(i)
		switch b.State {
		case batch.InFlight, batch.Unresolved:
			b.Survivor, survivors = true, true
		case batch.Acked:
			b.Acked.BaseOffset = -1 // in a log that is no more
		}
	}
	// Else there is nothing in the new log, and numbers that begin at 0 suit every broker.
	l.chain.broken = l.chain.broken || l.chain.number > 0 && !survivors
	l.rewind = true
	out := outcomes{lane: l}
	l.turnBack(l.now())
	l.finish(&out)
}

// FailWaiting fails what was never sent, or plainly refused: the lane cannot get what it needs to send.
// The bytes of a batch that the pool has are freed when it is done (Prepare).
func (l *Lane) FailWaiting(code int16, err error) {
	l.mu.Lock()
	l.close(l.now())
	l.chain.waiting, l.chain.denied = false, true
	out := outcomes{lane: l}
	for i := 0; i < l.queue.len(); {
		b := l.queue.at(i)
		if b.State != batch.Sealed {
			i++
			continue
		}
		l.queue.remove(i)
		if i < l.next {
			l.next--
		}
		l.leaveGap(b)
		b.Acked = l.failure(b, code, false, err)
		b.Move(batch.Failed)
		out.dropped(b, err)
		out.resolve(b)
	}
	l.leave(&out)
}

// Mark closes the open batch, as Flush does, and answers the ordinal of the last
// batch that is there; Passed reports whether all up to it have their outcome.
func (l *Lane) Mark() (ordinal uint64) {
	l.mu.Lock()
	l.close(l.now())
	ordinal = l.ordinal
	l.unlock()
	return ordinal
}

// Passed: see Mark.
func (l *Lane) Passed(ordinal uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	// The last batch may have left the queue while its callers are still being told.
	return l.telling.Load() == 0 && (l.queue.len() == 0 || l.queue.at(0).Ordinal > ordinal)
}
