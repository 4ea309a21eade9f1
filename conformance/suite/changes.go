package suite

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ekaf-go/ekaf"
)

// createdLate: messages for a topic that does not exist wait, and arrive once it does.
func createdLate(t *Trial) {
	f := newFlow(t, t.name())
	p := t.producer(ekaf.AutoCreateTopics(false), ekaf.UnknownTopicTimeout(0))
	for range 50 {
		t.check(p.ProduceAsync(t.ctx, f.topic, f.message(1, "k"), f.message(1, "")))
	}
	t.until("the producer never heard that the topic is unknown", func() bool {
		return errors.Is(p.Info(f.topic).Err, ekaf.ErrUnknownTopic)
	})
	if info := p.Info(f.topic); info.Waiting != 100 || info.State != ekaf.TopicBootstrapping {
		t.Errorf("the topic waits with %d messages in state %v", info.Waiting, info.State)
	}
	t.create(f.topic, 3, nil)
	t.flush(p)
	f.verify(rules{keyed: true})
}

// deleted: a topic that goes away and comes back gets what is produced then.
func deleted(t *Trial) {
	topic := t.name()
	t.check(t.Cluster.CreateTopic(t.ctx, topic, 3, 0, nil))
	p := t.producer(ekaf.AutoCreateTopics(false), ekaf.UnknownTopicTimeout(0))
	for range 10 {
		_, err := p.ProduceSync(t.ctx, topic, ekaf.KeyValue("k", "old"), ekaf.Value("old"))
		t.check(err)
	}
	t.check(t.Cluster.DeleteTopic(t.ctx, topic))
	t.create(topic, 3, nil)
	f := newFlow(t, topic)
	for i := range 50 {
		_, err := p.ProduceSync(t.ctx, topic, f.message(1, fmt.Sprint("key-", i%5)), f.message(1, ""))
		t.check(err)
	}
	// Acks of the new topic may come without offset where the first try went to the old one.
	f.verify(rules{keyed: true})
}

// recreated: a topic goes away and comes back while its messages flow. What was acked
// may be gone with the old one; nothing is there twice, and new messages arrive.
func recreated(t *Trial) {
	topic := t.topic(3, nil)
	p := t.producer(ekaf.AutoCreateTopics(false), ekaf.UnknownTopicTimeout(0))
	var stop atomic.Bool
	var sent, told atomic.Int64
	var flowing sync.WaitGroup
	defer flowing.Wait()
	defer stop.Store(true)
	for key := range 8 {
		flowing.Go(func() {
			for i := 0; !stop.Load(); i++ {
				m := ekaf.KeyValue(fmt.Sprint(key), fmt.Sprint(key, "-", i)).Then(func(ekaf.Ack, error) { told.Add(1) })
				if err := p.ProduceAsync(t.ctx, topic, m); err != nil {
					t.Error(err)
					return
				}
				sent.Add(1)
				time.Sleep(200 * time.Microsecond)
			}
		})
	}
	for life := range 3 {
		time.Sleep(500 * time.Millisecond) // the flow is at its full width
		t.check(t.Cluster.DeleteTopic(t.ctx, topic))
		t.create(topic, 3, nil)
		tries := 0
		t.until("nothing arrives in the new topic", func() bool {
			tries++
			_, err := p.ProduceSync(t.ctx, topic, ekaf.Value(fmt.Sprint("sync ", life, "-", tries)))
			return err == nil
		})
	}
	stop.Store(true)
	flowing.Wait()
	t.flush(p)
	if sent.Load() != told.Load() {
		t.Errorf("%d messages were sent, and %d have an outcome", sent.Load(), told.Load())
	}
	seen := map[string]bool{}
	for _, r := range t.read(topic) {
		if seen[string(r.Value)] {
			t.Errorf("%q is in the topic twice", r.Value)
		}
		seen[string(r.Value)] = true
	}
}

