package ekaf

import (
	"errors"
	"sync"
	"time"

	"github.com/ekaf-go/ekaf/internal/worker"
)

// Stats is a snapshot of what a producer did since it was made, and holds now.
type Stats struct {
	Counters
	// BufferedBytes is the memory held by waiting messages, against BufferBytes.
	BufferedBytes int64
	// Topics by name; Brokers by node id.
	Topics  map[string]TopicStats
	Brokers map[int32]BrokerStats
	// Dropped counts messages that failed, by reason: the text of a sentinel
	// (ErrDropped, ErrTimeout, ...) or the name of a Kafka error.
	Dropped map[string]int64
}

// Counters are those of a producer, topic, partition, worker or broker.
type Counters struct {
	Batches  int64 // sent, retries not counted
	Messages int64 // sent, in these batches
	Bytes    int64 // sent, on the wire
	Acked    int64 // messages
	Failed   int64 // messages
	Retries  int64 // batches sent again
	Splits   int64 // batches split because they were too large
	// QueueTime is the mean time from a batch's first message to its sending.
	QueueTime time.Duration
	// RoundTrip is the mean time from a batch's sending to its ack.
	RoundTrip time.Duration
	// Buffered is the number of messages without an outcome, InFlight that of
	// batches on the wire, now.
	Buffered int
	InFlight int

	queueTime, roundTrip time.Duration
	answers              int64
}

// BatchMessages is the mean number of messages in a batch.
func (c Counters) BatchMessages() float64 {
	if c.Batches == 0 {
		return 0
	}
	return float64(c.Messages) / float64(c.Batches)
}

// TopicStats are a topic's.
type TopicStats struct {
	Counters
	State      string
	Partitions []PartitionStats
}

// PartitionStats are a partition's.
type PartitionStats struct {
	Counters
	Partition int32
	Leader    int32 // -1: none
	Workers   []WorkerStats
}

// WorkerStats are a worker's.
type WorkerStats struct {
	Counters
	Worker int
	State  string
}

// BrokerStats are those of the workers whose leader a broker is.
type BrokerStats struct {
	Counters
	Connected bool
}

// Stats takes a snapshot. It walks all workers, and takes each one's lock for a moment.
func (p *Producer) Stats() Stats {
	s := Stats{
		BufferedBytes: p.bytes.Used(), Topics: map[string]TopicStats{},
		Brokers: map[int32]BrokerStats{}, Dropped: p.drops.snapshot(),
	}
	for name, t := range p.allTopics() {
		ts := t.stats(s.Brokers)
		s.Topics[name] = ts
		s.Counters.add(ts.Counters)
	}
	s.Counters.mean()
	for id, b := range s.Brokers {
		b.Counters.mean()
		s.Brokers[id] = b
	}
	for _, sender := range p.listSenders() {
		b := s.Brokers[sender.Broker()]
		b.Connected = b.Connected || sender.Up()
		s.Brokers[sender.Broker()] = b
	}
	return s
}

func (t *topic) stats(brokers map[int32]BrokerStats) (ts TopicStats) {
	t.mu.Lock()
	ts.State = t.state.String()
	ts.Buffered = t.parked.count()
	t.mu.Unlock()
	v := t.view.Load()
	if v == nil {
		return ts
	}
	for _, p := range v.partitions {
		ps := PartitionStats{Partition: p.ID, Leader: p.Leader()}
		for _, l := range p.Started() {
			w := WorkerStats{Worker: l.Worker}
			stats := l.Stats()
			w.Counters.take(stats)
			w.State = stats.State.String()
			ps.Counters.add(w.Counters)
			w.Counters.mean()
			ps.Workers = append(ps.Workers, w)
		}
		if ps.Leader >= 0 {
			b := brokers[ps.Leader]
			b.Counters.add(ps.Counters)
			brokers[ps.Leader] = b
		}
		ts.Counters.add(ps.Counters)
		ps.Counters.mean()
		ts.Partitions = append(ts.Partitions, ps)
	}
	ts.Counters.mean()
	return ts
}

func (c *Counters) take(s worker.Stats) {
	*c = Counters{
		Batches: s.Batches, Messages: s.Records, Bytes: s.Bytes, Acked: s.Acked, Failed: s.Failed,
		Retries: s.Retries, Splits: s.Splits, Buffered: s.Messages, InFlight: s.InFlight,
		queueTime: s.QueueTime, roundTrip: s.RoundTrip, answers: s.Answers,
	}
}

func (c *Counters) add(o Counters) {
	c.Batches += o.Batches
	c.Messages += o.Messages
	c.Bytes += o.Bytes
	c.Acked += o.Acked
	c.Failed += o.Failed
	c.Retries += o.Retries
	c.Splits += o.Splits
	c.Buffered += o.Buffered
	c.InFlight += o.InFlight
	c.queueTime += o.queueTime
	c.roundTrip += o.roundTrip
	c.answers += o.answers
}

func (c *Counters) mean() {
	if c.Batches > 0 {
		c.QueueTime = c.queueTime / time.Duration(c.Batches)
	}
	if c.answers > 0 {
		c.RoundTrip = c.roundTrip / time.Duration(c.answers)
	}
}

// dropCounters count failed messages by reason.
type dropCounters struct {
	mu sync.Mutex // guards the following
	by map[string]int64
}

var sentinels = []error{
	ErrDropped, ErrTimeout, ErrClosed, ErrWithdrawn, ErrUnknownTopic, ErrUnknownPartition,
	ErrTooLarge, ErrNotPermitted, ErrInvalidTopic, ErrUndecidable,
}

func (p *Producer) countDrop(_ *topic, err error, n int) {
	if n == 0 {
		return
	}
	reason := err.Error()
	for _, s := range sentinels {
		if errors.Is(err, s) {
			reason = s.Error()
			break
		}
	}
	p.drops.mu.Lock()
	defer p.drops.mu.Unlock()
	if p.drops.by == nil {
		p.drops.by = map[string]int64{}
	}
	if len(p.drops.by) < maxReasons || p.drops.by[reason] > 0 {
		p.drops.by[reason] += int64(n)
	} else {
		p.drops.by["other"] += int64(n)
	}
}

// maxReasons bounds the reasons kept apart: a broker chooses some of their texts.
const maxReasons = 64

func (d *dropCounters) snapshot() map[string]int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make(map[string]int64, len(d.by))
	for reason, n := range d.by {
		out[reason] = n
	}
	return out
}
