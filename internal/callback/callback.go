// Package callback owns the goroutine that runs user code:
//
//	Run(batch) ───────┐
//	One(completion) ──┤
//	Call(function) ───┴──► in order ──► one goroutine, which ends when idle
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

// resolution is a batch whose completions are to be run, or a function, or the
// outcome of a message in no batch.
type resolution struct {
	batch   *batch.Batch
	recycle bool
	fn      func()
	entry   batch.Entry
	result  *batch.Result
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

// One queues a single completion.
func (c *Queue) One(e batch.Entry, r *batch.Result) { c.add(resolution{entry: e, result: r}) }

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
			c.run(&running[i])
			running[i] = resolution{}
		}
	}
}

func (c *Queue) run(r *resolution) {
	switch {
	case r.batch != nil:
		c.complete(r)
	case r.fn != nil:
		c.guard(r.fn)
	default:
		c.completeOne(r)
	}
}

func (c *Queue) completeOne(r *resolution) {
	defer c.catch()
	r.entry.Done.Complete(r.entry, r.result)
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
	defer c.catch()
	for next = from; next < len(entries); {
		e := &entries[next]
		next++
		if e.Done != nil { // else it was completed inline
			e.Done.Complete(*e, result)
		}
	}
	return next
}

func (c *Queue) guard(fn func()) {
	defer c.catch()
	fn()
}

// catch ends a panic of user code.
func (c *Queue) catch() {
	if v := recover(); v != nil {
		c.panicked(v)
	}
}

// Panicked reports a panic that a completion caught itself, to go on with others.
func (c *Queue) Panicked(value any) { c.panicked(value) }

// Quiet gives a channel that is closed when nothing is queued or running.
func (c *Queue) Quiet() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.idle
}
