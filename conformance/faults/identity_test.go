package faults

import (
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/conformance/judge"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// outOfOrder is OUT_OF_ORDER_SEQUENCE_NUMBER.
const outOfOrder = 45

// patient producers do little during outages of a day: what they do takes time.
var patient = []ekaf.Option{ekaf.BatchRecords(1), ekaf.Backoff(time.Second, 10*time.Minute), ekaf.MetadataRefresh(time.Hour)}

// shortMemory: brokers that forget ids after 13 hours, as Kafka does after 24; ekaf
// takes no more than 12 for sure.
var shortMemory = []ekaftest.Option{ekaftest.Topic(topic, 1), ekaftest.ProducerExpiry(13*time.Hour, 10*time.Minute)}

func identities() []scenario {
	return []scenario{
		{name: "a broker restarted with five in flight: out of order four times, then OK, is written once", options: singly, run: restartedWithFive},
		{name: "the same on a broker that remembers one batch (0.11)", options: singly, run: restartedWithFive,
			cluster: []ekaftest.Option{ekaftest.Topic(topic, 1), ekaftest.KafkaVersion("0.11.0")}},
		{name: "out of order from a true gap begins a new chain", options: singly, run: trueGap},
		{name: "out of order in one partition leaves the others alone", options: singly, run: othersAlone,
			cluster: []ekaftest.Option{ekaftest.Topic(topic, 3)}},
		{name: "NOT_LEADER on the first batch of a new id, with others ready behind it", brokers: 2, options: singly, run: firstOfAnID},
		{name: "two workers of one partition, ready at once, never share a request", order: judge.Unordered,
			options: []ekaf.Option{ekaf.Workers(2), ekaf.BatchRecords(2), ekaf.Strategy(ekaf.StrictRoundRobin())}, run: workersAtOnce},
		{name: "idle for longer than the broker remembers the id", options: patient, run: idleBeyondExpiry,
			cluster: []ekaftest.Option{ekaftest.Topic(topic, 1), ekaftest.ProducerExpiry(time.Hour, 10*time.Minute)}},
		{name: "records older than the broker remembers ids, their ack lost, the broker restarted", options: patient, run: oldRecords(14 * time.Hour), cluster: shortMemory},
		{name: "records that grow older than that during the outage", options: patient, run: oldRecords(0), cluster: shortMemory},
		{name: "the broker forgets every id on a living connection", options: singly, run: forgottenAlive, cluster: shortMemory},
		{name: "two producers write to the same partition while acks are lost", options: singly, order: judge.PerKey, run: twoProducers},
	}
}

// Brokers remember the last batch only across a restart: of five that are written
// and not acknowledged, four are out of order when they are sent again.
func restartedWithFive(s *stage) {
	s.begin()
	s.kafka.Network(0).Delay(time.Second)
	s.send("k", 12)
	time.Sleep(100 * time.Millisecond) // all of the window is written, no answer is back
	written := len(s.traffic.list())
	s.check(s.kafka.StopBroker(0))
	s.check(s.kafka.StartBroker(0))
	s.check(s.kafka.Network(0).Heal())
	s.flush()
	s.expectAcked()
	if written > 5 && s.events.answers(outOfOrder) == 0 {
		s.Errorf("%d requests were written before the restart, and none was out of order after it", written)
	}
}

// The number that comes is above the one that the broker expects, again and again,
// and nothing explains it.
func trueGap(s *stage) {
	s.begin()
	for times := range 8 {
		s.kafka.Inject(ekaftest.Fault{Code: outOfOrder, Times: times + 1})
		s.send("k", 7)
		s.flush()
	}
	s.expectAcked()
}

// Partitions share an id. Were its epoch raised for one of them, batches of the
// others would go out again under numbers that nobody can tell from new ones
// (librdkafka#4953).
func othersAlone(s *stage) {
	keys := []string{"a", "b", "c", "d", "e", "f"}
	for round := range 12 {
		for _, key := range keys {
			s.send(key, 4)
		}
		s.kafka.Network(0).Delay(10 * time.Millisecond)
		s.kafka.Inject(ekaftest.Fault{Code: outOfOrder, Topic: topic, Partitions: []int32{int32(round % 3)}, Skip: round % 4, Times: 3})
		s.kafka.Inject(ekaftest.Fault{Lose: ekaftest.LoseAnswer, HangUp: true, Skip: round % 5})
		for _, key := range keys {
			s.send(key, 4)
		}
		s.flush()
	}
	s.expectAcked()
}

// A leader without state takes any number: were the second batch of an id sent
// before the first one has its OK, the first could be lost for ever.
func firstOfAnID(s *stage) {
	s.kafka.Inject(ekaftest.Fault{Code: 6, Times: 3})
	leader := s.kafka.Leader(topic, 0)
	s.kafka.Network(leader).Delay(100 * time.Millisecond)
	s.send("k", 20)
	for len(s.traffic.list()) == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(90 * time.Millisecond)
	if n := len(s.traffic.list()); n != 1 {
		s.Errorf("%d requests before the first answer", n)
	}
	s.check(s.kafka.MoveLeader(topic, 0, 1-leader))
	s.flush()
	s.expectAcked()
}

func workersAtOnce(s *stage) {
	s.kafka.Network(0).Delay(5 * time.Millisecond)
	for round := range 5 {
		s.kafka.Inject(ekaftest.Fault{Lose: ekaftest.LoseAnswer, HangUp: true, Skip: round})
		s.send("", 100)
		s.flush()
	}
	s.expectAcked()
}

func idleBeyondExpiry(s *stage) {
	for range 4 {
		s.begin()
		time.Sleep(2 * time.Hour)
		s.kafka.Inject(ekaftest.Fault{Lose: ekaftest.LoseAnswer, HangUp: true, Skip: 1})
		s.send("k", 8)
		s.flush()
	}
	s.expectAcked()
}

// oldRecords: the broker counts an id's life from the records' timestamps, so it
// has forgotten it when the batches come again, and would append them again.
func oldRecords(age time.Duration) func(*stage) {
	return func(s *stage) {
		s.begin()
		s.kafka.Network(0).Delay(time.Second)
		for range 5 {
			m := s.message("k")
			s.check(s.producer.ProduceAsync(s.Context(), s.topic, m.Message.At(time.Now().Add(-age))))
		}
		time.Sleep(100 * time.Millisecond)
		s.check(s.kafka.StopBroker(0))
		time.Sleep(14*time.Hour + 20*time.Minute - age)
		s.check(s.kafka.StartBroker(0))
		s.check(s.kafka.Network(0).Heal())
		s.flush()
		s.expectAcked()
		if s.kafka.Requests(kmsg.DescribeProducers) == 0 {
			s.Error("the broker was not asked what it remembers")
		}
	}
}

func forgottenAlive(s *stage) {
	s.begin()
	for range 3 {
		old := time.Now().Add(-14 * time.Hour)
		for range 5 {
			m := s.message("k")
			s.check(s.producer.ProduceAsync(s.Context(), s.topic, m.Message.At(old)))
			time.Sleep(5 * time.Minute) // the broker looks for expired ids every ten minutes
		}
		s.kafka.Inject(ekaftest.Fault{Lose: ekaftest.LoseAnswer, HangUp: true})
		s.send("k", 5)
		s.flush()
	}
	s.expectAcked()
}

func twoProducers(s *stage) {
	other := s.open(ekaf.Brokers(s.kafka.Addrs()...), ekaf.Dialer(s.kafka.Dialer()), ekaf.BatchRecords(1))
	for round := range 10 {
		s.kafka.Inject(ekaftest.Fault{Lose: ekaftest.LoseAnswer, HangUp: true, Skip: round, Times: 2})
		for range 10 {
			s.send("k", 1)
			m := s.message("other")
			s.check(other.ProduceAsync(s.Context(), s.topic, m.Message))
		}
		s.flush()
	}
	s.check(other.Close(s.Context()))
	s.expectAcked()
}

func TestIdentities(t *testing.T) { play(t, identities()) }
