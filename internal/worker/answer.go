package worker

import (
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// Answer is what became of an attempt: the broker's answer, or Err for a
// connection that died before it came.
type Answer struct {
	Code          int16
	BaseOffset    int64
	LogAppendTime int64
	Bad           []BadRecord // KIP-467
	Message       string
	Err           error
	// NotSent: no byte of it was given to the connection.
	NotSent bool
	// Refused: it was not sent, since the broker's protocol is too old to hold it,
	// and fails with this error: the records in Bad, or all where there are none.
	Refused error
}

// ruling is what follows from the answer, where there is one (Err is nil).
func (a *Answer) ruling() Ruling {
	switch {
	case a.Refused == nil:
		return RulingOf(a.Code)
	case len(a.Bad) > 0:
		return Ruling{Verdict: NameBad, Proof: true}
	}
	return Ruling{Verdict: Refused, Proof: true}
}

// cause is the error that the answer stands for.
func (a *Answer) cause() error {
	switch {
	case a.Err != nil:
		return a.Err
	case a.Refused != nil:
		return a.Refused
	}
	return codeError(a.Code, a.Message)
}

// BadRecord names a record that the broker refuses.
type BadRecord struct {
	Index   int32
	Message string
}

// Answered takes the answer to an attempt. It is called by the reader of the
// connection that carried it, in the order of the requests.
func (l *Lane) Answered(at *Attempt, a Answer, now time.Time) {
	l.mu.Lock()
	b := at.Batch
	b.Outstanding--
	if at.term != l.term || b.State != batch.InFlight {
		// A late answer of a connection that the lane left: another attempt
		// decides. It only ends this one's claim on the bytes.
		if a.NotSent && b.State == batch.Unresolved && b.Attempts == 1 {
			// The leader moved before a byte was written, of the only attempt there was.
			b.Attempts = 0
			b.Move(batch.Sealed)
		}
		free := b.Left && b.Outstanding == 0
		l.finish(&outcomes{lane: l})
		if free {
			l.host.Released(l, b)
		}
		return
	}
	l.inFlight--
	took := now.Sub(b.SentAt)
	good := a.Err == nil && a.ruling().Verdict == Written
	if good && a.Code == 0 {
		l.stats.answered(took)
	}
	messages := b.Count()
	out := outcomes{lane: l, now: now}
	var err error
	if good {
		l.written(b, a, at, &out)
	} else {
		err = a.cause()
		l.failed(b, a, at, err, &out)
	}
	l.settle(&out)
	l.turnBack(now)
	l.finish(&out, Event{Kind: EventAnswered, Lane: l, Messages: messages, Took: took, Err: err})
}

// Sent says that an attempt is being written.
func (l *Lane) Sent(at *Attempt, from Sender) {
	l.host.Event(Event{Kind: EventSent, Lane: l, Broker: from.Broker(), Messages: at.Batch.Count(), Bytes: at.size})
}

// written: the batch is in the log, and so are those before it that answered
// OUT_OF_ORDER when sent again, in order and alone.
func (l *Lane) written(b *batch.Batch, a Answer, at *Attempt, out *outcomes) {
	offset := a.BaseOffset
	if at.life != l.life {
		offset = -1 // nobody can tell in which topic's log
	}
	if a.Code == 0 && offset >= 0 && offset < l.ackedEnd && l.confirmed == 0 {
		// A leader that never heard of the id takes any number: only the offset of its
		// first answer tells. (Later ones are not looked at: there may be brokers that
		// answer any offset.)
		out.event(EventDataLoss, 0, fmt.Errorf("records up to offset %d were acked, and later ones got offset %d", l.ackedEnd-1, offset))
		l.lose(offset)
	}
	b.Move(batch.Acked)
	if a.Code != 0 {
		offset = -1
	}
	b.Acked = l.result(b, offset, a.LogAppendTime)
	l.failures, l.checked, l.notBefore = 0, false, time.Time{}
	l.ackedAt = b.MaxTime()
	l.chain.acked = l.chain.acked || b.Chain == l.chain.number
	if l.cfg.Idempotent && !l.rewind && at.epoch == l.epoch {
		// Not if an error came first: this attempt was sent before that.
		l.confirmed = at.connection
	}
	for i := range l.queue.len() {
		earlier := l.queue.at(i)
		if earlier == b {
			break
		}
		if earlier.State == batch.Unresolved && earlier.OutOfOrder {
			earlier.Move(batch.Acked)
			earlier.Acked = l.result(earlier, -1, -1)
		}
	}
}

// lose: the cluster has lost what it acked behind an offset. Later records get
// these offsets again, so no question may begin behind them.
func (l *Lane) lose(end int64) {
	l.ackedEnd, l.floor.offset = min(l.ackedEnd, end), min(l.floor.offset, end)
	for i := range l.queue.len() {
		if b := l.queue.at(i); b.State == batch.Acked && b.Acked.BaseOffset >= end {
			b.Acked.BaseOffset = -1 // of records that are no more
		}
	}
}

func (l *Lane) result(b *batch.Batch, offset, appended int64) batch.Result {
	return batch.Result{
		Partition: l.Partition.ID, Worker: l.Worker, BaseOffset: offset,
		BaseTime: b.BaseTime(), LogAppendTime: appended, Shared: b.Shared,
	}
}

// failure is the outcome of a batch that is given up.
func (l *Lane) failure(b *batch.Batch, code int16, maybe bool, err error) batch.Result {
	r := l.result(b, -1, -1)
	r.Code, r.Retriable, r.MaybeWritten, r.Err = code, code != 0 && Retriable(code), maybe || b.Undecided, err
	return r
}

// failed decides what follows from an error answer, or from none.
func (l *Lane) failed(b *batch.Batch, a Answer, at *Attempt, err error, out *outcomes) {
	inTurn := !l.rewind && l.inFlight == 0
	l.confirmed, l.checked, l.rewind = 0, false, true
	if a.Err != nil || a.ruling().Verdict != OutOfOrder {
		l.forgetAsked()
	}
	b.LastCode = a.Code
	if a.NotSent && !b.Unsure {
		b.Attempts-- // or a caller that gives up would be told that it may be written
		b.Move(batch.Sealed)
		return
	}
	if a.Err != nil {
		b.Move(batch.Unresolved)
		out.retry(b, err)
		return
	}
	ruling := a.ruling()
	if ruling.Verdict == RetryElsewhere {
		out.refresh = true
	}
	if !b.Unsure && ruling.Proof {
		b.Move(batch.Sealed) // nothing of it was written
		l.refused(b, a, ruling, err, out)
		return
	}
	b.Move(batch.Unresolved)
	switch {
	case !l.cfg.Idempotent:
		l.failedPlainly(b, a, ruling, err, out)
	case ruling.Verdict == OutOfOrder:
		l.outOfOrder(b, at, inTurn, err, out)
	case ruling.Verdict == Retry, ruling.Verdict == RetryElsewhere:
		if ruling.Limit > 0 && b.Attempts >= ruling.Limit {
			l.giveUp(b, l.failure(b, a.Code, true, err), out)
			return
		}
		l.failures++
		out.retry(b, err)
	default:
		// Refused, but an earlier attempt may have been written: the broker
		// checks sizes, timestamps and rights before it looks for duplicates.
		l.doubt(DoubtRefused, refusal{b, a, err})
	}
}

// outOfOrder takes this answer to a batch that was sent before. If it was its turn
// (alone, behind batches that answered the same), an OK to a later one will say
// that all of them are written. If a later one has its OK already, from before a
// restart of the broker or a loss of its state, only the log can tell.
func (l *Lane) outOfOrder(b *batch.Batch, at *Attempt, inTurn bool, err error, out *outcomes) {
	behind := false
	for i := range l.queue.len() {
		switch other := l.queue.at(i); {
		case other == b:
			behind = true
		case behind && other.State == batch.Acked && other.Count() > 0:
			l.doubt(DoubtGap)
			return
		}
	}
	if b.Survivor && inTurn {
		// The new log may begin with any number of a producer, be it a later one's.
		l.doubt(DoubtGap)
		return
	}
	if inTurn && l.queue.at(l.asked()) == b {
		b.OutOfOrder, l.askedOn = true, at.connection
		l.rewind = false
		return
	}
	out.retry(b, err)
}

// failedPlainly is failed for lanes without an id: nobody can tell whether an
// earlier attempt was written.
func (l *Lane) failedPlainly(b *batch.Batch, a Answer, ruling Ruling, err error, out *outcomes) {
	switch ruling.Verdict {
	case Retry, RetryElsewhere:
		if ruling.Limit == 0 || b.Attempts < ruling.Limit {
			l.failures++
			out.retry(b, err)
			return
		}
	}
	l.giveUp(b, l.failure(b, a.Code, true, err), out)
}

// refused: a batch was refused, each time that it was sent, and nothing of it written.
func (l *Lane) refused(b *batch.Batch, a Answer, ruling Ruling, err error, out *outcomes) {
	switch ruling.Verdict {
	case Retry, RetryElsewhere:
		if ruling.Limit == 0 || b.Attempts < ruling.Limit {
			l.failures++
			out.retry(b, err)
			return
		}
	case OutOfOrder, Forgotten:
		if l.cfg.Idempotent {
			l.refusedNumber(b, ruling, err, out)
			return
		}
	case Split:
		if b.Count() > 1 {
			l.halve(b)
			l.stats.Splits++
			return
		}
	case NameBad:
		l.dropBad(b, a, err, out)
		return
	case Plain:
		if b.Codec() != batch.None {
			b.DropPacked()
			b.Stamped = false // the same numbers, in front of other bytes
			out.retry(b, err)
			return
		}
	}
	l.giveUp(b, l.failure(b, a.Code, false, err), out)
}

// refusedNumber: the broker does not know the id, or expected another number. Out
// of order is a batch behind one that failed, which it waits for; at the head of a
// lane it is a gap in what the cluster holds, unless the lane has made that gap itself.
//
// Brokers forget, and the first new chain goes out at once. But where a chain was
// refused before any OK, the next one may be as well, and the back-off counts.
func (l *Lane) refusedNumber(b *batch.Batch, ruling Ruling, err error, out *outcomes) {
	if !l.chain.acked && b.Chain == l.chain.number {
		l.failures++
	}
	switch {
	case ruling.Verdict == Forgotten:
		l.chain.broken = true
	case l.queue.at(0) == b && !l.chain.broken:
		b.OutOfOrder = true
		l.doubt(DoubtGap)
		return
	}
	out.retry(b, err)
}

// giveUp fails a batch. What is numbered behind it can no longer follow.
func (l *Lane) giveUp(b *batch.Batch, r batch.Result, out *outcomes) {
	if b.Chain != 0 && b.Chain == l.chain.number {
		l.chain.broken = true
	}
	b.Move(batch.Failed)
	b.Acked = r
	out.dropped(b, r.Err)
}

// settle hands on the batches at the head that have their outcome.
func (l *Lane) settle(out *outcomes) {
	for l.queue.len() > 0 {
		b := l.queue.at(0)
		if !done(b) {
			return
		}
		l.queue.pop()
		l.next = max(l.next-1, 0)
		if b.State == batch.Acked && b.Acked.BaseOffset >= 0 {
			l.ackedEnd = max(l.ackedEnd, b.Acked.BaseOffset+int64(b.Count()))
		}
		out.resolve(b)
	}
}

// turnBack starts again from the head once nothing of the lane is in flight.
func (l *Lane) turnBack(now time.Time) {
	if !l.rewind || l.inFlight > 0 {
		return
	}
	l.rewind = false
	l.next = 0
	l.breakBehind()
	l.next = l.asked()
	if l.failures > 0 {
		l.notBefore = now.Add(Backoff(l.cfg.BackoffMin, l.cfg.BackoffMax, l.failures))
	}
}

// breakBehind: a batch was refused although one behind it, of the same chain, was
// taken (the broker forgot the id in between). Its number can never be right
// again; it goes out under a new chain.
func (l *Lane) breakBehind() {
	refused := false
	for i := range l.queue.len() {
		switch b := l.queue.at(i); {
		case b.State == batch.Sealed && b.Attempts > 0 && b.Chain == l.chain.number:
			refused = true
		case b.State == batch.Acked && refused:
			l.chain.broken = true
		}
	}
	if !l.chain.broken {
		return
	}
	for i := range l.queue.len() {
		if b := l.queue.at(i); b.State == batch.Sealed {
			b.Chain = 0
		}
	}
}

// Backoff is the pause after so many failures in a row: it doubles from the
// least to the most, with jitter.
func Backoff(least, most time.Duration, failures int) time.Duration {
	d := least << min(failures-1, 16)
	if d > most || d <= 0 {
		d = most
	}
	return d - time.Duration(rand.Int64N(int64(d)/4+1))
}
