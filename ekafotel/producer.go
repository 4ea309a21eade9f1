package ekafotel

import (
	"context"

	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/ekaf-go/ekaf"
)

// tracer is what all operations of a wrapped producer share.
type tracer struct {
	*options
	tracer   trace.Tracer
	duration metric.Float64Histogram
}

func (t *tracer) labelOf(topic string) string {
	if t.label == nil {
		return topic
	}
	return t.label(topic)
}

// Producer has the verbs of an ekaf.Producer, traced. Whatever else that one does
// it does as before, unwrapped. All methods may be called from any goroutine.
type Producer struct {
	producer *ekaf.Producer
	tracer   *tracer
}

// durations are the bounds that the conventions give for messaging.client.operation.duration.
var durations = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

// Wrap traces a producer. The spans' durations are measured as well, as
// messaging.client.operation.duration. A meter that refuses this instrument is
// reported to the global error handler of OpenTelemetry, as is its custom.
func Wrap(p *ekaf.Producer, opts ...Option) *Producer {
	o := settled(opts)
	t := &tracer{options: o}
	t.tracer = o.tracers.Tracer(scope, trace.WithInstrumentationVersion(ekaf.Version), trace.WithSchemaURL(semconv.SchemaURL))
	t.duration = orHandled(meter(o).Float64Histogram("messaging.client.operation.duration",
		metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(durations...),
		metric.WithDescription("Duration of messaging operation initiated by a producer or consumer client.")))
	return &Producer{producer: p, tracer: t}
}

func meter(o *options) metric.Meter {
	return o.meters.Meter(scope, metric.WithInstrumentationVersion(ekaf.Version), metric.WithSchemaURL(semconv.SchemaURL))
}

// Unwrap gives the producer itself.
func (p *Producer) Unwrap() *ekaf.Producer { return p.producer }

// Topic gives a handle for one topic, as ekaf.Producer.Topic does.
func (p *Producer) Topic(name string) (*TopicProducer, error) {
	h, err := p.producer.Topic(name)
	if err != nil {
		return nil, err
	}
	return p.Around(h), nil
}

// Around gives the traced form of a handle, which is of the producer that p wraps.
// The HTTP gateway takes it by its option Through.
func (p *Producer) Around(h *ekaf.TopicProducer) *TopicProducer { return &TopicProducer{h, p.tracer} }

// ProduceSync is ekaf.Producer.ProduceSync in a span.
func (p *Producer) ProduceSync(ctx context.Context, topic string, msgs ...ekaf.Message) (ekaf.Acked, error) {
	h, err := p.Topic(topic)
	if err != nil {
		return ekaf.Acked{}, err
	}
	return h.ProduceSync(ctx, msgs...)
}

// ProduceAsync is ekaf.Producer.ProduceAsync in a span that the last outcome ends.
func (p *Producer) ProduceAsync(ctx context.Context, topic string, msgs ...ekaf.Message) error {
	h, err := p.Topic(topic)
	if err != nil {
		return err
	}
	return h.ProduceAsync(ctx, msgs...)
}

// ProduceAsyncFunc is ekaf.Producer.ProduceAsyncFunc in a span that ends before fn is called.
func (p *Producer) ProduceAsyncFunc(ctx context.Context, topic string, fn func(ekaf.Acked, error), msgs ...ekaf.Message) error {
	h, err := p.Topic(topic)
	if err != nil {
		return err
	}
	return h.ProduceAsyncFunc(ctx, fn, msgs...)
}

// ProduceSyncBatched is ekaf.Producer.ProduceSyncBatched in a span that the last outcome ends.
func (p *Producer) ProduceSyncBatched(ctx context.Context, topic string, msgs ...ekaf.Message) (ekaf.Receipt, error) {
	h, err := p.Topic(topic)
	if err != nil {
		return ekaf.Receipt{}, err
	}
	return h.ProduceSyncBatched(ctx, msgs...)
}

// ProduceAsyncBatched is ekaf.Producer.ProduceAsyncBatched in a span that the last outcome ends.
func (p *Producer) ProduceAsyncBatched(ctx context.Context, topic string, msgs ...ekaf.Message) (ekaf.Receipt, error) {
	h, err := p.Topic(topic)
	if err != nil {
		return ekaf.Receipt{}, err
	}
	return h.ProduceAsyncBatched(ctx, msgs...)
}

