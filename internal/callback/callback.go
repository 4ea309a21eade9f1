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

// Queue runs completions in the order in which batches were resolved.
type Queue struct {
	panicked func(value any)

	mu      sync.Mutex // guards the following
	waiting []func()
	batches []resolution
	running bool
	idle    chan struct{} // closed while nothing runs
}

// resolution is a batch whose completions are to be run.
type resolution struct {
	batch   *batch.Batch
	recycle bool
}

// New makes a queue; panicked hears of panics, which end one callback and no more.
func New(panicked func(any)) *Queue {
	idle := make(chan struct{})
	close(idle)
	return &Queue{panicked: panicked, idle: idle}
}

// Run queues the completions of a batch, with the outcome that it holds. recycle: the batch is the queue's then.
func (c *Queue) Run(b *batch.Batch, recycle bool) {
	c.mu.Lock()
	c.batches = append(c.batches, resolution{b, recycle})
	c.start()
	c.mu.Unlock()
}

// Call queues one function.
func (c *Queue) Call(fn func()) {
	c.mu.Lock()
	c.waiting = append(c.waiting, fn)
	c.start()
	c.mu.Unlock()
}

func (c *Queue) start() {
	if c.running {
		return
	}
	c.running = true
	c.idle = make(chan struct{})
	go c.loop()
}

func (c *Queue) loop() {
	var batches []resolution
	var functions []func()
	for {
		c.mu.Lock()
		if len(c.batches) == 0 && len(c.waiting) == 0 {
			c.running = false
			close(c.idle)
			c.mu.Unlock()
			return
		}
		batches, c.batches = c.batches, batches[:0]
		functions, c.waiting = c.waiting, functions[:0]
		c.mu.Unlock()
		for i := range batches {
			c.complete(&batches[i])
			batches[i] = resolution{}
		}
		for i, fn := range functions {
			c.guard(fn)
			functions[i] = nil
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
