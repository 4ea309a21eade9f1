// Package identity owns the producer ids that lanes number their batches under:
//
//	Next(lane) ──► shared id of its index, or a spare one ──► a chain of the lane
//	     └── none: asked for ──► InitProducerId ──► lane.Wake, or FailWaiting
package identity

import (
	"context"
	"sync"

	"github.com/ekaf-go/ekaf/internal/worker"
)

// Source gives producer ids to lanes. The workers of index w share a first
// id, and number each partition's batches on their own; a lane that needs a new
// chain gets an id that nobody used.
type Source struct {
	fetch func(ctx context.Context) (worker.ID, error)
	fault func(error) (int16, error)
	ctx   context.Context
	spawn func(func())

	mu      sync.Mutex // guards the following
	shared  map[int]worker.ID
	spare   []worker.ID
	waiting []*worker.Lane
	asked   int // requests under way
}

// spareIDs are kept ready, so that a new chain costs no round trip.
const spareIDs = 1

// New makes a source. fetch asks the cluster, on goroutines that spawn starts and
// that end with ctx; fault makes of its failure what waiting messages fail with.
func New(ctx context.Context, fetch func(context.Context) (worker.ID, error), fault func(error) (int16, error), spawn func(func())) *Source {
	return &Source{fetch: fetch, fault: fault, ctx: ctx, spawn: spawn, shared: map[int]worker.ID{}}
}

// Next gives a lane its id; not ok: the lane is woken when there is one.
func (d *Source) Next(l *worker.Lane, index int, fresh bool) (worker.ID, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !fresh {
		if id, ok := d.shared[index]; ok {
			return id, true
		}
	}
	if n := len(d.spare); n > 0 {
		id := d.spare[n-1]
		d.spare = d.spare[:n-1]
		if !fresh {
			d.shared[index] = id
		}
		d.ask(spareIDs)
		return id, true
	}
	d.waiting = append(d.waiting, l)
	d.ask(1)
	return worker.ID{}, false
}

// Prefetch asks for the first id, before any lane needs it.
func (d *Source) Prefetch() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.shared) == 0 && len(d.spare) == 0 {
		d.ask(1)
	}
}

// ask sends requests until n are under way. d.mu is held.
func (d *Source) ask(n int) {
	for d.asked < n {
		d.asked++
		d.spawn(d.get)
	}
}

func (d *Source) get() {
	id, err := d.fetch(d.ctx)
	d.mu.Lock()
	d.asked--
	waiting := d.waiting
	d.waiting = nil
	if err == nil {
		d.spare = append(d.spare, id)
	}
	d.mu.Unlock()
	for _, l := range waiting {
		if err != nil && d.ctx.Err() == nil {
			l.FailWaiting(d.fault(err))
			continue
		}
		l.Wake()
	}
}
