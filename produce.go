package ekaf

import (
	"context"
	"errors"
	"iter"
	"slices"
	"unsafe"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/memory"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// order is how a verb wants its messages handled.
type order struct {
	immediate bool
	policy    FullPolicy
	call      *call // nil: messages have their own callbacks, or none
	reply     reply // of a call of one message, in place of call
	base      int32 // index in the call of the first message
	drains    bool  // its caller waits for acks, and may write the request of a single run itself

	room     room
	receipt  Receipt
	touched  int
	placed   int // messages that were accepted
	refusals refusals
}

// refusal is a message that was not accepted.
type refusal struct {
	index int
	err   error
}

// refusals are those of a call, those of a row with one cause as one. The first row
// has its place in the call: to refuse it, as a full buffer does again and again,
// takes no memory.
type refusals struct {
	n     int // messages
	first refusedRow
	more  []refusedRow
}

// refusedRow is a refusal, and those of the count-1 messages behind it.
type refusedRow struct {
	refusal
	count int
}

func (r *refusals) add(index int, err error) {
	last := &r.first
	if n := len(r.more); n > 0 {
		last = &r.more[n-1]
	}
	r.n++
	switch {
	case r.n == 1:
		r.first = refusedRow{refusal{index, err}, 1}
	case last.index+last.count == index && last.err == err:
		last.count++
	default:
		r.more = append(r.more, refusedRow{refusal{index, err}, 1})
	}
}

// has reports whether a message of the call is among them.
func (r *refusals) has(index int) bool {
	if r.n == 0 {
		return false
	}
	for one := range r.all() {
		if one.index == index {
			return true
		}
	}
	return false
}

// cause is why all were refused: one error, or each that tells something else, joined.
func (r *refusals) cause() error {
	if len(r.more) == 0 {
		return r.first.err
	}
	causes := []error{r.first.err}
	for i := range r.more {
		err := r.more[i].err
		if !slices.ContainsFunc(causes, func(told error) bool { return told == err || told.Error() == err.Error() }) {
			causes = append(causes, err)
		}
	}
	if len(causes) == 1 {
		return causes[0]
	}
	return errors.Join(causes...)
}

// all walks them in the order in which they came.
func (r *refusals) all() iter.Seq[refusal] {
	return func(yield func(refusal) bool) {
		if !r.first.each(yield) {
			return
		}
		for i := range r.more {
			if !r.more[i].each(yield) {
				return
			}
		}
	}
}

func (r *refusedRow) each(yield func(refusal) bool) bool {
	for i := range r.count {
		if !yield(refusal{r.index + i, r.err}) {
			return false
		}
	}
	return true
}

// errChooseAgain: the partition's workers changed, or the topic's partitions,
// between the choice and the lock.
var errChooseAgain = errors.New("choose again")

// produce hands messages to their workers. On return each was accepted or is
// among the refusals.
func (t *topic) produce(ctx context.Context, msgs []Message, o *order) {
	together, size, ok := t.survey(msgs)
	if !ok {
		t.produceChecked(ctx, msgs, o)
		return
	}
	for {
		v := t.view.Load()
		if v == nil {
			if t.park(ctx, msgs, o) {
				return
			}
			continue // it became known meanwhile
		}
		down, refused := t.down.Load(), o.refusals.n
		if len(msgs) == 1 || together {
			t.produceTogether(ctx, v, msgs, size, o)
		} else {
			t.produceSplit(ctx, v, msgs, o)
		}
		if saved := len(msgs) - (o.refusals.n - refused); down && saved > 0 {
			t.producer.emit(t, Event{Kind: EventDowntimeSaved, Messages: saved})
		}
		return
	}
}

// produceChecked is the way of calls with a message that cannot be accepted: the
// others go one by one.
func (t *topic) produceChecked(ctx context.Context, msgs []Message, o *order) {
	base := o.base
	for i := range msgs {
		o.base = base + int32(i)
		if err := t.check(&msgs[i]); err != nil {
			o.refusals.add(int(o.base), err)
			continue
		}
		t.produce(ctx, msgs[i:i+1], o)
	}
	o.base = base
}

// check finds what no partition would take.
func (t *topic) check(m *Message) error {
	size := len(m.Key) + len(m.Value)
	for i := range m.Headers {
		size += len(m.Headers[i].Key) + len(m.Headers[i].Value) + 10
	}
	if size+batch.HeaderSize+32 > t.settings.batchBytes {
		return &DeliveryError{Topic: t.name, Partition: -1, Err: ErrTooLarge}
	}
	if m.partition < 0 {
		return t.unknownPartition(-1)
	}
	return nil
}

// survey looks at all messages of a call: whether each can be accepted, whether
// they go together to one worker, whatever it is, and how large they are.
func (t *topic) survey(msgs []Message) (together bool, size int, ok bool) {
	together = true
	for i := range msgs {
		m := &msgs[i]
		bytes := len(m.Key) + len(m.Value)
		if bytes+batch.HeaderSize+32 > t.settings.batchBytes || len(m.Headers) > 0 || m.partition < 0 {
			if t.check(m) != nil {
				return false, 0, false
			}
		}
		together = together && m.Key == nil && m.partition == 0
		size += bytes + 16
	}
	return together, size, true
}

func sizeOf(msgs []Message) (size int) {
	for i := range msgs {
		size += len(msgs[i].Key) + len(msgs[i].Value) + 16
	}
	return size
}

// produceTogether gives all messages to the worker chosen for the first.
func (t *topic) produceTogether(ctx context.Context, v *view, msgs []Message, size int, o *order) {
	for done := 0; done < len(msgs); size = sizeOf(msgs[done:]) {
		c, err := t.route(v, &msgs[done], len(msgs)-done, size)
		if err != nil {
			o.refuseFrom(&list{msgs: msgs}, done, err)
			return
		}
		next, err := t.putRun(ctx, c, &list{msgs: msgs}, done, o)
		if err != nil && !errors.Is(err, errChooseAgain) {
			o.refuseFrom(&list{msgs: msgs}, next, err)
			return
		}
		done = next
		if errors.Is(err, errChooseAgain) {
			if t.closed() {
				o.refuseFrom(&list{msgs: msgs}, done, ErrClosed)
				return
			}
			if v = t.view.Load(); v == nil {
				rest := *o
				o.base += int32(done)
				t.produce(ctx, msgs[done:], o)
				o.base = rest.base
				return
			}
		}
	}
}

// list is the messages of a call that go to one worker, in their order.
type list struct {
	msgs  []Message
	order []int32 // which of msgs they are; nil: all
}

func (l *list) len() int {
	if l.order == nil {
		return len(l.msgs)
	}
	return len(l.order)
}

// index is that of the list's at-th message among the call's.
func (l *list) index(at int) int {
	if l.order == nil {
		return at
	}
	return int(l.order[at])
}

// refuseFrom notes that the messages of a list from one on were not accepted.
func (o *order) refuseFrom(l *list, at int, err error) {
	for ; at < l.len(); at++ {
		o.refusals.add(int(o.base)+l.index(at), err)
	}
}

// putRun encodes the messages of a list, from one on, into a worker's batch, under
// one lock. It answers the first that was not accepted; the list's end: none.
func (t *topic) putRun(ctx context.Context, c choice, l *list, at int, o *order) (int, error) {
	first := at
	for {
		lane := c.partition.Lane(c.worker)
		if ok, _ := lane.Begin(c.generation); !ok {
			return at, errChooseAgain
		}
		var full *memory.Account
		at, full = o.putMany(lane, l, at)
		if full == nil && o.drains && l.order == nil {
			o.touch(c, lane.CommitAndDrain())
			return at, nil
		}
		buffered := lane.Commit(o.immediate)
		if full == nil {
			o.touch(c, buffered)
			return at, nil
		}
		if err := t.makeRoom(ctx, full, lane, l.len()-at, o); err != nil {
			if at > first {
				o.touch(c, buffered)
			}
			if errors.Is(err, ErrDropped) {
				t.dropRun(l, at, o)
				return l.len(), nil
			}
			return at, err
		}
	}
}

// putMany puts the messages of a list, from one on, into a locked lane, until one
// does not fit. It answers that one, or the end.
func (o *order) putMany(lane *worker.Lane, l *list, at int) (next int, full *memory.Account) {
	first := at
	sync := o.waits()
	shared := o.shared()
	var run worker.Run
	for going := false; at < l.len(); at++ {
		i := l.index(at)
		m := &l.msgs[i]
		if len(m.Headers) == 0 && (m.Callback == nil || sync) && m.Timestamp.IsZero() {
			if !going {
				run.Begin(lane, shared)
				going = true
			}
			if run.Put(m.Key, m.Value, o.arg(i)) {
				continue
			}
		}
		run.End()
		going = false
		bm, done := o.encodable(m)
		if full = lane.Put(&bm, done, o.arg(i)); full != nil {
			break
		}
	}
	run.End()
	o.place(at - first)
	return at, full
}

// place counts messages that were accepted, before any of them can have an outcome.
func (o *order) place(n int) {
	if o.placed += n; o.call != nil && o.placed == o.call.acked.n {
		o.call.hold()
	}
}

// waits reports whether the caller waits for the outcomes.
func (o *order) waits() bool { return o.call != nil && o.call.Inline() }

// shared is who hears of all messages of the call; nil: nobody.
func (o *order) shared() batch.Completer {
	switch {
	case o.call != nil:
		return o.call
	case o.reply != nil:
		return o.reply
	}
	return nil
}

// encodable is a message as its batch takes it, with who hears of it.
func (o *order) encodable(m *Message) (bm batch.Message, done batch.Completer) {
	bm = batch.Message{Key: m.Key, Value: m.Value, Headers: batchHeaders(m.Headers)}
	if !m.Timestamp.IsZero() {
		bm.Time, bm.Timed = m.Timestamp.UnixMilli(), true
	}
	done, bm.Also = completers(m, o.shared(), o.waits())
	return bm, done
}

// completers are those who hear of a message, of whom shared hears of all that its
// call has; nil: nobody. A sync verb runs the messages' callbacks itself.
func completers(m *Message, shared batch.Completer, waits bool) (done, also batch.Completer) {
	switch {
	case m.Callback == nil || waits:
		return shared, nil
	case shared == nil:
		return completion(m.Callback), nil
	}
	return shared, completion(m.Callback)
}

// arg is a message's place among the completions of its call.
func (o *order) arg(i int) int32 {
	if o.call == nil {
		return batch.OwnPlace
	}
	return o.call.place(o.base + int32(i))
}

// touch notes a worker for the receipt.
func (o *order) touch(c choice, buffered int) {
	b := Buffered{Partition: c.partition.ID, Worker: c.worker, Messages: buffered}
	o.note(b)
}

func (o *order) note(b Buffered) {
	if o.immediate {
		return // no immediate verb answers a receipt
	}
	if o.touched == 0 {
		o.receipt.Buffered = b
	} else {
		o.receipt.Rest = append(o.receipt.Rest, b)
	}
	o.touched++
}

// batchHeaders views headers as the batch's own type, which has the same fields.
func batchHeaders(headers []Header) []batch.MessageHeader {
	if len(headers) == 0 {
		return nil
	}
	_ = batch.MessageHeader(headers[0])
	return unsafe.Slice((*batch.MessageHeader)(unsafe.Pointer(unsafe.SliceData(headers))), len(headers))
}
