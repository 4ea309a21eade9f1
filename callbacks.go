package ekaf

import (
	"fmt"
	"sync"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// callbacks runs user code on a goroutine of its own, in the order in which
// batches were resolved: what reads answers must never wait for it. The
// goroutine ends when there is nothing to run.
type callbacks struct {
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
	result  batch.Result
	recycle bool
}

func newCallbacks(panicked func(any)) *callbacks {
	idle := make(chan struct{})
	close(idle)
	return &callbacks{panicked: panicked, idle: idle}
}

// run queues the completions of a batch.
func (c *callbacks) run(r resolution) {
	c.mu.Lock()
	c.batches = append(c.batches, r)
	c.start()
	c.mu.Unlock()
}

// call queues one function.
func (c *callbacks) call(fn func()) {
	c.mu.Lock()
	c.waiting = append(c.waiting, fn)
	c.start()
	c.mu.Unlock()
}

func (c *callbacks) start() {
	if c.running {
		return
	}
	c.running = true
	c.idle = make(chan struct{})
	go c.loop()
}

func (c *callbacks) loop() {
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
func (c *callbacks) complete(r *resolution) {
	entries := r.batch.Entries()
	for next := 0; next < len(entries); {
		next = c.completeFrom(entries, next, &r.result)
	}
	if r.recycle {
		r.batch.Recycle()
	}
}

func (c *callbacks) completeFrom(entries []batch.Entry, from int, result *batch.Result) (next int) {
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

func (c *callbacks) guard(fn func()) {
	defer func() {
		if v := recover(); v != nil {
			c.panicked(v)
		}
	}()
	fn()
}

// quiet is closed when nothing is queued or running.
func (c *callbacks) quiet() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.idle
}

// panicError is a panic of user code, as an event carries it.
type panicError struct{ value any }

func (p panicError) Error() string { return fmt.Sprintf("a callback panicked: %v", p.value) }
