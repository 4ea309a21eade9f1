package worker

import (
	"github.com/ekaf-go/ekaf/internal/batch"
)

// Reason says why the cluster is asked what became of a lane's batches.
type Reason uint8

// The reasons.
const (
	// DoubtGap: all unresolved batches answered OUT_OF_ORDER, in order.
	DoubtGap Reason = iota
	// DoubtOld: the records of an unresolved batch are so old that the broker may
	// have forgotten the id that keeps them from being appended again.
	DoubtOld
	// DoubtRefused: a batch was refused that an earlier attempt may have written.
	DoubtRefused
)

var reasonNames = [...]string{"out of order", "old records", "refused after an earlier attempt"}

func (r Reason) String() string { return reasonNames[r] }

// Question is what the host is to find out, about the batches numbered from
// First to Last of one id.
type Question struct {
	Reason Reason
	ID     ID
	First  int32
	Last   int32
	// AckedEnd is the offset behind the lane's last acked record, -1 if none.
	AckedEnd int64
	// From is where to begin to look: AckedEnd, or of a lane that was never acked
	// the end of the log noted before it sent anything, or 0.
	From int64
	// Gap is expected: a batch before these failed for good, or is in the log of a
	// topic that is no more.
	Gap bool

	refusals []refusal
	number   uint64 // tells the lane's questions apart
}

// refusal is what a broker said against one of the batches in question. It says
// nothing of the others: the records that it names are that batch's.
type refusal struct {
	batch  *batch.Batch
	answer Answer
	err    error
}

// refusal is the one of a batch, if it was refused.
func (q *Question) refusal(b *batch.Batch) (r refusal, refused bool) {
	for _, r := range q.refusals {
		if r.batch == b {
			return r, true
		}
	}
	return refusal{}, false
}

// Finding is the answer.
type Finding struct {
	// Since and Through are the first and the last sequence number found in the log,
	// if Found. Cut: something is missing in the log in front of the first, and Err
	// is for what may have lain there.
	Since, Through int32
	Found, Cut     bool
	// Alive: the leader still knows the id, so that a resend cannot double anything.
	Alive bool
	// Lost: the leader's last number lies below what the lane was acked before. Its
	// log ends at LogEnd.
	Lost   bool
	LogEnd int64
	// Undecidable: nobody can tell any more, for the reason in Err.
	Undecidable bool
	Err         error
}

// doubt stops the lane until the host has asked. It waits for what is in flight.
// What was in flight may bring more refusals, all of which have to be kept.
func (l *Lane) doubt(reason Reason, refusals ...refusal) {
	q := &Question{Reason: reason, refusals: refusals}
	if before := l.pendingDoubt; before != nil {
		q.refusals = append(before.refusals, refusals...)
	}
	l.pendingDoubt = q
}

// askDoubt is doubt for Take, which asks as soon as it has unlocked the lane.
func (l *Lane) askDoubt(reason Reason) { l.pendingDoubt = &Question{Reason: reason} }

// question is what to ask the host now: a doubt is raised, or all that was sent
// again answered OUT_OF_ORDER, or the lane can go on under a new chain only; and
// no attempt of the batches in question is under way any more, be it at a leader
// that the lane left: what is not in the log now might be there later.
func (l *Lane) question() *Question {
	if l.doubting || l.inFlight > 0 || !l.cfg.Idempotent {
		return nil
	}
	if l.pendingDoubt == nil {
		if !l.allOutOfOrder() && !l.barred() {
			return nil
		}
		l.pendingDoubt = &Question{Reason: DoubtGap}
	}
	q := l.pendingDoubt
	tried := l.tried()
	if len(tried) == 0 {
		l.pendingDoubt = nil
		return nil
	}
	for _, b := range tried {
		if b.Outstanding > 0 {
			return nil // its end asks again
		}
	}
	l.doubting = true
	l.questions++
	first, last := tried[0], tried[len(tried)-1]
	q.ID = ID{Producer: first.ProducerID, Epoch: first.Epoch}
	q.number = l.questions
	q.First, q.Last, q.AckedEnd = first.Sequence, lastSequence(last), l.ackedEnd
	q.Gap = l.chain.broken || l.chain.life != l.life
	q.From = max(l.ackedEnd, l.floor.offset, 0)
	return q
}

// barred: the batch that comes next needs a new chain, and that waits for one
// behind it which nobody decides.
func (l *Lane) barred() bool {
	return l.chain.broken && !l.rewind && l.next < l.queue.len() &&
		l.queue.at(l.next).State == batch.Sealed && l.undecided()
}

