package ekaf

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// Callback is the completer of a single message: it is kept in the batch as it
// is, a pointer and no more.

// Complete implements batch.Completer.
func (fn Callback) Complete(e batch.Entry, r *batch.Result) {
	ack := ackOf(e, r, 0)
	fn(ack, ack.Err)
}

// Inline implements batch.Completer: it is user code.
func (fn Callback) Inline() bool { return false }

// call collects the outcomes of a call's messages: for a sync verb, which waits
// for done, or for a callback per call.
type call struct {
	fn   func(Acked, error)
	done chan struct{} // 1-buffered; of a sync call

	// Each outcome has a place of its own in acked, so those of a callback are
	// written without a lock. A sync caller may leave; its lock keeps writers from
	// what it took away.
	acked Acked
	left  atomic.Int32
	mu    sync.Mutex // guards the following, and acked of a sync call
	over  bool       // the caller has gone
}

var calls = sync.Pool{New: func() any { return new(call) }}

func newCall(n int, fn func(Acked, error)) *call {
	c := calls.Get().(*call)
	c.fn, c.over, c.done = fn, false, nil
	if fn == nil {
		// Made anew: a channel belongs to the synctest bubble it was made in, and
		// the pool is shared by all tests of a program.
		c.done = make(chan struct{}, 1)
	}
	c.left.Store(int32(n))
	c.acked = Acked{}
	if n > 1 {
		c.acked.Rest = make([]Ack, n-1)
	}
	return c
}

// at is the place of a message's outcome.
func (c *call) at(i int32) *Ack {
	if i == 0 {
		return &c.acked.Ack
	}
	return &c.acked.Rest[i-1]
}

// Inline implements batch.Completer: a waiting caller is woken by the reader.
func (c *call) Inline() bool { return c.fn == nil }

// Complete implements batch.Completer.
func (c *call) Complete(e batch.Entry, r *batch.Result) {
	if c.fn == nil {
		c.mu.Lock()
		if c.over {
			c.mu.Unlock()
			return
		}
		c.fill(e, r)
		c.mu.Unlock()
	} else {
		c.fill(e, r)
	}
	c.finish(e.Count)
}

func (c *call) fill(e batch.Entry, r *batch.Result) {
	for i := range e.Count {
		*c.at(e.Arg + i) = ackOf(e, r, i)
	}
}

// refuse notes a message that was not accepted although others of the call were.
func (c *call) refuse(i int32, topic string, err error) {
	*c.at(i) = Ack{Topic: topic, Partition: -1, Offset: -1, Err: err}
	c.finish(1)
}

// finish counts outcomes and tells the caller once there are no more.
func (c *call) finish(n int32) {
	if c.left.Add(-n) > 0 {
		return
	}
	if c.fn == nil {
		c.done <- struct{}{}
		return
	}
	acked, fn := c.acked, c.fn
	c.fn, c.acked = nil, Acked{}
	calls.Put(c)
	fn(acked, acked.firstErr())
}

func (a Acked) firstErr() error {
	for _, ack := range a.All() {
		if ack.Err != nil {
			return ack.Err
		}
	}
	return nil
}

// ackOf is the outcome of the i-th message of an entry.
func ackOf(e batch.Entry, r *batch.Result, i int32) Ack {
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
			ack.Offset += int64(e.First + i)
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
