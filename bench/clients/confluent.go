//go:build confluent

package clients

import (
	"context"
	"sync"
	"time"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"

	"github.com/ekaf-go/ekaf/bench/load"
)

func init() {
	entries = append(entries, Entry{"confluent", newConfluent,
		"confluentinc/confluent-kafka-go on librdkafka (cgo); what C allocates is in RSS, not in allocs"})
}

// confluent drives librdkafka through cgo. Each message carries its completion
// as Opaque; one goroutine drains the delivery reports.
type confluent struct {
	l       *load.Load
	p       *kafka.Producer
	topic   *string
	drained sync.WaitGroup
}

func newConfluent(_ context.Context, l *load.Load) (Client, error) {
	cfg := kafka.ConfigMap{
		"bootstrap.servers":            l.Broker,
		"enable.idempotence":           true,
		"acks":                         "all",
		"linger.ms":                    int(l.Linger.Milliseconds()),
		"batch.size":                   1_000_000,
		"batch.num.messages":           100_000,
		"queue.buffering.max.kbytes":   l.Buffer >> 10,
		"queue.buffering.max.messages": 10_000_000,
		"compression.codec":            l.Codec,
		"go.delivery.report.fields":    "none",
		"go.logs.channel.enable":       false,
	}
	if l.Placement == load.Keyed {
		cfg["partitioner"] = "murmur2_random"
	}
	if !l.Streams() {
		cfg["linger.ms"] = 0
	}
	p, err := kafka.NewProducer(&cfg)
	if err != nil {
		return nil, err
	}
	c := &confluent{l: l, p: p, topic: &l.Topic}
	c.drained.Go(func() {
		for e := range p.Events() {
			if m, ok := e.(*kafka.Message); ok {
				m.Opaque.(func(error))(m.TopicPartition.Error)
			}
		}
	})
	return c, nil
}

func (c *confluent) produce(ctx context.Context, i int, done func(error)) error {
	m := &kafka.Message{
		TopicPartition: kafka.TopicPartition{Topic: c.topic, Partition: kafka.PartitionAny},
		Value:          c.l.Value(i), Opaque: done,
	}
	switch c.l.Placement {
	case load.Keyed:
		m.Key = c.l.Key(i)
	case load.Explicit:
		m.TopicPartition.Partition = int32(c.l.Partition(i))
	}
	for {
		err := c.p.Produce(m, nil)
		if e, ok := err.(kafka.Error); !ok || e.Code() != kafka.ErrQueueFull {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		time.Sleep(time.Millisecond) // as its documentation advises on a full queue
	}
}

func (c *confluent) Produce(ctx context.Context, from, to int) error {
	done, each := func(err error) { c.l.Ack(1, err) }, c.l.FuncEach()
	for i := from; i < to; i++ {
		if each {
			done = doneOf(c.l, i)
		}
		if err := c.produce(ctx, i, done); err != nil {
			return err
		}
	}
	return nil
}

// Flush does nothing: librdkafka's would poll the delivery reports which the
// draining goroutine waits for; its linger runs out by itself.
func (c *confluent) Flush(context.Context) error { return nil }

func (c *confluent) Sync(ctx context.Context, i int) error {
	outcome := make(chan error, 1)
	if err := c.produce(ctx, i, func(err error) { outcome <- err }); err != nil {
		c.l.Ack(1, err)
		return err
	}
	err := <-outcome
	c.l.Ack(1, err)
	return err
}

func (c *confluent) Close() error {
	c.p.Close()
	c.drained.Wait()
	return nil
}
