//go:build !race

package ekaf_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// TestSteadyStateAllocatesNothing counts every allocation of the process, from the
// call to the outcome: sender, connection, answers and callbacks included. What is
// left belongs to batches and requests, and is divided by hundreds of messages.
func TestSteadyStateAllocatesNothing(t *testing.T) {
	p, err := ekaf.New(ekaf.Brokers(brokerProcess(t)))
	if err != nil {
		t.Fatal(err)
	}
	h, err := p.Topic("events")
	if err != nil {
		t.Fatal(err)
	}
	const messages, rounds = 20_000, 4
	for _, c := range steadyCases(h) {
		t.Run(c.name, func(t *testing.T) {
			told := c.told
			least := uint64(1 << 60)
			for range rounds { // the first rounds fill the pools; a collection may empty them
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				for sent := 0; sent < messages; sent += c.size {
					if err := c.call(t.Context()); err != nil {
						t.Fatal(err)
					}
				}
				if err := p.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
				runtime.ReadMemStats(&after)
				least = min(least, after.Mallocs-before.Mallocs)
			}
			per := float64(least) / messages
			t.Logf("%.4f allocations per message", per)
			if per > c.most {
				t.Errorf("%.4f allocations per message, want %g at most", per, c.most)
			}
			if n := told.Load(); n != 0 && n != rounds*messages {
				t.Errorf("%d outcomes of %d messages", n, rounds*messages)
			}
		})
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

type steadyCase struct {
	name string
	size int // messages of a call
	most float64
	told *atomic.Int64 // outcomes heard of
	call func(context.Context) error
}

// steady is what batches and requests may cost a message. On a quiet machine it is
// 0.002; one that gives this process little time has smaller batches.
const steady = 0.02

func steadyCases(h *ekaf.TopicProducer) []steadyCase {
	value := make([]byte, 100)
	plain, keyed := ekaf.Value(value), ekaf.KeyValue([]byte("a key"), value)
	together, split, placed := make([]ekaf.Message, 100), make([]ekaf.Message, 100), make([]ekaf.Message, 100)
	for i := range split {
		together[i], split[i] = plain, ekaf.KeyValue(fmt.Sprint("key", i), value)
		placed[i] = plain.OnPartition(int32(i % 4))
	}
	var cases []steadyCase
	add := func(name string, size int, most float64, call func(ctx context.Context, told *atomic.Int64) error) {
		told := new(atomic.Int64)
		cases = append(cases, steadyCase{name, size, most, told, func(ctx context.Context) error { return call(ctx, told) }})
	}
	for name, list := range map[string][]ekaf.Message{
		"one": {plain}, "keyed": {keyed}, "a hundred": together, "a hundred keys": split, "a hundred placed": placed,
	} {
		var answered func(ekaf.Acked, error)
		add(name+", async", len(list), steady, func(ctx context.Context, _ *atomic.Int64) error {
			return h.ProduceAsync(ctx, list...)
		})
		add(name+", batched", len(list), steady, func(ctx context.Context, _ *atomic.Int64) error {
			_, err := h.ProduceAsyncBatched(ctx, list...)
			return err
		})
		add(name+", a callback for the call", len(list), steady, func(ctx context.Context, told *atomic.Int64) error {
			if answered == nil {
				answered = func(a ekaf.Acked, _ error) { told.Add(int64(a.Len())) }
			}
			_, err := h.ProduceAsyncBatchedFunc(ctx, answered, list...)
			return err
		})
	}
	var callback ekaf.Callback
	add("a callback for each", 1, steady, func(ctx context.Context, told *atomic.Int64) error {
		if callback == nil {
			callback = func(ekaf.Ack, error) { told.Add(1) }
		}
		return h.ProduceAsync(ctx, plain.Then(callback))
	})
	taking := []ekaf.Callback{func(ekaf.Ack, error) {}, func(ekaf.Ack, error) {}}
	turn := 0
	add("callbacks that take turns", 1, steady, func(ctx context.Context, _ *atomic.Int64) error {
		turn++
		return h.ProduceAsync(ctx, plain.Then(taking[turn%2]))
	})
	var answered func(ekaf.Acked, error)
	add("a callback for the call and one for the message", 1, steady, func(ctx context.Context, told *atomic.Int64) error {
		if answered == nil {
			answered = func(a ekaf.Acked, _ error) { told.Add(int64(a.Len())) }
		}
		return h.ProduceAsyncFunc(ctx, answered, plain.Then(taking[0]))
	})
	// A request for each call: what is left is the sender's and the lane's.
	add("sync", 100, 0.05, func(ctx context.Context, _ *atomic.Int64) error {
		_, err := h.ProduceSync(ctx, together...)
		return err
	})
	return cases
}

// TestAFullBufferAllocatesNothing: in a long outage most calls are refused, or dropped,
// and each message's callback is told then.
func TestAFullBufferAllocatesNothing(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 12))
	for policy, most := range map[ekaf.FullPolicy]float64{ekaf.Error: 0, ekaf.DropNewest: 0.01} {
		p, err := ekaf.New(ekaf.Brokers(c.Addrs()...), ekaf.WhenFull(policy), ekaf.BufferBytes(64<<10), ekaf.BatchBytes(16<<10))
		if err != nil {
			t.Fatal(err)
		}
		c.Stop()
		value := make([]byte, 100)
		m, keyed := ekaf.Value(value).Then(func(ekaf.Ack, error) {}), ekaf.KeyValue("k", value)
		answered := func(ekaf.Acked, error) {}
		calls := map[string]func() error{
			"a message": func() error { return p.ProduceAsync(t.Context(), "events", m) },
			"a call":    func() error { return p.ProduceAsyncFunc(t.Context(), "events", answered, keyed) },
			"both":      func() error { return p.ProduceAsyncFunc(t.Context(), "events", answered, m) },
		}
		if policy == ekaf.Error { // under DropNewest it waits for its callback, as what was accepted does
			calls["two messages"] = func() error { return p.ProduceAsyncFunc(t.Context(), "events", answered, m, m) }
		}
		for name, call := range calls {
			for range 5_000 { // until it is full, and pools and queues have their sizes
				if err := call(); err != nil && !errors.Is(err, ekaf.ErrFull) {
					t.Fatal(err)
				}
			}
			if per := testing.AllocsPerRun(10_000, func() { _ = call() }); per > most {
				t.Errorf("%v, %s: %g allocations per call", policy, name, per)
			}
		}
		if err := c.Restart(); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
