package clients

import (
	"context"
	"sync"
	"time"

	"github.com/segmentio/kafka-go"

	"github.com/ekaf-go/ekaf/bench/load"
)

// kafkaGo drives segmentio/kafka-go's Writer, asynchronous with a Completion.
// That mode has no limit of its own, so a window of records stands in for the
// row's buffer.
type kafkaGo struct {
	l      *load.Load
	w      *kafka.Writer
	window *window
}

var kafkaGoCodecs = map[string]kafka.Compression{
	"gzip": kafka.Gzip, "snappy": kafka.Snappy, "lz4": kafka.Lz4, "zstd": kafka.Zstd,
}

func newKafkaGo(_ context.Context, l *load.Load) (Client, error) {
	if l.Measure == load.Downtime {
		return nil, ErrNotOffered // it gives a batch up after ten attempts
	}
	if l.FuncEach() {
		return nil, ErrNotOffered // one Completion hears of all messages
	}
	k := &kafkaGo{l: l, window: newWindow(l.Buffer / max(l.ValueBytes, 1))}
	k.w = &kafka.Writer{
		Addr:         kafka.TCP(l.Broker),
		Topic:        l.Topic,
		RequiredAcks: kafka.RequireAll,
		BatchTimeout: max(l.Linger, time.Millisecond), // 0 would mean a second
		BatchSize:    batchSize(l.Partitions),
		BatchBytes:   1_000_000,
		Compression:  kafkaGoCodecs[l.Codec],
		Async:        l.Streams(),
		Transport:    &kafka.Transport{},
	}
	switch l.Placement {
	case load.Keyed:
		k.w.Balancer = kafka.Murmur2Balancer{}
	case load.Explicit:
		k.w.Balancer = &kafka.RoundRobin{}
	}
	if k.w.Async {
		k.w.Completion = func(messages []kafka.Message, err error) {
			k.window.release(len(messages))
			l.Ack(len(messages), err)
		}
	} else {
		k.w.BatchSize = 1 // a caller waits for each record
	}
	return k, nil
}

// batchSize gives each partition's batch room for many messages. The Writer
// allocates that room for each batch beforehand, so with many partitions a
// large one would cost it dearly; 100 is its default.
func batchSize(partitions int) int { return max(100, min(10_000, 120_000/partitions)) }

func (k *kafkaGo) message(i int) kafka.Message {
	m := kafka.Message{Value: k.l.Value(i)}
	if k.l.Placement == load.Keyed {
		m.Key = k.l.Key(i)
	}
	return m
}

// Produce calls with one message or with many. The Writer keeps the messages
// themselves, not the slice.
func (k *kafkaGo) Produce(ctx context.Context, from, to int) error {
	size := k.l.PerCall()
	call := make([]kafka.Message, 0, size)
	for from < to {
		call = call[:0]
		for i := from; i < min(from+size, to); i++ {
			call = append(call, k.message(i))
		}
		k.window.acquire(len(call))
		if err := k.w.WriteMessages(ctx, call...); err != nil {
			return err
		}
		from += len(call)
	}
	return nil
}

// Flush does nothing: kafka-go has no such call, its linger runs out by itself.
func (k *kafkaGo) Flush(context.Context) error { return nil }

func (k *kafkaGo) Sync(ctx context.Context, i int) error {
	err := k.w.WriteMessages(ctx, k.message(i))
	k.l.Ack(1, err)
	return err
}

func (k *kafkaGo) Close() error { return k.w.Close() }

// window bounds the records under way.
type window struct {
	mu   sync.Mutex // guards the following
	room *sync.Cond
	free int
}

func newWindow(n int) *window {
	w := &window{free: n}
	w.room = sync.NewCond(&w.mu)
	return w
}

func (w *window) acquire(n int) {
	w.mu.Lock()
	for w.free < n {
		w.room.Wait()
	}
	w.free -= n
	w.mu.Unlock()
}

func (w *window) release(n int) {
	w.mu.Lock()
	w.free += n
	w.mu.Unlock()
	w.room.Broadcast()
}
