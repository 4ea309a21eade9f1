package ekaf

import (
	"sync"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// completion is the completer of a single message: its callback, kept in the
// batch as it is, a pointer and no more.
type completion Callback

// Complete implements batch.Completer. A function that several messages share is
// called for each of them.
func (fn completion) Complete(e batch.Entry, r *batch.Result) {
	run := runOf(e, r)
	for told := int32(0); told < e.Count; {
		told = fn.tell(&run, told, r)
	}
}

// tell calls the function for the messages of a run that were not told yet. A
// panic ends one call of it and no more.
func (fn completion) tell(run *ackRun, from int32, r *batch.Result) (told int32) {
	if run.count > 1 {
		defer func() {
			if v := recover(); v != nil {
				r.Topic.(*topic).producer.callbacks.Panicked(v)
			}
		}()
	}
	ack := run.ack(topicName(r), from)
	for told = from; told < run.count; {
		told++
		fn(ack, ack.Err)
		if run.steps {
			ack.Offset++
		}
	}
	return told
}

// Inline implements batch.Completer: it is user code.
func (fn completion) Inline() bool { return false }

// call collects the outcomes of a call's messages: for a sync verb, which waits
// for done, or for a callback per call. It keeps a run for each batch that
// carried messages of the call, however many they were; acks are made of the
// runs when somebody looks at them.
type call struct {
	home *sync.Pool // of its producer
	fn   func(Acked, error)
	done chan struct{} // 1-buffered; of sync calls
	// places gives each message's place among the completions, where messages
	// were put in another order than they were given; nil: the same order.
	places []int32

	mu    sync.Mutex // guards the following
	acked Acked
	left  int
	over  bool // the caller has gone
}

// newCall takes a call from the producer's pool. It is the producer's and not the
// program's because a channel belongs to the synctest bubble that it was made in.
func (t *topic) newCall(n int, fn func(Acked, error)) *call {
	c, _ := t.producer.calls.Get().(*call)
	if c == nil {
		c = moreCalls(&t.producer.calls)
	}
	c.fn, c.over, c.places = fn, false, nil
	if fn == nil && c.done == nil {
		c.done = make(chan struct{}, 1)
	}
	c.left = n
	c.acked = Acked{topic: t.name, n: n}
	return c
}

// moreCalls makes a few calls at once, keeps one and leaves the others in the pool:
// a full buffer of small messages holds thousands of calls without their outcomes.
func moreCalls(home *sync.Pool) *call {
	block := make([]call, 16)
	for i := range block {
		block[i].home = home
		if i > 0 {
			home.Put(&block[i])
		}
	}
	return &block[0]
}

// Inline implements batch.Completer: a waiting caller is woken by the reader.
func (c *call) Inline() bool { return c.fn == nil }

// Complete implements batch.Completer.
func (c *call) Complete(e batch.Entry, r *batch.Result) {
	c.resolve(runOf(e, r))
}

// refuse notes a message that was not accepted although others of the call were.
func (c *call) refuse(i int32, err error) { c.resolve(failedRun(c.place(i), err)) }

// failedRun is the outcome of one message that no partition answered for.
func failedRun(place int32, err error) ackRun {
	return ackRun{first: place, count: 1, partition: -1, offset: -1, err: &err}
}

// expect makes room for the outcomes of so many runs.
func (c *call) expect(runs int) {
	c.mu.Lock()
	if c.acked.more == nil {
		c.acked.more = runSlab.Take(runs - 1)
	}
	c.mu.Unlock()
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
	fn, acked := c.fn, c.answer()
	c.fn = nil
	c.home.Put(c)
	fn(acked, acked.firstErr())
}

// answer takes the acks out of a call that has them all. It leaves fn alone: a call
// that was given up is still in a batch, and whoever resolves that asks Inline.
func (c *call) answer() Acked {
	acked := c.acked
	acked.seal(c.places)
	c.acked, c.places = Acked{}, nil
	return acked
}

// runOf is the outcome of an entry's messages.
func runOf(e batch.Entry, r *batch.Result) ackRun {
	run := ackRun{first: e.Arg, count: e.Count, partition: r.Partition, worker: int16(r.Worker), offset: -1}
	if r.Err != nil {
		err := error(deliveryError(topicName(r), r))
		run.err = &err
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
