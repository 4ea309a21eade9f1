package ekaf_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// The tests of this file are twins of those that the README of the Erlang ekaf
// lists, in its order and under its names. As there, a consumer has the say.

// patience bounds what these tests wait for; none of them asks how long it took.
const patience = 30 * time.Second

func limited(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// consumed waits until a consumer sees n messages of a topic, and checks that
// there are no more and that they are, sorted, those wanted.
func consumed(t *testing.T, c *ekaftest.Cluster, topic string, want ...string) []ekaftest.Message {
	t.Helper()
	seen, err := c.WaitFor(limited(t), topic, len(want))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range seen {
		got = append(got, string(m.Value))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("a consumer sees %q, want %q", got, want)
	}
	return seen
}

// numbers are the texts of first to last.
func numbers(first, last int) (list []string) {
	for i := first; i <= last; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

func TestReadingTopicSpecificOptions(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("topic1", 1), ekaftest.Topic("topic2", 1), ekaftest.Topic("other", 1))
	p := newProducer(t, c, ekaf.BatchRecords(5),
		ekaf.Topic("topic1", ekaf.BatchRecords(2)), ekaf.Topic("topic2", ekaf.Compression(ekaf.Gzip)))
	for topic, want := range map[string]struct {
		length int
		codec  int8
	}{"topic1": {2, 0}, "topic2": {5, 1}, "other": {5, 0}} {
		values := make([]string, 10)
		for i := range values {
			values[i] = strings.Repeat(fmt.Sprint(i), 50)
		}
		if _, err := p.ProduceSyncBatched(limited(t), topic, ekaf.Values(values...)...); err != nil {
			t.Fatal(err)
		}
		for _, m := range consumed(t, c, topic, values...) {
			if m.BatchLen != want.length || m.Codec != want.codec {
				t.Errorf("%s: a batch of %d messages with codec %d, want %d with %d", topic, m.BatchLen, m.Codec, want.length, want.codec)
			}
		}
	}
}

func TestPickFromNewPool(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 3))
	p := newProducer(t, c)
	if _, err := p.Pick("events", nil); !errors.Is(err, ekaf.ErrTryAgain) {
		t.Errorf("the first pick answers %v", err)
	}
	picked := make(chan ekaf.Worker, 1)
	p.PickAsync(limited(t), "events", []byte("key"), func(w ekaf.Worker, err error) {
		if err != nil {
			t.Error(err)
		}
		picked <- w
	})
	worker := <-picked
	if t.Failed() {
		t.FailNow()
	}
	again, err := p.Pick("events", []byte("key"))
	if err != nil || again.Partition() != worker.Partition() || again.Topic() != "events" {
		t.Errorf("the next pick answers partition %d of %s, %v; the first was %d", again.Partition(), again.Topic(), err, worker.Partition())
	}
	if err := worker.Produce(limited(t), ekaf.Value("direct")); err != nil {
		t.Fatal(err)
	}
	if seen := consumed(t, c, "events", "direct"); seen[0].Partition != worker.Partition() {
		t.Errorf("the message is in partition %d, the worker is of %d", seen[0].Partition, worker.Partition())
	}
}

func TestRequestMetadata(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Brokers(2), ekaftest.Topic("events", 3))
	p := newProducer(t, c)
	m, err := p.Metadata(limited(t), "events")
	if err != nil || m.Topic != "events" || len(m.Partitions) != 3 {
		t.Fatalf("got %+v, %v", m, err)
	}
	for i, part := range m.Partitions {
		leader := c.Leader("events", int32(i))
		if part.Partition != int32(i) || part.Leader != leader || part.LeaderAddr != c.Addrs()[leader] {
			t.Errorf("partition %d: got %+v, its leader is %d at %s", i, part, leader, c.Addrs()[leader])
		}
		if _, err := p.ProduceSync(limited(t), "events", ekaf.Value(fmt.Sprint(i)).OnPartition(part.Partition)); err != nil {
			t.Error(err)
		}
	}
	for _, seen := range consumed(t, c, "events", "0", "1", "2") {
		if fmt.Sprint(seen.Partition) != string(seen.Value) {
			t.Errorf("message %s is in partition %d", seen.Value, seen.Partition)
		}
	}
}

func TestRequestWorkerState(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 2))
	p := newProducer(t, c)
	ctx := limited(t)
	if info := p.Info("events"); info.State != ekaf.TopicBootstrapping || len(info.Workers) != 0 {
		t.Errorf("before the first message: %+v", info)
	}
	for partition := range int32(2) {
		if _, err := p.ProduceSync(ctx, "events", ekaf.Value(fmt.Sprint(partition)).OnPartition(partition)); err != nil {
			t.Fatal(err)
		}
	}
	consumed(t, c, "events", "0", "1")
	info := p.Info("events")
	if info.State != ekaf.TopicReady || len(info.Workers) != 2 || info.Waiting != 0 {
		t.Fatalf("after two messages: %+v", info)
	}
	for _, w := range info.Workers {
		if w.State != "ready" || w.Broker != c.Leader("events", w.Partition) || w.Waiting != 0 {
			t.Errorf("worker %+v", w)
		}
	}
}

