package ekaf

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/ekaf-go/ekaf/internal/worker"
)

// The four verbs. Immediate verbs send as soon as the connection can take it;
// batched ones wait for BatchRecords, BatchBytes or Linger. Async verbs never
// wait for the network; sync ones wait until ctx ends.
//
// An error of a verb means that messages were not accepted: their callbacks are
// not called. If only some of a list were refused it is a *RefusedError.

// ProduceSync sends messages at once and waits for their acks. If ctx ends
// first, messages that were not on the wire are withdrawn and never sent later;
// for the others the error says MaybeWritten. The error is that of the first
// message that failed; with several messages, each Ack has its own.
func (p *Producer) ProduceSync(ctx context.Context, topic string, msgs ...Message) (Acked, error) {
	t, err := p.topic(topic)
	if err != nil {
		return Acked{}, err
	}
	return t.sync(ctx, msgs)
}

// ProduceAsync hands messages over and returns at once; they are sent as soon
// as the connection can take them. Outcomes go to the messages' callbacks, if any.
func (p *Producer) ProduceAsync(ctx context.Context, topic string, msgs ...Message) error {
	t, err := p.topic(topic)
	if err != nil {
		return err
	}
	return t.async(ctx, msgs)
}

// ProduceAsyncFunc is ProduceAsync with one callback for the call: fn gets what
// ProduceSync would answer, once all messages have their outcome.
func (p *Producer) ProduceAsyncFunc(ctx context.Context, topic string, fn func(Acked, error), msgs ...Message) error {
	t, err := p.topic(topic)
	if err != nil {
		return err
	}
	_, err = t.asyncFunc(ctx, fn, msgs, true)
	return err
}

// ProduceSyncBatched hands messages to their workers' batches, waiting for room
// and, while the topic's partitions are unknown, for those; until ctx ends. It
// does not wait for acks. It answers what each worker touched holds now.
func (p *Producer) ProduceSyncBatched(ctx context.Context, topic string, msgs ...Message) (Receipt, error) {
	t, err := p.topic(topic)
	if err != nil {
		return Receipt{}, err
	}
	return t.syncBatched(ctx, msgs)
}

// ProduceAsyncBatched hands messages to their workers' batches and returns at
// once. The receipt's partition is -1 while the topic's partitions are unknown.
func (p *Producer) ProduceAsyncBatched(ctx context.Context, topic string, msgs ...Message) (Receipt, error) {
	t, err := p.topic(topic)
	if err != nil {
		return Receipt{}, err
	}
	return t.asyncBatched(ctx, msgs)
}

// ProduceAsyncBatchedFunc is ProduceAsyncBatched with one callback for the call.
func (p *Producer) ProduceAsyncBatchedFunc(ctx context.Context, topic string, fn func(Acked, error), msgs ...Message) (Receipt, error) {
	t, err := p.topic(topic)
	if err != nil {
		return Receipt{}, err
	}
	return t.asyncFunc(ctx, fn, msgs, false)
}

// Publish is ProduceAsync under its name in the original.
func (p *Producer) Publish(ctx context.Context, topic string, msgs ...Message) error {
	return p.ProduceAsync(ctx, topic, msgs...)
}

// Batch is ProduceSyncBatched under its name in the original.
func (p *Producer) Batch(ctx context.Context, topic string, msgs ...Message) (Receipt, error) {
	return p.ProduceSyncBatched(ctx, topic, msgs...)
}

// Topic gives a handle for one topic: the same verbs without the look-up by
// name, for hot paths.
func (p *Producer) Topic(name string) (*TopicProducer, error) {
	t, err := p.openTopic(name)
	if err != nil {
		return nil, err
	}
	return &TopicProducer{t}, nil
}

// TopicProducer is a producer's handle for one topic. It may be kept and shared.
type TopicProducer struct{ t *topic }

// Name is the topic's name.
func (h *TopicProducer) Name() string { return h.t.name }