// ProduceAsyncBatchedFunc is ekaf.Producer.ProduceAsyncBatchedFunc in a span that ends before fn is called.
func (p *Producer) ProduceAsyncBatchedFunc(ctx context.Context, topic string, fn func(ekaf.Acked, error), msgs ...ekaf.Message) (ekaf.Receipt, error) {
	h, err := p.Topic(topic)
	if err != nil {
		return ekaf.Receipt{}, err
	}
	return h.ProduceAsyncBatchedFunc(ctx, fn, msgs...)
}

// TopicProducer has the verbs of an ekaf.TopicProducer, traced.
type TopicProducer struct {
	topic  *ekaf.TopicProducer
	tracer *tracer
}

// Unwrap gives the handle itself.
func (h *TopicProducer) Unwrap() *ekaf.TopicProducer { return h.topic }

// ProduceSync is Producer.ProduceSync for this topic.
func (h *TopicProducer) ProduceSync(ctx context.Context, msgs ...ekaf.Message) (ekaf.Acked, error) {
	if len(msgs) == 0 {
		return h.topic.ProduceSync(ctx)
	}
	ctx, op, msgs := h.tracer.begin(ctx, h.topic.Name(), msgs)
	acked, err := h.topic.ProduceSync(ctx, msgs...)
	op.answered(acked, err)
	return acked, err
}

// ProduceAsync is Producer.ProduceAsync for this topic.
func (h *TopicProducer) ProduceAsync(ctx context.Context, msgs ...ekaf.Message) error {
	if len(msgs) == 0 {
		return h.topic.ProduceAsync(ctx)
	}
	ctx, op, msgs := h.tracer.begin(ctx, h.topic.Name(), msgs)
	op.listen(msgs)
	err := h.topic.ProduceAsync(ctx, msgs...)
	op.refused(err, len(msgs))
	return err
}

// ProduceAsyncFunc is Producer.ProduceAsyncFunc for this topic.
func (h *TopicProducer) ProduceAsyncFunc(ctx context.Context, fn func(ekaf.Acked, error), msgs ...ekaf.Message) error {
	if len(msgs) == 0 {
		return h.topic.ProduceAsyncFunc(ctx, fn)
	}
	ctx, op, msgs := h.tracer.begin(ctx, h.topic.Name(), msgs)
	err := h.topic.ProduceAsyncFunc(ctx, op.before(fn), msgs...)
	op.refused(err, len(msgs))
	return err
}

// ProduceSyncBatched is Producer.ProduceSyncBatched for this topic.
func (h *TopicProducer) ProduceSyncBatched(ctx context.Context, msgs ...ekaf.Message) (ekaf.Receipt, error) {
	return h.batched(ctx, h.topic.ProduceSyncBatched, msgs)
}

// ProduceAsyncBatched is Producer.ProduceAsyncBatched for this topic.
func (h *TopicProducer) ProduceAsyncBatched(ctx context.Context, msgs ...ekaf.Message) (ekaf.Receipt, error) {
	return h.batched(ctx, h.topic.ProduceAsyncBatched, msgs)
}

func (h *TopicProducer) batched(ctx context.Context, verb func(context.Context, ...ekaf.Message) (ekaf.Receipt, error), msgs []ekaf.Message) (ekaf.Receipt, error) {
	if len(msgs) == 0 {
		return verb(ctx)
	}
	ctx, op, msgs := h.tracer.begin(ctx, h.topic.Name(), msgs)
	op.listen(msgs)
	receipt, err := verb(ctx, msgs...)
	op.refused(err, len(msgs))
	return receipt, err
}

// ProduceAsyncBatchedFunc is Producer.ProduceAsyncBatchedFunc for this topic.
func (h *TopicProducer) ProduceAsyncBatchedFunc(ctx context.Context, fn func(ekaf.Acked, error), msgs ...ekaf.Message) (ekaf.Receipt, error) {
	if len(msgs) == 0 {
		return h.topic.ProduceAsyncBatchedFunc(ctx, fn)
	}
	ctx, op, msgs := h.tracer.begin(ctx, h.topic.Name(), msgs)
	receipt, err := h.topic.ProduceAsyncBatchedFunc(ctx, op.before(fn), msgs...)
	op.refused(err, len(msgs))
	return receipt, err
}

// before has a call's outcome told to the operation, and then to the caller.
func (op *operation) before(fn func(ekaf.Acked, error)) func(ekaf.Acked, error) {
	return func(acked ekaf.Acked, err error) {
		op.answered(acked, err)
		fn(acked, err)
	}
}
