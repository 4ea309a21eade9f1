package suite

import (
	"sync"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/conformance/judge"
	"github.com/twmb/franz-go/pkg/kgo"
)

// flow makes messages of the judge's form, notes what the producer says of each
// and in the end asks a consumer whether it was true. Messages are made by one
// goroutine; outcomes may come from any.
type flow struct {
	t     *Trial
	topic string
	size  int // least bytes of a value

	next   map[streamName]int64
	issued int

	mu       sync.Mutex // guards the following
	expected judge.Expectation
	fates    map[judge.Message]fate
	nudges   int // messages appended beside the flow
	outcomes int
	failures []error
}

type streamName struct {
	producer int
	key      string
}

// fate is what the producer said of a message.
type fate struct {
	ack   ekaf.Ack
	order int // in which it was made
}

func newFlow(t *Trial, topic string) *flow {
	return &flow{t: t, topic: topic, next: map[streamName]int64{}, fates: map[judge.Message]fate{}}
}

// message makes the next message of a stream. An empty key means none. producer
// is a number by which the judge keeps the flows of one topic apart.
func (f *flow) message(producer int, key string) ekaf.Message {
	name := streamName{producer, key}
	m := judge.Message{Producer: producer, Key: key, Sequence: f.next[name]}
	f.next[name]++
	order := f.issued
	f.issued++
	out := ekaf.Message{Value: judge.AppendValue(nil, m, f.size)}
	if key != "" {
		out.Key = []byte(key)
	}
	return out.Then(func(ack ekaf.Ack, err error) { f.note(m, order, ack, err) })
}

// messages makes n of one stream.
func (f *flow) messages(producer int, key string, n int) (list []ekaf.Message) {
	for range n {
		list = append(list, f.message(producer, key))
	}
	return list
}

func (f *flow) note(m judge.Message, order int, ack ekaf.Ack, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.outcomes++
	if err != nil {
		f.failures = append(f.failures, err)
		return
	}
	if _, twice := f.fates[m]; twice {
		f.t.Errorf("message %v has two outcomes", m)
	}
	f.fates[m] = fate{ack, order}
	f.expected.Acked(m)
}

// rules are what a flow has to satisfy beyond arriving once each.
type rules struct {
	// keyed: all messages of a key went through one worker.
	keyed bool
	// offsets: every ack names an offset (acks=0 does not).
	offsets bool
	// repeats: without producer ids (Kafka before 0.11) what is sent again after a
	// connection broke may be there twice.
	repeats bool
	// early: acks come before consumers can see the messages (acks=0 and acks=1).
	early bool
}

// verify asks a consumer. Every message must have been acked, must be there
// once, where its ack says, and in order within its worker.
func (f *flow) verify(want rules) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.outcomes != f.issued || len(f.failures) > 0 {
		f.t.Fatalf("%d messages, %d outcomes, %d failures %v", f.issued, f.outcomes, len(f.failures), f.failures[:min(3, len(f.failures))])
	}
	f.compare(f.readAll(want), want)
}

// readAll reads what was acked, as soon as a consumer can see it.
func (f *flow) readAll(want rules) *judge.Log {
	f.t.Helper()
	log := f.t.log(f.topic)
	for tries := 1; log.Records() < f.issued+f.nudges; tries++ {
		switch steady := f.t.Cluster.Can()&SteadyEnd != 0; {
		case !steady && tries == nudgeAfter:
			f.nudge(log.Records())
		case !want.early && (steady || tries > nudgeAfter):
			return log
		}
		// With acks=0 the broker may still be at it, with acks=1 its followers.
		if !f.t.pause() {
			return log
		}
		log = f.t.log(f.topic)
	}
	return log
}

// nudgeAfter is how often a log of an old release is read before it is nudged.
const nudgeAfter = 50

// nudger is the number by which the judge knows messages that are no part of a flow.
const nudger = 1 << 20

// nudge has an independent client append a message to each partition. Kafka before
// 2.8 moves the end that consumers see (the high watermark) without a lock: of two
// requests that are handled at once, one looks where the log ends, the other appends
// and moves the high watermark, and the first moves it back. There it stays, short of
// what is acked, until the next message comes. Seen on 0.8.2.2: 300,600 messages
// acked, the end at 300,594, and at 300,601 with one more.
func (f *flow) nudge(seen int) {
	f.t.Helper()
	f.t.Logf("consumers see %d of %d acked messages: one more is appended, in case the end of the log went back", seen, f.issued)
	addrs, opts := f.t.Cluster.Consumer()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(addrs...),
		kgo.DisableIdempotentWrite(), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	f.t.check(err)
	defer client.Close()
	partitions := map[int32]bool{}
	for _, said := range f.fates {
		partitions[said.ack.Partition] = true
	}
	for partition := range partitions {
		m := judge.Message{Producer: nudger, Sequence: int64(partition)}
		f.expected.Maybe(m)
		f.nudges++
		record := &kgo.Record{Topic: f.topic, Partition: partition, Value: judge.AppendValue(nil, m, 0)}
		f.t.check(client.ProduceSync(f.t.ctx, record).FirstErr())
	}
}

func (f *flow) compare(log *judge.Log, want rules) {
	f.t.Helper()
	f.expected.Order = judge.Unordered // orders are compared below, by worker
	report := judge.Verify(log, &f.expected)
	if want.repeats {
		report.Duplicated = 0
	}
	if err := report.Err(); err != nil {
		for _, m := range report.Concerned {
			f.t.Logf("message %v was made as number %d; its ack says %+v", m, f.fates[m].order, f.fates[m].ack)
		}
		f.t.Fatal(err)
	}
	type lane struct {
		producer  int
		partition int32
		worker    int
	}
	last := map[lane]int{}
	home := map[streamName]lane{}
	seen := map[judge.Message]bool{}
	log.Messages(func(at judge.Position, m judge.Message) bool {
		if m.Producer == nudger {
			return true
		}
		said := f.fates[m]
		if want.repeats && (seen[m] || said.ack.Offset > at.Offset) {
			// Of several copies the last one is acked, and the first one's place counts.
			return !f.t.Failed()
		}
		seen[m] = true
		if said.ack.Topic != f.topic || said.ack.Partition != at.Partition || said.ack.Offset >= 0 && said.ack.Offset != at.Offset {
			f.t.Errorf("message %v is at %d/%d, its ack says %+v", m, at.Partition, at.Offset, said.ack)
		}
		if want.offsets && said.ack.Offset < 0 {
			f.t.Errorf("message %v was acked without an offset", m)
		}
		here := lane{m.Producer, at.Partition, said.ack.Worker}
		if before, any := last[here]; any && said.order < before {
			f.t.Errorf("message %v, made as number %d, lies behind number %d of its worker", m, said.order, before)
		}
		last[here] = said.order
		if name := (streamName{m.Producer, m.Key}); want.keyed && m.Key != "" {
			if old, known := home[name]; known && old != here {
				f.t.Errorf("key %q went through %+v and %+v", m.Key, old, here)
			}
			home[name] = here
		}
		return !f.t.Failed()
	})
}
