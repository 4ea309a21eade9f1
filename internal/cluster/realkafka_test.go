package cluster

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/ekaf-go/ekaf/conformance/realkafka"
)

// realVersions are the releases the questions are put to, and which of them each can answer.
var realVersions = []struct {
	version        string
	assume         *kversion.Versions
	ids, describes bool // InitProducerId, DescribeProducers
	brokers        int
}{
	{version: "4.4.0", ids: true, describes: true, brokers: 3},
	{version: "2.8.2", ids: true, describes: true, brokers: 1},
	{version: "0.11.0.3", ids: true, brokers: 1},
	{version: "0.10.2.2", brokers: 1},
	{version: "0.8.2.2", brokers: 1, assume: kversion.V0_8_2()},
}

// TestRealKafka runs where Java and Maven are, if EKAF_REAL_KAFKA is set.
func TestRealKafka(t *testing.T) {
	for _, v := range realVersions {
		t.Run(v.version, func(t *testing.T) {
			kafka := realkafka.StartT(t, realkafka.Config{Version: v.version, Brokers: v.brokers})
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
			defer cancel()
			cfg := Config{Seeds: kafka.Addrs()}
			cfg.Conn.AssumeVersions = v.assume
			c := New(cfg)
			defer c.Close()
			if err := kafka.CreateTopic(ctx, "orders", 1, v.brokers, nil); err != nil {
				t.Fatal(err)
			}
			topic, err := c.Wait(ctx, "orders")
			if err != nil || len(topic.Partitions) != 1 {
				t.Fatalf("got %+v, %v", topic, err)
			}
			if end, err := c.LogEnd(ctx, "orders", 0); err != nil || end != 0 {
				t.Errorf("got log end %d, %v", end, err)
			}
			if _, _, err := c.ProducerID(ctx); (err == nil) != v.ids || (err != nil && !errors.Is(err, ErrCannotAsk)) {
				t.Errorf("producer id: %v", err)
			}
			if v.ids {
				realExpiry(t, ctx, c, v.version)
				realQuestions(t, ctx, c, kafka, v.describes)
			}
			if v.brokers > 1 {
				realLeaderDies(t, ctx, c, kafka)
			}
			realRecreation(t, ctx, c, kafka, v.brokers)
		})
	}
}

// realExpiry: a day since Kafka 3.4, and before that the seven of transactional ids.
func realExpiry(t *testing.T, ctx context.Context, c *Cluster, version string) {
	t.Helper()
	want := 24 * time.Hour
	if version < "3.4" {
		want *= 7
	}
	if expiry, err := c.ProducerExpiry(ctx); err != nil || expiry != want {
		t.Errorf("got an expiry of %v, %v, want %v", expiry, err, want)
	}
}

