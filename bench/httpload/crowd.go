package httpload

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Request is a request, and what a 2xx to it claims.
type Request struct {
	Bytes    []byte
	Messages int    // accepted
	Sum      uint64 // of their values, as the broker sums them
}

// Crowd is a number of connections which ask at the same time.
type Crowd struct{ conns []*Conn }

// Gather connects n times.
func Gather(ctx context.Context, addr string, n int) (*Crowd, error) {
	c := &Crowd{}
	for range n {
		conn, err := Dial(addr)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			c.Close()
			return nil, err
		}
		c.conns = append(c.conns, conn)
	}
	return c, nil
}

// Close hangs up.
func (c *Crowd) Close() {
	for _, conn := range c.conns {
		conn.Close()
	}
}

// Order is what a crowd is to ask.
type Order struct {
	Requests []Request // in turn
	Count    int       // so many in all
	// Until is the status which ends the asking before Count: nothing more is
	// asked once it was answered. 0: none does.
	Until int
	// Want is the status that is expected; another one is an error. 0: any 2xx
	// or 503.
	Want int
}

// Tally is what came of an order.
type Tally struct {
	OK       int    // requests answered 2xx
	Messages int    // that these claim
	Sum      uint64 // of their values
	Refused  int    // requests answered 503
	// Took is the time from the first request to the last answer, or to the
	// first answer with the status Until.
	Took time.Duration
	// Times are those of all requests, in the order in which they began.
	Times []time.Duration
}

// Ask has all connections ask in a closed loop until the order is done.
func (c *Crowd) Ask(ctx context.Context, o Order) (Tally, error) {
	stop := context.AfterFunc(ctx, func() {
		for _, conn := range c.conns {
			conn.SetDeadline(time.Unix(1, 0)) // whoever waits gives up
		}
	})
	defer stop()
	var next, ended atomic.Int64
	times := make([]time.Duration, o.Count)
	parts, errs := make([]Tally, len(c.conns)), make([]error, len(c.conns))
	began := time.Now()
	var wg sync.WaitGroup
	for i, conn := range c.conns {
		wg.Go(func() {
			parts[i], errs[i] = o.run(conn, &next, &ended, began, times)
		})
	}
	wg.Wait()
	all := Tally{Took: since(began), Times: times[:min(int(next.Load()), o.Count)]}
	if at := ended.Load(); at > 0 {
		all.Took = time.Duration(at)
	}
	for _, p := range parts {
		all.OK, all.Messages, all.Sum, all.Refused = all.OK+p.OK, all.Messages+p.Messages, all.Sum+p.Sum, all.Refused+p.Refused
	}
	return all, errors.Join(ctx.Err(), errors.Join(errs...))
}

// Once has each connection ask one request, one after the other.
func (c *Crowd) Once(ctx context.Context, r Request, want int) (t Tally, err error) {
	began := time.Now()
	for _, conn := range c.conns {
		if ctx.Err() != nil {
			return t, ctx.Err()
		}
		status, err := conn.Ask(r.Bytes)
		if err == nil && status != want {
			err = fmt.Errorf("cannot go on: a request was answered with %d, not %d", status, want)
		}
		if err != nil {
			return t, err
		}
		t.OK, t.Messages, t.Sum = t.OK+1, t.Messages+r.Messages, t.Sum+r.Sum
	}
	t.Took = since(began)
	return t, nil
}

// run is one connection's part. next is the number of the next request, ended
// the time of the first answer that ends the order.
func (o *Order) run(conn *Conn, next, ended *atomic.Int64, began time.Time, times []time.Duration) (t Tally, err error) {
	for ended.Load() == 0 {
		i := int(next.Add(1)) - 1
		if i >= o.Count {
			break
		}
		r := &o.Requests[i%len(o.Requests)]
		asked := time.Now()
		status, err := conn.Ask(r.Bytes)
		times[i] = since(asked)
		if err != nil {
			return t, err
		}
		if o.Want != 0 && status != o.Want {
			return t, fmt.Errorf("cannot go on: request %d was answered with %d, not %d", i, status, o.Want)
		}
		switch {
		case status/100 == 2:
			t.OK, t.Messages, t.Sum = t.OK+1, t.Messages+r.Messages, t.Sum+r.Sum
		case status == 503:
			t.Refused++
		default:
			return t, fmt.Errorf("cannot go on: request %d was answered with %d", i, status)
		}
		if status == o.Until {
			ended.CompareAndSwap(0, int64(since(began)))
		}
	}
	return t, nil
}
