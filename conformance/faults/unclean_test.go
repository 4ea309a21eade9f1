package faults

import (
	"fmt"
	"testing"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/conformance/judge"
	"github.com/ekaf-go/ekaf/conformance/realkafka"
)

// TestRealUncleanElection: a broker that missed what its leader acked is made the
// leader. What was acked meanwhile is lost, by the cluster and not by the producer,
// which says so; what comes after is delivered, once and in order, and nothing waits
// for ever. Once with a leader that knows earlier messages of the producer, and so
// answers OUT_OF_ORDER to the next, and once with one that knows nothing of it, and
// takes any number.
func TestRealUncleanElection(t *testing.T) {
	kafka := realkafka.StartT(t, realkafka.Config{Brokers: 3})
	for _, before := range []int{50, 0} {
		t.Run(fmt.Sprint(before, " messages before"), func(t *testing.T) {
			s := &stage{T: t, ledger: newLedger(t, fmt.Sprint("unclean-", before)), events: &events{}}
			s.losesAcked(kafka, before)
		})
	}
}

// losesAcked: so many messages come to both replicas, some to the leader alone, which
// is killed and not waited for, and some after.
func (s *stage) losesAcked(kafka *realkafka.Cluster, before int) {
	const leader, follower = 1, 2
	ctx := s.Context()
	s.check(kafka.CreateTopic(ctx, s.topic, 1, 2, map[string]string{
		"unclean.leader.election.enable": "true", "min.insync.replicas": "1",
	}))
	s.check(kafka.Reassign(ctx, s.topic, 0, leader, follower))
	s.check(kafka.ElectPreferred(ctx, s.topic, 0))
	s.check(kafka.AwaitISR(ctx, s.topic, 0, leader, follower))
	s.producer = s.open(ekaf.Brokers(kafka.Addrs()...), ekaf.BatchRecords(10), ekaf.OnEvent(s.events.hear))
	defer s.abandon()
	s.send("k", before)
	s.flush()
	s.check(kafka.Broker(follower).Kill())
	s.check(kafka.AwaitISR(ctx, s.topic, 0, leader))
	lost := s.send("k", 50)
	s.flush()
	s.check(kafka.Broker(leader).Kill())
	s.send("k", 30)
	s.check(kafka.Broker(follower).Start(ctx))
	s.check(kafka.ElectUnclean(ctx, s.topic, 0))
	s.send("k", 30)
	s.flush()
	s.expectAcked()
	s.check(kafka.Broker(leader).Start(ctx)) // it takes the new leader's log
	s.check(kafka.AwaitISR(ctx, s.topic, 0, leader, follower))
	s.send("k", 30)
	s.end()
	if s.events.count(ekaf.EventDataLoss) != 1 {
		s.Errorf("the loss was told %d times", s.events.count(ekaf.EventDataLoss))
	}
	s.expectAcked()
	for _, e := range lost {
		delete(s.acks, e.name) // that they are gone is what the election was for
		s.refused[e.name] = true
	}
	s.verify(judge.PerKey, kafka.Addrs(), kafka.ClientOpts()...)
}
