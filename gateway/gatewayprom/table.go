package gatewayprom

import (
	"strconv"

	"github.com/ekaf-go/ekaf/gateway"
	"github.com/ekaf-go/ekaf/internal/metrics"
)

// Metric is a row of the table.
type Metric struct {
	Name   string
	Kind   metrics.Kind
	Labels []string
	Help   string

	values func(s *gateway.Stats, emit metrics.Emit) // nil: a histogram of the routes' durations
}

// The labels.
const (
	route  = "route"
	method = "method"
	status = "status"
	limit  = "limit"
)

// Table lists all metrics.
func Table() []Metric { return table }

// one makes a metric's only value of a number.
func one(number func(s *gateway.Stats) int64) func(*gateway.Stats, metrics.Emit) {
	return func(s *gateway.Stats, emit metrics.Emit) { emit(float64(number(s))) }
}

var table = []Metric{
	{Name: "ekaf_gateway_requests_total", Kind: metrics.Counter, Labels: []string{route, method, status},
		Help:   "Requests answered, by the route's pattern, method and status.",
		values: requests},
	{Name: "ekaf_gateway_request_seconds", Kind: metrics.Histogram, Labels: []string{route, method},
		Help: "From a request's header to the end of its answer."},
	{Name: "ekaf_gateway_inflight_requests", Kind: metrics.Gauge,
		Help:   "Requests without a whole answer, streams included.",
		values: one(func(s *gateway.Stats) int64 { return s.InFlight })},
	{Name: "ekaf_gateway_waiting_requests", Kind: metrics.Gauge,
		Help:   "Requests that wait for Kafka.",
		values: one(func(s *gateway.Stats) int64 { return s.Waiting })},
	{Name: "ekaf_gateway_waiting_limit", Kind: metrics.Gauge,
		Help:   "How many requests may wait for Kafka.",
		values: one(func(s *gateway.Stats) int64 { return s.MaxWaiting })},
	{Name: "ekaf_gateway_safe_running_requests", Kind: metrics.Gauge,
		Help:   "Requests under /safe/ that run.",
		values: one(func(s *gateway.Stats) int64 { return s.SafeRunning })},
	{Name: "ekaf_gateway_safe_queued_requests", Kind: metrics.Gauge,
		Help:   "Requests under /safe/ that wait for their turn.",
		values: one(func(s *gateway.Stats) int64 { return s.SafeQueued })},
	{Name: "ekaf_gateway_full_total", Kind: metrics.Counter, Labels: []string{limit},
		Help:   "How often a limit turned a request or a message away: safe, waiting, bodies, topics, streams or keys.",
		values: full},
	{Name: "ekaf_gateway_body_bytes", Kind: metrics.Gauge,
		Help:   "Memory of the large bodies of requests.",
		values: one(func(s *gateway.Stats) int64 { return s.BodyBytes })},
	{Name: "ekaf_gateway_body_limit_bytes", Kind: metrics.Gauge,
		Help:   "What bounds the memory of bodies.",
		values: one(func(s *gateway.Stats) int64 { return s.BodyLimit })},
	{Name: "ekaf_gateway_open_streams", Kind: metrics.Gauge,
		Help:   "Streams of records that are open.",
		values: one(func(s *gateway.Stats) int64 { return s.Streams })},
	{Name: "ekaf_gateway_stream_limit", Kind: metrics.Gauge,
		Help:   "How many streams of records may be open.",
		values: one(func(s *gateway.Stats) int64 { return s.MaxStreams })},
	{Name: "ekaf_gateway_pending_topics", Kind: metrics.Gauge,
		Help:   "Topics that were asked for, and not known to exist when they were last looked at.",
		values: one(func(s *gateway.Stats) int64 { return s.PendingTopics })},
	{Name: "ekaf_gateway_pending_topic_limit", Kind: metrics.Gauge,
		Help:   "How many topics may be pending.",
		values: one(func(s *gateway.Stats) int64 { return s.MaxPendingTopics })},
	{Name: "ekaf_gateway_replayed_requests_total", Kind: metrics.Counter,
		Help:   "Requests answered as an earlier one with the same Idempotency-Key was.",
		values: one(func(s *gateway.Stats) int64 { return s.Replayed })},
	{Name: "ekaf_gateway_idempotency_keys", Kind: metrics.Gauge,
		Help:   "Idempotency-Keys that are remembered.",
		values: one(func(s *gateway.Stats) int64 { return s.Keys })},
	{Name: "ekaf_gateway_idempotency_key_limit", Kind: metrics.Gauge,
		Help:   "How many Idempotency-Keys may be remembered.",
		values: one(func(s *gateway.Stats) int64 { return s.MaxKeys })},
	{Name: "ekaf_gateway_draining", Kind: metrics.Gauge,
		Help: "1 while the gateway is going away, else 0.",
		values: one(func(s *gateway.Stats) int64 {
			if s.Draining {
				return 1
			}
			return 0
		})},
}

func requests(s *gateway.Stats, emit metrics.Emit) {
	for _, r := range s.Routes {
		for code, n := range r.Statuses {
			emit(float64(n), r.Route, r.Method, strconv.Itoa(code))
		}
	}
}

func full(s *gateway.Stats, emit metrics.Emit) {
	for name, n := range s.Full {
		emit(float64(n), name)
	}
}
