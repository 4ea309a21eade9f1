package realkafka

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// produceN writes n records to a topic with kgo and consumes all it then holds.
func roundTrip(t *testing.T, c *Cluster, topic string, opts ...kgo.Opt) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	opts = append(c.ClientOpts(), opts...)
	if !c.release.atLeast(0, 11) {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	producer, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer producer.Close()
	want := map[string]bool{}
	var records []*kgo.Record
	for i := range 100 {
		value := fmt.Sprintf("value-%d", i)
		want[value] = true
		records = append(records, &kgo.Record{Topic: topic, Value: []byte(value)})
	}
	if err := producer.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatalf("cannot produce to %v: %v", c, err)
	}
	consumer, err := kgo.NewClient(append(opts, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	for len(want) > 0 {
		fetches := consumer.PollFetches(ctx)
		if err := fetches.Err0(); err != nil {
			t.Fatalf("cannot consume from %v, %d records missing: %v", c, len(want), err)
		}
		fetches.EachRecord(func(r *kgo.Record) { delete(want, string(r.Value)) })
	}
}

func TestEveryVersionStartsAndServes(t *testing.T) {
	for _, version := range Versions {
		t.Run(version, func(t *testing.T) {
			began := time.Now()
			c := StartT(t, Config{Version: version})
			t.Logf("start took %v", time.Since(began).Round(time.Millisecond))
			if err := c.CreateTopic(t.Context(), "events", 3, 1, map[string]string{"retention.ms": "86400000"}); err != nil {
				t.Fatal(err)
			}
			roundTrip(t, c, "events")
		})
	}
}
