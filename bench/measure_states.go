package main

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/ekaf-go/ekaf/bench/clients"
	"github.com/ekaf-go/ekaf/bench/load"
	"github.com/ekaf-go/ekaf/bench/usage"
)

// quiet is how long a client is left alone before its idle memory is read: long
// enough for lingering goroutines and buffers to go.
const quiet = 500 * time.Millisecond

// measureIdle measures what a client holds which has produced to every
// partition and now has nothing to do.
func measureIdle(ctx context.Context, _ Job, l *load.Load, make clients.Factory, s *Sample) (clients.Client, error) {
	before := holds()
	l.Expect(l.Total())
	cl, err := make(ctx, l)
	if err != nil {
		return nil, err
	}
	if _, err := throughput(ctx, l, cl, 0, l.Total()); err != nil {
		return nil, err
	}
	select {
	case <-time.After(quiet):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	after := holds()
	s.HeldHeap, s.Held = after.heap-before.heap, after.resident-before.resident
	_, s.PeakRSS = usage.Read()
	if s.Held == 0 { // the system does not tell
		s.Held = s.HeldHeap
	}
	return cl, nil
}

// holding is the memory of this process at a moment.
type holding struct{ heap, resident int64 }

// holds gives back to the system what is garbage, and reads the rest.
func holds() holding {
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return holding{heap: int64(m.HeapAlloc + m.StackInuse), resident: usage.Resident()}
}

// measureDowntime measures what handing over a record costs while the broker is
// away, and then has all of them delivered.
func measureDowntime(ctx context.Context, job Job, l *load.Load, make clients.Factory, s *Sample) (clients.Client, error) {
	broker, err := dialControl(job.Control)
	if err != nil {
		return nil, err
	}
	defer broker.close()
	cl, err := warm(ctx, l, make, throughput)
	if err != nil {
		return nil, err
	}
	if _, err := broker.ask("away on"); err != nil {
		return nil, err
	}
	if err := awaitOutage(ctx, cl); err != nil {
		return nil, err
	}
	stop, err := profile(job.Profile)
	if err != nil {
		return nil, err
	}
	before := read()
	err = hand(ctx, l, cl, l.Warmup, l.Total())
	after := read()
	stop()
	if err != nil {
		return nil, err
	}
	s.fill(before, after, l.Records)
	if n := l.Acked(); n != l.Warmup {
		return nil, fmt.Errorf("cannot measure an outage: %d records were acked in it", n-l.Warmup)
	}
	if _, err := broker.ask("away off"); err != nil {
		return nil, err
	}
	return cl, settle(ctx, l, cl)
}

// awaitOutage waits until the client knows that its broker is away, or long
// enough for one which cannot tell.
func awaitOutage(ctx context.Context, cl clients.Client) error {
	if o, ok := cl.(clients.Outage); ok {
		return o.AwaitOutage(ctx)
	}
	select {
	case <-time.After(quiet):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// measureRates measures how fast the calls return and, of the same records, how
// fast they are delivered.
func measureRates(ctx context.Context, _ Job, l *load.Load, make clients.Factory, s *Sample) (clients.Client, error) {
	cl, err := warm(ctx, l, make, throughput)
	if err != nil {
		return nil, err
	}
	before := read()
	if err := hand(ctx, l, cl, l.Warmup, l.Total()); err != nil {
		return nil, err
	}
	returned := time.Since(before.at)
	if err := settle(ctx, l, cl); err != nil {
		return nil, err
	}
	s.fill(before, read(), l.Records)
	s.CallsPerS = float64(l.Records) / returned.Seconds()
	return cl, nil
}
