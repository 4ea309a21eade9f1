package ekaf

import (
	"errors"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/memory"
)

// completion is the completer of a single message: its callback, kept in the
// batch as it is, a pointer and no more.
type completion Callback

// CompleteRow implements callback.Row.
func (fn completion) CompleteRow(entries []batch.Entry, next *int, r *batch.Result) {
	completeRow(entries, next, r)
}

// Complete implements batch.Completer.
func (fn completion) Complete(e batch.Entry, r *batch.Result) {
	completeRow([]batch.Entry{e}, new(int), r)
}

// Inline implements batch.Completer: it is user code.
func (fn completion) Inline() bool { return false }

// reply is the completer of a call of one message with a callback for the call: that
// function, kept in the batch as it is. Such calls are the usual ones, and what a
// call would take to collect a single outcome is many times a small message.
type reply func(Acked, error)

// CompleteRow implements callback.Row.
func (fn reply) CompleteRow(entries []batch.Entry, next *int, r *batch.Result) {
	completeRow(entries, next, r)
}

// Complete implements batch.Completer.
func (fn reply) Complete(e batch.Entry, r *batch.Result) {
	completeRow([]batch.Entry{e}, new(int), r)
}

// Inline implements batch.Completer: it is user code.
func (fn reply) Inline() bool { return false }

// completeRow calls the functions of single messages, from an entry on until one that
// holds something else. A function that several messages share is called for each.
func completeRow(entries []batch.Entry, next *int, r *batch.Result) {
	one := newSingle(r)
	for ; *next < len(entries); *next++ {
		e := &entries[*next]
		one.begin(e)
		switch fn := e.Done.(type) {
		case completion:
			for ; one.take(e); one.step() {
				fn(one.acked.Ack, one.acked.Err)
			}
		case reply:
			for ; one.take(e); one.step() {
				fn(one.acked, one.acked.Err)
			}
		default:
			return
		}
	}
}

// single is the answer for single messages of a batch, one after another. What is the
// same for all of them is made once: a batch may hold ten thousand callbacks.
type single struct {
	acked   Acked
	base    int64 // offset of the batch's first message
	steps   bool  // and the others' are above it, one by one
	stamped bool  // each message has its own timestamp
	delta   int32 // that of the present one, less the batch's base
	result  *batch.Result
}

func newSingle(r *batch.Result) single {
	topic, first := topicName(r), batch.Entry{Count: 1}
	run := runOf(&first, r)
	return single{
		acked: Acked{Ack: run.ack(topic, 0), n: 1, topic: topic, one: run},
		base:  run.offset, steps: run.steps, stamped: r.Err == nil && r.LogAppendTime < 0, result: r,
	}
}

// begin turns to an entry.
func (s *single) begin(e *batch.Entry) {
	if s.steps {
		s.acked.Offset = s.base + int64(e.First)
		s.acked.one.offset = s.acked.Offset
	}
	if s.stamped && s.delta != e.TimeDelta {
		s.delta = e.TimeDelta
		s.acked.one.ms = s.result.BaseTime + int64(s.delta)
		s.acked.Timestamp = time.UnixMilli(s.acked.one.ms)
	}
}

// take takes the next message out of its entry, before its function is called: if
// that panics, whoever goes on finds those that were not told.
func (s *single) take(e *batch.Entry) (ok bool) {
	if e.Count == 0 {
		return false
	}
	e.Count--
	e.First++
	return true
}

// step turns to the next message of the entry.
func (s *single) step() {
	if s.steps {
		s.acked.Offset++
		s.acked.one.offset++
	}
}

// call collects the outcomes of a call's messages: for a sync verb, which waits
// for done, or for a callback per call of several messages. It keeps a run for each
// batch that carried messages of the call, however many they were; acks are made of
// the runs when somebody looks at them.
//
// A callback's call outlives the verb, as its messages do, and like them it is
// charged, from when the last of them was put until the last outcome is known. Not
// until the callback has run: that may produce, and wait for room (ENGINE_RULES 16).
type call struct {
	home    *sync.Pool // of its producer
	account *memory.Account
	fn      func(Acked, error)
	done    chan struct{} // 1-buffered; of sync calls
	// places gives each message's place among the completions, where messages
	// were put in another order than they were given; empty: the same order.
	places []int32

	mu    sync.Mutex // guards the following
	acked Acked      // its runs lie in memory of the call's own, see answer
	left  int        // messages whose caller was not told
	due   int        // messages without an outcome
	runs  int        // outcomes that are known: those of so many batches
	held  int64      // charged for the call
	over  bool       // the caller has gone
}

// newCall takes a call from the producer's pool. It is the producer's and not the
// program's because a channel belongs to the synctest bubble that it was made in.
func (t *topic) newCall(n int, fn func(Acked, error)) *call {
	c, _ := t.producer.calls.Get().(*call)
	if c == nil {
		c = moreCalls(&t.producer.calls)
	}
	c.fn, c.over, c.account = fn, false, t.bytes
	if fn == nil && c.done == nil {
		c.done = make(chan struct{}, 1)
	}
	c.left, c.due, c.runs, c.held = n, n, 0, 0
	c.acked.n, c.acked.topic = n, t.name
	return c
}

// moreCalls makes a few calls at once, keeps one and leaves the others in the pool: a
// full buffer holds thousands of calls. A few, as each keeps its block alive.
func moreCalls(home *sync.Pool) *call {
	block := make([]call, 4)
	for i := range block {
		block[i].home = home
		if i > 0 {
			home.Put(&block[i])
		}
	}
	return &block[0]
}

