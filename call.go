package ekaf

import (
	"sync"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// completion is the completer of a single message: its callback, kept in the
// batch as it is, a pointer and no more.
type completion Callback

// Complete implements batch.Completer.
func (fn completion) Complete(e batch.Entry, r *batch.Result) {
	ack := ackOf(e, r)
	fn(ack, ack.Err)
}

// Inline implements batch.Completer: it is user code.
func (fn completion) Inline() bool { return false }

// call collects the outcomes of a call's messages: for a sync verb, which waits
// for done, or for a callback per call. It keeps a run for each batch that
// carried messages of the call, however many they were; acks are made of the
// runs when somebody looks at them.
type call struct {
	fn   func(Acked, error)
	done chan struct{} // 1-buffered; of a sync call
	// places gives each message's place among the completions, where messages
	// were put in another order than they were given; nil: the same order.
	places []int32

	mu    sync.Mutex // guards the following
	acked Acked
	left  int
	over  bool // the caller has gone
}

var calls = sync.Pool{New: func() any { return new(call) }}

func newCall(n int, fn func(Acked, error)) *call {
	c := calls.Get().(*call)
	c.fn, c.over, c.done, c.places = fn, false, nil, nil
	if fn == nil {
		// Made anew: a channel belongs to the synctest bubble it was made in, and
		// the pool is shared by all tests of a program.
		c.done = make(chan struct{}, 1)
	}
	c.left = n
	c.acked = Acked{n: n}
	return c
}

// Inline implements batch.Completer: a waiting caller is woken by the reader.
func (c *call) Inline() bool { return c.fn == nil }

// Complete implements batch.Completer.
func (c *call) Complete(e batch.Entry, r *batch.Result) {
	c.resolve(runOf(e, r))
}

// refuse notes a message that was not accepted although others of the call were.
func (c *call) refuse(i int32, topic string, err error) {
	c.resolve(ackRun{first: c.place(i), count: 1, ack: Ack{Topic: topic, Partition: -1, Offset: -1, Err: err}})
}

func (c *call) place(i int32) int32 {
	if c.places == nil {
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
	fn := c.fn
	acked := c.answer()
	calls.Put(c)
	fn(acked, acked.firstErr())
}

// answer takes the acks out of a call that has them all.
func (c *call) answer() Acked {
	acked := c.acked
	acked.seal(c.places)
	c.acked, c.fn, c.places = Acked{}, nil, nil
	return acked
}

// runOf is the outcome of an entry's messages.
func runOf(e batch.Entry, r *batch.Result) ackRun {
	return ackRun{first: e.Arg, count: e.Count, steps: r.BaseOffset >= 0 && !r.Shared, ack: ackOf(e, r)}
}

// ackOf is the outcome of an entry's first message.
func ackOf(e batch.Entry, r *batch.Result) Ack {
	topic, _ := r.Topic.(*topic)
	ack := Ack{Partition: r.Partition, Worker: r.Worker, Offset: -1}
	if topic != nil {
		ack.Topic = topic.name
	}
	if r.Err != nil {
		ack.Err = deliveryError(ack.Topic, r)
		return ack
	}
	if r.BaseOffset >= 0 {
		ack.Offset = r.BaseOffset
		if !r.Shared {
			ack.Offset += int64(e.First)
		}
	}
	ms := r.LogAppendTime
	if ms < 0 {
		ms = r.BaseTime + int64(e.TimeDelta)
	}
	ack.Timestamp = time.UnixMilli(ms)
	return ack
}

func deliveryError(topic string, r *batch.Result) *DeliveryError {
	return &DeliveryError{
		Topic: topic, Partition: r.Partition, Code: r.Code, Retriable: r.Retriable,
		MaybeWritten: r.MaybeWritten, Err: describe(r.Code, r.Err),
	}
}
