package worker

import (
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// Attempt is a batch given to a connection.
type Attempt struct {
	Lane  *Lane
	Batch *batch.Batch
	term  uint64
	epoch int32  // leader epoch
	life  uint32 // of the topic
	// connection is the number of the connection that carries it.
	connection uint64
	// stamp says that the header is not written yet.
	stamp bool
	size  int
}

// Size is the batch's size on the wire.
func (a *Attempt) Size() int { return a.size }

// Stamp writes the batch's header with the identity that Take gave it. It is
// the sender's work, outside the lane's lock: a batch in flight is touched by nobody else.
//
// If the lane's leader moves meanwhile, the next Take of the batch waits until
// the header stands: its bytes are then read by two connections, and written by none.
func (a *Attempt) Stamp() {
	if !a.stamp {
		return
	}
	b, l := a.Batch, a.Lane
	b.WriteHeader()
	l.mu.Lock()
	b.Stamped = true
	if l.term == a.term {
		l.mu.Unlock()
		return
	}
	l.unlock()
}

// Take gives the next batch for a connection, if the lane may send one. idle
// says that the connection has nothing in flight, so that an open batch with an
// immediate message is worth sending as it is; left says which of the sender's
// queues the lane was taken out of, the idle one or the ready one; room is what the
// request still takes. again: the lane is to be put in the ready queue. blocked: a
// batch is there but larger than room; the next request has to ask this lane first.
func (l *Lane) Take(from Sender, connection uint64, idle, left bool, now time.Time, room int) (a Attempt, ok, again, blocked bool) {
	l.mu.Lock()
	if l.sender != from || l.state == Stopped {
		l.mu.Unlock() // the marks are those of another sender's queues
		return a, false, false, false
	}
	if left {
		l.marks.idle = false
	} else {
		l.marks.ready = false
	}
	if l.confirmed != connection || now.UnixMilli()-l.ackedAt > l.cfg.Lifetime().Milliseconds() {
		l.confirmed = 0
	}
	if l.askedOn != connection && l.inFlight == 0 && l.forgetAsked() {
		l.next = l.asked()
	}
	a, ok, blocked = l.take(connection, idle, now, room)
	switch {
	case blocked:
		again, l.marks.ready = !l.marks.ready, true
		l.mu.Unlock()
		return a, false, again, true
	case ok && !l.marks.ready && l.sendable(false):
		l.marks.ready, again = true, true
	}
	prepare, call := l.unprepared(), l.signal()
	needID, ask := l.wantsID(), l.question()
	note, needEnd := l.askFloor()
	l.mu.Unlock()
	for _, b := range prepare {
		l.host.PrepareBatch(l, b)
	}
	call.make(l)
	if needID {
		l.askID()
	}
	if ask != nil {
		l.host.Doubt(l, *ask)
	}
	if needEnd {
		l.host.LogEnd(l, note)
	}
	return a, ok, again, false
}

func (l *Lane) take(connection uint64, idle bool, now time.Time, room int) (a Attempt, ok, blocked bool) {
	if l.open != nil && l.next == l.queue.len() && l.open.Count() > 0 && l.dueOpen(idle) && l.mayClose() {
		l.close(now)
	}
	l.skipDone()
	if !l.sendableAt(now) {
		return a, false, false
	}
	if some, _ := l.queue.at(l.next).Withdrawn(); some {
		if l.rebuild(l.next); l.prepares() {
			return a, false, false // the pool has it next
		}
	}
	b := l.queue.at(l.next)
	size := b.WireSize()
	if size > room {
		return a, false, true
	}
	fresh := b.Chain != l.chain.number
	switch {
	case !l.cfg.Idempotent:
		b.ProducerID, b.Epoch, b.Sequence = -1, -1, -1
	case fresh:
		l.number(b)
	}
	stamp := fresh || b.Attempts == 0 || !b.Stamped
	if stamp {
		b.Stamped = false
	}
	b.Unsure = b.State == batch.Unresolved
	b.Survivor = b.Survivor && b.Unsure
	b.Move(batch.InFlight)
	b.Attempts++
	b.Outstanding++
	b.SentAt = now
	b.OutOfOrder = false
	l.inFlight++
	l.taken = max(l.taken, b.Ordinal)
	l.next++
	l.skipDone()
	l.stats.sent(b, now)
	return Attempt{Lane: l, Batch: b, term: l.term, epoch: l.epoch, life: l.life, connection: connection, stamp: stamp, size: size}, true, false
}

// dueOpen reports whether the open batch is to be sent although it is not full.
func (l *Lane) dueOpen(idle bool) bool {
	return l.flushing || (idle && l.open.Immediate) || l.Partition.limits.Bytes.Waiting()
}

// mayClose: a batch is closed by the sender only if it can then be sent, so that
// batches grow while the window is full.
func (l *Lane) mayClose() bool {
	window := l.window()
	return l.queue.len() < window && l.inFlight < window && !l.doubting && !l.rewind && !l.chainHeld()
}

// window is how many unresolved batches the lane may have now.
func (l *Lane) window() int {
	if l.cfg.Idempotent && l.confirmed != 0 {
		return Window
	}
	return 1
}

// sendable reports whether a Take could give something, now or when the
// back-off is over; open: an open batch with an immediate message counts.
func (l *Lane) sendable(open bool) bool {
	if l.doubting || l.rewind || l.pendingDoubt != nil {
		return false
	}
	if l.cfg.Idempotent && (l.chain.waiting && l.wantsChain() || l.floor.waiting) {
		return false
	}
	if !l.notBefore.IsZero() && time.Now().Before(l.notBefore) {
		return false
	}
	l.skipDone() // a batch behind one in flight may have failed meanwhile
	if l.next < l.queue.len() {
		b := l.queue.at(l.next)
		held := b.State != batch.Unresolved && l.chainHeld()
		return l.windowOpen() && !b.Compressing && !l.headerHeld(b) && l.maySend(b) && !held
	}
	if l.open == nil || l.open.Count() == 0 || !l.mayClose() {
		return false
	}
	return l.flushing || (open && l.open.Immediate) || l.Partition.limits.Bytes.Waiting()
}

func (l *Lane) windowOpen() bool {
	window := l.window()
	if l.inFlight >= window {
		return false
	}
	if window == 1 {
		// Alone, and in order: past those that answered OUT_OF_ORDER and wait
		// for the answer of a later one.
		return l.next == l.asked()
	}
	return l.next < window
}

// asked counts the batches at the head that need no sending for now: they
// answered OUT_OF_ORDER when sent again, or have their outcome.
func (l *Lane) asked() int {
	for i := range l.queue.len() {
		if b := l.queue.at(i); !done(b) && !(b.State == batch.Unresolved && b.OutOfOrder) {
			return i
		}
	}
	return l.queue.len()
}

// done: the batch has its outcome.
func done(b *batch.Batch) bool { return b.State == batch.Acked || b.State == batch.Failed }

// forgetAsked: what OUT_OF_ORDER answers said holds only on one connection to one
// leader, with no other error between them. A leader without state takes any
// number: its OK to a later batch would turn what another one said into "written".
func (l *Lane) forgetAsked() (forgot bool) {
	if l.askedOn == 0 {
		return false
	}
	l.askedOn = 0
	for i := range l.queue.len() {
		l.queue.at(i).OutOfOrder = false
	}
	return true
}

func (l *Lane) maySend(b *batch.Batch) bool {
	return b.Attempts > 0 || l.Partition.maySend(b.Generation)
}

// sendableAt is what Take checks before it gives the batch at next.
func (l *Lane) sendableAt(now time.Time) bool {
	if l.next >= l.queue.len() || l.doubting || l.rewind || !l.windowOpen() || now.Before(l.notBefore) {
		return false
	}
	b := l.queue.at(l.next)
	if b.Compressing || !l.maySend(b) || (l.prepares() && !b.Packed) || l.headerHeld(b) {
		return false
	}
	if !l.cfg.Idempotent {
		return true
	}
	if b.State == batch.Unresolved && b.Attempts > 0 && !l.checked && l.tooOld(b, now) {
		l.askDoubt(DoubtOld)
		return false
	}
	if b.State == batch.Unresolved {
		return true // under the identity that it has
	}
	if l.wantsFloor(b, now) {
		return false
	}
	return !l.wantsChain()
}

// headerHeld: the batch needs a header, but a connection may still be reading the
// one that it has, or not have written it yet. The end of that attempt wakes the lane.
func (l *Lane) headerHeld(b *batch.Batch) bool {
	if b.Outstanding == 0 {
		return false
	}
	return !b.Stamped || b.State == batch.Sealed && (l.wantsChain() || b.Chain != l.chain.number)
}

// tooOld: brokers count a producer id's life from the records' timestamps, so a
// batch of old records may be appended a second time (ENGINE_RULES 2).
func (l *Lane) tooOld(b *batch.Batch, now time.Time) bool {
	return now.UnixMilli()-b.MaxTime() > l.cfg.Lifetime().Milliseconds()
}

// wantsChain reports that the batch at next can only go under a new chain.
func (l *Lane) wantsChain() bool { return l.chain.number == 0 || l.chain.broken }

// chainHeld: a new chain is needed, and that waits for what is in flight, as when a
// caller took a message back that had its number. The answer wakes the lane; to say
// before it that there is something to take would have the sender ask in a loop.
func (l *Lane) chainHeld() bool { return l.cfg.Idempotent && l.inFlight > 0 && l.wantsChain() }

// wantsID reports that an id is to be asked for: a new chain is needed and no
// batch of the old one is undecided. The first one is asked for as soon as there
// is a leader, before there is a batch: else the sender would come to fetch that,
// have the lane ask, and go without it.
func (l *Lane) wantsID() bool {
	if !l.cfg.Idempotent || !l.wantsChain() || l.chain.waiting {
		return false
	}
	if first := l.chain.number == 0 && l.sender != nil && !l.chain.denied; !first && (l.next >= l.queue.len() || l.undecided()) {
		return false
	}
	l.chain.waiting = true
	return true
}

// undecided reports whether a batch was tried and has no outcome.
func (l *Lane) undecided() bool {
	for i := range l.queue.len() {
		if s := l.queue.at(i).State; s == batch.InFlight || s == batch.Unresolved {
			return true
		}
		if l.queue.at(i).Ordinal > l.taken {
			break // it was never tried, nor those behind it
		}
	}
	return false
}

// askID gets the id for the lane's new chain, now or when the host has one.
func (l *Lane) askID() {
	l.mu.Lock()
	fresh, sender := l.chain.number > 0, l.sender
	l.mu.Unlock()
	id, ok := l.host.NextID(l, fresh)
	if !ok {
		// Without an id there is nothing to take, so the sender would not connect, and
		// nobody find out that the leader is not there either.
		if sender != nil {
			sender.Warm()
		}
		return
	}
	l.mu.Lock()
	if l.chain.waiting {
		l.chain = chain{number: l.chain.number + 1, id: id, life: l.life}
		l.confirmed = 0
	}
	l.unlock()
}

// number gives a batch its place in the lane's chain.
func (l *Lane) number(b *batch.Batch) {
	b.Chain = l.chain.number
	b.ProducerID, b.Epoch = l.chain.id.Producer, l.chain.id.Epoch
	b.Sequence = l.chain.next
	l.chain.next = advance(l.chain.next, b.Count())
}

// advance adds to a sequence number, which wraps from 2^31-1 to 0.
func advance(sequence int32, n int) int32 {
	return int32((uint32(sequence) + uint32(n)) & 0x7fffffff)
}

// lastSequence is the number of a batch's last record.
func lastSequence(b *batch.Batch) int32 { return advance(b.Sequence, b.Count()-1) }

// skipDone passes batches that have their outcome but wait for earlier ones.
func (l *Lane) skipDone() {
	for l.next < l.queue.len() && done(l.queue.at(l.next)) {
		l.next++
	}
}

// Due is called at about the time asked for with Later: a linger or a back-off is over.
func (l *Lane) Due(now time.Time) {
	l.mu.Lock()
	if b := l.open; b != nil && b.Lingering && !now.Before(b.Opened.Add(l.cfg.Linger)) {
		l.flushing = true
	}
	l.unlock()
}

// Flush sends what the lane holds without waiting for its linger.
func (l *Lane) Flush() {
	l.mu.Lock()
	if l.open != nil && l.open.Count() > 0 {
		l.flushing = true
	}
	l.unlock()
}

// Wake looks again whether there is something to send: an id has come, older
// batches of another worker are done, or room is wanted.
func (l *Lane) Wake() {
	l.mu.Lock()
	l.chain.waiting = false
	want := l.wantsID()
	l.unlock()
	if want {
		l.askID()
	}
}