// WhenFull is what the async verbs and the sync ones do at a limit of the buffer.
// Async verbs never wait for anything, unless this is Block.
func (h *TopicProducer) WhenFull() (async, sync FullPolicy) {
	return h.t.settings.whenFullAsync, h.t.settings.whenFullSync
}

// ProduceSync is Producer.ProduceSync for this topic.
func (h *TopicProducer) ProduceSync(ctx context.Context, msgs ...Message) (Acked, error) {
	return h.t.sync(ctx, msgs)
}

// ProduceAsync is Producer.ProduceAsync for this topic.
func (h *TopicProducer) ProduceAsync(ctx context.Context, msgs ...Message) error {
	return h.t.async(ctx, msgs)
}

// ProduceAsyncFunc is Producer.ProduceAsyncFunc for this topic.
func (h *TopicProducer) ProduceAsyncFunc(ctx context.Context, fn func(Acked, error), msgs ...Message) error {
	_, err := h.t.asyncFunc(ctx, fn, msgs, true)
	return err
}

// ProduceSyncBatched is Producer.ProduceSyncBatched for this topic.
func (h *TopicProducer) ProduceSyncBatched(ctx context.Context, msgs ...Message) (Receipt, error) {
	return h.t.syncBatched(ctx, msgs)
}

// ProduceAsyncBatched is Producer.ProduceAsyncBatched for this topic.
func (h *TopicProducer) ProduceAsyncBatched(ctx context.Context, msgs ...Message) (Receipt, error) {
	return h.t.asyncBatched(ctx, msgs)
}

// ProduceAsyncBatchedFunc is Producer.ProduceAsyncBatchedFunc for this topic.
func (h *TopicProducer) ProduceAsyncBatchedFunc(ctx context.Context, fn func(Acked, error), msgs ...Message) (Receipt, error) {
	return h.t.asyncFunc(ctx, fn, msgs, false)
}

// begin is what each verb checks first. The closing channel is looked at with
// each call: a call that comes after Close has begun is refused.
func (t *topic) begin(ctx context.Context) error {
	if t.producer.refusing.Load() {
		return ErrClosed
	}
	return ctx.Err()
}

// accept is produce, with an end to any waiting for room.
func (t *topic) accept(ctx context.Context, msgs []Message, o *order) {
	t.produce(ctx, msgs, o)
	if o.room.account != nil {
		o.room.release()
	}
	if o.refusals.n > 0 {
		t.refused(&o.refusals)
	}
}

func (t *topic) async(ctx context.Context, msgs []Message) error {
	if err := t.begin(ctx); err != nil || len(msgs) == 0 {
		return err
	}
	if len(msgs) == 1 {
		if _, ok := t.produceOne(&msgs[0], nil, true, false); ok {
			return nil
		}
	}
	o := order{immediate: true, policy: t.settings.whenFullAsync}
	t.accept(ctx, msgs, &o)
	return o.answer(len(msgs))
}

func (t *topic) asyncBatched(ctx context.Context, msgs []Message) (Receipt, error) {
	if err := t.begin(ctx); err != nil || len(msgs) == 0 {
		return Receipt{}, err
	}
	if len(msgs) == 1 {
		if b, ok := t.produceOne(&msgs[0], nil, false, false); ok {
			return Receipt{Buffered: b}, nil
		}
	}
	o := order{policy: t.settings.whenFullAsync}
	t.accept(ctx, msgs, &o)
	return o.receipt, o.answer(len(msgs))
}

func (t *topic) syncBatched(ctx context.Context, msgs []Message) (Receipt, error) {
	if err := t.begin(ctx); err != nil || len(msgs) == 0 {
		return Receipt{}, err
	}
	if len(msgs) == 1 {
		if b, ok := t.produceOne(&msgs[0], nil, false, false); ok {
			return Receipt{Buffered: b}, nil
		}
	}
	if err := t.waitForPartitions(ctx); err != nil {
		return Receipt{}, err
	}
	o := order{policy: t.settings.whenFullSync}
	t.accept(ctx, msgs, &o)
	return o.receipt, o.answer(len(msgs))
}