// tried lists the batches that a question is about: those of one id that were
// sent and have no outcome.
func (l *Lane) tried() (list []*batch.Batch) {
	id := int64(-1)
	for i := range l.queue.len() {
		b := l.queue.at(i)
		if b.State == batch.Unresolved {
			id = b.ProducerID
			break
		}
		if b.Ordinal > l.taken {
			break
		}
		if id < 0 && b.State == batch.Sealed && b.Attempts > 0 {
			id = b.ProducerID
		}
	}
	for i := range l.queue.len() {
		b := l.queue.at(i)
		if b.Ordinal > l.taken {
			break
		}
		if b.Attempts > 0 && b.ProducerID == id && (b.State == batch.Unresolved || b.State == batch.Sealed) {
			list = append(list, b)
		}
	}
	return list
}

// allOutOfOrder: every tried batch at the head answered OUT_OF_ORDER when sent
// again, and none of them is left that could explain it.
func (l *Lane) allOutOfOrder() bool {
	n := 0
	for i := range l.queue.len() {
		b := l.queue.at(i)
		if b.State == batch.Unresolved && b.OutOfOrder {
			n++
			continue
		}
		if b.State == batch.Failed || b.State == batch.Acked && b.Count() == 0 {
			continue // MassageBuffer left nothing of the latter; it was never sent
		}
		if b.State == batch.Unresolved || b.State == batch.InFlight || b.State == batch.Acked {
			return false
		}
		break
	}
	return n > 0
}

// Asks reports whether a question is open still, so that an answer to it is of use.
func (l *Lane) Asks(q Question) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asks(q)
}

func (l *Lane) asks(q Question) bool {
	return l.state != Stopped && l.doubting && l.pendingDoubt != nil && l.pendingDoubt.number == q.number
}

// Settle takes the host's finding about a question of this lane. One that is
// not open any more is passed over: asked of a topic that was deleted and created
// again meanwhile, its finding would decide batches that it is not about.
func (l *Lane) Settle(asked Question, f Finding) {
	l.mu.Lock()
	if !l.asks(asked) {
		l.mu.Unlock()
		return
	}
	q := l.pendingDoubt
	l.doubting, l.pendingDoubt = false, nil
	out := outcomes{lane: l}
	if f.Lost && (!q.Gap || q.AckedEnd > f.LogEnd) {
		out.event(EventDataLoss, 0, f.Err)
		l.lose(f.LogEnd)
	}
	for _, b := range l.tried() { // settling one may put others in its place
		l.settleOne(b, q, f, &out)
	}
	l.settle(&out)
	l.rewind = true
	l.turnBack(l.now())
	l.finish(&out)
}

// of reads the finding for one batch. Kafka takes batches in order, so that the last
// one found tells of all before it: those that are not there were compacted away.
// But a leader that knows nothing of a producer begins with whichever batch comes
// first. If nothing is missing in the log in front of that one, those before it were
// never there; and what was tried before the topic was deleted and created again
// may have been there or in the old log.
func (f *Finding) of(b *batch.Batch) (written, undecidable bool) {
	switch {
	case !f.Found || Behind(lastSequence(b), f.Through):
		return false, f.Undecidable
	case Behind(f.Since, b.Sequence) && (b.Survivor || !f.Cut):
		return false, f.Cut
	}
	return true, false
}

// settleOne decides one batch by the finding.
func (l *Lane) settleOne(b *batch.Batch, q *Question, f Finding, out *outcomes) {
	r, refused := q.refusal(b)
	written, undecidable := f.of(b)
	switch {
	case b.State == batch.Unresolved && written:
		b.Move(batch.Acked)
		b.Acked = l.result(b, -1, -1)
	case b.State == batch.Unresolved && undecidable && l.cfg.ResendUndecided && !refused:
		out.event(EventUndecidable, b.Count(), f.Err)
		b.Move(batch.Sealed)
		b.Undecided = true
		b.Chain, l.chain.broken = 0, true
	case b.State == batch.Unresolved && undecidable:
		out.event(EventUndecidable, b.Count(), f.Err)
		l.giveUp(b, l.failure(b, b.LastCode, true, f.Err), out)
	case b.State == batch.Unresolved && refused:
		// Not in the log, and refused: now it may be cut, or fails for good.
		b.Move(batch.Sealed)
		l.refused(b, r.answer, r.answer.ruling(), r.err, out)
	case q.Reason == DoubtOld && f.Alive:
		l.checked = true
	default:
		// Not in the log. Under its old number it may be out of order for ever.
		if b.State == batch.Unresolved {
			b.Move(batch.Sealed)
		}
		b.OutOfOrder = false
		b.Chain, l.chain.broken = 0, true
	}
}

// Behind compares sequence numbers, which wrap: whether a comes behind b.
func Behind(a, b int32) bool {
	return int32((uint32(a)-uint32(b))&0x7fffffff) != 0 && (uint32(a)-uint32(b))&0x7fffffff < 1<<30
}
