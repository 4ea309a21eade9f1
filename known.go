package ekaf

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// createGrace is how long brokers may say that a topic does not exist while they
// are creating it: they answer so until all of them know it.
const createGrace = 2 * time.Second

// Fault is what the brokers last said against the topic: an error in which
// errors.Is finds ErrUnknownTopic, ErrNotPermitted or ErrInvalidTopic. It is nil
// while the topic is usable, and while nobody has said anything. Messages of a
// topic that does not exist are accepted all the same, and wait for it
// (UnknownTopicTimeout); a caller that wants to say no at once asks here first.
//
// It costs an atomic load, touches no network, and keeps the brokers being asked.
// With AutoCreateTopics a topic counts as unknown only after two seconds, the
// time that its creation may take.
func (h *TopicProducer) Fault() error {
	if h.t.against.Load() == nil {
		return nil
	}
	h.t.producer.cluster.Want(h.t.name)
	return h.t.fault()
}

// Known waits until the topic's partitions are known, without producing
// anything. It ends with Fault's error as soon as there is one, or with ctx.
func (h *TopicProducer) Known(ctx context.Context) error {
	t := h.t
	if t.view.Load() != nil && t.against.Load() == nil {
		return nil
	}
	t.producer.cluster.Want(t.name)
	var fault error
	err := t.producer.await(ctx, func() bool {
		if t.producer.refusing.Load() {
			fault = ErrClosed
		} else {
			fault = t.fault()
		}
		return fault != nil || t.view.Load() != nil
	})
	switch {
	case fault != nil:
		return fault
	case err != nil:
		return t.unprepared(context.Cause(ctx))
	}
	return nil
}

// objection is what brokers say against a topic, and since when.
type objection struct {
	err   error
	since time.Time
}

// object notes an answer against the topic. LEADER_NOT_AVAILABLE is none: it is
// what a topic that is being created answers.
func (t *topic) object(err error, now time.Time) {
	if errors.Is(err, kerr.LeaderNotAvailable) {
		return
	}
	said := &objection{err, now}
	if before := t.against.Load(); before != nil {
		said.since = before.since
	}
	t.against.Store(said)
}

// fault is what is said against the topic, once it is to be believed.
func (t *topic) fault() error {
	said := t.against.Load()
	switch {
	case said == nil:
		return nil
	case t.producer.settings.autoCreate && errors.Is(said.err, ErrUnknownTopic) && time.Since(said.since) < createGrace:
		return nil
	}
	return &DeliveryError{Topic: t.name, Partition: -1, Retriable: true, Err: said.err}
}
