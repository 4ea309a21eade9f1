package ekaf_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

func TestLatency(t *testing.T) {
	const linger = 30 * time.Millisecond
	bubble(t, 1, nil, []ekaf.Option{ekaf.Linger(linger)}, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		if err := p.Prepare(t.Context(), "events"); err != nil {
			t.Fatal(err)
		}
		if _, err := p.ProduceAsyncBatched(t.Context(), "events", ekaf.Values("a", "b", "c")...); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		flush(t, p)
		s := p.Stats()
		if s.Acked != 3 || s.Batches != 1 {
			t.Fatalf("%d acked in %d batches", s.Acked, s.Batches)
		}
		l := s.Latency
		if l != s.Topics["events"].Latency {
			t.Error("the only topic has other latencies than the producer")
		}
		if l.Linger.Count() != 1 || l.Linger.Sum < linger || l.Queue.Count() != 1 || l.RoundTrip.Count() != 1 {
			t.Errorf("linger %v, queue %v, round trip %v", l.Linger, l.Queue, l.RoundTrip)
		}
		if l.Delivery.Count() != 3 || l.Delivery.Mean() < l.Linger.Sum {
			t.Errorf("delivery %v", l.Delivery)
		}
		if q := l.Delivery.Quantile(0.5); q < 20*time.Millisecond || q > 50*time.Millisecond {
			t.Errorf("a median of %v", q)
		}
	})
}

// A message that waits through an outage is one delivery, as long as the outage,
// and as many round trips as were answered.
func TestLatencyOfAnOutage(t *testing.T) {
	bubble(t, 1, nil, nil, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		if _, err := p.ProduceSync(t.Context(), "events", ekaf.Value("first")); err != nil {
			t.Fatal(err)
		}
		before := p.Stats().Latency
		if err := c.StopBroker(0); err != nil {
			t.Fatal(err)
		}
		if err := p.ProduceAsync(t.Context(), "events", ekaf.Value("x")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		back(t, c, p)
		now := p.Stats().Latency
		if d := now.Delivery.Since(before.Delivery); d.Count() != 1 || d.Sum < time.Minute {
			t.Errorf("delivery %v", d)
		}
		if r := now.RoundTrip.Since(before.RoundTrip); r.Count() != 1 || r.Sum > time.Second {
			t.Errorf("round trip %v", r)
		}
	})
}

// Counters never fall: a scraper would take that for a new process.
func TestCountersOutliveTheTopic(t *testing.T) {
	options := []ekaf.Option{ekaf.UnknownTopicTimeout(5 * time.Second), ekaf.MetadataRefresh(time.Second), ekaf.AutoCreateTopics(false)}
	bubble(t, 1, nil, options, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		for range 3 {
			if _, err := p.ProduceSync(t.Context(), "events", ekaf.Value("x")); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.DeleteTopic("events"); err != nil {
			t.Fatal(err)
		}
		_, err := p.ProduceSync(t.Context(), "events", ekaf.Value("y"))
		if !errors.Is(err, ekaf.ErrUnknownTopic) {
			t.Fatalf("got %v", err)
		}
		time.Sleep(10 * time.Second)
		s := p.Stats()
		if ts := s.Topics["events"]; ts.Acked != 3 || s.Acked != 3 || len(ts.Partitions) != 0 {
			t.Errorf("%d and %d acked, %d partitions", ts.Acked, s.Acked, len(ts.Partitions))
		}
		if s.Dropped[ekaf.ErrUnknownTopic.Error()] != 1 {
			t.Errorf("dropped: %v", s.Dropped)
		}
		if err := c.CreateTopic("events", 1); err != nil {
			t.Fatal(err)
		}
		if _, err := p.ProduceSync(t.Context(), "events", ekaf.Value("z")); err != nil {
			t.Fatal(err)
		}
		if s := p.Stats(); s.Acked != 4 {
			t.Errorf("%d acked", s.Acked)
		}
	})
}

