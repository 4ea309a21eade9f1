package faults

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/conformance/judge"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestAMillionThroughAnOutage: a million messages wait in memory while all brokers
// are away for an hour, and then arrive once each and in order of their keys.
func TestAMillionThroughAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const keys, each, call = 500, 2000, 100
		kafka := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Brokers(2), ekaftest.Topic(topic, 4))
		defer kafka.Close()
		p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...), ekaf.Dialer(kafka.Dialer()), ekaf.BatchRecords(10_000),
			ekaf.BufferBytes(512<<20), ekaf.TopicBufferBytes(512<<20), ekaf.PartitionBufferBytes(256<<20),
			ekaf.BufferMessages(0), ekaf.TopicBufferMessages(0), ekaf.PartitionBufferMessages(0))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.ProduceSync(t.Context(), topic, ekaf.Message{Value: judge.AppendValue(nil, judge.Message{Key: ""}, 0)}); err != nil {
			t.Fatal(err)
		}
		kafka.Stop()
		var acked, failed atomic.Int64
		outcome := func(acks ekaf.Acked, err error) {
			for _, ack := range acks.All() {
				if ack.Err != nil || err != nil {
					failed.Add(1)
					continue
				}
				acked.Add(1)
			}
		}
		messages := make([]ekaf.Message, call)
		for first := 0; first < each; first += call {
			if first == each/2 {
				time.Sleep(time.Hour)
			}
			for key := range keys {
				name := fmt.Sprint("key ", key)
				for i := range call {
					m := judge.Message{Key: name, Sequence: int64(first + i)}
					messages[i] = ekaf.Message{Key: []byte(name), Value: judge.AppendValue(messages[i].Value[:0], m, 0)}
				}
				if err := p.ProduceAsyncFunc(t.Context(), topic, outcome, messages...); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := kafka.Restart(); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
		if acked.Load() != keys*each || failed.Load() != 0 {
			t.Errorf("%d messages were acked, %d failed", acked.Load(), failed.Load())
		}
		expected := &judge.Expectation{}
		expected.AckedAll(0, "", 1)
		for key := range keys {
			expected.AckedAll(0, fmt.Sprint("key ", key), each)
		}
		log, err := judge.Consume(ctx, kafka.Addrs(), topic, kgo.Dialer(kafka.Dialer()))
		if err != nil {
			t.Fatal(err)
		}
		if err := judge.Verify(log, expected).Err(); err != nil {
			t.Error(err)
		}
	})
}

// TestMemoryStaysWithinItsLimits: callers offer far more than fits while the
// brokers are away; the heap holds what BufferBytes says, under a memory limit that
// leaves little else.
func TestMemoryStaysWithinItsLimits(t *testing.T) {
	const limit, slack = 24 << 20, 16 << 20
	kafka := ekaftest.Start(t, ekaftest.Topic(topic, 50))
	p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...), ekaf.BufferBytes(limit), ekaf.TopicBufferBytes(limit),
		ekaf.PartitionBufferBytes(limit), ekaf.BufferMessages(0), ekaf.TopicBufferMessages(0),
		ekaf.PartitionBufferMessages(0), ekaf.WhenFull(ekaf.DropNewest))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.ProduceSync(t.Context(), topic, ekaf.Value("first")); err != nil {
		t.Fatal(err)
	}
	kafka.Stop()
	before := heapHeld()
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(before + limit + 2*slack))
	var callers sync.WaitGroup
	var dropped atomic.Int64
	value := make([]byte, 500)
	for caller := range 8 {
		callers.Go(func() {
			for i := range 15_000 {
				m := ekaf.Message{Key: fmt.Append(nil, caller, i%100), Value: value}
				if err := p.ProduceAsync(t.Context(), topic, m.Then(func(_ ekaf.Ack, err error) {
					if err != nil {
						dropped.Add(1)
					}
				})); err != nil {
					t.Error(err)
				}
			}
		})
	}
	callers.Wait()
	if after := heapHeld(); after > before+limit+slack {
		t.Errorf("the heap grew by %d MiB, with a limit of %d MiB", (after-before)>>20, limit>>20)
	}
	// What was accepted may still need room for its callbacks: a block for each batch.
	if held := p.Stats().BufferedBytes; held > limit+limit/50 || held < limit/2 {
		t.Errorf("%d bytes are held, of %d", held, limit)
	}
	if err := kafka.Restart(); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
	there, err := kafka.Consume(topic)
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 + 8*15_000 - int(dropped.Load()); len(there) != want {
		t.Errorf("%d messages are there, want %d", len(there), want)
	}
}

// TestMemoryOfSmallCalls: what a producer keeps beside the bytes of small messages, the
// callbacks of their calls above all, is several times those. It counts as well.
func TestMemoryOfSmallCalls(t *testing.T) {
	const limit = 16 << 20
	told := new(atomic.Int64)
	// Two that take turns, as no two calls of a program need share theirs.
	answered := [2]func(ekaf.Acked, error){
		func(a ekaf.Acked, _ error) { told.Add(int64(a.Len())) },
		func(a ekaf.Acked, _ error) { told.Add(int64(a.Len())) },
	}
	own := func(ekaf.Ack, error) {}
	value := []byte("0123456789")
	for name, messages := range map[string]func(i int) []ekaf.Message{
		"one":              func(int) []ekaf.Message { return []ekaf.Message{{Value: value}} },
		"one, and its own": func(int) []ekaf.Message { return []ekaf.Message{{Value: value, Callback: own}} },
		"two":              func(int) []ekaf.Message { return []ekaf.Message{{Value: value}, {Value: value}} },
		"two keys": func(i int) []ekaf.Message {
			return []ekaf.Message{ekaf.KeyValue(fmt.Sprint(i), value), ekaf.KeyValue(fmt.Sprint(i+1), value)}
		},
	} {
		for _, known := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, known %v", name, known), func(t *testing.T) {
				kafka := ekaftest.Start(t, ekaftest.Topic(topic, 12))
				p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...), ekaf.BufferBytes(limit), ekaf.PartitionBufferBytes(limit))
				if err != nil {
					t.Fatal(err)
				}
				if known {
					if _, err := p.ProduceSync(t.Context(), topic, ekaf.Value("first")); err != nil {
						t.Fatal(err)
					}
				}
				kafka.Stop()
				told.Store(0)
				before := heapHeld()
				accepted := int64(0)
				for err == nil {
					list := messages(int(accepted))
					if err = p.ProduceAsyncFunc(t.Context(), topic, answered[accepted/int64(len(list))%2], list...); err == nil {
						accepted += int64(len(list))
					}
				}
				if after := heapHeld(); after > before+limit*3/2 {
					t.Errorf("the heap grew by %d MiB for %d messages, with a limit of %d MiB", (after-before)>>20, accepted, limit>>20)
				}
				if err := kafka.Restart(); err != nil {
					t.Fatal(err)
				}
				if err := p.Close(t.Context()); err != nil {
					t.Error(err)
				}
				// A last call of which one message was refused heard of both.
				if n := told.Load(); n < accepted || n > accepted+1 {
					t.Errorf("%d outcomes of %d messages", n, accepted)
				}
			})
		}
	}
}

// heapHeld is what the heap holds after a collection.
func heapHeld() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
