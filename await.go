package ekaf

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// bell wakes those who wait for what the producer comes to: the partitions of a
// topic, a worker that can send, the outcomes of what was accepted before. It
// rings with each batch that has its outcome, and costs one load of an atomic
// while nobody listens.
type bell struct {
	listeners atomic.Int32
	mu        sync.Mutex // guards the following
	rung      chan struct{}
}

// ring wakes all listeners. What they wait for is changed before.
func (b *bell) ring() {
	if b.listeners.Load() == 0 {
		return
	}
	b.mu.Lock()
	if b.rung != nil {
		close(b.rung)
		b.rung = nil
	}
	b.mu.Unlock()
}

// next gives the channel that the next ring closes.
func (b *bell) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rung == nil {
		b.rung = make(chan struct{})
	}
	return b.rung
}

// lookAgain is how often a listener looks unasked: what changes seldom need not ring.
const lookAgain = 10 * time.Millisecond

// await waits for a condition, until ctx ends. A listener announces itself, takes
// the channel and then looks. So a change either comes before the look, which
// sees it, or its ring finds a listener, and closes the channel that was taken.
func (p *Producer) await(ctx context.Context, done func() bool) error {
	if done() {
		return nil
	}
	p.bell.listeners.Add(1)
	defer p.bell.listeners.Add(-1)
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		rung := p.bell.next()
		if done() {
			return nil
		}
		select {
		case <-rung:
		case <-again.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