// hold charges the call for itself. It is called before the last of its messages can
// have an outcome, as the call may serve another caller after that; and not earlier,
// as this one may wait for room which a message needs alone (Account.TryCharge).
func (c *call) hold() {
	if c.Inline() {
		return // its caller waits, and is there as long
	}
	c.mu.Lock()
	c.charge(callBytes + runBytes*cap(c.acked.more) + placeBytes*cap(c.places))
	c.mu.Unlock()
}

func (c *call) charge(bytes int) {
	c.account.Charge(int64(bytes))
	c.held += int64(bytes)
}

const (
	callBytes  = int(unsafe.Sizeof(call{}))
	runBytes   = int(unsafe.Sizeof(ackRun{}))
	placeBytes = int(unsafe.Sizeof(int32(0)))
)

// settle notes the outcome of a run of so many messages, before anybody is told. It
// answers what a call that has them all was charged, to be credited, with that of
// others where there are any: each credit wakes those who wait for room. A call that
// has not yet all of them keeps the run.
func (c *call) settle(messages int32) (freed int64) {
	if c.Inline() {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.due -= int(messages); c.due == 0 {
		return c.held
	}
	// The first run has its place in the call.
	if before := cap(c.acked.more); c.runs > before {
		c.acked.more = slices.Grow(c.acked.more, c.runs-len(c.acked.more))
		if c.held > 0 { // else hold is still to come
			c.charge(runBytes * (cap(c.acked.more) - before))
		}
	}
	c.runs++
	return 0
}

// Inline implements batch.Completer: a waiting caller is woken by the reader.
func (c *call) Inline() bool { return c.fn == nil }

// Complete implements batch.Completer.
func (c *call) Complete(e batch.Entry, r *batch.Result) {
	c.resolve(runOf(&e, r))
}

// refuse notes a message that was not accepted although others of the call were.
func (c *call) refuse(i int32, err error) {
	if _, typed := errors.AsType[*DeliveryError](err); !typed {
		err = &DeliveryError{Topic: c.acked.topic, Partition: -1, Retriable: errors.Is(err, ErrFull), Err: err}
	}
	c.resolve(failedRun(c.place(i), err))
}

// drop gives back a call of which nothing was accepted.
func (c *call) drop() {
	c.fn, c.places = nil, c.places[:0]
	c.acked = Acked{more: c.acked.more[:0]}
	c.home.Put(c)
}

// failedRun is the outcome of one message that no partition answered for.
func failedRun(place int32, err error) ackRun {
	return ackRun{first: place, count: 1, partition: -1, offset: -1, err: &err}
}

// expect makes room for the outcomes of so many runs.
func (c *call) expect(runs int) {
	c.mu.Lock()
	c.acked.more = slices.Grow(c.acked.more, max(0, runs-1-len(c.acked.more)))
	c.mu.Unlock()
}

func (c *call) place(i int32) int32 {
	if len(c.places) == 0 {
		return i
	}
	return c.places[i]
}

// resolve takes the outcome of a run of messages, and tells the caller once
// there are no more.
func (c *call) resolve(run ackRun) {
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return
	}
	c.acked.add(run)
	c.left -= int(run.count)
	last := c.left == 0
	c.mu.Unlock()
	if !last {
		return
	}
	if c.fn == nil {
		c.done <- struct{}{}
		return
	}
	fn, acked := c.fn, c.answer()
	c.fn = nil
	c.home.Put(c)
	fn(acked, acked.firstErr())
}

// answer takes the acks out of a call that has them all. The caller may keep its
// answer for as long as it likes, and the call its memory: the answer is a copy. It
// leaves fn alone: a call that was given up is still in a batch, and whoever resolves
// that asks Inline.
func (c *call) answer() Acked {
	acked := c.acked
	if n := len(c.acked.more); n > 0 {
		acked.more = append(runSlab.Take(n), c.acked.more...)
		clear(c.acked.more)
	} else {
		acked.more = nil
	}
	var places []int32
	if n := len(c.places); n > 0 {
		places = append(placeSlab.Take(n), c.places...)
	}
	acked.seal(places)
	c.acked, c.places = Acked{more: c.acked.more[:0]}, c.places[:0]
	if cap(c.acked.more) > mostKept || cap(c.places) > mostKept {
		c.acked.more, c.places = nil, nil
	}
	return acked
}

// mostKept bounds what a call in the pool keeps of its memory, in items.
const mostKept = 1024

// runOf is the outcome of an entry's messages.
func runOf(e *batch.Entry, r *batch.Result) ackRun {
	run := ackRun{first: e.Arg, count: e.Count, partition: r.Partition, worker: int16(r.Worker), offset: -1}
	if r.Err != nil {
		if r.Failure == nil {
			err := error(deliveryError(topicName(r), r))
			r.Failure = &err
		}
		run.err = r.Failure
		return run
	}
	if r.BaseOffset >= 0 {
		run.offset = r.BaseOffset
		if run.steps = !r.Shared; run.steps {
			run.offset += int64(e.First)
		}
	}
	if run.ms = r.LogAppendTime; run.ms < 0 {
		run.ms = r.BaseTime + int64(e.TimeDelta)
	}
	return run
}

func topicName(r *batch.Result) string {
	if t, _ := r.Topic.(*topic); t != nil {
		return t.name
	}
	return ""
}

func deliveryError(topic string, r *batch.Result) *DeliveryError {
	return &DeliveryError{
		Topic: topic, Partition: r.Partition, Code: r.Code, Retriable: r.Retriable,
		MaybeWritten: r.MaybeWritten, Err: describe(r.Code, r.Err),
	}
}
