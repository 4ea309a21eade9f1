package gateway_test

import (
	"context"
	"maps"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/ekaf-go/ekaf/gateway"
)

const goodParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// headersOf are a record's, by name.
func headersOf(m ekaftest.Message) map[string]string {
	out := map[string]string{}
	for _, h := range m.Headers {
		out[h.Key] += string(h.Value)
	}
	return out
}

// TestTraceContext: what of a request's headers comes with its record.
func TestTraceContext(t *testing.T) {
	d := open(t, behind{gateway: []gateway.Option{gateway.TraceContext()}})
	long := func(n int) string { return "a=" + strings.Repeat("x", n-2) }
	many := func(n int) string { return strings.TrimSuffix(strings.Repeat("a=1,", n), ",") }
	cases := []struct {
		header []string
		want   map[string]string
	}{
		{nil, nil},
		{[]string{"Traceparent", goodParent}, map[string]string{"traceparent": goodParent}},
		{[]string{"Traceparent", goodParent, "Tracestate", "a=1", "Tracestate", "b=2, c@d=3", "Baggage", "user=alice;ttl=1"},
			map[string]string{"traceparent": goodParent, "tracestate": "a=1,b=2, c@d=3", "baggage": "user=alice;ttl=1"}},
		{[]string{"Baggage", "user=alice", "Tracestate", "a=1"}, map[string]string{"baggage": "user=alice"}},
		{[]string{"Traceparent", "cc" + goodParent[2:] + "-what-comes"}, map[string]string{"traceparent": "cc" + goodParent[2:] + "-what-comes"}},
		// Malformed, in each part.
		{[]string{"Traceparent", "ff" + goodParent[2:], "Tracestate", "a=1"}, nil},
		{[]string{"Traceparent", strings.ToUpper(goodParent)}, nil},
		{[]string{"Traceparent", goodParent[:54]}, nil},
		{[]string{"Traceparent", goodParent + "-x"}, nil},
		{[]string{"Traceparent", "cc" + goodParent[2:] + "x"}, nil},
		{[]string{"Traceparent", "00-00000000000000000000000000000000-b7ad6b7169203331-01"}, nil},
		{[]string{"Traceparent", "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"}, nil},
		{[]string{"Traceparent", strings.Replace(goodParent, "-01", "-0g", 1)}, nil},
		{[]string{"Traceparent", strings.Replace(goodParent, "-", "_", 1)}, nil},
		{[]string{"Traceparent", goodParent, "Traceparent", goodParent}, nil},
		{[]string{"Traceparent", "cc" + goodParent[2:] + "-" + strings.Repeat("x", 100)}, nil},
		{[]string{"Traceparent", "cc" + goodParent[2:] + "-\x80"}, nil},
		// Lists that are none, and sizes.
		{[]string{"Traceparent", goodParent, "Tracestate", "nothing", "Baggage", "=x"}, map[string]string{"traceparent": goodParent}},
		{[]string{"Traceparent", goodParent, "Tracestate", " , ", "Baggage", "a=\x80"}, map[string]string{"traceparent": goodParent}},
		{[]string{"Traceparent", goodParent, "Tracestate", long(512), "Baggage", long(8192)}, map[string]string{"traceparent": goodParent, "tracestate": long(512), "baggage": long(8192)}},
		{[]string{"Traceparent", goodParent, "Tracestate", long(513), "Baggage", long(8193)}, map[string]string{"traceparent": goodParent}},
		{[]string{"Traceparent", goodParent, "Tracestate", many(32), "Baggage", many(64)}, map[string]string{"traceparent": goodParent, "tracestate": many(32), "baggage": many(64)}},
		{[]string{"Traceparent", goodParent, "Tracestate", many(33), "Baggage", many(65)}, map[string]string{"traceparent": goodParent}},
		// The message's own.
		{[]string{"Traceparent", goodParent, "Tracestate", "a=1", "Baggage", "b=2", "X-Kafka-Header-Traceparent", "own"}, map[string]string{"traceparent": "own", "baggage": "b=2"}},
		{[]string{"Traceparent", goodParent, "X-Kafka-Header-Via", "y", "X-Kafka-Header-Baggage", "own", "Baggage", "b=2"},
			map[string]string{"traceparent": goodParent, "via": "y", "baggage": "own"}},
	}
	for i, c := range cases {
		if w := d.ask("POST /v1/topics/events?ack=kafka", "x", c.header...); w.Code != 200 {
			t.Fatalf("%v answered %d %s", c.header, w.Code, w.Body)
		}
		if got := headersOf(d.consumed("events", i+1)[i]); !maps.Equal(got, c.want) {
			t.Errorf("%v comes as %v, want %v", c.header, got, c.want)
		}
	}
}

