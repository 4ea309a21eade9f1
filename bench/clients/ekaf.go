package clients

import (
	"context"
	"errors"
	"fmt"
	"time"

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
	e := &ekafClient{
		l:        l,
		callback: func(_ ekaf.Ack, err error) { l.Ack(1, err) },
		answered: func(a ekaf.Acked, err error) { l.Ack(a.Len(), err) },
	}
	options := []ekaf.Option{
		ekaf.Brokers(l.Broker),
		ekaf.Linger(l.Linger),
		ekaf.BufferBytes(int64(l.Buffer)),
		ekaf.PartitionBufferBytes(int64(l.Buffer)),
		ekaf.WhenFull(ekaf.Block),
		ekaf.Compression(ekafCodecs[l.Codec]),
	}
	switch {
	case l.Placement == load.Random:
		options = append(options, ekaf.Strategy(ekaf.Random()))
	case l.Placement == load.Sticky:
		options = append(options, ekaf.Strategy(ekaf.StickyRoundRobin(1000)))
	}
	p, err := ekaf.New(options...)
	if err != nil {
		return nil, err
	}
	t, err := p.Topic(l.Topic)
	if err != nil {
		return nil, errors.Join(err, p.Close(ctx))
	}
	e.p, e.t = p, t
	return e, nil
}

// AwaitOutage waits until the topic is in downtime. It asks instead of hearing
// events, which would be made for each call while they are heard.
func (e *ekafClient) AwaitOutage(ctx context.Context) error {
	for e.p.Info(e.l.Topic).State != ekaf.TopicDowntime {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("cannot wait longer for the topic's downtime: %w", ctx.Err())
		}
	}
	return nil
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
		m.SetPartition(int32(e.l.Partition(i)))
	}
}

func (e *ekafClient) Produce(ctx context.Context, from, to int) error {
	if e.l.PerCall() > 1 {
		return e.produceBatches(ctx, from, to)
	}
	if e.l.Call == load.Immediate {
		return e.produceAtOnce(ctx, from, to)
	}
	if e.l.Call == load.Func {
		return e.produceFuncs(ctx, from, to)
	}
	call := []ekaf.Message{{Callback: e.callback}}
	each := e.l.FuncEach()
	for i := from; i < to; i++ {
		e.fill(&call[0], i)
		if each {
			call[0].Callback = e.callbackOf(i)
		}
		if _, err := e.t.ProduceAsyncBatched(ctx, call...); err != nil {
			return err
		}
	}
	return nil
}

// callbackOf is a function for the outcome of one message.
func (e *ekafClient) callbackOf(i int) ekaf.Callback {
	l := e.l
	return func(_ ekaf.Ack, err error) { l.AckOne(i, err) }
}

// produceFuncs gives the function to the call instead of the message.
func (e *ekafClient) produceFuncs(ctx context.Context, from, to int) error {
	call := make([]ekaf.Message, 1)
	for i := from; i < to; i++ {
		e.fill(&call[0], i)
		if _, err := e.t.ProduceAsyncBatchedFunc(ctx, e.answerOf(i), call...); err != nil {
			return err
		}
	}
	return nil
}

// answerOf is a function for the outcome of a call of one message.
func (e *ekafClient) answerOf(i int) func(ekaf.Acked, error) {
	l := e.l
	return func(_ ekaf.Acked, err error) { l.AckOne(i, err) }
}

func (e *ekafClient) produceAtOnce(ctx context.Context, from, to int) error {
	call := []ekaf.Message{{Callback: e.callback}}
	for i := from; i < to; i++ {
		e.fill(&call[0], i)
		if err := e.t.ProduceAsync(ctx, call...); err != nil {
			return err
		}
	}
	return nil
}

// produceBatches fills one slice of messages for all calls, in place.
func (e *ekafClient) produceBatches(ctx context.Context, from, to int) error {
	size := e.l.PerCall()
	call := make([]ekaf.Message, min(size, to-from))
	for from < to {
		call = call[:min(size, to-from)]
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
