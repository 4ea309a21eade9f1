package clients

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ekaf-go/ekaf/bench/load"
)

// franz drives franz-go's kgo. It keeps a Record until its promise runs, and
// the value with it, so values are never copied before they are encoded.
type franz struct {
	l       *load.Load
	cl      *kgo.Client
	promise func(*kgo.Record, error)
	pool    *sync.Pool // nil: a new Record for each call
}

var franzCodecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

func newFranz(_ context.Context, l *load.Load) (Client, error) {
	opts := []kgo.Opt{
		kgo.SeedBrokers(l.Broker),
		kgo.DefaultProduceTopic(l.Topic),
		kgo.ProducerLinger(l.Linger),
		kgo.ProducerBatchMaxBytes(1_000_000),
		kgo.MaxBufferedBytes(l.Buffer),
		kgo.MaxBufferedRecords(1 << 30), // the bound in bytes is the row's
		kgo.ProducerBatchCompression(franzCodecs[l.Codec]),
		kgo.DisableClientMetrics(),
	}
	switch {
	case !l.Streams():
		opts = append(opts, kgo.ProducerLinger(0))
	case l.Placement == load.Explicit:
		opts = append(opts, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	f := &franz{l: l, cl: cl}
	f.promise = func(_ *kgo.Record, err error) { l.Ack(1, err) }
	return f, nil
}

func newFranzPooled(ctx context.Context, l *load.Load) (Client, error) {
	if !l.Streams() {
		return nil, ErrNotOffered // a caller that waits could as well keep its Record: the same client again
	}
	c, err := newFranz(ctx, l)
	if err != nil {
		return nil, err
	}
	f := c.(*franz)
	f.pool = &sync.Pool{New: func() any { return new(kgo.Record) }}
	f.promise = func(r *kgo.Record, err error) {
		*r = kgo.Record{}
		f.pool.Put(r)
		l.Ack(1, err)
	}
	return f, nil
}

func (f *franz) Produce(ctx context.Context, from, to int) error {
	if f.l.PerCall() > 1 && f.pool == nil {
		return f.produceSlabs(ctx, from, to)
	}
	promise, each := f.promise, f.l.FuncEach()
	for i := from; i < to; i++ {
		var r *kgo.Record
		if f.pool != nil {
			r = f.pool.Get().(*kgo.Record)
		} else {
			r = new(kgo.Record)
		}
		f.fill(r, i)
		if each {
			promise = f.promiseOf(i)
		}
		f.cl.Produce(ctx, r, promise)
	}
	return nil
}

// promiseOf is a function for the outcome of one record.
func (f *franz) promiseOf(i int) func(*kgo.Record, error) {
	l, pool := f.l, f.pool
	if pool == nil {
		return func(_ *kgo.Record, err error) { l.AckOne(i, err) }
	}
	return func(r *kgo.Record, err error) {
		*r = kgo.Record{}
		pool.Put(r)
		l.AckOne(i, err)
	}
}

// produceSlabs makes the records of a call in one allocation: franz-go has no
// asynchronous call for many records, so this is the cheapest it allows.
func (f *franz) produceSlabs(ctx context.Context, from, to int) error {
	for from < to {
		slab := make([]kgo.Record, min(f.l.PerCall(), to-from))
		for j := range slab {
			f.fill(&slab[j], from+j)
			f.cl.Produce(ctx, &slab[j], f.promise)
		}
		from += len(slab)
	}
	return nil
}

func (f *franz) fill(r *kgo.Record, i int) {
	r.Value = f.l.Value(i)
	switch f.l.Placement {
	case load.Keyed:
		r.Key = f.l.Key(i)
	case load.Explicit:
		r.Partition = int32(f.l.Partition(i))
	}
}

func (f *franz) Flush(ctx context.Context) error { return f.cl.Flush(ctx) }

func (f *franz) Sync(ctx context.Context, i int) error {
	r := new(kgo.Record)
	f.fill(r, i)
	err := f.cl.ProduceSync(ctx, r).FirstErr()
	f.l.Ack(1, err)
	return err
}

func (f *franz) Close() error {
	f.cl.Close()
	return nil
}
