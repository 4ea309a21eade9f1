package clients

import (
	"context"
	"errors"

	"github.com/ekaf-go/ekaf"

	"github.com/ekaf-go/ekaf/bench/load"
)

// ekafClient drives ekaf. It copies keys and values before a call returns, so
// one slice of messages serves all calls of a goroutine.
type ekafClient struct {
	l *load.Load
	p *ekaf.Producer
	t *ekaf.TopicProducer

	callback ekaf.Callback           // of one message
	answered func(ekaf.Acked, error) // of one call
}

var ekafCodecs = map[string]ekaf.Codec{
	"none": ekaf.NoCompression, "gzip": ekaf.Gzip, "snappy": ekaf.Snappy, "lz4": ekaf.LZ4, "zstd": ekaf.Zstd,
}

func newEkaf(ctx context.Context, l *load.Load) (Client, error) {
	p, err := ekaf.New(
		ekaf.Brokers(l.Broker),
		ekaf.Linger(l.Linger),
		ekaf.BufferBytes(int64(l.Buffer)),
		ekaf.PartitionBufferBytes(int64(l.Buffer)),
		ekaf.WhenFull(ekaf.Block),
		ekaf.Compression(ekafCodecs[l.Codec]),
	)
	if err != nil {
		return nil, err
	}
	t, err := p.Topic(l.Topic)
	if err != nil {
		return nil, errors.Join(err, p.Close(ctx))
	}
	return &ekafClient{
		l: l, p: p, t: t,
		callback: func(_ ekaf.Ack, err error) { l.Ack(1, err) },
		answered: func(a ekaf.Acked, err error) { l.Ack(a.Len(), err) },
	}, nil
}

func (e *ekafClient) message(i int) (m ekaf.Message) {
	e.fill(&m, i)
	return m
}

// fill makes m the i-th message.
func (e *ekafClient) fill(m *ekaf.Message, i int) {
	m.Value = e.l.Value(i)
	switch e.l.Placement {
	case load.Keyed:
		m.Key = e.l.Key(i)
	case load.Explicit:
		*m = m.OnPartition(int32(e.l.Partition(i)))
	}
}

func (e *ekafClient) Produce(ctx context.Context, from, to int) error {
	if e.l.Call == load.Batch {
		return e.produceBatches(ctx, from, to)
	}
	for i := from; i < to; i++ {
		m := e.message(i)
		m.Callback = e.callback
		if _, err := e.t.ProduceAsyncBatched(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// produceBatches fills one slice of messages for all calls, in place.
func (e *ekafClient) produceBatches(ctx context.Context, from, to int) error {
	call := make([]ekaf.Message, load.BatchSize)
	for from < to {
		call = call[:min(load.BatchSize, to-from)]
		for i := range call {
			e.fill(&call[i], from+i)
		}
		if _, err := e.t.ProduceAsyncBatchedFunc(ctx, e.answered, call...); err != nil {
			return err
		}
		from += len(call)
	}
	return nil
}

func (e *ekafClient) Flush(ctx context.Context) error { return e.p.Flush(ctx) }

func (e *ekafClient) Sync(ctx context.Context, i int) error {
	_, err := e.t.ProduceSync(ctx, e.message(i))
	e.l.Ack(1, err)
	return err
}

func (e *ekafClient) Close() error { return e.p.Close(context.Background()) }
