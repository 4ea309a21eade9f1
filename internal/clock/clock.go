// Package clock owns a wall clock that is cheap to read: a number that a
// goroutine renews every few milliseconds while anyone reads it.
//
//	Now ──► in use: the number      tick ──► renew; unread for a second: rest
//	    └─► resting: the real clock, and the ticking begins again
package clock

import (
	"sync"
	"sync/atomic"
	"time"
)

// Every is how often the clock is renewed while it is in use, and so how far it
// may lag.
const Every = 5 * time.Millisecond

// restAfter is the number of renewals without a reader after which it rests.
const restAfter = 200

// Clock gives the wall time in milliseconds. Make one with New.
type Clock struct {
	ms   atomic.Int64 // 0: resting
	read atomic.Bool

	mu      sync.Mutex // guards the following
	ticking bool
	closed  chan struct{}
	once    sync.Once
	running sync.WaitGroup
}

// New makes a clock that rests.
func New() *Clock { return &Clock{closed: make(chan struct{})} }

// Now is the wall time in milliseconds since 1970, at most Every old.
func (c *Clock) Now() int64 {
	if ms := c.ms.Load(); ms != 0 {
		if !c.read.Load() {
			c.read.Store(true)
		}
		return ms
	}
	c.begin()
	return time.Now().UnixMilli()
}

func (c *Clock) begin() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ticking {
		return
	}
	select {
	case <-c.closed:
		return
	default:
	}
	c.ticking = true
	c.read.Store(true)
	c.ms.Store(time.Now().UnixMilli())
	c.running.Go(c.tick)
}

// tick renews the clock until nobody reads it. It rests under the lock: a reader
// that finds it resting waits there, and begins again once the last tick is over.
func (c *Clock) tick() {
	ticker := time.NewTicker(Every)
	defer ticker.Stop()
	unread := 0
	for {
		select {
		case <-ticker.C:
			c.ms.Store(time.Now().UnixMilli())
		case <-c.closed:
			unread = restAfter
		}
		if c.read.Swap(false) && unread < restAfter {
			unread = 0
			continue
		}
		if unread++; unread > restAfter {
			c.mu.Lock()
			c.ms.Store(0)
			c.ticking = false
			c.mu.Unlock()
			return
		}
	}
}

// Close ends the ticking for good. Now goes on, by the real clock.
func (c *Clock) Close() {
	c.once.Do(func() { close(c.closed) })
	c.running.Wait()
}
