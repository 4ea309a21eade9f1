package ekaf

import (
	"errors"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// host is the producer as its lanes and senders see it. It is a type of its own so
// that what they ask for is no part of the public API.
type host struct{ *Producer }

func topicOf(l *worker.Lane) *topic { return l.Partition.Config().Owner.(*topic) }

// Clock implements worker.Host.
func (h *host) Clock() int64 { return h.clock.Now() }

// PrepareBatch implements worker.Host: massage and compression run in a small pool.
func (h *host) PrepareBatch(l *worker.Lane, b *batch.Batch) {
	p := h.Producer
	p.pool.Run(func() {
		fault := l.Prepare(b)
		if hook, ok := errors.AsType[*worker.HookPanic](fault); ok {
			p.emit(topicOf(l), Event{Kind: EventCallbackPanicked, Err: panicError{hook.Value}})
		} else if fault != nil {
			p.log.Warn("a batch goes uncompressed", "topic", topicOf(l).name, "error", fault)
		}
	})
}

// Resolved implements worker.Host. The memory is credited before any completion
// runs: a callback may produce under Block.
func (h *host) Resolved(l *worker.Lane, b *batch.Batch, free bool) {
	p := h.Producer
	t := topicOf(l)
	b.Acked.Topic = t
	if err := b.Acked.Err; err != nil {
		t.failures.count(describe(b.Acked.Code, err), b.Outcomes())
	}
	if free {
		p.free(l, b)
	}
	p.complete(b, free)
}

// Told implements worker.Host.
func (h *host) Told(*worker.Lane) { h.bell.ring() }

// Released implements worker.Host.
func (h *host) Released(l *worker.Lane, b *batch.Batch) { h.free(l, b) }

func (p *Producer) free(l *worker.Lane, b *batch.Batch) {
	bytes, messages := b.Charged()
	b.FreeBytes()
	limits := l.Partition.Limits()
	limits.Credit(bytes, messages)
}

// complete runs the completions of a batch whose bytes are gone, with the outcome
// that it holds (in the batch, as one handed on would be an allocation): those of waiting
// callers at once, user code on its own goroutine.
//
// A completion that ran is taken out: its caller may have left by the time the
// other goroutine comes by, and its call serve another one, with a callback. The
// call would then be completed again, with the outcome of this batch.
func (p *Producer) complete(b *batch.Batch, recycle bool) {
	deferred, freed := false, int64(0)
	entries := b.Entries()
	for i := range entries {
		e := &entries[i]
		if e.Done == nil {
			continue // its caller has gone
		}
		if _, own := e.Done.(completion); own { // as most are, of very many
			deferred = true
			continue
		}
		inline, held := settle(e.Done, e.Count)
		if freed += held; !inline {
			deferred = true
			continue
		}
		now := *e
		e.Done = nil
		now.Done.Complete(now, &b.Acked)
	}
	if freed > 0 {
		b.Acked.Topic.(*topic).bytes.Credit(freed)
	}
	if deferred {
		p.callbacks.Run(b, recycle)
	} else if recycle {
		b.Recycle()
	}
}

// settle tells a completer that the outcome of messages is known, and asks whether
// it may hear of it at once. freed is to be credited to the topic.
func settle(done batch.Completer, messages int32) (inline bool, freed int64) {
	if c, collects := done.(*call); collects {
		freed = c.settle(messages)
	}
	return done.Inline(), freed
}

// completeOne fails a single message that is in no batch.
func (p *Producer) completeOne(t *topic, done batch.Completer, arg int32, err error) {
	cause := err
	partition := int32(-1)
	if delivery, ok := errors.AsType[*DeliveryError](err); ok {
		cause, partition = delivery.Err, delivery.Partition
	}
	p.completeWith(done, arg, &batch.Result{Topic: t, Partition: partition, BaseOffset: -1, LogAppendTime: -1, Err: cause})
}

// completeWith gives an outcome to a single message that is in no batch.
func (p *Producer) completeWith(done batch.Completer, arg int32, r *batch.Result) {
	if done == nil {
		return
	}
	e := batch.Entry{Done: done, Count: 1, Arg: arg}
	inline, freed := settle(done, 1)
	if freed > 0 {
		r.Topic.(*topic).bytes.Credit(freed)
	}
	if inline {
		done.Complete(e, r)
		return
	}
	p.callbacks.One(e, r)
}

// Refresh implements worker.Host and sender.Host.
func (h *host) Refresh() { h.cluster.Refresh() }

// Resized implements worker.Host.
func (h *host) Resized(part *worker.Partition, workers int) {
	p := h.Producer
	p.log.Debug("a partition's number of workers changed",
		"topic", part.Config().Topic, "partition", part.ID, "workers", workers)
}

// laneEvents maps what a lane reports to the events of the public API.
var laneEvents = [...]EventKind{
	worker.EventState:       EventWorkerState,
	worker.EventSent:        EventFlush,
	worker.EventAnswered:    EventFlushedReplied,
	worker.EventRetry:       EventRetry,
	worker.EventDropped:     EventDropped,
	worker.EventDataLoss:    EventDataLoss,
	worker.EventUndecidable: EventUndecidable,
}

// Event implements worker.Host.
func (h *host) Event(e worker.Event) {
	p := h.Producer
	if e.Kind == worker.EventState {
		p.bell.ring()
	}
	t := topicOf(e.Lane)
	if t.settings.onEvent == nil && !p.loud {
		return
	}
	out := Event{
		Kind: laneEvents[e.Kind], Partition: e.Lane.Partition.ID, Worker: e.Lane.Worker, Broker: e.Broker,
		Messages: e.Messages, Bytes: e.Bytes, Took: e.Took, Err: e.Err,
	}
	if e.Kind == worker.EventState {
		out.From, out.To = e.From.String(), e.To.String()
	}
	p.emitLane(t, e.Lane, out)
}

// NextID implements worker.Host.
func (h *host) NextID(l *worker.Lane, fresh bool) (worker.ID, bool) {
	p := h.Producer
	return p.identities.Next(l, l.Worker, fresh || topicOf(l).reborn.Load())
}