// TestTraceContextOfEveryRoute: all that produce carry it, each message of many.
func TestTraceContextOfEveryRoute(t *testing.T) {
	hooked := 0
	d := open(t, behind{gateway: []gateway.Option{gateway.TraceContext(), gateway.Rewrite(func(e *gateway.Event) error {
		if len(e.Message.Headers) > 0 {
			hooked++
		}
		e.Message = e.Message.WithHeader("via", []byte("hook"))
		return nil
	})}})
	const json = "application/json"
	for _, c := range []struct {
		line, kind, body string
		messages         int
	}{
		{"POST /async/events", "", "x", 1},
		{"POST /safe/sync/events", "", "x", 1},
		{"POST /batch/async/events", json, `[1,2]`, 2},
		{"POST /batch/sync/events", "application/x-ndjson", "1\n2\n", 2},
		{"POST /v1/topics/events", "application/x-ndjson", "1\n2\n3\n", 3},
		{"POST /v1/beacon/events", "", "x", 1},
		{"GET /v1/beacon/events?a=b", "", "", 1},
		{"POST /topics/events", "application/vnd.kafka.json.v2+json", `{"records":[{"value":1},{"value":2}]}`, 2},
		{"POST /v3/clusters/any/topics/events/records", json, `{"value":{"type":"JSON","data":1},"headers":[{"name":"n","value":"eA=="}]}{"value":{"type":"JSON","data":2}}`, 2},
		{"POST /v3/clusters/any/topics/events/records:batch", json, `{"entries":[{"id":"1","value":{"type":"JSON","data":1}}]}`, 1},
	} {
		before, err := d.cluster.Consume("events")
		if err != nil {
			t.Fatal(err)
		}
		w := d.ask(c.line, c.body, "Content-Type", c.kind, "Traceparent", goodParent)
		if w.Code/100 != 2 {
			t.Fatalf("%s answered %d %s", c.line, w.Code, w.Body)
		}
		for _, m := range d.consumed("events", len(before)+c.messages)[len(before):] {
			if got := headersOf(m); got["traceparent"] != goodParent || got["via"] != "hook" {
				t.Errorf("%s: a record has %v", c.line, got)
			}
		}
	}
	if hooked != 16 {
		t.Errorf("the hook saw %d messages with headers", hooked)
	}
}

// TestTraceContextIsOffUnlessAskedFor.
func TestTraceContextIsOffUnlessAskedFor(t *testing.T) {
	d := open(t, behind{})
	d.ask("POST /sync/events", "x", "Traceparent", goodParent)
	if got := headersOf(d.consumed("events", 1)[0]); len(got) != 0 {
		t.Errorf("a record has %v", got)
	}
}

// around counts what goes through it.
type around struct {
	*ekaf.TopicProducer
	values map[any]int
}

type mark struct{}

func (a *around) ProduceSync(ctx context.Context, msgs ...ekaf.Message) (ekaf.Acked, error) {
	a.values[ctx.Value(mark{})]++
	return a.TopicProducer.ProduceSync(ctx, msgs...)
}

// TestThrough: verbs are those of what is wrapped around a topic's handle, with
// the values of the request's context.
func TestThrough(t *testing.T) {
	a := &around{values: map[any]int{}}
	wrapped := 0
	d := open(t, behind{gateway: []gateway.Option{gateway.Through(func(h *ekaf.TopicProducer) gateway.Verbs {
		wrapped++
		a.TopicProducer = h
		return a
	})}})
	for _, body := range []string{"one", "1\n2\n"} {
		r := request("POST /v1/topics/events?ack=kafka", body, "Content-Type", "application/x-ndjson")
		w := httptest.NewRecorder()
		d.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), mark{}, "here")))
		if w.Code != 200 {
			t.Errorf("answered %d", w.Code)
		}
	}
	if wrapped != 1 || a.values["here"] != 2 || len(a.values) != 1 {
		t.Errorf("wrapped %d times, seen %v", wrapped, a.values)
	}
}
