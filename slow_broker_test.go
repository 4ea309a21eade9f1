package ekaf_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// inMemory starts brokers and a producer on a network that synctest sees through.
func inMemory(t *testing.T, brokers int, options []ekaftest.Option, more ...ekaf.Option) (*ekaftest.Cluster, *ekaf.Producer) {
	t.Helper()
	c := ekaftest.Start(t, append(options, ekaftest.InMemory(), ekaftest.Brokers(brokers))...)
	p, err := ekaf.New(append([]ekaf.Option{ekaf.Brokers(c.Addrs()...), ekaf.Dialer(c.Dialer())}, more...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c, p
}

// TestOneSlowBroker (P7): a broker that answers nothing delays only its own
// partitions; messages without a key go to the others; it catches up in order.
func TestOneSlowBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := inMemory(t, 3, []ekaftest.Option{ekaftest.Topic("events", 3)}, ekaf.RequestTimeout(5*time.Second))
		ctx := t.Context()
		for i := range 3 {
			if _, err := p.ProduceSync(ctx, "events", ekaf.Value("first").OnPartition(int32(i))); err != nil {
				t.Fatal(err)
			}
		}
		slow := c.Leader("events", 0)
		c.Network(slow).Blackhole()
		for i := range 5 {
			if err := p.ProduceAsync(ctx, "events", ekaf.Value(fmt.Sprint(i)).OnPartition(0)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(20 * time.Second) // the connection is given up; the broker counts as down
		began := time.Now()
		for range 300 {
			ack, err := p.ProduceSync(ctx, "events", ekaf.Value("free"))
			if err != nil {
				t.Fatal(err)
			}
			if ack.Partition == 0 {
				t.Fatal("a message without a key went to the broker that is down")
			}
		}
		for i := range 100 {
			if _, err := p.ProduceSync(ctx, "events", ekaf.Value("others").OnPartition(int32(1+i%2))); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(began); waited > time.Second {
			t.Errorf("others waited %v for the slow broker, in virtual time", waited)
		}
		c.Network(slow).Heal()
		if err := p.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		expectInOrder(t, c, 0, "first", "0", "1", "2", "3", "4")
		if err := p.Close(ctx); err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
}

func expectInOrder(t *testing.T, c *ekaftest.Cluster, partition int32, want ...string) {
	t.Helper()
	seen, err := c.Consume("events")
	if err != nil {
		t.Fatal(err)
	}
	var values []string
	for _, m := range seen {
		if m.Partition == partition {
			values = append(values, string(m.Value))
		}
	}
	if fmt.Sprint(values) != fmt.Sprint(want) {
		t.Errorf("partition %d holds %v, want %v", partition, values, want)
	}
}

// TestOutageOfAnHour: all brokers are gone before the first message and come
// back after an hour; nothing is lost, doubled or reordered, and all memory is
// given back.
func TestOutageOfAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := inMemory(t, 2, []ekaftest.Option{ekaftest.Topic("events", 2)})
		c.Stop()
		acked := 0
		count := func(_ ekaf.Ack, err error) {
			if err == nil {
				acked++
			}
		}
		const n = 5000
		for i := range n {
			m := ekaf.KeyValue(fmt.Sprint("key", i%10), fmt.Sprint(i/10)).Then(count)
			if err := p.ProduceAsync(t.Context(), "events", m); err != nil {
				t.Fatal(err)
			}
			if i == n/2 {
				time.Sleep(time.Hour)
			}
		}
		if state := p.Info("events").State; state != ekaf.TopicDowntime {
			t.Errorf("the topic is %v", state)
		}
		if err := c.Restart(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := p.Flush(ctx); err != nil {
			t.Fatal(err)
		}
		expectKeysInOrder(t, c, "events", 10, n/10)
		if held := p.Stats().BufferedBytes; held != 0 || acked != n {
			t.Errorf("%d bytes are still held, %d messages acked", held, acked)
		}
		if err := p.Close(ctx); err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
}
