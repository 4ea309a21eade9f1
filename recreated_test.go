package ekaf_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// TestATopicCreatedAgainDoublesNothing (P1, P2, P3): a topic is deleted and created
// again while its keyed messages flow. Up to Kafka 4.0 requests name it, and not its
// id: some are in the new log before the producer hears that it is another one.
func TestATopicCreatedAgainDoublesNothing(t *testing.T) {
	for _, release := range []string{"2.4", "2.8", "3.7", "4.0", "4.1"} {
		t.Run(release, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newKeyedFlow(t, ekaftest.KafkaVersion(release))
				f.run(time.Second)
				f.check(f.kafka.RecreateTopic("events"))
				f.run(4 * time.Second)
				f.judge(release != "2.4") // without ids, leader epochs that go back would tell
			})
		})
	}
}

// TestATopicThatWasAwayIsAnotherOne (P1, P2, P3): without ids, before Kafka 2.8, a topic
// that was taken for deleted is another one when it is back.
func TestATopicThatWasAwayIsAnotherOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newKeyedFlow(t, ekaftest.KafkaVersion("2.4"))
		f.run(time.Second)
		f.check(f.kafka.DeleteTopic("events"))
		f.run(5 * time.Second)
		f.check(f.kafka.CreateTopic("events", 3))
		f.run(4 * time.Second)
		f.judge(true)
	})
}

// TestABrokerThatLagsBehindACreation (P2): all but one broker know the new topic, and
// that one tells the old id whenever it is asked.
func TestABrokerThatLagsBehindACreation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var old atomic.Pointer[[16]byte]
		var lags atomic.Bool
		f := newKeyedFlow(t)
		f.kafka.OnMetadata(func(_ int32, resp *kmsg.MetadataResponse) {
			for i := range resp.Topics {
				if id := resp.Topics[i].TopicID; old.Load() == nil && id != [16]byte{} {
					old.Store(&id)
				} else if lags.Load() && old.Load() != nil {
					resp.Topics[i].TopicID = *old.Load()
				}
			}
		})
		f.run(3 * time.Second) // the id was asked for again
		f.check(f.kafka.RecreateTopic("events"))
		f.run(3 * time.Second)
		for range 3 {
			lags.Store(true)
			f.run(3 * time.Second)
			lags.Store(false)
			f.run(3 * time.Second)
		}
		f.judge(true)
	})
}

// keyedFlow is keyed messages that flow through a slow network.
type keyedFlow struct {
	t         *testing.T
	kafka     *ekaftest.Cluster
	producer  *ekaf.Producer
	recreated atomic.Int64
	sent      int

	mu       sync.Mutex // guards the following
	outcomes map[string]int
	failed   map[string]error
}

func newKeyedFlow(t *testing.T, options ...ekaftest.Option) *keyedFlow {
	f := &keyedFlow{t: t, outcomes: map[string]int{}, failed: map[string]error{}}
	f.kafka, f.producer = inMemory(t, 3, append(options, ekaftest.Topic("events", 3)), ekaf.MetadataRefresh(2*time.Second),
		ekaf.OnEvent(func(e ekaf.Event) {
			if e.Kind == ekaf.EventTopicRecreated {
				f.recreated.Add(1)
			}
		}))
	for broker := range int32(3) {
		f.kafka.Network(broker).Delay(20 * time.Millisecond)
	}
	return f
}

func (f *keyedFlow) check(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

// run produces for as long.
func (f *keyedFlow) run(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Millisecond) {
		value := fmt.Sprintf("%06d", f.sent)
		key := fmt.Sprint("key ", f.sent%8)
		f.sent++
		f.check(f.producer.ProduceAsync(f.t.Context(), "events", ekaf.KeyValue(key, value).Then(func(_ ekaf.Ack, err error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.outcomes[value]++
			if err != nil {
				f.failed[value] = err
			}
		})))
	}
}

// judge closes the producer and looks at what is in the topic now.
func (f *keyedFlow) judge(told bool) {
	f.t.Helper()
	f.check(f.producer.Close(f.t.Context()))
	if len(f.outcomes) != f.sent || len(f.failed) > 0 {
		f.t.Errorf("%d messages were sent, %d have an outcome, %d failed", f.sent, len(f.outcomes), len(f.failed))
	}
	if n := f.recreated.Load(); told && n != 1 {
		f.t.Errorf("that the topic was created again was told %d times", n)
	}
	messages, err := f.kafka.Consume("events")
	f.check(err)
	seen, last := map[string]bool{}, map[string]string{}
	for _, m := range messages {
		key, value := string(m.Key), string(m.Value)
		if seen[value] {
			f.t.Errorf("message %s is in the topic twice", value)
		} else if value < last[key] {
			f.t.Errorf("message %s came behind %s", value, last[key])
		}
		seen[value], last[key] = true, value
	}
	for value, n := range f.outcomes {
		if n != 1 {
			f.t.Errorf("message %s has %d outcomes", value, n)
		}
	}
	// Nothing is missing behind the first messages that are there.
	for i := f.sent - 2500; i < f.sent; i++ {
		if value := fmt.Sprintf("%06d", i); !seen[value] {
			f.t.Errorf("message %s was acked and is not in the topic", value)
		}
	}
	f.kafka.Close()
}
