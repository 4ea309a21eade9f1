package clients

import (
	"bufio"
	"context"
	"errors"

	"github.com/ekaf-go/ekaf/bench/load"
)

// raw is the limit of latency: the caller itself writes the bytes of a Produce
// request with one record, and reads the answer, over one socket. No goroutine
// is woken but by the network.
type raw struct {
	m       *limit // its connection, lanes and layout of requests; nothing of it runs
	answers *bufio.Reader
	one     shipment // of the request under way
	request []byte
	body    []byte
}

func newRaw(ctx context.Context, l *load.Load) (Client, error) {
	if l.Streams() || l.Goroutines > 1 || l.Codec != "none" {
		return nil, ErrNotOffered
	}
	m, err := openLimit(ctx, l, false)
	if err != nil {
		return nil, err
	}
	return &raw{m: m, answers: bufio.NewReaderSize(m.c, 4<<10)}, nil
}

// Sync makes the request's bytes in place and waits for the answer.
func (r *raw) Sync(_ context.Context, i int) error {
	p := r.m.acquire(i)
	p.append(r.m.key(i), r.m.l.Value(i))
	r.m.stamp(p)
	r.one.parcels = append(r.one.parcels[:0], parcel{lane: p, buf: p.buf})
	r.m.frame(&r.one)
	r.request = r.request[:0]
	for _, part := range r.m.vectors {
		r.request = append(r.request, part...)
	}
	p.buf, p.count = p.buf[:0], 0
	r.m.taken = r.m.depot.take(r.m.taken)
	_, err := r.m.c.Write(r.request)
	if err == nil {
		r.body, err = readAnswer(r.answers, r.body)
	}
	if err == nil {
		err = answerError(r.body)
	}
	r.m.l.Ack(1, err)
	return err
}

// Produce is not offered: a round trip for each record would measure nothing.
func (r *raw) Produce(context.Context, int, int) error {
	return errors.New("cannot produce many records by single round trips")
}

func (r *raw) Flush(context.Context) error { return nil }

func (r *raw) Close() error { return r.m.c.Close() }
