package ekaf

import (
	"slices"
	"time"

	"github.com/ekaf-go/ekaf/internal/machine"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// Stats is a snapshot of what a producer did since it was made, and holds now.
// What it counts only grows, also while leaders move and topics come and go; but
// for the numbers of brokers, which are those of the workers that each leads now.
type Stats struct {
	Counters
	Latency Latency
	// BufferedBytes is the memory held by waiting messages, BufferLimit the
	// option BufferBytes, both in bytes; 0: no limit.
	BufferedBytes int64
	BufferLimit   int64
	// IllegalMoves counts moves that the tables of the state machines (topic, worker,
	// batch, connection) do not have, of all producers in this process. Each is a
	// fault of ekaf, and logged as an error.
	IllegalMoves int64
	// Err is why no broker could be asked for metadata the last time; nil if one
	// answered, or none was asked yet.
	Err error
	// Topics by name; Brokers by node id.
	Topics  map[string]TopicStats
	Brokers map[int32]BrokerStats
	// Dropped counts messages that were accepted and failed, by reason: the text
	// of a sentinel (ErrDropped, ErrTimeout, ...) or the name of a Kafka error.
	Dropped map[string]int64
	// Refused counts messages that a call did not accept, by reason. Calls that
	// come after Close, with a context that is over, or with a topic's name that
	// is not valid are not counted.
	Refused map[string]int64
}

// Counters are those of a producer, topic, partition, worker or broker.
type Counters struct {
	Batches  int64 // sent, retries not counted
	Messages int64 // sent, in these batches
	Bytes    int64 // sent, on the wire
	Acked    int64 // messages
	Failed   int64 // messages that had a partition; all of them are in Dropped
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
	Latency    Latency
	State      string
	Partitions []PartitionStats
	// BufferedBytes is the memory held by the topic's waiting messages.
	BufferedBytes int64
	// Dropped and Refused are as in Stats.
	Dropped, Refused map[string]int64
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
		BufferedBytes: p.bytes.Used(), BufferLimit: p.settings.bufferBytes, IllegalMoves: machine.Count(), Err: p.cluster.LastError(),
		Topics: map[string]TopicStats{}, Brokers: map[int32]BrokerStats{},
		Dropped: map[string]int64{}, Refused: map[string]int64{},
	}
	for _, t := range p.topics.all() {
		ts := t.stats(s.Brokers)
		s.Topics[t.name] = ts
		s.Counters.add(ts.Counters)
		s.Latency = s.Latency.Plus(ts.Latency)
		addCounts(s.Dropped, ts.Dropped)
		addCounts(s.Refused, ts.Refused)
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

func addCounts(to, from map[string]int64) {
	for reason, n := range from {
		to[reason] += n
	}
}

// former is what a topic keeps of partitions that it no longer has, so that its
// counters do not fall. Guarded by the topic's lock.
type former struct {
	counters Counters
	// leaving are out of the view, and still stopping: they are counted as they are.
	leaving []*worker.Partition
}

// leave takes partitions out that go with the view. Under the topic's lock, in
// one step with the change of the view: a snapshot sees each of them once.
func (f *former) leave(gone []*worker.Partition) { f.leaving = append(f.leaving, gone...) }

// gone notes that partitions have stopped, and will count nothing more.
func (t *topic) gone(stopped []*worker.Partition) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := &t.former
	for _, p := range stopped {
		if i := slices.Index(f.leaving, p); i >= 0 {
			f.leaving = slices.Delete(f.leaving, i, i+1)
			f.counters.add(countersOf(p))
		}
	}
}

func countersOf(p *worker.Partition) (c Counters) {
	for _, l := range p.Started() {
		var one Counters
		one.take(l.Stats())
		c.add(one)
	}
	return c
}

func (t *topic) stats(brokers map[int32]BrokerStats) TopicStats {
	ts := TopicStats{
		Latency: latencyOf(t.lanes.Latency), BufferedBytes: t.bytes.Used(),
		Dropped: t.failures.snapshot(), Refused: t.refusals.snapshot(),
	}
	var partitions []*worker.Partition
	t.mu.Lock()
	ts.State = t.state.String()
	ts.Buffered = t.parked.count()
	if v := t.view.Load(); v != nil {
		partitions = v.partitions
	}
	ts.Counters.add(t.former.counters)
	for _, p := range t.former.leaving {
		ts.Counters.add(countersOf(p))
	}
	t.mu.Unlock()
	for _, p := range partitions {
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
