package metrics

import (
	"strconv"

	"github.com/ekaf-go/ekaf"
)

// Kind is what a metric does.
type Kind uint8

// The kinds.
const (
	Counter   Kind = iota // only grows
	Gauge                 // is as it is now
	Histogram             // counts durations in the buckets of ekaf.LatencyBounds
)

var kindNames = [...]string{"counter", "gauge", "histogram"}

func (k Kind) String() string { return kindNames[k] }

// Metric is a row of the table.
type Metric struct {
	// Name is Prometheus's, with its unit (seconds, bytes) as its conventions ask;
	// OTel is OpenTelemetry's, with Unit in UCUM beside it.
	Name, OTel, Unit string
	Kind             Kind
	// Labels are the names of its labels, in the order of the values.
	Labels []string
	Help   string

	values     func(s *Snapshot, emit Emit)
	histograms func(l *ekaf.Latency) ekaf.Histogram
}

// Emit gets a value with its labels.
type Emit func(value float64, labels ...string)

// Values gives the metric's values; none of a histogram.
func (m *Metric) Values(s *Snapshot, emit Emit) {
	if m.values != nil {
		m.values(s, emit)
	}
}

// Histograms gives the values of a histogram, by topic.
func (m *Metric) Histograms(s *Snapshot, emit func(h ekaf.Histogram, labels ...string)) {
	if m.histograms == nil {
		return
	}
	for name, g := range s.groups {
		emit(m.histograms(&g.latency), name)
	}
}

// The labels.
const (
	Topic  = "topic"
	Cause  = "reason"
	State  = "state"
	Broker = "broker"
)

// Names that stand for more than their row.
const (
	Acked  = "ekaf_messages_acked_total"
	Failed = "ekaf_messages_failed_total"
)

// byTopic makes a metric's values of a number of each topic.
func byTopic(number func(g *group) int64) func(*Snapshot, Emit) {
	return func(s *Snapshot, emit Emit) {
		for name, g := range s.groups {
			emit(float64(number(g)), name)
		}
	}
}

// byKey makes a metric's values of numbers by reason or state of each topic.
func byKey(numbers func(g *group) map[string]int64) func(*Snapshot, Emit) {
	return func(s *Snapshot, emit Emit) {
		for name, g := range s.groups {
			for key, n := range numbers(g) {
				emit(float64(n), name, key)
			}
		}
	}
}

// byBroker makes a metric's values of a number of each broker.
func byBroker(number func(b ekaf.BrokerStats) int) func(*Snapshot, Emit) {
	return func(s *Snapshot, emit Emit) {
		for id, b := range s.Brokers {
			emit(float64(number(b)), strconv.Itoa(int(id)))
		}
	}
}

var (
	topic       = []string{Topic}
	topicReason = []string{Topic, Cause}
	topicState  = []string{Topic, State}
	broker      = []string{Broker}
)

// Table lists all metrics.
func Table() []Metric { return table }

