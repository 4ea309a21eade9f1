package ekafotel

import (
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Option sets one thing of Wrap or Metrics.
type Option func(*options)

type options struct {
	tracers    trace.TracerProvider
	meters     metric.MeterProvider
	propagator propagation.TextMapPropagator
	perMessage bool
	keys       bool
	label      func(string) string
}

// scope is the instrumentation scope of spans and metrics.
const scope = "github.com/ekaf-go/ekaf/ekafotel"

func settled(opts []Option) *options {
	o := &options{propagator: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})}
	for _, set := range opts {
		set(o)
	}
	if o.tracers == nil {
		o.tracers = otel.GetTracerProvider()
	}
	if o.meters == nil {
		o.meters = otel.GetMeterProvider()
	}
	return o
}

// TracerProvider makes the spans. Default: the global one, otel.GetTracerProvider.
func TracerProvider(p trace.TracerProvider) Option { return func(o *options) { o.tracers = p } }

// MeterProvider makes the metrics. Default: the global one, otel.GetMeterProvider.
func MeterProvider(p metric.MeterProvider) Option { return func(o *options) { o.meters = p } }

// Propagator puts a span's context into a message's headers. Default: W3C Trace
// Context and W3C Baggage.
func Propagator(p propagation.TextMapPropagator) Option {
	return func(o *options) { o.propagator = p }
}

// PerMessage gives each message a span of its own. Default: one span for a call.
func PerMessage() Option { return func(o *options) { o.perMessage = true } }

// MessageKeys records the key of a message in its span, where the span is of one
// message and the key is UTF-8. Default: not recorded, as keys may be personal data.
func MessageKeys() Option { return func(o *options) { o.keys = true } }

// TopicLabel gives the value of messaging.destination.name in metrics for a topic's
// name; topics with the same one are counted together. Default: the topic's own name.
func TopicLabel(label func(topic string) string) Option {
	return func(o *options) { o.label = label }
}
