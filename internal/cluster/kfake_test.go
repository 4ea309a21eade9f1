package cluster

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// onKfake starts an embedded cluster on loopback and a Cluster that knows it.
func onKfake(t *testing.T, opts ...kfake.Opt) (*kfake.Cluster, *Cluster, context.Context) {
	t.Helper()
	fake, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(fake.Close)
	c := New(Config{Seeds: fake.ListenAddrs()})
	t.Cleanup(c.Close)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return fake, c, ctx
}

// write produces values one batch each with an idempotent client, and answers its producer id.
func write(t *testing.T, ctx context.Context, fake *kfake.Cluster, topic string, values ...string) (pid int64, epoch int16) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(fake.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, v := range values {
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte(v)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	if pid, epoch, err = client.ProducerID(ctx); err != nil {
		t.Fatal(err)
	}
	return pid, epoch
}

func TestKfakeMetadataAndProducerID(t *testing.T) {
	fake, c, ctx := onKfake(t, kfake.NumBrokers(3), kfake.SeedTopics(7, "orders"))
	topic, err := c.Wait(ctx, "orders")
	if err != nil {
		t.Fatal(err)
	}
	if len(topic.Partitions) != 7 || topic.ID == [16]byte{} {
		t.Fatalf("got %+v", topic)
	}
	for i, p := range topic.Partitions {
		if p.ID != int32(i) || p.Leader != fake.LeaderFor("orders", p.ID) || p.Err != nil {
			t.Errorf("partition %d: got %+v, want leader %d", i, p, fake.LeaderFor("orders", p.ID))
		}
	}
	if got := len(c.Snapshot().Brokers); got != 3 {
		t.Errorf("got %d brokers, want 3", got)
	}
	first, epoch, err := c.ProducerID(ctx)
	if err != nil || epoch != 0 {
		t.Fatalf("got epoch %d, %v", epoch, err)
	}
	second, _, err := c.ProducerID(ctx)
	if err != nil || second == first {
		t.Errorf("second id %d, first %d, %v", second, first, err)
	}
}

func TestKfakeDo(t *testing.T) {
	_, c, ctx := onKfake(t, kfake.NumBrokers(3))
	for _, broker := range []int32{Controller, AnyBroker, 0, 2} {
		resp, err := c.Do(ctx, broker, kmsg.NewPtrDescribeClusterRequest())
		if err != nil {
			t.Errorf("broker %d: %v", broker, err)
			continue
		}
		if got := len(resp.(*kmsg.DescribeClusterResponse).Brokers); got != 3 {
			t.Errorf("broker %d names %d brokers", broker, got)
		}
	}
	if _, err := c.Do(ctx, 9, kmsg.NewPtrDescribeClusterRequest()); err == nil {
		t.Error("broker 9 does not exist, yet it answered")
	}
}

func TestKfakeReadBack(t *testing.T) {
	fake, c, ctx := onKfake(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "orders"))
	other, _ := write(t, ctx, fake, "orders", "a", "b")
	pid, epoch := write(t, ctx, fake, "orders", "c", "d", "e")
	write(t, ctx, fake, "orders", "f")

	found, err := c.ReadBack(ctx, "orders", 0, 0, pid, epoch)
	if err != nil {
		t.Fatal(err)
	}
	want := Found{Written: true, LastSequence: 2, BaseOffset: 4, LogStart: 0, LogEnd: 6}
	if found != want {
		t.Errorf("got %+v, want %+v", found, want)
	}
	found, err = c.ReadBack(ctx, "orders", 0, 2, other, 0)
	if err != nil || found.Written || found.Undecidable {
		t.Errorf("nothing of %d is behind offset 2: got %+v, %v", other, found, err)
	}
	if end, err := c.LogEnd(ctx, "orders", 0); err != nil || end != 6 {
		t.Errorf("got log end %d, %v", end, err)
	}
}

