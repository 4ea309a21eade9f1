package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ekaf-go/ekaf"
)

// delivery is what became of an exchange's messages.
type delivery struct {
	failed  []failure // in the order of the messages
	acked   ekaf.Acked
	spread  []ekaf.Ack // the acks by message, where several calls made them
	receipt ekaf.Receipt
	more    []ekaf.Buffered // of further calls
}

// failure is a message that was not accepted, or not delivered.
type failure struct {
	index int
	err   error
}

// ack is that of a message, after a delivery to Kafka.
func (d *delivery) ack(i int) ekaf.Ack {
	if d.spread != nil {
		return d.spread[i]
	}
	return d.acked.At(i)
}

// manner is how messages are handed over.
type manner uint8

const (
	async        manner = iota // handed over at once, sent at once
	asyncBatched               // ... sent when a batch is full or Linger ends
	syncBatched                // waits for room and partitions, not for acks
	acked                      // waits for the acks
)

// waits: the manner waits for Kafka.
func (m manner) waits() bool { return m == syncBatched || m == acked }

// deliver hands the exchange's messages over. A refusal means that none was
// accepted for one reason; else x.delivery says what became of each.
func (x *exchange) deliver(topic string, m manner, timeout time.Duration) *StatusError {
	if m.waits() {
		if x.h.waiting.Add(1) > int64(x.h.settings.maxWaiting) {
			x.h.waiting.Add(-1)
			x.h.tooManyWaiting.Add(1)
			return &StatusError{Status: http.StatusServiceUnavailable, RetryAfter: retryAfter, failed: true, Message: "too many requests wait for Kafka: try again later"}
		}
		defer x.h.waiting.Add(-1)
	}
	if x.first != nil { // before a hook changes the bytes
		x.first.message = x.fingerprint()
	}
	if x.h.settings.trace {
		x.carryTrace()
	}
	if x.h.settings.rewrite != nil {
		return x.deliverRewritten(topic, m, timeout)
	}
	return x.hand(topic, m, timeout, x.msgs, nil)
}

// hand gives messages of one topic to the producer in one call. index is the
// place of each among the exchange's messages; nil: they are all of them.
func (x *exchange) hand(topic string, m manner, timeout time.Duration, msgs []ekaf.Message, index []int) *StatusError {
	tp, err := x.h.topics.get(x.r.Context(), topic)
	if err == nil {
		err = x.call(tp, m, timeout, msgs, index)
	}
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[*ekaf.RefusedError](err); ok && len(refused.Errs) == len(refused.Refused) {
		for k, i := range refused.Refused {
			x.fail(i, index, refused.Errs[k])
		}
		return nil
	}
	if index == nil {
		return statusOf(err)
	}
	for i := range msgs {
		x.fail(i, index, err)
	}
	return nil
}

func (x *exchange) fail(i int, index []int, err error) {
	if index != nil {
		i = index[i]
	}
	x.delivery.failed = append(x.delivery.failed, failure{i, err})
}

// call is the producer's verb.
func (x *exchange) call(tp *topic, m manner, timeout time.Duration, msgs []ekaf.Message, index []int) error {
	if !m.waits() {
		ctx := x.r.Context()
		if len(msgs) > 1 {
			// With the policy Block a call may wait for room in its midst. A client
			// that goes away then must not cut it in two.
			ctx = context.WithoutCancel(ctx)
		}
		if m == async {
			return tp.verbs.ProduceAsync(ctx, msgs...)
		}
		receipt, err := tp.verbs.ProduceAsyncBatched(ctx, msgs...)
		x.took(receipt)
		return err
	}
	ctx, stop := x.deadline(timeout, len(msgs) > 1)
	defer stop()
	if err := tp.handle.Known(ctx); err != nil {
		return err
	}
	if m == syncBatched {
		receipt, err := tp.verbs.ProduceSyncBatched(ctx, msgs...)
		x.took(receipt)
		return err
	}
	acks, err := tp.verbs.ProduceSync(ctx, msgs...)
	if acks.Len() == 0 {
		return err
	}
	x.keep(acks, err, index)
	return nil
}

// keep notes the acks of a call, and which of them are failures.
func (x *exchange) keep(acks ekaf.Acked, err error, index []int) {
	if index == nil {
		x.delivery.acked = acks
	} else if x.delivery.spread == nil {
		x.delivery.spread = make([]ekaf.Ack, len(x.msgs))
	}
	if err == nil && index == nil {
		return
	}
	for i, ack := range acks.All() {
		if index != nil {
			x.delivery.spread[index[i]] = ack
		}
		if ack.Err != nil {
			x.fail(i, index, ack.Err)
		}
	}
}

func (x *exchange) took(r ekaf.Receipt) {
	if x.delivery.receipt.Messages == 0 {
		x.delivery.receipt = r
		return
	}
	for b := range r.All() {
		x.delivery.more = append(x.delivery.more, b)
	}
}

// errDeadline is why a request that waited for Kafka was given up.
type errDeadline struct{ after time.Duration }

func (e errDeadline) Error() string { return fmt.Sprintf("Kafka did not answer within %v", e.after) }
func (e errDeadline) Unwrap() error { return context.DeadlineExceeded }

// deadline is the context of a request that waits for Kafka. A request for one
// message ends with its client, as nothing can be halved. Of several messages
// some may be on the wire when time is over and others not, and the answer says
// which; if by then the client has gone, there is nobody to tell, and all that was
// accepted is delivered.
func (x *exchange) deadline(timeout time.Duration, several bool) (context.Context, func()) {
	cause := errDeadline{timeout}
	if !several {
		return withTimeout(x.r.Context(), timeout, cause)
	}
	client := x.r.Context()
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(client))
	timer := time.AfterFunc(timeout, func() {
		if client.Err() == nil {
			cancel(cause)
		}
	})
	return ctx, func() {
		timer.Stop()
		cancel(nil)
	}
}

func withTimeout(ctx context.Context, d time.Duration, cause error) (context.Context, func()) {
	bounded, stop := context.WithTimeoutCause(ctx, d, cause)
	return bounded, stop
}