var table = []Metric{
	{Name: "ekaf_messages_sent_total", OTel: "ekaf.messages.sent", Unit: "{message}", Kind: Counter, Labels: topic,
		Help:   "Messages in batches that were given to a connection, retries not counted.",
		values: byTopic(func(g *group) int64 { return g.Messages })},
	{Name: Acked, OTel: "ekaf.messages.acked", Unit: "{message}", Kind: Counter, Labels: topic,
		Help:   "Messages that Kafka acknowledged.",
		values: byTopic(func(g *group) int64 { return g.Acked })},
	{Name: Failed, OTel: "ekaf.messages.failed", Unit: "{message}", Kind: Counter, Labels: topicReason,
		Help:   "Messages that were accepted and then given up, by reason.",
		values: byKey(func(g *group) map[string]int64 { return g.dropped })},
	{Name: "ekaf_messages_refused_total", OTel: "ekaf.messages.refused", Unit: "{message}", Kind: Counter, Labels: topicReason,
		Help:   "Messages that a call did not accept, by reason; full says that the buffer was.",
		values: byKey(func(g *group) map[string]int64 { return g.refused })},
	{Name: "ekaf_sent_bytes_total", OTel: "ekaf.sent.size", Unit: "By", Kind: Counter, Labels: topic,
		Help:   "Bytes of batches on the wire, after compression, retries not counted.",
		values: byTopic(func(g *group) int64 { return g.Bytes })},
	{Name: "ekaf_batches_sent_total", OTel: "ekaf.batches.sent", Unit: "{batch}", Kind: Counter, Labels: topic,
		Help:   "Batches that were given to a connection, retries not counted.",
		values: byTopic(func(g *group) int64 { return g.Batches })},
	{Name: "ekaf_batch_retries_total", OTel: "ekaf.batches.retried", Unit: "{batch}", Kind: Counter, Labels: topic,
		Help:   "Batches that had to be sent again, each time.",
		values: byTopic(func(g *group) int64 { return g.Retries })},
	{Name: "ekaf_batch_splits_total", OTel: "ekaf.batches.split", Unit: "{batch}", Kind: Counter, Labels: topic,
		Help:   "Batches split in two because the broker found them too large.",
		values: byTopic(func(g *group) int64 { return g.Splits })},
	{Name: "ekaf_buffered_messages", OTel: "ekaf.buffered.messages", Unit: "{message}", Kind: Gauge, Labels: topic,
		Help:   "Messages without an outcome.",
		values: byTopic(func(g *group) int64 { return int64(g.Buffered) })},
	{Name: "ekaf_buffered_bytes", OTel: "ekaf.buffered.size", Unit: "By", Kind: Gauge, Labels: topic,
		Help:   "Memory held by messages without an outcome.",
		values: byTopic(func(g *group) int64 { return g.bufferedBytes })},
	{Name: "ekaf_buffer_used_bytes", OTel: "ekaf.buffer.used", Unit: "By", Kind: Gauge,
		Help:   "Memory held by all messages without an outcome.",
		values: func(s *Snapshot, emit Emit) { emit(float64(s.BufferedBytes)) }},
	{Name: "ekaf_buffer_limit_bytes", OTel: "ekaf.buffer.limit", Unit: "By", Kind: Gauge,
		Help:   "The option BufferBytes, which bounds the memory used; 0 for no limit.",
		values: func(s *Snapshot, emit Emit) { emit(float64(s.BufferLimit)) }},
	{Name: "ekaf_inflight_batches", OTel: "ekaf.inflight.batches", Unit: "{batch}", Kind: Gauge, Labels: topic,
		Help:   "Batches on the wire whose answer has not come.",
		values: byTopic(func(g *group) int64 { return int64(g.InFlight) })},
	{Name: "ekaf_topic_state", OTel: "ekaf.topic.state", Unit: "{topic}", Kind: Gauge, Labels: topicState,
		Help:   "1 for the state that the topic is in (bootstrapping, ready, downtime, closed), 0 for the others.",
		values: byKey(func(g *group) map[string]int64 { return g.states })},
	{Name: "ekaf_partitions", OTel: "ekaf.partitions", Unit: "{partition}", Kind: Gauge, Labels: topic,
		Help:   "Partitions of the topic, as far as is known.",
		values: byTopic(func(g *group) int64 { return int64(g.partitions) })},
	{Name: "ekaf_leaderless_partitions", OTel: "ekaf.partitions.leaderless", Unit: "{partition}", Kind: Gauge, Labels: topic,
		Help:   "Partitions of the topic without a leader.",
		values: byTopic(func(g *group) int64 { return int64(g.leaderless) })},
	{Name: "ekaf_workers", OTel: "ekaf.workers", Unit: "{worker}", Kind: Gauge, Labels: topicState,
		Help:   "Workers that have got messages, by state (connecting, ready, downtime, stopped).",
		values: byKey(func(g *group) map[string]int64 { return g.workers })},
	{Name: "ekaf_broker_up", OTel: "ekaf.broker.up", Unit: "1", Kind: Gauge, Labels: broker,
		Help: "1 if a connection to the broker stands, 0 if none does; a broker that leads nothing has none.",
		values: byBroker(func(b ekaf.BrokerStats) int {
			if b.Connected {
				return 1
			}
			return 0
		})},
	{Name: "ekaf_broker_inflight_batches", OTel: "ekaf.broker.inflight.batches", Unit: "{batch}", Kind: Gauge, Labels: broker,
		Help:   "Batches whose answer has not come, of partitions that the broker leads.",
		values: byBroker(func(b ekaf.BrokerStats) int { return b.InFlight })},
	{Name: "ekaf_broker_buffered_messages", OTel: "ekaf.broker.buffered.messages", Unit: "{message}", Kind: Gauge, Labels: broker,
		Help:   "Messages without an outcome, of partitions that the broker leads.",
		values: byBroker(func(b ekaf.BrokerStats) int { return b.Buffered })},
	{Name: "ekaf_linger_seconds", OTel: "ekaf.linger.duration", Unit: "s", Kind: Histogram, Labels: topic,
		Help:       "From a batch's first message to its closing, by batches.",
		histograms: func(l *ekaf.Latency) ekaf.Histogram { return l.Linger }},
	{Name: "ekaf_queue_seconds", OTel: "ekaf.queue.duration", Unit: "s", Kind: Histogram, Labels: topic,
		Help:       "From a batch's closing to its first attempt, compression included, by batches.",
		histograms: func(l *ekaf.Latency) ekaf.Histogram { return l.Queue }},
	{Name: "ekaf_round_trip_seconds", OTel: "ekaf.round_trip.duration", Unit: "s", Kind: Histogram, Labels: topic,
		Help:       "From an attempt to Kafka's answer, where that is no error, by attempts.",
		histograms: func(l *ekaf.Latency) ekaf.Histogram { return l.RoundTrip }},
	{Name: "ekaf_delivery_seconds", OTel: "ekaf.delivery.duration", Unit: "s", Kind: Histogram, Labels: topic,
		Help:       "From a batch's first message to its ack, all attempts included, by acked messages.",
		histograms: func(l *ekaf.Latency) ekaf.Histogram { return l.Delivery }},
}
