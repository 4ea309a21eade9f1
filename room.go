package ekaf

import (
	"context"
	"fmt"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/memory"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// makeRoom applies the full-buffer policy: nil means try again. lane is the
// worker that had no room, nil while the topic's partitions are unknown.
func (t *topic) makeRoom(ctx context.Context, full *memory.Account, lane *worker.Lane, n int, o *order) error {
	if o.policy == Block && !o.room.holds(full) {
		// Take the channel that the next credit closes, and look once more: a
		// credit that came between the refusal and now has closed no channel of ours.
		o.room.hold(full)
		t.reportFull(full, lane, n)
		return nil
	}
	switch o.policy {
	case Block:
		return t.waitForRoom(ctx, lane, o)
	case DropOldest:
		t.reportFull(full, lane, n)
		if t.producer.dropOldest(t, lane, full) {
			return nil
		}
		return (*fullError)(full)
	case DropNewest:
		t.reportFull(full, lane, n)
		return ErrDropped
	default:
		t.reportFull(full, lane, n)
		return (*fullError)(full)
	}
}

// fullError says which limit refused a message. It is the account itself, seen as an
// error: whoever is refused in a long outage is refused again and again.
type fullError memory.Account

func (e *fullError) Error() string {
	return fmt.Sprintf("%v: the limit of the %s is reached", ErrFull, (*memory.Account)(e).Name)
}

func (e *fullError) Unwrap() error { return ErrFull }

func (t *topic) reportFull(full *memory.Account, lane *worker.Lane, n int) {
	if t.settings.onEvent == nil && !t.producer.loud {
		return
	}
	partition := int32(-1)
	if lane != nil {
		partition = lane.Partition.ID
	}
	t.producer.emit(t, Event{Kind: EventMaxDowntimeBufferReached, Partition: partition, Messages: n, Err: (*fullError)(full)})
}

// room is a caller's place among those who wait for memory.
type room struct {
	account *memory.Account
	freed   <-chan struct{}
}

func (r *room) holds(a *memory.Account) bool { return r.account == a }

// hold announces the caller as a waiter of an account: while anyone waits,
// linger is off.
func (r *room) hold(a *memory.Account) {
	r.release()
	r.account, r.freed = a, a.Wait()
}

func (r *room) release() {
	if r.account != nil {
		r.account.Leave()
		r.account = nil
	}
}

// waitForRoom waits for a credit of the account that the caller holds on to.
func (t *topic) waitForRoom(ctx context.Context, lane *worker.Lane, o *order) error {
	account := o.room.account
	if lane != nil {
		lane.Flush()
	}
	t.producer.flushFor(account)
	select {
	case <-o.room.freed:
		o.room.hold(account)
		return nil
	case <-ctx.Done():
		return &DeliveryError{Topic: t.name, Partition: -1, Retriable: true, Err: fmt.Errorf("%w: %w", ErrFull, context.Cause(ctx))}
	case <-t.producer.closing:
		return ErrClosed
	}
}

// droppedResult is the outcome of all messages that DropNewest gives up: in a long
// outage there are very many.
func (t *topic) droppedResult() *batch.Result {
	r := t.dropped.Load()
	if r == nil {
		r = &batch.Result{Topic: t, Partition: -1, BaseOffset: -1, LogAppendTime: -1, Err: ErrDropped}
		r.Failure = new(error(deliveryError(t.name, r)))
		t.dropped.Store(r)
	}
	return r
}

// dropRun fails the messages of a run that DropNewest gives up: they count as
// accepted, and get their outcome.
func (t *topic) dropRun(l *list, at int, o *order) {
	n := l.len() - at
	o.place(n)
	r := t.droppedResult()
	for ; at < l.len(); at++ {
		i := l.index(at)
		done, also := completers(&l.msgs[i], o.shared(), o.waits())
		t.producer.completeWith(done, o.arg(i), r)
		t.producer.completeWith(also, batch.OwnPlace, r)
	}
	t.failures.count(ErrDropped, n)
	t.producer.emit(t, Event{Kind: EventDropped, Partition: -1, Messages: n, Err: ErrDropped})
}

// park keeps messages of a topic whose partitions are unknown. It reports false,
// having taken none, if they became known.
func (t *topic) park(ctx context.Context, msgs []Message, o *order) (parked bool) {
	i := 0
	var picks []int32
	asked := 0
	for i < len(msgs) {
		t.mu.Lock()
		if t.state == TopicClosed {
			t.mu.Unlock()
			o.refuseFrom(&list{msgs: msgs}, i, ErrClosed)
			return true
		}
		if t.view.Load() != nil {
			t.mu.Unlock()
			if i == 0 {
				return false
			}
			base := o.base
			o.base += int32(i)
			t.produce(ctx, msgs[i:], o)
			o.base = base
			return true
		}
		if n := t.parked.partitions; n != asked {
			t.mu.Unlock()
			picks, asked = t.pickAll(msgs, n), n
			continue
		}
		t.producer.cluster.Want(t.name) // each time: while the caller waited for room it may have been given up (see fail)
		var full *memory.Account
		i, full = t.parkFrom(msgs, picks, i, o)
		down, waiting := t.state == TopicDowntime, t.parked.count()
		t.mu.Unlock()
		if full == nil {
			o.note(Buffered{Partition: -1, Messages: waiting})
			if down {
				t.producer.emit(t, Event{Kind: EventDowntimeSaved, Messages: len(msgs)})
			}
			return true
		}
		if err := t.makeRoom(ctx, full, nil, len(msgs)-i, o); err != nil {
			if err == ErrDropped {
				t.dropRun(&list{msgs: msgs}, i, o)
			} else {
				o.refuseFrom(&list{msgs: msgs}, i, err)
			}
			return true
		}
	}
	return true
}

// parkFrom puts messages into the parking, as many as there is room for.
func (t *topic) parkFrom(msgs []Message, picks []int32, i int, o *order) (next int, full *memory.Account) {
	first := i
	for ; i < len(msgs); i++ {
		m := &msgs[i]
		bm, done := o.encodable(m)
		if full = t.parked.put(&bm, m.partition, o.immediate, done, o.arg(i), i > first); full != nil {
			break
		}
		if picks != nil {
			t.parked.picked(picks[i])
		}
	}
	o.place(i - first)
	return i, full
}

// newPage makes a page of the parking for a message.
func (t *topic) newPage(m *batch.Message) *batch.Batch {
	b := batch.New(time.Now())
	if m.Timed && !b.FitsTime(m.Time) {
		b.Rebase(m.Time)
	}
	return b
}
