package ekafotel

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/internal/metrics"
)

// The operations of the conventions.
const (
	sendName   = "send"
	createName = "create"
)

// operation is one call of a verb, until the last of its messages has its outcome.
type operation struct {
	tracer *tracer
	topic  string
	began  time.Time
	span   trace.Span
	single bool // it is of one message

	mu   sync.Mutex // guards the following
	left int        // outcomes to come
	err  error      // the first failure
	ack  ekaf.Ack   // the first ack
}

// begin starts a call's span, and puts contexts into copies of its messages.
func (t *tracer) begin(ctx context.Context, topic string, msgs []ekaf.Message) (context.Context, *operation, []ekaf.Message) {
	op := &operation{tracer: t, topic: topic, began: time.Now(), left: len(msgs), single: len(msgs) == 1}
	msgs = slices.Clone(msgs)
	var links []trace.Link
	kind := trace.SpanKindProducer
	fresh := make([]bool, len(msgs)) // messages that bring no context
	for i := range msgs {
		if origin := t.origin(&msgs[i]); origin.IsValid() {
			links = append(links, trace.Link{SpanContext: origin})
			continue
		}
		fresh[i] = true
	}
	if t.perMessage {
		kind = trace.SpanKindClient // the producers are the spans of the messages
		for i := range msgs {
			if fresh[i] {
				links = append(links, trace.Link{SpanContext: t.create(ctx, topic, &msgs[i])})
			}
		}
	}
	ctx, op.span = t.tracer.Start(ctx, sendName+" "+topic, trace.WithSpanKind(kind), trace.WithLinks(links...),
		trace.WithTimestamp(op.began), trace.WithAttributes(t.attributes(topic, msgs)...))
	for i := range msgs {
		if fresh[i] && !t.perMessage {
			t.propagator.Inject(ctx, headers{&msgs[i]})
		}
	}
	return ctx, op, msgs
}

// origin is the context that a message brings along.
func (t *tracer) origin(m *ekaf.Message) trace.SpanContext {
	if len(m.Headers) == 0 {
		return trace.SpanContext{}
	}
	return trace.SpanContextFromContext(t.propagator.Extract(context.Background(), headers{m}))
}

// create makes a message's own span, which ends at once, and sends its context along.
func (t *tracer) create(ctx context.Context, topic string, m *ekaf.Message) trace.SpanContext {
	attributes := append([]attribute.KeyValue{
		semconv.MessagingSystemKafka, semconv.MessagingDestinationName(topic),
		semconv.MessagingOperationName(createName), semconv.MessagingOperationTypeCreate,
	}, t.ofMessage(m)...)
	ctx, span := t.tracer.Start(ctx, createName+" "+topic, trace.WithSpanKind(trace.SpanKindProducer), trace.WithAttributes(attributes...))
	t.propagator.Inject(ctx, headers{m})
	span.End()
	return span.SpanContext()
}

// attributes are those known when a call begins.
func (t *tracer) attributes(topic string, msgs []ekaf.Message) []attribute.KeyValue {
	list := []attribute.KeyValue{
		semconv.MessagingSystemKafka, semconv.MessagingDestinationName(topic),
		semconv.MessagingOperationName(sendName), semconv.MessagingOperationTypeSend,
	}
	if len(msgs) == 1 {
		return append(list, t.ofMessage(&msgs[0])...)
	}
	return append(list, semconv.MessagingBatchMessageCount(len(msgs)))
}

// ofMessage are the attributes of a single message.
func (t *tracer) ofMessage(m *ekaf.Message) (list []attribute.KeyValue) {
	if m.Value == nil {
		list = append(list, semconv.MessagingKafkaMessageTombstone(true))
	}
	if t.keys && m.Key != nil && utf8.Valid(m.Key) {
		list = append(list, semconv.MessagingKafkaMessageKey(string(m.Key)))
	}
	return list
}

// listen has the messages' outcomes told to the operation, before their own callbacks.
func (op *operation) listen(msgs []ekaf.Message) {
	alone := ekaf.Callback(op.outcome)
	for i := range msgs {
		own := msgs[i].Callback
		if own == nil {
			msgs[i].Callback = alone
			continue
		}
		msgs[i].Callback = func(ack ekaf.Ack, err error) {
			op.outcome(ack, err)
			own(ack, err)
		}
	}
}

// outcome takes that of one message.
func (op *operation) outcome(ack ekaf.Ack, err error) { op.outcomes(1, ack, err) }

// refused takes what a verb without answer returned: messages that were not
// accepted have no outcome.
func (op *operation) refused(err error, messages int) {
	if err == nil {
		return
	}
	if some, ok := errors.AsType[*ekaf.RefusedError](err); ok {
		messages = len(some.Refused)
	}
	op.outcomes(messages, ekaf.Ack{}, err)
}

// answered takes that of a whole call.
func (op *operation) answered(acked ekaf.Acked, err error) {
	op.mu.Lock()
	n := op.left
	op.mu.Unlock()
	op.outcomes(n, acked.Ack, err)
}

// outcomes ends the operation with the last of its messages.
func (op *operation) outcomes(n int, ack ekaf.Ack, err error) {
	op.mu.Lock()
	op.left -= n
	if op.err == nil {
		op.err = err
	}
	if err == nil {
		op.ack = ack
	}
	last, first := op.left <= 0, op.err
	ack = op.ack
	op.mu.Unlock()
	if last {
		op.end(ack, first)
	}
}

// end ends the span, and measures.
func (op *operation) end(ack ekaf.Ack, err error) {
	now := time.Now()
	measured := []attribute.KeyValue{
		semconv.MessagingSystemKafka, semconv.MessagingOperationName(sendName), semconv.MessagingOperationTypeSend,
		semconv.MessagingDestinationName(op.tracer.labelOf(op.topic)),
	}
	switch {
	case err != nil:
		kind := semconv.ErrorTypeKey.String(metrics.ReasonOf(err))
		measured = append(measured, kind)
		op.span.SetAttributes(kind)
		op.span.SetStatus(codes.Error, err.Error())
	case op.single && ack.Offset >= 0:
		op.span.SetAttributes(
			semconv.MessagingDestinationPartitionID(strconv.Itoa(int(ack.Partition))),
			semconv.MessagingKafkaOffset(int(ack.Offset)))
	}
	op.tracer.duration.Record(context.Background(), now.Sub(op.began).Seconds(), metric.WithAttributes(measured...))
	op.span.End(trace.WithTimestamp(now))
}

var _ propagation.TextMapCarrier = headers{}
