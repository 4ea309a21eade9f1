package sender

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// What lanes of several topics hold when the connection comes up goes into one
// request, which reads back as what they hold, in each version that differs.
func TestRequestReadsBack(t *testing.T) {
	for _, version := range []int16{3, 7, 8, 9, 12, 13} {
		t.Run(fmt.Sprintf("v%d", version), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { requestReadsBack(t, version) })
		})
	}
}

func requestReadsBack(t *testing.T, version int16) {
	gate := make(chan struct{})
	sc := newScene(t, func(sc *scene) { sc.broker.gate, sc.broker.produceMax = gate, version })
	topics := []string{"alpha", "beta", "gamma"}
	var lanes []*worker.Lane
	for i, name := range topics {
		cfg := sc.topic(name, func(c *worker.Config) { c.RequestTimeout = 12345 * time.Millisecond })
		cfg.ID.Store(topicIDOf(byte(i)))
		lanes = append(lanes, sc.lanes(3, cfg)...)
	}
	for partition := range 3 { // the topics take turns
		for topic := range topics {
			l := lanes[3*topic+partition]
			sc.put(l, false, fmt.Sprintf("%s %d first", topics[topic], partition))
			sc.put(l, true, fmt.Sprintf("%s %d second", topics[topic], partition))
		}
	}
	synctest.Wait()
	close(gate)
	a := sc.one()
	if a.req.Version != version || a.req.Acks != -1 || a.req.TimeoutMillis != 12345 || a.req.TransactionID != nil {
		t.Errorf("v%d, acks %d, timeout %d ms, transactional id %v; want v%d, -1, 12345 and none",
			a.req.Version, a.req.Acks, a.req.TimeoutMillis, a.req.TransactionID, version)
	}
	if len(a.req.Topics) != len(topics) {
		t.Fatalf("the request lists %d topics, want %d: each once", len(a.req.Topics), len(topics))
	}
	for i, got := range a.req.Topics {
		if version < topicIDFrom && got.Topic != topics[i] {
			t.Errorf("topic %d is %q, want %q", i, got.Topic, topics[i])
		}
		if version >= topicIDFrom && got.TopicID != topicIDOf(byte(i)) {
			t.Errorf("topic %d has id %x, want %x", i, got.TopicID, topicIDOf(byte(i)))
		}
		var partitions []int32
		for _, p := range got.Partitions {
			partitions = append(partitions, p.Partition)
			checkRecords(t, p.Records, fmt.Sprintf("%s %d first", topics[i], p.Partition), fmt.Sprintf("%s %d second", topics[i], p.Partition))
		}
		if !slices.Equal(partitions, []int32{0, 1, 2}) {
			t.Errorf("%s has partitions %v, want 0, 1 and 2", topics[i], partitions)
		}
	}
	a.ok()
	sc.acked(18)
	sc.none()
}

func checkRecords(t *testing.T, records []byte, want ...string) {
	t.Helper()
	h, cursor, err := batch.OpenBatch(records, 1<<20)
	if err != nil {
		t.Error(err)
		return
	}
	if h.Size() != len(records) || h.ProducerID <= 0 || h.BaseSequence != 0 {
		t.Errorf("%d bytes hold a batch of %d, producer id %d, first sequence %d", len(records), h.Size(), h.ProducerID, h.BaseSequence)
	}
	var got []string
	for cursor.Next() {
		got = append(got, string(cursor.Record().Value))
	}
	if cursor.Err() != nil || !slices.Equal(got, want) {
		t.Errorf("got %v (%v), want %v", got, cursor.Err(), want)
	}
}

// Topic ids are spoken (v13) only when every topic of the request has one.
func TestTopicWithoutIDGoesByName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		sc := newScene(t, func(sc *scene) { sc.broker.gate = gate })
		known := sc.topic("known", nil)
		known.ID.Store(topicIDOf(1))
		sc.put(sc.lanes(1, known)[0], true, "a")
		unknown := sc.lanes(1, sc.topic("unknown", nil))[0]
		sc.put(unknown, true, "b")
		synctest.Wait()
		close(gate)
		a := sc.one()
		if a.req.Version != topicIDFrom-1 || a.req.Topics[0].Topic != "known" || a.req.Topics[1].Topic != "unknown" {
			t.Errorf("v%d with %q and %q", a.req.Version, a.req.Topics[0].Topic, a.req.Topics[1].Topic)
		}
		a.ok()
		sc.acked(2)
		unknown.Partition.Config().ID.Store(topicIDOf(2))
		sc.put(unknown, true, "c")
		if a = sc.one(); a.req.Version != topicIDFrom || a.req.Topics[0].TopicID != topicIDOf(2) {
			t.Errorf("v%d with id %x once the id is known", a.req.Version, a.req.Topics[0].TopicID)
		}
		a.ok()
		sc.acked(3)
	})
}

// A batch of many chunks is the same bytes on the wire.
func TestLargeBatchReadsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, nil)
		l := sc.lanes(1, sc.topic("large", nil))[0]
		var want []string
		for i := range 300 {
			value := fmt.Sprintf("%d %01000d", i, i)
			want = append(want, value)
			sc.put(l, false, value)
		}
		l.Mark()
		a := sc.one()
		checkRecords(t, a.req.Topics[0].Partitions[0].Records, want...)
		a.ok()
		sc.acked(300)
	})
}
