package ekaf

import (
	"context"
	"errors"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/ekaf-go/ekaf/internal/worker"
)

// identities gives producer ids to lanes. The workers of index w share a first
// id, and number each partition's batches on their own; a lane that needs a new
// chain gets an id that nobody used.
type identities struct {
	fetch func(ctx context.Context) (worker.ID, error)
	ctx   context.Context
	spawn func(func())

	mu      sync.Mutex // guards the following
	shared  map[int]worker.ID
	spare   []worker.ID
	waiting []*worker.Lane
	asked   int // requests under way
	wanted  int // ids that waiting lanes and the spare ones ask for
}

// spareIDs are kept ready, so that a new chain costs no round trip.
const spareIDs = 1

func newIdentities(ctx context.Context, fetch func(context.Context) (worker.ID, error), spawn func(func())) *identities {
	return &identities{fetch: fetch, ctx: ctx, spawn: spawn, shared: map[int]worker.ID{}}
}

// next gives a lane its id; not ok: the lane is woken when there is one.
func (d *identities) next(l *worker.Lane, index int, fresh bool) (worker.ID, bool) {
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

// prefetch asks for the first id, before any lane needs it.
func (d *identities) prefetch() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.shared) == 0 && len(d.spare) == 0 {
		d.ask(1)
	}
}

// ask sends requests until n are under way. d.mu is held.
func (d *identities) ask(n int) {
	for d.asked < n {
		d.asked++
		d.spawn(d.get)
	}
}

func (d *identities) get() {
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
			l.FailWaiting(identityFault(err))
			continue
		}
		l.Wake()
	}
}

// identityFault is the error of messages that cannot have an id.
func identityFault(err error) (code int16, fault error) {
	if k, ok := errors.AsType[*kerr.Error](err); ok {
		code = k.Code
	}
	if code == kerr.ClusterAuthorizationFailed.Code || code == kerr.TransactionalIDAuthorizationFailed.Code {
		return code, errors.Join(ErrNotPermitted,
			errors.New("the cluster gives this principal no producer id: grant IdempotentWrite, or switch Idempotence off"), err)
	}
	return code, err
}

// NextID implements worker.Host.
func (p *Producer) NextID(l *worker.Lane, fresh bool) (worker.ID, bool) {
	return p.identities.next(l, l.Worker, fresh || topicOf(l).reborn.Load())
}