func (t *topic) asyncFunc(ctx context.Context, fn func(Acked, error), msgs []Message, immediate bool) (Receipt, error) {
	if err := t.begin(ctx); err != nil || len(msgs) == 0 {
		return Receipt{}, err
	}
	o := order{immediate: immediate, policy: t.settings.whenFullAsync}
	switch {
	case fn == nil: // nobody hears of the call, only of its messages
	case len(msgs) > 1:
		o.call = t.newCall(len(msgs), fn)
	default:
		o.reply = fn
		if b, ok := t.produceOne(&msgs[0], o.reply, immediate, false); ok {
			return Receipt{Buffered: b}, nil
		}
	}
	t.accept(ctx, msgs, &o)
	if o.call == nil {
		return o.receipt, o.answer(len(msgs))
	}
	if o.refusals.n == len(msgs) {
		o.call.drop()
		return o.receipt, o.answer(len(msgs))
	}
	t.refuseSome(&o)
	return o.receipt, nil
}

// refuseSome tells the callback of a call of the messages that were not accepted,
// as it hears of the others.
func (t *topic) refuseSome(o *order) {
	if o.refusals.n == 0 {
		return // the call may be another's by now
	}
	c := o.call
	c.hold()
	for r := range o.refusals.all() {
		if freed := c.settle(1); freed > 0 {
			t.bytes.Credit(freed)
		}
		t.producer.callbacks.Call(func() { c.refuse(int32(r.index), r.err) })
	}
}

// answer is a verb's error.
func (o *order) answer(messages int) error {
	if o.refusals.n == 0 {
		return nil
	}
	if o.refusals.n == messages {
		return o.refusals.cause()
	}
	r := &RefusedError{Err: o.refusals.first.err}
	for one := range o.refusals.all() {
		r.Refused, r.Errs = append(r.Refused, one.index), append(r.Errs, one.err)
	}
	return r
}

func (t *topic) sync(ctx context.Context, msgs []Message) (Acked, error) {
	acked, refused, err := t.wait(ctx, msgs)
	for i := range msgs {
		if fn := msgs[i].Callback; fn != nil && i < acked.Len() && !refused.has(i) {
			ack := acked.At(i)
			fn(ack, ack.Err)
		}
	}
	return acked, err
}

// wait produces and waits for the outcomes; the refused messages have theirs in the
// acks too.
func (t *topic) wait(ctx context.Context, msgs []Message) (Acked, refusals, error) {
	if err := t.begin(ctx); err != nil || len(msgs) == 0 {
		return Acked{}, refusals{}, err
	}
	t.producer.syncing.Add(1)
	defer t.producer.syncing.Add(-1)
	c := t.newCall(len(msgs), nil)
	o := order{immediate: true, policy: t.settings.whenFullSync, call: c, drains: true}
	taken := false
	if len(msgs) == 1 {
		_, taken = t.produceOne(&msgs[0], c, true, true)
	}
	if !taken {
		t.accept(ctx, msgs, &o)
	}
	if o.refusals.n == len(msgs) {
		c.left++ // so that nobody is told
		for r := range o.refusals.all() {
			c.refuse(int32(r.index), r.err)
		}
		acked := c.answer()
		c.home.Put(c)
		return acked, o.refusals, o.answer(len(msgs))
	}
	for r := range o.refusals.all() {
		c.refuse(int32(r.index), r.err)
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		if t.giveUp(ctx, c) {
			acked := c.answer() // the call itself may still be in a batch
			return acked, o.refusals, acked.firstErr()
		}
		<-c.done
	}
	acked := c.answer()
	c.home.Put(c)
	return acked, o.refusals, acked.firstErr()
}

