package gateway

import (
	"context"
	"sync/atomic"
	"time"
)

// admission lets a number of requests run at once, and more of them wait for
// their turn, for a bounded time.
type admission struct {
	turns  chan struct{} // one token for each that runs
	queued atomic.Int64
	queue  int64
	wait   time.Duration
	full   atomic.Int64 // requests turned away
}

func newAdmission(l limit) *admission {
	return &admission{turns: make(chan struct{}, l.running), queue: int64(l.queue), wait: l.wait}
}

// enter reports whether the request may run; then leave must be called.
func (a *admission) enter(ctx context.Context) bool {
	select {
	case a.turns <- struct{}{}:
		return true
	default:
	}
	if a.queued.Add(1) > a.queue {
		a.queued.Add(-1)
		a.full.Add(1)
		return false
	}
	defer a.queued.Add(-1)
	timer := time.NewTimer(a.wait)
	defer timer.Stop()
	select {
	case a.turns <- struct{}{}:
		return true
	case <-timer.C:
		a.full.Add(1)
	case <-ctx.Done():
	}
	return false
}

func (a *admission) leave() { <-a.turns }
