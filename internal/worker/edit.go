package worker

import (
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// halve puts two batches in the place of one that is too large. They keep its
// numbers, since those were never taken.
func (l *Lane) halve(b *batch.Batch) {
	middle := int32(b.Count() / 2)
	low := b.Extract(func(i int32) bool { return i < middle })
	high := b.Extract(func(i int32) bool { return i >= middle })
	for _, half := range []*batch.Batch{low, high} {
		l.adopt(half, b)
	}
	low.Sequence = b.Sequence
	high.Sequence = advance(b.Sequence, int(middle))
	l.swap(b, low, high)
}

// adopt makes a batch out of another's records ready for the queue.
func (l *Lane) adopt(made, from *batch.Batch) {
	made.Ordinal = from.Ordinal
	made.Chain, made.ProducerID, made.Epoch = from.Chain, from.ProducerID, from.Epoch
	made.Undecided = from.Undecided
	made.Move(batch.Sealed)
	l.chargeMade(made)
	l.unpacked++
	l.Partition.count(made.Generation, 1)
}

// swap puts batches in the place of one that is in the queue, and frees it.
func (l *Lane) swap(b *batch.Batch, made ...*batch.Batch) {
	l.queue.set(l.queue.place(b), made...)
	l.discard(b)
}

// dropBad fails the records that the broker named and keeps the others, which
// need a new chain: the numbers of the failed ones are never used again. If the
// broker named none, the batch is halved until one record is left to blame.
func (l *Lane) dropBad(b *batch.Batch, a Answer, err error, out *outcomes) {
	bad := map[int32]string{}
	for _, r := range a.Bad {
		if r.Index >= 0 && int(r.Index) < b.Count() {
			bad[r.Index] = r.Message
		}
	}
	if len(bad) == 0 && b.Count() > 1 {
		l.halve(b)
		l.stats.Splits++
		return
	}
	if len(bad) == 0 || len(bad) == b.Count() {
		l.giveUp(b, l.failure(b, a.Code, false, badError(a, bad, err)), out)
		return
	}
	failed := b.Extract(func(i int32) bool { _, is := bad[i]; return is })
	rest := b.Extract(func(i int32) bool { _, is := bad[i]; return !is })
	l.adopt(failed, b)
	l.adopt(rest, b)
	l.swap(b, failed, rest)
	l.giveUp(failed, l.failure(failed, a.Code, false, badError(a, bad, err)), out)
	rest.Chain, l.chain.broken = 0, true
}

// badError is the error with what the broker said about the first bad record.
func badError(a Answer, bad map[int32]string, err error) error {
	for _, message := range bad {
		if message != "" {
			return codeError(a.Code, message)
		}
	}
	return err
}

// leaveGap notes that a batch leaves the lane without being sent. It may have its
// numbers already (a half of one that was too large): what follows in the chain
// would wait for them.
func (l *Lane) leaveGap(b *batch.Batch) {
	if b.Chain != 0 && b.Chain == l.chain.number {
		l.chain.broken = true
	}
}

// Withdrawal says what became of the messages of a call that is over.
type Withdrawal struct {
	Withdrawn []int32 // indexes in their call: never sent, and never will be
	OnTheWire int     // may be written
}

// Withdraw takes back the messages of a completer that were never on the wire.
// For the others it is forgotten: their batch goes on, and the caller is told
// that they may be written. So it is of a message that MassageBuffer made others
// of: what they hold is not this caller's alone.
func (l *Lane) Withdraw(done batch.Completer) (w Withdrawal) {
	l.mu.Lock()
	if b := l.open; b != nil {
		w.Withdrawn = b.WithdrawAll(done)
		l.creditWithdrawn(b, len(w.Withdrawn))
	}
	first, last, through := l.queue.index.Span(done, l.queue.len(), l.queue.at)
	l.withdrawBetween(first, last, done, &w)
	l.withdrawBetween(through+1, l.ordinal, done, &w)
	out := outcomes{lane: l}
	if l.settle(&out); out.done == 0 {
		l.unlock() // and no more: in an outage thousands give up within a back-off
		return w
	}
	l.finish(&out)
	return w
}

// withdrawBetween is Withdraw for the closed batches of some ordinals.
func (l *Lane) withdrawBetween(first, last uint64, done batch.Completer, w *Withdrawal) {
	for i := l.queue.search(first); i < l.queue.len() && l.queue.at(i).Ordinal <= last; i++ {
		b := l.queue.at(i)
		if !l.withdraws(b) {
			w.OnTheWire += b.Forget(done)
			continue
		}
		taken := b.WithdrawAll(done)
		if len(taken) == 0 {
			continue
		}
		w.Withdrawn = append(w.Withdrawn, taken...)
		l.leaveGap(b)
		l.creditPlaces(b, len(taken))
		// The pool reads the bytes of one that it has, and knows of no mark: what is
		// to be done with it waits until the pool is done with it (Prepare).
		if !b.Compressing && l.trim(i) {
			i--
		}
	}
}

// leave ends a change that batches left the queue by. Behind them may lie some that
// have their outcome and waited for them, as those that MassageBuffer left nothing of.
func (l *Lane) leave(out *outcomes) {
	l.settle(out)
	l.finish(out)
}

// withdraws reports whether messages can be taken out of a closed batch: it was
// never tried, and each of its records is one message's. Of one that MassageBuffer
// is at work on nobody knows that yet.
func (l *Lane) withdraws(b *batch.Batch) bool {
	massaging := b.Compressing && l.cfg.Massage != nil && !b.Massaged
	return b.State == batch.Sealed && b.Attempts == 0 && !b.Shared && !massaging
}

// creditWithdrawn gives back what the open batch no longer holds: the places of
// withdrawn messages, and all its memory once no other message is left. With the
// leader away it might stay open for long, and calls that give up one after
// another would fill the buffer with nothing.
func (l *Lane) creditWithdrawn(b *batch.Batch, n int) {
	if _, all := b.Withdrawn(); all && n > 0 {
		l.open, l.flushing = nil, false
		l.discard(b)
		return
	}
	l.creditPlaces(b, n)
}

// creditPlaces gives back the places of withdrawn messages.
func (l *Lane) creditPlaces(b *batch.Batch, n int) {
	if m := l.Partition.limits.Messages; m != nil {
		m.Credit(int64(n))
		b.AddCharge(0, -int64(n))
	}
}

// trim looks at a closed batch of which records are withdrawn. They are left out when
// it is taken to be sent, or before, where they are half of it or more: so it holds
// no more memory for nothing than for what is left, and to leave them out costs no
// more, in sum, than to put them in, however many give up one by one. It reports
// whether the batch left the queue.
func (l *Lane) trim(i int) (gone bool) {
	b := l.queue.at(i)
	if _, all := b.Withdrawn(); all {
		l.queue.remove(i)
		if i < l.next {
			l.next--
		}
		l.discard(b)
		return true
	}
	if 2*b.Live() <= b.Count() {
		l.rebuild(i)
	}
	return false
}

// rebuild takes the withdrawn records out of a closed batch that stays in the queue.
func (l *Lane) rebuild(i int) {
	b := l.queue.at(i)
	made := b.WithoutWithdrawn()
	l.adopt(made, b)
	l.queue.set(i, made)
	l.discard(b)
}

// Expire fails what has waited longer than the delivery timeout. What was never
// sent is given up; what may be on the wire keeps its place, as its successors
// wait for its number to be decided, but its callers are told. A batch is as old
// as its first message, so one that stays open in an outage is closed in time.
func (l *Lane) Expire(now time.Time, why error) {
	if l.cfg.DeliveryTimeout <= 0 {
		return
	}
	before := now.Add(-l.cfg.DeliveryTimeout)
	l.mu.Lock()
	out := outcomes{lane: l}
	if l.open != nil && l.open.Count() > 0 && now.Sub(l.open.Opened) >= l.openAge(l.open) {
		l.close(now)
	}
	for i := 0; i < l.queue.len(); i++ {
		b := l.queue.at(i)
		if !b.Opened.Before(before) {
			break
		}
		switch {
		case b.Expired || b.Compressing || b.State == batch.Acked || b.State == batch.Failed:
		case b.State == batch.Sealed:
			// It does not wait for the outcome of an undecided one before it.
			l.giveUp(b, l.failure(b, b.LastCode, false, why), &out)
			l.queue.remove(i)
			if i < l.next {
				l.next--
			}
			out.resolve(b)
			i--
		default:
			b.Expired = true
			told := b.Detach()
			told.Acked = l.failure(told, b.LastCode, true, why)
			out.dropped(b, why)
			l.Partition.count(told.Generation, 1)
			out.resolve(told)
		}
	}
	l.leave(&out)
}

// agesPerTimeout is into how many batches a timeout's messages are cut at least.
const agesPerTimeout = 20

// openAge bounds the time that an open batch takes messages for, where a delivery
// timeout ends them all with the first: the last of them are given up so much too
// early. It does not cut the linger short.
func (l *Lane) openAge(b *batch.Batch) time.Duration {
	age := l.cfg.DeliveryTimeout / agesPerTimeout
	if b.Lingering {
		age = max(age, l.cfg.Linger)
	}
	return age
}

// shedBytes is about what DropOldest gives up at a time. In an outage a batch grows
// to all of BatchBytes, which may be all that is there.
const shedBytes = 64 << 10

// DropOldest gives up the lane's oldest batch that was never sent, of a large one
// the first part. It reports whether there was one.
func (l *Lane) DropOldest(why error) bool {
	l.mu.Lock()
	out := outcomes{lane: l}
	oldest := l.neverTried()
	dropped := oldest >= 0
	if !dropped && l.open != nil && l.open.Count() > 0 {
		l.close(l.now())
		oldest, dropped = l.neverTried(), true
	}
	if oldest >= 0 {
		b := l.queue.at(oldest)
		for b.Size() > 2*shedBytes && b.Count() > 1 && !b.Shared {
			l.halve(b)
			b = l.queue.at(oldest)
		}
		l.queue.remove(oldest)
		l.drop(b, why, &out)
	}
	l.leave(&out)
	return dropped
}

// neverTried is the place in the queue of the first batch that DropOldest may
// give up, -1 if there is none.
func (l *Lane) neverTried() int {
	for i := l.next; i < l.queue.len(); i++ {
		if b := l.queue.at(i); b.State == batch.Sealed && b.Attempts == 0 && !b.Compressing {
			return i
		}
	}
	return -1
}

func (l *Lane) drop(b *batch.Batch, why error, out *outcomes) {
	l.leaveGap(b)
	b.Acked = l.failure(b, 0, false, why)
	b.Move(batch.Failed)
	out.dropped(b, why)
	out.resolve(b)
}

// NeverTried is the number of bytes that DropOldest could free.
func (l *Lane) NeverTried() (bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := l.next; i < l.queue.len(); i++ {
		if b := l.queue.at(i); b.State == batch.Sealed && b.Attempts == 0 {
			held, _ := b.Charged()
			bytes += held
		}
	}
	if l.open != nil && l.open.Count() > 0 {
		held, _ := l.open.Charged()
		bytes += held
	}
	return bytes
}
