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

	at int // the goroutine's own: the entry at which it is
}

// Row is a completer of which many, one behind the other, cost less together.
type Row interface {
	batch.Completer
	// CompleteRow tells those from *next on, until one that it cannot. It takes each
	// message out of its entry before the function is called: if that panics,
	// CompleteRow is called once more for what is left.
	CompleteRow(entries []batch.Entry, next *int, r *batch.Result)
}

// resolution is a batch whose completions are to be run, or a function, or the
// outcome of a message in no batch.
type resolution struct {
	batch   *batch.Batch
	recycle bool
	fn      func()
	entry   [1]batch.Entry
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
func (c *Queue) One(e batch.Entry, r *batch.Result) {
	c.add(resolution{entry: [1]batch.Entry{e}, result: r})
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
		c.completeAll(r.entry[:], r.result)
	}
}

// complete runs what was not run inline.
func (c *Queue) complete(r *resolution) {
	c.completeAll(r.batch.Entries(), &r.batch.Acked)
	if r.recycle {
		r.batch.Recycle()
	}
}

// completeAll runs completions. A panic ends one callback, not the producer.
func (c *Queue) completeAll(entries []batch.Entry, result *batch.Result) {
	for c.at = 0; c.at < len(entries); {
		c.completeFrom(entries, result)
	}
}

func (c *Queue) completeFrom(entries []batch.Entry, result *batch.Result) {
	defer c.catch()
	for c.at < len(entries) {
		e := &entries[c.at]
		switch done := e.Done.(type) {
		case nil: // it was completed inline
			c.at++
		case Row:
			done.CompleteRow(entries, &c.at, result)
		default:
			c.at++
			done.Complete(*e, result)
		}
	}
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

// Quiet gives a channel that is closed when nothing is queued or running.
func (c *Queue) Quiet() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.idle
}