func TestProduceSyncToTopic(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	ack, err := newProducer(t, c).ProduceSync(limited(t), "events", ekaf.Value("foo"))
	if err != nil {
		t.Fatal(err)
	}
	if m := consumed(t, c, "events", "foo")[0]; ack.Offset != m.Offset || ack.Partition != m.Partition || ack.Worker != 0 {
		t.Errorf("the ack is %+v, the message %+v", ack, m)
	}
}

func TestProduceSyncMultiToTopic(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	acked, err := newProducer(t, c).ProduceSync(limited(t), "events",
		ekaf.Value("foo"), ekaf.KeyValue("key", "value"), ekaf.Value("back"))
	if err != nil || acked.Len() != 3 {
		t.Fatal(acked, err)
	}
	seen := consumed(t, c, "events", "foo", "value", "back")
	for i, ack := range acked.All() {
		if ack.Offset != int64(i) || seen[i].Offset != ack.Offset {
			t.Errorf("message %d is at %d, its ack says %d", i, seen[i].Offset, ack.Offset)
		}
	}
	if string(seen[1].Key) != "key" || seen[0].Key != nil || seen[0].BatchLen != 3 {
		t.Errorf("keys %q %q, in a batch of %d", seen[0].Key, seen[1].Key, seen[0].BatchLen)
	}
}

func TestProduceSyncInBatchToTopic(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	p := newProducer(t, c, ekaf.Linger(time.Hour), ekaf.BatchRecords(3))
	for i := 1; i <= 3; i++ {
		receipt, err := p.ProduceSyncBatched(limited(t), "events", ekaf.Value(fmt.Sprint(i)))
		// The third closes the batch, which may be on its way by now.
		if err != nil || receipt.Partition != 0 || receipt.Worker != 0 || i < 3 && receipt.Messages != i {
			t.Fatalf("message %d: %+v, %v", i, receipt, err)
		}
	}
	if m := consumed(t, c, "events", "1", "2", "3")[0]; m.BatchLen != 3 {
		t.Errorf("a batch of %d messages, want 3", m.BatchLen)
	}
}

func TestProduceSyncMultiInBatchToTopic(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	p := newProducer(t, c, ekaf.Linger(time.Hour))
	want := numbers(1, 1000)
	receipt, err := p.ProduceSyncBatched(limited(t), "events", ekaf.Values(want...)...)
	if err != nil || receipt.Partition != 0 || receipt.Messages != 1000 {
		t.Fatalf("got %+v, %v", receipt, err)
	}
	if seen, err := c.Consume("events"); err != nil || len(seen) != 0 {
		t.Errorf("%d messages were sent although they linger, %v", len(seen), err)
	}
	if err := p.Flush(limited(t)); err != nil {
		t.Fatal(err)
	}
	if m := consumed(t, c, "events", want...)[0]; m.BatchLen != 1000 {
		t.Errorf("a batch of %d messages, want 1000", m.BatchLen)
	}
}

func TestProduceAsyncToTopic(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	if err := newProducer(t, c).ProduceAsync(limited(t), "events", ekaf.Value("foo")); err != nil {
		t.Fatal(err)
	}
	consumed(t, c, "events", "foo")
}

func TestProduceAsyncMultiToTopic(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	if err := newProducer(t, c).ProduceAsync(limited(t), "events", ekaf.Values(numbers(1, 100)...)...); err != nil {
		t.Fatal(err)
	}
	for i, m := range consumed(t, c, "events", numbers(1, 100)...) {
		if string(m.Value) != fmt.Sprint(i+1) {
			t.Fatalf("message %s is at offset %d", m.Value, m.Offset)
		}
	}
}

func TestProduceAsyncInBatchToTopic(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	c.Inject(ekaftest.Fault{API: kmsg.Metadata, Times: -1, Delay: 200 * time.Millisecond}) // so that the call comes first
	p := newProducer(t, c, ekaf.BatchRecords(100))
	receipt, err := p.ProduceAsyncBatched(limited(t), "events", ekaf.Value("foo"))
	if err != nil || receipt.Partition != -1 || receipt.Messages != 1 {
		t.Fatalf("the topic's partitions are unknown, got %+v, %v", receipt, err)
	}
	consumed(t, c, "events", "foo") // after Linger
}