// grown: messages reach partitions that were added, and none is lost on the way.
func grown(t *Trial) {
	f := newFlow(t, t.topic(2, nil))
	p := t.producer(ekaf.Strategy(ekaf.StrictRoundRobin()))
	send := func() {
		_, err := p.ProduceSync(t.ctx, f.topic, f.message(1, ""))
		t.check(err)
	}
	for range 20 {
		send()
	}
	t.check(t.Cluster.AddPartitions(t.ctx, f.topic, 5))
	fresh := t.producer(ekaf.Strategy(ekaf.StrictRoundRobin()), ekaf.MetadataRefresh(soon))
	t.until("the new partitions stayed unknown", func() bool {
		m, err := fresh.Metadata(t.ctx, f.topic)
		t.check(err)
		return len(m.Partitions) == 5
	})
	for range 20 {
		send()
	}
	reached := map[int32]bool{}
	for i := range int32(5) {
		ack, err := fresh.ProduceSync(t.ctx, f.topic, f.message(2, "").OnPartition(i))
		t.check(err)
		reached[ack.Partition] = true
	}
	if len(reached) != 5 {
		t.Errorf("reached partitions %v of 5", reached)
	}
	f.verify(rules{offsets: true})
}

// stream produces keyed messages through p while meanwhile runs, and for a while
// after, then waits for all. Every message must be acked.
func (f *flow) stream(p *ekaf.Producer, meanwhile func()) {
	f.t.Helper()
	var events sync.WaitGroup
	done := make(chan struct{})
	events.Go(func() {
		defer close(done)
		meanwhile()
	})
	for after, i := 0, 0; after < 200; i++ {
		select {
		case <-done:
			after++
		default:
		}
		key := fmt.Sprint("key-", i%11)
		if _, err := p.ProduceSyncBatched(f.t.ctx, f.topic, f.message(1, key)); err != nil {
			f.t.Errorf("cannot produce: %v", err)
			break
		}
		if i%20 == 0 && !f.t.pause() {
			break
		}
	}
	events.Wait()
	f.t.flush(p)
}

// leaderMoves: leaders go from broker to broker under load; nothing is lost,
// doubled or reordered.
func leaderMoves(t *Trial) {
	f := newFlow(t, t.topic(3, nil))
	p := t.producer(ekaf.MetadataRefresh(never), ekaf.Workers(2))
	f.stream(p, func() {
		for _, broker := range t.Cluster.Brokers() {
			for partition := range 3 {
				if err := t.Cluster.MoveLeader(t.ctx, f.topic, partition, broker); err != nil {
					t.Error(err)
				}
			}
		}
	})
	f.verify(rules{keyed: true})
}

// restarts: brokers are stopped, in order and as kill -9 does, and started again,
// under load.
func restarts(t *Trial) {
	for _, kill := range []bool{false, true} {
		name := "in order"
		if kill {
			name = "killed"
		}
		t.each(name, func(t *Trial) {
			f := newFlow(t, t.topic(3, nil))
			p := t.producer(ekaf.Workers(2))
			brokers := t.Cluster.Brokers()
			f.stream(p, func() {
				for _, broker := range brokers[:min(2, len(brokers))] {
					if err := errors.Join(t.Cluster.Stop(t.ctx, broker, kill), t.Cluster.Start(t.ctx, broker)); err != nil {
						t.Error(err)
					}
				}
			})
			f.verify(rules{keyed: true, repeats: t.Cluster.Can()&RecordBatches == 0})
		})
	}
}

// outage: all brokers are gone, also when the producer is made; what is produced
// meanwhile arrives when they are back.
func outage(t *Trial) {
	f := newFlow(t, t.topic(3, nil))
	running := t.producer()
	_, err := running.ProduceSync(t.ctx, f.topic, f.message(1, "k"))
	t.check(err)
	brokers := t.Cluster.Brokers()
	for _, broker := range brokers {
		t.check(t.Cluster.Stop(t.ctx, broker, true))
	}
	late := t.producer()
	for i := range 100 {
		key := fmt.Sprint("key-", i%7)
		t.check(running.ProduceAsync(t.ctx, f.topic, f.message(1, key)))
		t.check(late.ProduceAsync(t.ctx, f.topic, f.message(2, key), f.message(2, "")))
	}
	t.until("the topic never went into downtime", func() bool { return running.Info(f.topic).State == ekaf.TopicDowntime })
	var starting sync.WaitGroup
	for _, broker := range brokers { // at once: a quorum needs more than one
		starting.Go(func() {
			if err := t.Cluster.Start(t.ctx, broker); err != nil {
				t.Error(err)
			}
		})
	}
	starting.Wait()
	t.flush(running)
	t.flush(late)
	f.verify(rules{keyed: true, repeats: t.Cluster.Can()&RecordBatches == 0})
}
