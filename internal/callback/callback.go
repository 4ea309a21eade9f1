// Package callback owns the goroutine that runs user code:
//
//	Run(batch) ─────┐
//	Call(function) ─┴──► in order ──► one goroutine, which ends when idle
//
// What reads answers from a broker must never wait for it.
package callback

import (
	"sync"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// Queue runs completions and functions in the order in which they came: a message
// that is refused behind others is told behind them.
type Queue struct {
	panicked func(value any)

	mu      sync.Mutex // guards the following
	waiting []resolution
	running bool
	idle    chan struct{} // closed while nothing runs
}

// resolution is a batch whose completions are to be run, or a function.
type resolution struct {
	batch   *batch.Batch
	recycle bool
	fn      func()
}

// New makes a queue; panicked hears of panics, which end one callback and no more.
func New(panicked func(any)) *Queue {
	idle := make(chan struct{})
	close(idle)
	return &Queue{panicked: panicked, idle: idle}
}

// Run queues the completions of a batch, with the outcome that it holds. recycle: the batch is the queue's then.
func (c *Queue) Run(b *batch.Batch, recycle bool) {
	c.add(resolution{batch: b, recycle: recycle})
}

// Call queues one function.
func (c *Queue) Call(fn func()) { c.add(resolution{fn: fn}) }

func (c *Queue) add(r resolution) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, r)
	if !c.running {
		c.running = true
		c.idle = make(chan struct{})
		go c.loop()
	}
}

func (c *Queue) loop() {
	var running []resolution
	for {
		c.mu.Lock()
		if len(c.waiting) == 0 {
			c.running = false
			close(c.idle)
			c.mu.Unlock()
			return
		}
		running, c.waiting = c.waiting, running[:0]
		c.mu.Unlock()
		for i := range running {
			if r := &running[i]; r.fn != nil {
				c.guard(r.fn)
			} else {
				c.complete(r)
			}
			running[i] = resolution{}
		}
	}
}

// complete runs what was not run inline. A panic ends one callback, not the producer.
func (c *Queue) complete(r *resolution) {
	entries := r.batch.Entries()
	for next := 0; next < len(entries); {
		next = c.completeFrom(entries, next, &r.batch.Acked)
	}
	if r.recycle {
		r.batch.Recycle()
	}
}

func (c *Queue) completeFrom(entries []batch.Entry, from int, result *batch.Result) (next int) {
	defer func() {
		if v := recover(); v != nil {
			c.panicked(v)
		}
	}()
	for next = from; next < len(entries); {
		e := entries[next]
		next++
		if e.Done != nil { // else it was completed inline
			e.Done.Complete(e, result)
		}
	}
	return next
}

func (c *Queue) guard(fn func()) {
	defer func() {
		if v := recover(); v != nil {
			c.panicked(v)
		}
	}()
	fn()
}

// Panicked reports a panic that a completion caught itself, to go on with others.
func (c *Queue) Panicked(value any) { c.panicked(value) }

// Quiet gives a channel that is closed when nothing is queued or running.
func (c *Queue) Quiet() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.idle
}