func TestKfakeReadBackAfterDeletion(t *testing.T) {
	fake, c, ctx := onKfake(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	pid, epoch := write(t, ctx, fake, "orders", "a", "b", "c", "d")
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 1000
	rt := kmsg.NewDeleteRecordsRequestTopic()
	rt.Topic = "orders"
	rp := kmsg.NewDeleteRecordsRequestTopicPartition()
	rp.Offset = 2
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	if _, err := c.Do(ctx, fake.LeaderFor("orders", 0), req); err != nil {
		t.Fatal(err)
	}
	found, err := c.ReadBack(ctx, "orders", 0, 1, pid, epoch)
	if err != nil || !found.Written || found.LastSequence != 3 || found.Undecidable {
		t.Errorf("a later batch decides, whatever was deleted: got %+v, %v", found, err)
	}
	found, err = c.ReadBack(ctx, "orders", 0, 1, pid+1, epoch)
	if err != nil || found.Written || !found.Undecidable || found.LogStart != 2 {
		t.Errorf("offset 1 was deleted unread: got %+v, %v", found, err)
	}
}

func TestKfakeLeaderMoves(t *testing.T) {
	fake, c, ctx := onKfake(t, kfake.NumBrokers(2), kfake.SeedTopics(1, "orders"))
	pid, epoch := write(t, ctx, fake, "orders", "a")
	if _, err := c.Wait(ctx, "orders"); err != nil {
		t.Fatal(err)
	}
	from := fake.LeaderFor("orders", 0)
	if err := fake.MoveTopicPartition("orders", 0, 1-from); err != nil {
		t.Fatal(err)
	}
	found, err := c.ReadBack(ctx, "orders", 0, 0, pid, epoch)
	if err != nil || !found.Written {
		t.Fatalf("got %+v, %v", found, err)
	}
	if b, _, ok := c.Snapshot().Leader("orders", 0); !ok || b.ID == from {
		t.Errorf("leader is still %+v", b)
	}
}

func TestKfakeLastProducer(t *testing.T) {
	fake, c, ctx := onKfake(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	fake.ControlKey(61, func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		resp := req.ResponseKind().(*kmsg.DescribeProducersResponse)
		rt := kmsg.NewDescribeProducersResponseTopic()
		rt.Topic = "orders"
		rp := kmsg.NewDescribeProducersResponseTopicPartition()
		for id := range int64(5) {
			a := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
			a.ProducerID, a.ProducerEpoch, a.LastSequence, a.LastTimestamp = id, int32(id), 10*int32(id), 1000
			rp.ActiveProducers = append(rp.ActiveProducers, a)
		}
		rt.Partitions = append(rt.Partitions, rp)
		resp.Topics = append(resp.Topics, rt)
		return resp, nil, true
	})
	state, ok, err := c.LastProducer(ctx, "orders", 0, 3)
	if err != nil || !ok || state.Epoch != 3 || state.LastSequence != 30 || state.LastTimestamp.UnixMilli() != 1000 {
		t.Errorf("got %+v, %v, %v", state, ok, err)
	}
	if _, ok, err := c.LastProducer(ctx, "orders", 0, 7); ok || err != nil {
		t.Errorf("id 7 is unknown: got %v, %v", ok, err)
	}
}

func TestKfakeLastProducerDenied(t *testing.T) {
	fake, c, ctx := onKfake(t, kfake.NumBrokers(1), kfake.SeedTopics(1, "orders"))
	fake.ControlKey(61, func(req kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		resp := req.ResponseKind().(*kmsg.DescribeProducersResponse)
		rt := kmsg.NewDescribeProducersResponseTopic()
		rt.Topic = "orders"
		rp := kmsg.NewDescribeProducersResponseTopicPartition()
		rp.ErrorCode = kerr.TopicAuthorizationFailed.Code
		rt.Partitions = append(rt.Partitions, rp)
		resp.Topics = append(resp.Topics, rt)
		return resp, nil, true
	})
	if _, _, err := c.LastProducer(ctx, "orders", 0, 3); !errors.Is(err, ErrCannotAsk) || !errors.Is(err, kerr.TopicAuthorizationFailed) {
		t.Errorf("got %v, want ErrCannotAsk for want of permission", err)
	}
}

func TestKfakeAutoCreate(t *testing.T) {
	fake, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.AllowAutoTopicCreation(), kfake.DefaultNumPartitions(3))
	if err != nil {
		t.Fatal(err)
	}
	defer fake.Close()
	for _, allow := range []bool{false, true} {
		c := New(Config{Seeds: fake.ListenAddrs(), AllowAutoCreate: allow})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		if !allow {
			ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
		}
		topic, err := c.Wait(ctx, "new")
		cancel()
		c.Close()
		if !allow && (!errors.Is(err, kerr.UnknownTopicOrPartition) || !errors.Is(err, context.DeadlineExceeded)) {
			t.Errorf("not allowed: got %v", err)
		}
		if allow && (err != nil || len(topic.Partitions) != 3) {
			t.Errorf("allowed: got %+v, %v", topic, err)
		}
	}
}
