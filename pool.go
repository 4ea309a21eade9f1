package ekaf

import (
	"runtime"
	"sync"
)

// pool runs the preparation of batches on a few goroutines, which end when there
// is nothing to do.
type pool struct {
	mu      sync.Mutex // guards the following
	jobs    []func()
	running int
	limit   int
	done    sync.WaitGroup
}

func newPool() *pool { return &pool{limit: max(2, runtime.GOMAXPROCS(0))} }

func (p *pool) run(job func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.jobs = append(p.jobs, job)
	if p.running < p.limit {
		p.running++
		p.done.Go(p.work)
	}
}

func (p *pool) work() {
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

// close waits for the jobs that are left.
func (p *pool) close() { p.done.Wait() }