func TestProduceAsyncMultiInBatchToTopic(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	p := newProducer(t, c)
	for i := 1; i <= 1000; i += 10 {
		if _, err := p.ProduceAsyncBatched(limited(t), "events", ekaf.Values(numbers(i, i+9)...)...); err != nil {
			t.Fatal(err)
		}
	}
	consumed(t, c, "events", numbers(1, 1000)...)
}

// eventLog collects the kinds of a producer's events.
type eventLog struct {
	mu    sync.Mutex
	count map[ekaf.EventKind]int
}

func (l *eventLog) add(e ekaf.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == nil {
		l.count = map[ekaf.EventKind]int{}
	}
	l.count[e.Kind]++
}

func (l *eventLog) of(k ekaf.EventKind) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.count[k]
}

// until waits for a condition.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	ctx := limited(t)
	for !done() {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("%s: it did not come to that", what)
		}
	}
}

func TestMaxMessagesToSaveDuringKafkaDowntime(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	var events eventLog
	p := newProducer(t, c, ekaf.TopicBufferMessages(5), ekaf.OnEvent(events.add))
	if err := p.Prepare(limited(t), "events"); err != nil {
		t.Fatal(err)
	}
	c.Stop()
	until(t, "the topic is in downtime", func() bool { return p.Info("events").State == ekaf.TopicDowntime })
	for i := 1; i <= 8; i++ {
		err := p.ProduceAsync(limited(t), "events", ekaf.Value(fmt.Sprint(i)))
		if full := i > 5; errors.Is(err, ekaf.ErrFull) != full || (err != nil) != full {
			t.Errorf("message %d: %v", i, err)
		}
	}
	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
	consumed(t, c, "events", numbers(1, 5)...)
	until(t, "all events are told", func() bool {
		return events.of(ekaf.EventDowntimeSaved) == 5 && events.of(ekaf.EventMaxDowntimeBufferReached) == 3 &&
			events.of(ekaf.EventDowntimeReplayed) == 1
	})
}

func TestRestartKafkaBroker(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	var events eventLog
	p := newProducer(t, c, ekaf.OnEvent(events.add))
	for i := 1; i <= 10; i++ {
		if _, err := p.ProduceSync(limited(t), "events", ekaf.Value(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	c.Stop()
	until(t, "the topic is in downtime", func() bool { return p.Info("events").State == ekaf.TopicDowntime })
	for i := 11; i <= 20; i++ {
		if err := p.ProduceAsync(limited(t), "events", ekaf.Value(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
	for i, m := range consumed(t, c, "events", numbers(1, 20)...) {
		if string(m.Value) != fmt.Sprint(i+1) {
			t.Fatalf("message %s is at offset %d", m.Value, m.Offset)
		}
	}
	until(t, "downtime and recovery are told", func() bool {
		return events.of(ekaf.EventWorkerDown) > 0 && events.of(ekaf.EventTimeDown) > 0 && events.of(ekaf.EventWorkerUp) > 1
	})
}

// In the original the brokers' answer to a metadata request is changed: workers
// come and go with partitions and leaders.
func TestChangeKafkaConfig(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Brokers(2), ekaftest.Topic("events", 1))
	p := newProducer(t, c, ekaf.MetadataRefresh(10*time.Millisecond), ekaf.Strategy(ekaf.StrictRoundRobin()))
	if _, err := p.ProduceSync(limited(t), "events", ekaf.Value("0")); err != nil {
		t.Fatal(err)
	}
	if err := c.MoveLeader("events", 0, 1); err != nil {
		t.Fatal(err)
	}
	if err := c.AddPartitions("events", 3); err != nil {
		t.Fatal(err)
	}
	until(t, "the new partitions are known", func() bool {
		m, err := p.Metadata(limited(t), "events")
		return err == nil && len(m.Partitions) == 4 && m.Partitions[0].Leader == 1
	})
	for i := 1; i <= 8; i++ {
		if _, err := p.ProduceSync(limited(t), "events", ekaf.Value(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	reached := map[int32]bool{}
	for _, m := range consumed(t, c, "events", numbers(0, 8)...) {
		reached[m.Partition] = true
	}
	if len(reached) != 4 {
		t.Errorf("messages are in partitions %v, want all 4", reached)
	}
}

func TestMassageBufferEncodeMessagesAsOneLargeMessage(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	p := newProducer(t, c, ekaf.MassageBuffer(func(topic string, messages []ekaf.Message) []ekaf.Message {
		var values []string
		for _, m := range messages {
			values = append(values, string(m.Value))
		}
		return []ekaf.Message{ekaf.Value(topic + ":[" + strings.Join(values, ",") + "]")}
	}))
	if _, err := p.ProduceSyncBatched(limited(t), "events", ekaf.Values(numbers(1, 5)...)...); err != nil {
		t.Fatal(err)
	}
	consumed(t, c, "events", "events:[1,2,3,4,5]")
}
