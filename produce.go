package ekaf

import (
	"context"
	"errors"
	"sync"
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
	base      int32 // index in the call of the first message
	drains    bool  // its caller waits for acks, and may write the request of a single run itself

	room     room
	receipt  Receipt
	touched  int
	refusals []refusal
}

// refusal is a message that was not accepted.
type refusal struct {
	index int
	err   error
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
		down, refused := t.down.Load(), len(o.refusals)
		if len(msgs) == 1 || together {
			t.produceTogether(ctx, v, msgs, size, o)
		} else {
			t.produceSplit(ctx, v, msgs, o)
		}
		if saved := len(msgs) - (len(o.refusals) - refused); down && saved > 0 {
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
			o.refusals = append(o.refusals, refusal{int(o.base), err})
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
			o.refuseFrom(msgs, done, nil, err)
			return
		}
		next, err := t.putRun(ctx, c, msgs, done, nil, o)
		if err != nil && !errors.Is(err, errChooseAgain) {
			o.refuseFrom(msgs, next, nil, err)
			return
		}
		done = next
		if errors.Is(err, errChooseAgain) {
			if t.closed() {
				o.refuseFrom(msgs, done, nil, ErrClosed)
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

// refuseFrom notes that the messages from index i of a run on were not accepted.
func (o *order) refuseFrom(msgs []Message, i int, next []int32, err error) {
	for i >= 0 && i < len(msgs) {
		o.refusals = append(o.refusals, refusal{int(o.base) + i, err})
		i = after(i, next)
	}
}

// after is the message that follows in a run: the next one, or the one linked.
func after(i int, next []int32) int {
	if next == nil {
		return i + 1
	}
	return int(next[i])
}

// putRun encodes a run of messages into a worker's batch, under one lock. It
// answers the first message that was not accepted; -1 or past the end: none.
func (t *topic) putRun(ctx context.Context, c choice, msgs []Message, first int, next []int32, o *order) (int, error) {
	i, accepted := first, 0
	for {
		lane := c.partition.Lane(c.worker)
		if ok, _ := lane.Begin(c.generation); !ok {
			return i, errChooseAgain
		}
		var full *memory.Account
		for i >= 0 && i < len(msgs) {
			m := &msgs[i]
			bm := batch.Message{Key: m.Key, Value: m.Value, Headers: batchHeaders(m.Headers)}
			if !m.Timestamp.IsZero() {
				bm.Time = m.Timestamp.UnixMilli()
			}
			done := o.completer(m)
			if full = lane.Put(&bm, done, o.arg(i)); full != nil {
				break
			}
			accepted++
			i = after(i, next)
		}
		if full == nil && o.drains && next == nil {
			o.touch(c, lane.CommitAndDrain())
			return i, nil
		}
		buffered := lane.Commit(o.immediate)
		if full == nil {
			o.touch(c, buffered)
			return i, nil
		}
		if err := t.makeRoom(ctx, full, lane, len(msgs)-accepted, o); err != nil {
			if accepted > 0 {
				o.touch(c, buffered)
			}
			if errors.Is(err, ErrDropped) {
				t.dropRun(msgs, i, next, o)
				return len(msgs), nil
			}
			return i, err
		}
	}
}

// completer is who hears of a message.
func (o *order) completer(m *Message) batch.Completer {
	switch {
	case m.Callback == nil && o.call == nil:
		return nil
	case m.Callback == nil || o.call != nil && o.call.Inline():
		return o.call // a sync verb runs the messages' callbacks itself
	case o.call == nil:
		return completion(m.Callback)
	default:
		return &both{o.call, completion(m.Callback)}
	}
}

// arg is a message's place among the completions of its call.
func (o *order) arg(i int) int32 {
	if o.call == nil {
		return batch.OwnPlace
	}
	return o.call.place(o.base + int32(i))
}

// both tells a call and a message's own callback.
type both struct {
	call *call
	own  completion
}

func (b *both) Inline() bool { return false }

func (b *both) Complete(e batch.Entry, r *batch.Result) {
	b.call.Complete(e, r)
	b.own.Complete(e, r)
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

// split is the scratch of a call whose messages go to several workers: a linked
// list of messages for each, in the order of their first.
type split struct {
	runs  []splitRun
	next  []int32
	slots []int32 // by partition and worker: index into runs plus one
}

type splitRun struct {
	choice
	first, last int32
	slot        int
}

var splits = sync.Pool{New: func() any { return new(split) }}

// produceSplit gives each message to the worker of its key, all messages of one
// worker under one lock. Messages without a key stay together.
func (t *topic) produceSplit(ctx context.Context, v *view, msgs []Message, o *order) {
	s := splits.Get().(*split)
	defer s.release()
	s.prepare(len(msgs), len(v.partitions)*max(t.lanes.Workers, t.lanes.WorkersMax, 1))
	width := max(t.lanes.Workers, t.lanes.WorkersMax, 1)
	var unkeyed choice
	for i := range msgs {
		m := &msgs[i]
		c, err := unkeyed, error(nil)
		if c.partition == nil || m.Key != nil || m.partition != 0 {
			c, err = t.route(v, m, 1, sizeOf(msgs[i:i+1]))
		}
		if err != nil {
			o.refusals = append(o.refusals, refusal{int(o.base) + i, err})
			continue
		}
		if m.Key == nil && m.partition == 0 {
			unkeyed = c
		}
		s.add(c, int(c.partition.ID)*width+c.worker, int32(i))
	}
	o.arrange(s, len(msgs))
	for k := range s.runs {
		t.putSplit(ctx, s, k, msgs, o)
	}
}

// arrange gives the messages of a call their places in the order in which they
// are put, so that each worker's are a run with a single completion.
func (o *order) arrange(s *split, n int) {
	if len(s.runs) < 2 {
		return
	}
	if !o.immediate && o.receipt.Rest == nil {
		o.receipt.Rest = receiptSlab.Take(len(s.runs) - 1)
	}
	if o.call == nil {
		return
	}
	o.call.expect(len(s.runs))
	places := o.call.places
	if places == nil {
		places = placeSlab.Take(o.call.acked.n)[:o.call.acked.n]
		for i := range places {
			places[i] = int32(i)
		}
		o.call.places = places
	}
	place := o.base
	for k := range s.runs {
		for i := s.runs[k].first; i >= 0; i = s.next[i] {
			places[o.base+i] = place
			place++
		}
	}
	// What no partition takes comes last.
	for _, r := range o.refusals {
		if i := int32(r.index) - o.base; i >= 0 && int(i) < n {
			places[r.index] = place
			place++
		}
	}
}

// putSplit puts one run; if its worker is gone, its messages choose again one by one.
func (t *topic) putSplit(ctx context.Context, s *split, k int, msgs []Message, o *order) {
	run := &s.runs[k]
	i, err := t.putRun(ctx, run.choice, msgs, int(run.first), s.next, o)
	switch {
	case err == nil:
	case errors.Is(err, errChooseAgain):
		base := o.base
		for ; i >= 0; i = int(s.next[i]) {
			o.base = base + int32(i)
			t.produce(ctx, msgs[i:i+1], o)
		}
		o.base = base
	default:
		o.refuseFrom(msgs, i, s.next, err)
	}
}

func (s *split) prepare(messages, slots int) {
	if cap(s.next) < messages {
		s.next = make([]int32, messages)
	}
	s.next = s.next[:messages]
	if len(s.slots) < slots {
		s.slots = make([]int32, slots)
	}
	s.runs = s.runs[:0]
}

func (s *split) add(c choice, slot int, i int32) {
	s.next[i] = -1
	if k := s.slots[slot]; k > 0 {
		run := &s.runs[k-1]
		s.next[run.last] = i
		run.last = i
		return
	}
	s.runs = append(s.runs, splitRun{choice: c, first: i, last: i, slot: slot})
	s.slots[slot] = int32(len(s.runs))
}

func (s *split) release() {
	for i := range s.runs {
		s.slots[s.runs[i].slot] = 0
	}
	clear(s.runs)
	s.runs = s.runs[:0]
	splits.Put(s)
}

// mover gives messages that waited unassigned to their workers.
type mover struct {
	topic  *topic
	view   *view
	lane   *worker.Lane
	choice choice
	run    run
}

// put hands on one message, whatever the limits.
func (mv *mover) put(m *batch.Message, r run, done batch.Completer, arg int32) {
	msg := Message{Key: m.Key, Value: m.Value, partition: r.partition}
	stays := mv.lane != nil && mv.run == r && m.Key == nil
	if !stays {
		mv.commit()
		c, err := mv.topic.route(mv.view, &msg, int(r.count), len(m.Value)+16)
		if err != nil {
			mv.topic.producer.completeOne(mv.topic, done, arg, err)
			return
		}
		mv.choice, mv.run = c, r
		mv.lane = c.partition.Lane(c.worker)
		for {
			ok, stopped := mv.lane.Begin(mv.choice.generation)
			if ok {
				break
			}
			if stopped {
				mv.lane = nil
				mv.topic.producer.completeOne(mv.topic, done, arg, ErrClosed)
				return
			}
			_, mv.choice.generation = mv.choice.partition.Choice()
		}
	}
	mv.lane.PutAnyway(m, done, arg)
}

func (mv *mover) commit() {
	if mv.lane != nil {
		mv.lane.Commit(mv.run.immediate)
		mv.lane = nil
	}
}
