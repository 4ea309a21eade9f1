package ekaf

import (
	"sync"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// Callback is the completer of a single message: it is kept in the batch as it
// is, a pointer and no more.

// Complete implements batch.Completer.
func (fn Callback) Complete(e batch.Entry, r *batch.Result) {
	ack := ackOf(nil, e, r, 0)
	fn(ack, ack.Err)
}

// Inline implements batch.Completer: it is user code.
func (fn Callback) Inline() bool { return false }

// call collects the outcomes of a call's messages: for a sync verb, which waits
// for done, or for a callback per call.
type call struct {
	fn   func(Acked, error)
	done chan struct{} // 1-buffered

	mu    sync.Mutex // guards the following
	acked Acked
	left  int
	over  bool // the caller has gone
}

var calls = sync.Pool{New: func() any { return &call{done: make(chan struct{}, 1)} }}

func newCall(n int, fn func(Acked, error)) *call {
	c := calls.Get().(*call)
	c.fn, c.left, c.over = fn, n, false
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
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		return
	}
	for i := range e.Count {
		*c.at(e.Arg + i) = ackOf(c, e, r, i)
	}
	c.finish(int(e.Count))
}

// refuse notes messages that were not accepted after others of the call were.
func (c *call) refuse(i int32, err error) {
	c.mu.Lock()
	c.at(i).Err = err
	c.finish(1)
}

// finish counts outcomes and tells the caller once there are no more. It unlocks.
func (c *call) finish(n int) {
	c.left -= n
	last := c.left == 0
	acked, fn := c.acked, c.fn
	c.mu.Unlock()
	if !last {
		return
	}
	if fn == nil {
		c.done <- struct{}{}
		return
	}
	c.fn = nil
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
func ackOf(_ *call, e batch.Entry, r *batch.Result, i int32) Ack {
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