// giveUp ends a call whose context is over. Messages that were never sent are
// withdrawn; the others may be written. It reports false if all outcomes came in
// the meantime.
func (t *topic) giveUp(ctx context.Context, c *call) bool {
	cause := t.because(context.Cause(ctx))
	withdrawn := map[int32]bool{}
	t.mu.Lock()
	for _, i := range t.parked.withdraw(c) {
		withdrawn[i] = true
	}
	t.mu.Unlock()
	for _, l := range t.started() {
		for _, i := range l.Withdraw(c).Withdrawn {
			withdrawn[i] = true
		}
	}
	t.failures.count(ErrWithdrawn, len(withdrawn))
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left == 0 {
		return false
	}
	c.over = true
	for place := range int32(c.acked.n) {
		if c.acked.has(place) {
			continue // it has its outcome
		}
		e := &DeliveryError{Topic: t.name, Partition: -1, Retriable: true, MaybeWritten: !withdrawn[place], Err: cause}
		if withdrawn[place] {
			e.Err = fmt.Errorf("%w: %w", ErrWithdrawn, cause)
		}
		c.acked.add(failedRun(place, e))
	}
	return true
}

// waitForPartitions waits until the topic's partitions are known.
func (t *topic) waitForPartitions(ctx context.Context) error {
	if t.view.Load() != nil {
		return nil
	}
	t.mu.Lock()
	t.fatal = false // asked anew
	t.producer.cluster.Want(t.name)
	t.mu.Unlock()
	known := func() bool {
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.view.Load() != nil || t.fatal
	}
	refusing := &t.producer.refusing
	err := t.producer.await(ctx, func() bool { return refusing.Load() || known() })
	switch {
	case err == nil && t.view.Load() != nil:
		return nil
	case refusing.Load():
		return ErrClosed
	}
	return t.unprepared(err)
}

// unprepared is the error of a wait for metadata that ended without.
func (t *topic) unprepared(err error) error {
	return &DeliveryError{Topic: t.name, Partition: -1, Retriable: true, Err: t.because(err)}
}

// because adds to the end of a wait what is known of its reason: the topic's
// last fault, that of a broker that cannot be reached, or the cluster's.
func (t *topic) because(err error) error {
	t.mu.Lock()
	last := t.lastErr
	t.mu.Unlock()
	if last == nil {
		last = t.producer.brokerFault(t)
	}
	if last == nil {
		last = t.producer.cluster.Trouble()
	}
	if errors.Is(last, kerr.SaslAuthenticationFailed) && !errors.Is(last, ErrNotPermitted) {
		last = fmt.Errorf("%w: %w", ErrNotPermitted, last)
	}
	switch {
	case last == nil:
		return err
	case err == nil:
		return last
	}
	return fmt.Errorf("%w (%w)", err, last)
}

// Prepare asks for the topics' metadata, connects to their leaders, and waits
// until both are there or ctx ends. It is not needed, and saves the first
// message the way.
func (p *Producer) Prepare(ctx context.Context, topics ...string) error {
	var list []*topic
	for _, name := range topics {
		t, err := p.openTopic(name)
		if err != nil {
			return err
		}
		list = append(list, t)
		p.cluster.Want(name)
	}
	for _, t := range list {
		if err := t.waitForPartitions(ctx); err != nil {
			return err
		}
		for _, part := range t.view.Load().partitions {
			part.Lane(0)
		}
	}
	for _, s := range p.listSenders() {
		s.Warm()
	}
	for _, t := range list {
		for _, part := range t.view.Load().partitions {
			l := part.Lane(0)
			err := p.await(ctx, func() bool { return p.refusing.Load() || l.State() == worker.Ready })
			if p.refusing.Load() {
				return ErrClosed
			}
			if err != nil {
				return t.unprepared(err)
			}
		}
	}
	return nil
}
