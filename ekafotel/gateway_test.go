package ekafotel_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/trace"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekafotel"
	"github.com/ekaf-go/ekaf/gateway"
)

// door is the gateway in front of the scene's traced producer.
func (s *scene) door(t *testing.T) *gateway.Handler {
	t.Helper()
	h, err := gateway.New(s.plain, gateway.Through(func(h *ekaf.TopicProducer) gateway.Verbs { return s.traced.Around(h) }))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

const (
	clientTrace = "0af7651916cd43dd8448eb211c80319c"
	clientSpan  = "b7ad6b7169203331"
)

// routes reach each verb that the gateway uses, and answer when messages were accepted.
var routes = []string{"/sync/events", "/async/events", "/batch/async/events", "/batch/sync/events", "/v1/topics/events?ack=kafka"}

// TestOneTraceFromRequestToRecord: the client's span is the parent of the span
// "send", and the record carries that one on, with the client's state and baggage.
func TestOneTraceFromRequestToRecord(t *testing.T) {
	s := start(t)
	door := ekafotel.Continue(s.door(t))
	for _, route := range routes {
		r := httptest.NewRequest(http.MethodPost, route, strings.NewReader("x"))
		r.Header.Set("Traceparent", "00-"+clientTrace+"-"+clientSpan+"-01")
		r.Header.Set("Tracestate", "vendor=1")
		r.Header.Set("Baggage", "user=alice")
		w := httptest.NewRecorder()
		door.ServeHTTP(w, r)
		if w.Code/100 != 2 {
			t.Fatalf("%s answered %d %s", route, w.Code, w.Body)
		}
	}
	s.flush(t)
	spans, parents := s.spans.Ended(), s.carried(t, "traceparent")
	if len(spans) != len(routes) || len(parents) != len(routes) {
		t.Fatalf("%d spans, %d records", len(spans), len(parents))
	}
	sent := map[string]bool{}
	for _, span := range spans {
		if span.Name() != "send events" || span.SpanContext().TraceID().String() != clientTrace || span.Parent().SpanID().String() != clientSpan || !span.Parent().IsRemote() {
			t.Errorf("%s of %v continues %v", span.Name(), span.SpanContext().TraceID(), span.Parent())
		}
		sent[parent(span.SpanContext())] = true
	}
	for i, p := range parents {
		if !sent[p] {
			t.Errorf("the record's parent %s is no span of these", p)
		}
		delete(sent, p)
		if state, baggage := s.carried(t, "tracestate")[i], s.carried(t, "baggage")[i]; state != "vendor=1" || baggage != "user=alice" {
			t.Errorf("the record carries %q and %q", state, baggage)
		}
	}
}

// TestASpanOfAMiddlewareIsTheParent: it is nearer than what came in the headers.
func TestASpanOfAMiddlewareIsTheParent(t *testing.T) {
	s := start(t)
	door := ekafotel.Continue(s.door(t))
	ctx, server := s.tracers.Tracer("test").Start(context.Background(), "POST /sync/{topic}", trace.WithSpanKind(trace.SpanKindServer))
	r := httptest.NewRequest(http.MethodPost, "/sync/events", strings.NewReader("x")).WithContext(ctx)
	r.Header.Set("Traceparent", "00-"+clientTrace+"-"+clientSpan+"-01")
	w := httptest.NewRecorder()
	door.ServeHTTP(w, r)
	server.End()
	spans := s.spans.Ended()
	if w.Code != 200 || len(spans) != 2 {
		t.Fatalf("answered %d, %d spans", w.Code, len(spans))
	}
	if send := spans[0]; send.Name() != "send events" || send.Parent().SpanID() != server.SpanContext().SpanID() || send.Parent().TraceID() != server.SpanContext().TraceID() {
		t.Errorf("%s continues %v", send.Name(), send.Parent())
	}
}

// TestWhatIsMalformedBeginsATrace of its own.
func TestWhatIsMalformedBeginsATrace(t *testing.T) {
	s := start(t)
	r := httptest.NewRequest(http.MethodPost, "/sync/events", strings.NewReader("x"))
	r.Header.Set("Traceparent", "00-"+clientTrace+"-0000000000000000-01")
	w := httptest.NewRecorder()
	ekafotel.Continue(s.door(t)).ServeHTTP(w, r)
	spans := s.spans.Ended()
	if w.Code != 200 || len(spans) != 1 || spans[0].Parent().IsValid() || spans[0].SpanContext().TraceID().String() == clientTrace {
		t.Errorf("answered %d, spans %v", w.Code, spans)
	}
}