// realQuestions asks what recovery asks, about batches an independent client wrote.
func realQuestions(t *testing.T, ctx context.Context, c *Cluster, kafka *realkafka.Cluster, describes bool) {
	client, err := kgo.NewClient(append(kafka.ClientOpts(), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	stamp := time.Now().Truncate(time.Millisecond)
	for range 7 {
		if err := client.ProduceSync(ctx, &kgo.Record{Topic: "orders", Value: []byte("x"), Timestamp: stamp}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	pid, epoch, err := client.ProducerID(ctx)
	if err != nil {
		t.Fatal(err)
	}
	found, err := c.ReadBack(ctx, "orders", 0, 3, pid, epoch)
	if want := (Found{Written: true, FirstSequence: 3, LastSequence: 6, BaseOffset: 6, LogEnd: 7}); err != nil || found != want {
		t.Errorf("got %+v, %v, want %+v", found, err, want)
	}
	if found, err = c.ReadBack(ctx, "orders", 0, 0, pid+1000, epoch); err != nil || found.Written || found.Undecidable {
		t.Errorf("an id that never wrote: got %+v, %v", found, err)
	}
	state, ok, err := c.LastProducer(ctx, "orders", 0, pid)
	want := ProducerState{Epoch: epoch, LastSequence: 6, LastTimestamp: stamp}
	switch {
	case !describes && !errors.Is(err, ErrCannotAsk):
		t.Errorf("DescribeProducers is not offered: got %v", err)
	case describes && (err != nil || !ok || state != want):
		t.Errorf("got %+v, %v, %v, want %+v", state, ok, err, want)
	}
	if _, ok, err := c.LastProducer(ctx, "orders", 0, pid+1000); describes && (ok || err != nil) {
		t.Errorf("an id that never wrote: got %v, %v", ok, err)
	}
}

// realLeaderDies kills the leader; the questions go to the next one, and see all that was committed.
func realLeaderDies(t *testing.T, ctx context.Context, c *Cluster, kafka *realkafka.Cluster) {
	leader, _, _ := c.Snapshot().Leader("orders", 0)
	before, err := c.LogEnd(ctx, "orders", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := kafka.Broker(int(leader.ID)).Kill(); err != nil {
		t.Fatal(err)
	}
	if end, err := c.LogEnd(ctx, "orders", 0); err != nil || end != before {
		t.Errorf("the log ended at %d, and now at %d, %v", before, end, err)
	}
	if next, _, ok := c.Snapshot().Leader("orders", 0); !ok || next.ID == leader.ID {
		t.Errorf("the leader is still %+v", next)
	}
	if err := kafka.Broker(int(leader.ID)).Start(ctx); err != nil {
		t.Fatal(err)
	}
}

// realRecreation deletes the topic and makes it anew, smaller facts and all.
func realRecreation(t *testing.T, ctx context.Context, c *Cluster, kafka *realkafka.Cluster, replicas int) {
	before := c.Snapshot().Topics["orders"]
	if err := kafka.DeleteTopic(ctx, "orders"); err != nil {
		t.Fatal(err)
	}
	await(t, ctx, c, func(topic *Topic) bool { return topic.Err != nil })
	if err := c.Snapshot().Topics["orders"].Err; !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("deleted: got %v", err)
	}
	if err := kafka.CreateTopic(ctx, "orders", 2, replicas, nil); err != nil {
		t.Fatal(err)
	}
	await(t, ctx, c, func(topic *Topic) bool { return topic.usable() && len(topic.Partitions) == 2 })
	if after := c.Snapshot().Topics["orders"]; before.ID != [16]byte{} && after.ID == before.ID {
		t.Errorf("the new topic has the id %x of the old one", after.ID)
	}
}

// await asks for metadata until the topic is as wanted.
func await(t *testing.T, ctx context.Context, c *Cluster, wanted func(*Topic) bool) {
	t.Helper()
	for !wanted(c.Snapshot().Topics["orders"]) {
		c.Refresh()
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatalf("the topic stays %+v", c.Snapshot().Topics["orders"])
		}
	}
}

// TestRealKafkaWriteOnly asks as a principal that may write to the topic and nothing else, which is common:
// each question that needs READ is refused for good, and none is asked again and again.
func TestRealKafkaWriteOnly(t *testing.T) {
	kafka := realkafka.StartT(t, realkafka.Config{Security: realkafka.Security{
		Protocol: realkafka.SASLPlaintext, Mechanisms: []string{realkafka.Plain}, ACLs: true, Users: map[string]string{"ekaf": "pass"},
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	for _, topic := range []string{"orders", "secret"} {
		if err := kafka.CreateTopic(ctx, topic, 1, 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := kafka.Allow(ctx, "User:ekaf", "orders", kmsg.ACLOperationWrite); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Seeds: kafka.SecureAddrs()}
	cfg.Conn.SASL = func(context.Context) (sasl.Mechanism, error) {
		return plain.Auth{User: "ekaf", Pass: "pass"}.AsMechanism(), nil
	}
	c := New(cfg)
	defer c.Close()
	if _, err := c.Wait(ctx, "secret"); !denied(err) {
		t.Errorf("a topic without permission: got %v", err)
	}
	if _, err := c.Wait(ctx, "orders"); err != nil {
		t.Fatal(err)
	}
	// WRITE implies DESCRIBE, and WRITE on any topic lets a principal be idempotent (KIP-679).
	if _, err := c.LogEnd(ctx, "orders", 0); err != nil {
		t.Errorf("log end: %v", err)
	}
	if _, _, err := c.ProducerID(ctx); err != nil {
		t.Errorf("producer id: %v", err)
	}
	if _, _, err := c.LastProducer(ctx, "orders", 0, 1); !errors.Is(err, ErrCannotAsk) {
		t.Errorf("last producer: got %v", err)
	}
	client, err := kgo.NewClient(append(kafka.ClientOpts(), kgo.DefaultProduceTopic("orders"))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(ctx, kgo.StringRecord("x")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.ReadBack(ctx, "orders", 0, 0, 1, 0); !errors.Is(err, ErrCannotAsk) {
		t.Errorf("read back: got %v", err)
	}
}