func TestCountersOfATopicCutShort(t *testing.T) {
	bubble(t, 1, []ekaftest.Option{ekaftest.Topic("events", 3)}, []ekaf.Option{ekaf.MetadataRefresh(time.Second)}, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		for i := range int32(3) {
			if _, err := p.ProduceSync(t.Context(), "events", ekaf.Value("x").OnPartition(i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.DeleteTopic("events"); err != nil {
			t.Fatal(err)
		}
		if err := c.CreateTopic("events", 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		s := p.Stats()
		if ts := s.Topics["events"]; ts.Acked != 3 || len(ts.Partitions) != 1 {
			t.Errorf("%d acked, %d partitions", ts.Acked, len(ts.Partitions))
		}
	})
}

// Every message has one outcome, and is counted once: also one whose caller was
// told "maybe" before Kafka's answer came.
func TestOutcomesAreCountedOnce(t *testing.T) {
	options := []ekaf.Option{ekaf.DeliveryTimeout(2 * time.Second), ekaf.RequestTimeout(time.Second)}
	bubble(t, 1, nil, options, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		if _, err := p.ProduceSync(t.Context(), "events", ekaf.Value("first")); err != nil {
			t.Fatal(err)
		}
		c.Network(0).Blackhole()
		s := &stream{}
		s.send(t, p, 5)
		time.Sleep(10 * time.Second)
		if err := c.Network(0).Heal(); err != nil {
			t.Fatal(err)
		}
		flush(t, p)
		failed := s.failed(t)
		stats := p.Stats()
		if len(failed) != 5 || stats.Failed != 5 || stats.Dropped[ekaf.ErrTimeout.Error()] != 5 || stats.Acked != 1 {
			t.Errorf("%d outcomes are failures; counted: %d failed, %v, %d acked", len(failed), stats.Failed, stats.Dropped, stats.Acked)
		}
		if n := stats.Latency.Delivery.Count(); n != 1 {
			t.Errorf("%d deliveries", n)
		}
	})
}

func TestRefusedAndWithdrawnAreCounted(t *testing.T) {
	bubble(t, 1, nil, []ekaf.Option{ekaf.PartitionBufferMessages(2)}, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		if _, err := p.ProduceSync(t.Context(), "events", ekaf.Value("first")); err != nil {
			t.Fatal(err)
		}
		if err := c.StopBroker(0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second) // the connection's end is known
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.ProduceSync(short, "events", ekaf.Value("x")); !errors.Is(err, ekaf.ErrWithdrawn) {
			t.Fatal(err)
		}
		err := p.ProduceAsync(t.Context(), "events", ekaf.Values("1", "2", "3", "4")...)
		if refused, ok := errors.AsType[*ekaf.RefusedError](err); !ok || len(refused.Refused) != 2 {
			t.Fatal(err)
		}
		s := p.Stats()
		if s.Refused[ekaf.ErrFull.Error()] != 2 || s.Topics["events"].Refused[ekaf.ErrFull.Error()] != 2 {
			t.Errorf("refused: %v", s.Refused)
		}
		if s.Dropped[ekaf.ErrWithdrawn.Error()] != 1 || s.Buffered != 2 || s.Topics["events"].BufferedBytes == 0 {
			t.Errorf("dropped %v, buffered %d", s.Dropped, s.Buffered)
		}
		back(t, c, p)
	})
}

func TestQuantile(t *testing.T) {
	var h ekaf.Histogram
	if h.Quantile(0.5) != 0 || h.Mean() != 0 || h.Count() != 0 {
		t.Errorf("an empty histogram: %v, %v, %d", h.Quantile(0.5), h.Mean(), h.Count())
	}
	bounds := ekaf.LatencyBounds()
	h.Counts[4], h.Counts[7], h.Counts[len(bounds)] = 50, 49, 1
	for _, c := range []struct {
		q         float64
		low, high time.Duration
	}{
		{-1, bounds[3], bounds[4]}, {0, bounds[3], bounds[4]}, {0.5, bounds[4], bounds[4]},
		{0.9, bounds[6], bounds[7]}, {0.99, bounds[7], bounds[7]}, {1, bounds[len(bounds)-1], bounds[len(bounds)-1]}, {2, bounds[len(bounds)-1], bounds[len(bounds)-1]},
	} {
		if got := h.Quantile(c.q); got < c.low || got > c.high {
			t.Errorf("quantile %v is %v, not from %v to %v", c.q, got, c.low, c.high)
		}
	}
}
