// Package pool owns a few goroutines that work jobs off, and end when there are
// none:
//
//	Run(job) ──► jobs, in order ──► up to GOMAXPROCS goroutines
package pool

import (
	"runtime"
	"sync"
)

// Pool runs jobs. Make one with New.
type Pool struct {
	mu      sync.Mutex // guards the following
	jobs    []func()
	running int
	limit   int
	done    sync.WaitGroup
}

// New makes a pool of at least two goroutines.
func New() *Pool { return &Pool{limit: max(2, runtime.GOMAXPROCS(0))} }

// Run queues a job. It never waits for one.
func (p *Pool) Run(job func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jobs = append(p.jobs, job)
	if p.running < p.limit {
		p.running++
		p.done.Go(p.work)
	}
}

func (p *Pool) work() {
	for {
		p.mu.Lock()
		if len(p.jobs) == 0 {
			p.running--
			p.mu.Unlock()
			return
		}
		job := p.jobs[0]
		p.jobs[0] = nil
		p.jobs = p.jobs[1:]
		p.mu.Unlock()
		job()
	}
}

// Close waits for the jobs that are left.
func (p *Pool) Close() { p.done.Wait() }
