package suite

import (
	"sync"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/conformance/judge"
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
	log := f.t.log(f.topic)
	// With acks=0 the broker may still be at it, with acks=1 its followers.
	for want.early && log.Records() < f.issued && f.t.pause() {
		log = f.t.log(f.topic)
	}
	f.compare(log, want)
}

func (f *flow) compare(log *judge.Log, want rules) {
	f.t.Helper()
	f.expected.Order = judge.Unordered // orders are compared below, by worker
	report := judge.Verify(log, &f.expected)
	if want.repeats {
		report.Duplicated = 0
	}
	if err := report.Err(); err != nil {
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
