package ekaf_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// TestWorkersGrow: keys stay in order while the number of workers changes under load.
func TestWorkersGrow(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 2))
	p := newProducer(t, c, ekaf.WorkersMax(4), ekaf.BatchRecords(5), ekaf.WhenFull(ekaf.Block))
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	const keys, each = 20, 500
	var callers sync.WaitGroup
	for k := range keys {
		callers.Go(func() {
			for i := range each {
				if _, err := p.ProduceAsyncBatched(ctx, "events", ekaf.KeyValue(fmt.Sprint("key", k), fmt.Sprint(i))); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	expectKeysInOrder(t, c, "events", keys, each)
	if n := len(p.Info("events").Workers); n <= 2 {
		t.Errorf("%d workers: they did not grow", n)
	}
}

func expectKeysInOrder(t *testing.T, c *ekaftest.Cluster, topic string, keys, each int) {
	t.Helper()
	seen, err := c.Consume(topic)
	if err != nil {
		t.Fatal(err)
	}
	if len(seen) != keys*each {
		t.Errorf("%d messages, want %d", len(seen), keys*each)
	}
	next := map[string]int{}
	for _, m := range seen {
		key := string(m.Key)
		if want := fmt.Sprint(next[key]); string(m.Value) != want {
			t.Fatalf("key %s in partition %d at offset %d: value %s, want %s", key, m.Partition, m.Offset, m.Value, want)
		}
		next[key]++
	}
}

// TestConnectionsPerWorker: each worker has a connection of its own, and all is delivered.
func TestConnectionsPerWorker(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 2))
	p := newProducer(t, c, ekaf.ConnectionsPer(ekaf.PerWorker), ekaf.Workers(3), ekaf.Strategy(ekaf.ByKey(), ekaf.StrictRoundRobin()))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for i := range 60 {
		if _, err := p.ProduceSync(ctx, "events", ekaf.Value(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	seen, err := c.WaitFor(ctx, "events", 60)
	if err != nil || len(seen) != 60 {
		t.Fatal(len(seen), err)
	}
	if n := len(p.Info("events").Workers); n != 6 {
		t.Errorf("%d workers, want 6", n)
	}
	if accepted, _ := c.Connections(0); accepted < 6 {
		t.Errorf("%d connections, want one for each of 6 workers", accepted)
	}
}

// TestConcurrentCallersThroughRestarts: a broker goes away and comes back while
// many goroutines produce in all verbs.
func TestConcurrentCallersThroughRestarts(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 4), ekaftest.Brokers(2))
	p := newProducer(t, c, ekaf.Workers(2), ekaf.WhenFull(ekaf.Block))
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	const keys, each = 16, 300
	var callers sync.WaitGroup
	for k := range keys {
		callers.Go(func() {
			for i := range each {
				m := ekaf.KeyValue(fmt.Sprint("key", k), fmt.Sprint(i))
				var err error
				switch k % 4 {
				case 0:
					_, err = p.ProduceSync(ctx, "events", m)
				case 1:
					err = p.ProduceAsync(ctx, "events", m)
				case 2:
					_, err = p.ProduceSyncBatched(ctx, "events", m)
				default:
					_, err = p.ProduceAsyncBatched(ctx, "events", m)
				}
				if err != nil {
					t.Error(k, i, err)
					return
				}
			}
		})
	}
	for range 3 {
		time.Sleep(100 * time.Millisecond)
		if err := c.StopBroker(1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
		if err := c.StartBroker(1); err != nil {
			t.Fatal(err)
		}
	}
	callers.Wait()
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	expectKeysInOrder(t, c, "events", keys, each)
}

// TestWorkersShrink: workers that grew under load go again when it is over.
func TestWorkersShrink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := inMemory(t, 1, []ekaftest.Option{ekaftest.Topic("events", 1)}, ekaf.WorkersMax(3), ekaf.BatchRecords(1))
		used := func() map[int]bool {
			workers := map[int]bool{}
			for i := range 200 {
				ack, err := p.ProduceSync(t.Context(), "events", ekaf.KeyValue(fmt.Sprint(i), "x"))
				if err != nil {
					t.Fatal(err)
				}
				workers[ack.Worker] = true
			}
			return workers
		}
		for range 3 {
			for i := range 500 {
				if err := p.ProduceAsync(t.Context(), "events", ekaf.KeyValue(fmt.Sprint(i), "x")); err != nil {
					t.Fatal(err)
				}
			}
			if err := p.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(used()); n < 2 {
			t.Errorf("%d workers under load, want more than one", n)
		}
		time.Sleep(time.Minute)
		if n := len(used()); n != 1 {
			t.Errorf("%d workers after a quiet minute, want one", n)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.Close()
	})
}
