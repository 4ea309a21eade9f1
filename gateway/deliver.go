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
	ctx := x.r.Context()
	if m.waits() {
		if x.h.waiting.Add(1) > int64(x.h.settings.maxWaiting) {
			x.h.waiting.Add(-1)
			x.h.tooManyWaiting.Add(1)
			return &StatusError{Status: http.StatusServiceUnavailable, RetryAfter: retryAfter, failed: true, Message: "too many requests wait for Kafka: try again later"}
		}
		defer x.h.waiting.Add(-1)
		bounded, stop := x.deadline(timeout, len(x.msgs) > 1) // one, however many topics a hook chooses
		defer stop()
		ctx = bounded
	}
	if x.first != nil { // before a hook changes the bytes
		x.first.message = x.fingerprint()
	}
	if x.h.settings.trace {
		x.carryTrace()
	}
	if x.h.settings.rewrite != nil {
		return x.deliverRewritten(ctx, topic, m)
	}
	return x.hand(ctx, topic, m)
}

// hand gives the exchange's messages to the producer in one call, for one topic.
func (x *exchange) hand(ctx context.Context, topic string, m manner) *StatusError {
	tp, err := x.h.topics.get(ctx, topic)
	if err == nil {
		err = x.call(ctx, tp, m)
	}
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[*ekaf.RefusedError](err); ok && len(refused.Errs) == len(refused.Refused) {
		for k, i := range refused.Refused {
			x.fail(i, refused.Errs[k])
		}
		return nil
	}
	return statusOf(err)
}

func (x *exchange) fail(i int, err error) {
	x.delivery.failed = append(x.delivery.failed, failure{i, err})
}

// call is the producer's verb.
func (x *exchange) call(ctx context.Context, tp *topic, m manner) error {
	if !m.waits() {
		if len(x.msgs) > 1 {
			// With the policy Block a call may wait for room in its midst. A client
			// that goes away then must not cut it in two.
			ctx = context.WithoutCancel(ctx)
		}
		if m == async {
			return tp.verbs.ProduceAsync(ctx, x.msgs...)
		}
		receipt, err := tp.verbs.ProduceAsyncBatched(ctx, x.msgs...)
		x.took(receipt)
		return err
	}
	if err := tp.handle.Known(ctx); err != nil {
		return err
	}
	if m == syncBatched {
		receipt, err := tp.verbs.ProduceSyncBatched(ctx, x.msgs...)
		x.took(receipt)
		return err
	}
	acks, err := tp.verbs.ProduceSync(ctx, x.msgs...)
	if acks.Len() == 0 {
		return err
	}
	x.delivery.acked = acks
	if err == nil {
		return nil
	}
	for i, ack := range acks.All() {
		if ack.Err != nil {
			x.fail(i, ack.Err)
		}
	}
	return nil
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
