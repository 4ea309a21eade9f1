package clients

import (
	"context"
	"sync"

	"github.com/IBM/sarama"

	"github.com/ekaf-go/ekaf/bench/load"
)

// saramaClient drives IBM/sarama's AsyncProducer. Each message carries its
// completion as metadata; two goroutines drain the channels of outcomes, as the
// documentation demands.
type saramaClient struct {
	l       *load.Load
	p       sarama.AsyncProducer
	drained sync.WaitGroup
}

var saramaCodecs = map[string]sarama.CompressionCodec{
	"none": sarama.CompressionNone, "gzip": sarama.CompressionGZIP, "snappy": sarama.CompressionSnappy,
	"lz4": sarama.CompressionLZ4, "zstd": sarama.CompressionZSTD,
}

func newSarama(_ context.Context, l *load.Load) (Client, error) {
	if l.Measure == load.Downtime {
		return nil, ErrNotOffered // it gives a batch up after three attempts
	}
	cfg := sarama.NewConfig()
	cfg.ClientID = "bench"
	cfg.Version = sarama.V2_8_0_0
	cfg.Net.MaxOpenRequests = 1 // idempotence demands it
	cfg.Producer.Idempotent = true
	cfg.Producer.RequiredAcks = sarama.WaitForAll
	cfg.Producer.Compression = saramaCodecs[l.Codec]
	cfg.Producer.Return.Successes = true
	cfg.Producer.Return.Errors = true
	cfg.Producer.MaxMessageBytes = 1_000_000
	cfg.Metadata.AllowAutoTopicCreation = false
	if l.Streams() {
		cfg.Producer.Flush.Frequency = l.Linger
		cfg.Producer.Flush.Bytes = 512 << 10
		cfg.ChannelBufferSize = 4096
	}
	switch l.Placement {
	case load.Explicit:
		cfg.Producer.Partitioner = sarama.NewManualPartitioner
	case load.Keyed:
		cfg.Producer.Partitioner = sarama.NewMurmur2Partitioner
	}
	p, err := sarama.NewAsyncProducer([]string{l.Broker}, cfg)
	if err != nil {
		return nil, err
	}
	s := &saramaClient{l: l, p: p}
	s.drained.Go(func() {
		for m := range p.Successes() {
			m.Metadata.(func(error))(nil)
		}
	})
	s.drained.Go(func() {
		for e := range p.Errors() {
			e.Msg.Metadata.(func(error))(e.Err)
		}
	})
	return s, nil
}

func (s *saramaClient) message(i int, done func(error)) *sarama.ProducerMessage {
	m := &sarama.ProducerMessage{Topic: s.l.Topic, Value: sarama.ByteEncoder(s.l.Value(i)), Metadata: done}
	switch s.l.Placement {
	case load.Keyed:
		m.Key = sarama.ByteEncoder(s.l.Key(i))
	case load.Explicit:
		m.Partition = int32(s.l.Partition(i))
	}
	return m
}

func (s *saramaClient) Produce(ctx context.Context, from, to int) error {
	done, each := func(err error) { s.l.Ack(1, err) }, s.l.FuncEach()
	for i := from; i < to; i++ {
		if each {
			done = doneOf(s.l, i)
		}
		select {
		case s.p.Input() <- s.message(i, done):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Flush does nothing: sarama has no such call, its linger runs out by itself.
func (s *saramaClient) Flush(context.Context) error { return nil }

func (s *saramaClient) Sync(ctx context.Context, i int) error {
	outcome := make(chan error, 1)
	select {
	case s.p.Input() <- s.message(i, func(err error) { outcome <- err }):
	case <-ctx.Done():
		return ctx.Err()
	}
	err := <-outcome
	s.l.Ack(1, err)
	return err
}

func (s *saramaClient) Close() error {
	s.p.AsyncClose()
	s.drained.Wait()
	return nil
}
