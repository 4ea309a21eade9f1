package ekafotel_test

import (
	"context"
	"errors"
	"maps"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekafotel"
	"github.com/ekaf-go/ekaf/ekaftest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// scene is a cluster, a traced producer, and what was recorded.
type scene struct {
	cluster *ekaftest.Cluster
	plain   *ekaf.Producer
	traced  *ekafotel.Producer
	spans   *tracetest.SpanRecorder
	tracers *sdktrace.TracerProvider
	reader  *sdkmetric.ManualReader
}

func start(t *testing.T, opts ...ekafotel.Option) *scene {
	t.Helper()
	s := &scene{cluster: ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1)), spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
	s.tracers = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(s.spans))
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(s.reader))
	p, err := ekaf.New(ekaf.Brokers(s.cluster.Addrs()...), ekaf.Dialer(s.cluster.Dialer()), ekaf.BatchBytes(10_000))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = p.Close(ctx)
	})
	opts = append([]ekafotel.Option{ekafotel.TracerProvider(s.tracers), ekafotel.MeterProvider(meters)}, opts...)
	s.plain, s.traced = p, ekafotel.Wrap(p, opts...)
	registration, err := ekafotel.Metrics(p, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := registration.Unregister(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *scene) flush(t *testing.T) {
	t.Helper()
	if err := s.plain.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// carried are the values of a header of the messages that arrived.
func (s *scene) carried(t *testing.T, key string) (values []string) {
	t.Helper()
	seen, err := s.cluster.Consume("events")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range seen {
		value := ""
		for _, h := range m.Headers {
			if h.Key == key {
				value += string(h.Value)
			}
		}
		values = append(values, value)
	}
	return values
}

// parent is how W3C writes a span's context.
func parent(c trace.SpanContext) string {
	return "00-" + c.TraceID().String() + "-" + c.SpanID().String() + "-01"
}

func attributesOf(span sdktrace.ReadOnlySpan) map[string]string {
	out := map[string]string{}
	for _, a := range span.Attributes() {
		out[string(a.Key)] = a.Value.String()
	}
	return out
}

// verbs are all of them, each as a call that is over when its outcomes are there.
var verbs = map[string]func(ctx context.Context, p *ekafotel.Producer, msgs ...ekaf.Message) error{
	"ProduceSync": func(ctx context.Context, p *ekafotel.Producer, msgs ...ekaf.Message) error {
		_, err := p.ProduceSync(ctx, "events", msgs...)
		return err
	},
	"ProduceAsync": func(ctx context.Context, p *ekafotel.Producer, msgs ...ekaf.Message) error {
		return p.ProduceAsync(ctx, "events", msgs...)
	},
	"ProduceAsyncFunc": func(ctx context.Context, p *ekafotel.Producer, msgs ...ekaf.Message) error {
		return p.ProduceAsyncFunc(ctx, "events", func(ekaf.Acked, error) {}, msgs...)
	},
	"ProduceSyncBatched": func(ctx context.Context, p *ekafotel.Producer, msgs ...ekaf.Message) error {
		_, err := p.ProduceSyncBatched(ctx, "events", msgs...)
		return err
	},
	"ProduceAsyncBatched": func(ctx context.Context, p *ekafotel.Producer, msgs ...ekaf.Message) error {
		_, err := p.ProduceAsyncBatched(ctx, "events", msgs...)
		return err
	},
	"ProduceAsyncBatchedFunc": func(ctx context.Context, p *ekafotel.Producer, msgs ...ekaf.Message) error {
		_, err := p.ProduceAsyncBatchedFunc(ctx, "events", func(ekaf.Acked, error) {}, msgs...)
		return err
	},
}

func TestEachVerbIsASpanThatItsMessagesCarry(t *testing.T) {
	for name, verb := range verbs {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			ctx, request := s.tracers.Tracer("test").Start(t.Context(), "request")
			told := 0
			messages := []ekaf.Message{ekaf.Value("a").WithHeader("x", []byte("y")), ekaf.Value("b").Then(func(ekaf.Ack, error) { told++ })}
			if err := verb(ctx, s.traced, messages...); err != nil {
				t.Fatal(err)
			}
			if len(messages[0].Headers) != 1 || len(messages[1].Headers) != 0 {
				t.Error("the caller's messages were changed")
			}
			s.flush(t)
			ended := s.spans.Ended()
			if len(ended) != 1 {
				t.Fatalf("%d spans", len(ended))
			}
			span := ended[0]
			if span.Name() != "send events" || span.SpanKind() != trace.SpanKindProducer || span.Parent().SpanID() != request.SpanContext().SpanID() {
				t.Errorf("%s, %v, below %v", span.Name(), span.SpanKind(), span.Parent().SpanID())
			}
			want := map[string]string{
				"messaging.system": "kafka", "messaging.destination.name": "events", "messaging.batch.message_count": "2",
				"messaging.operation.name": "send", "messaging.operation.type": "send",
			}
			if got := attributesOf(span); !maps.Equal(got, want) {
				t.Errorf("attributes %v", got)
			}
			for i, value := range s.carried(t, "traceparent") {
				if value != parent(span.SpanContext()) {
					t.Errorf("message %d carries %q", i, value)
				}
			}
			if told != 1 {
				t.Errorf("the message's own callback ran %d times", told)
			}
		})
	}
}

func TestASingleMessage(t *testing.T) {
	s := start(t, ekafotel.MessageKeys())
	if _, err := s.traced.ProduceSync(t.Context(), "events", ekaf.Tombstone("user1")); err != nil {
		t.Fatal(err)
	}
	got := attributesOf(s.spans.Ended()[0])
	for key, want := range map[string]string{
		"messaging.kafka.message.key": "user1", "messaging.kafka.message.tombstone": "true",
		"messaging.destination.partition.id": "0", "messaging.kafka.offset": "0",
	} {
		if got[key] != want {
			t.Errorf("%s is %q", key, got[key])
		}
	}
}

// A message that comes with a context keeps it, and the span links to that.
func TestAContextOfItsOwnIsKept(t *testing.T) {
	s := start(t)
	const brought = "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01"
	message := ekaf.Value("x").WithHeader("traceparent", []byte(brought))
	if _, err := s.traced.ProduceSync(t.Context(), "events", message, ekaf.Value("y")); err != nil {
		t.Fatal(err)
	}
	span := s.spans.Ended()[0]
	if got := s.carried(t, "traceparent"); got[0] != brought || got[1] != parent(span.SpanContext()) {
		t.Errorf("carried: %v", got)
	}
	if links := span.Links(); len(links) != 1 || links[0].SpanContext.SpanID().String() != "0123456789abcdef" {
		t.Errorf("links: %v", links)
	}
}

func TestPerMessage(t *testing.T) {
	s := start(t, ekafotel.PerMessage())
	if _, err := s.traced.ProduceSync(t.Context(), "events", ekaf.Values("a", "b")...); err != nil {
		t.Fatal(err)
	}
	ended := s.spans.Ended()
	if len(ended) != 3 || ended[2].Name() != "send events" || ended[2].SpanKind() != trace.SpanKindClient || len(ended[2].Links()) != 2 {
		t.Fatalf("spans: %v", ended)
	}
	for i, value := range s.carried(t, "traceparent") {
		if ended[i].Name() != "create events" || value != parent(ended[i].SpanContext()) || ended[2].Links()[i].SpanContext.SpanID() != ended[i].SpanContext().SpanID() {
			t.Errorf("message %d carries %q", i, value)
		}
	}
}

// What is not accepted ends its span too, with the reason.
func TestFailures(t *testing.T) {
	large := ekaf.Value(make([]byte, 20_000))
	for name, verb := range verbs {
		for what, messages := range map[string][]ekaf.Message{"all": {large}, "some": {ekaf.Value("x"), large}} {
			t.Run(name+", "+what, func(t *testing.T) {
				s := start(t)
				err := verb(t.Context(), s.traced, messages...)
				if what == "all" && !errors.Is(err, ekaf.ErrTooLarge) {
					t.Fatal(err)
				}
				s.flush(t)
				ended := s.spans.Ended()
				if len(ended) != 1 || ended[0].Status().Code != codes.Error || attributesOf(ended[0])["error.type"] != "too_large" {
					t.Fatalf("spans: %v", ended)
				}
				if n := s.value(t, "messaging.client.operation.duration", "error.type", "too_large"); n != 1 {
					t.Errorf("%v operations failed", n)
				}
			})
		}
	}
	s := start(t)
	if _, err := s.traced.Topic("not valid"); !errors.Is(err, ekaf.ErrInvalidTopic) {
		t.Error(err)
	}
	if err := s.traced.ProduceAsync(t.Context(), "events"); err != nil || len(s.spans.Started()) != 0 {
		t.Errorf("a call without messages: %v, %d spans", err, len(s.spans.Started()))
	}
}

// value is a metric's, summed over the points that have the attribute; of a
// histogram, its count; -1 where there is none.
func (s *scene) value(t *testing.T, name string, key attribute.Key, want string) float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := s.reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	sum := -1.0
	add := func(of attribute.Set, value float64) {
		if v, ok := of.Value(key); key == "" || ok && v.String() == want {
			sum = max(sum, 0) + value
		}
	}
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != name {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, float64(p.Value))
				}
			case metricdata.Sum[float64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, p.Value)
				}
			case metricdata.Gauge[int64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, float64(p.Value))
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					add(p.Attributes, float64(p.Count))
				}
			}
		}
	}
	return sum
}

func TestMetrics(t *testing.T) {
	s := start(t)
	if _, err := s.traced.ProduceSync(t.Context(), "events", ekaf.Values("a", "b", "c")...); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		key   attribute.Key
		value string
		want  float64
	}{
		{"messaging.client.sent.messages", "messaging.destination.name", "events", 3},
		{"messaging.client.operation.duration", "messaging.system", "kafka", 1},
		{"ekaf.messages.acked", "messaging.destination.name", "events", 3},
		{"ekaf.topic.state", "ekaf.state", "ready", 1},
		{"ekaf.broker.up", "ekaf.broker.id", "0", 1},
		{"ekaf.messages.failed", "error.type", "timeout", 0},
		{"ekaf.delivery.duration.count", "", "", 3},
		{"ekaf.buffer.limit", "", "", 256 << 20},
	} {
		if got := s.value(t, c.name, c.key, c.value); got != c.want {
			t.Errorf("%s of %s is %v, not %v", c.name, c.value, got, c.want)
		}
	}
	if got := s.value(t, "ekaf.delivery.duration.sum", "", ""); got <= 0 {
		t.Errorf("the deliveries took %v", got)
	}
}
