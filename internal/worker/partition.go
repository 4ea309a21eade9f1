package worker

import (
	"sync"
	"sync/atomic"
)

// Partition is one partition of a topic with its lanes.
//
// As with a Lane, what every message touches comes first.
type Partition struct {
	ID     int32
	choice atomic.Uint64        // how many workers are chosen from now, and its generation
	first  atomic.Pointer[Lane] // the lane of worker 0, once it is started: mostly there is no other
	limits Limits
	cfg    *Config
	host   Host

	lanes atomic.Pointer[[]*Lane] // by worker index; a nil one got no message yet

	busyAt atomic.Int64 // Clock of the last backlog, in milliseconds

	// InRequest is the number of the last request that a batch of this partition
	// went into: a request holds at most one.
	InRequest atomic.Uint64

	mu        sync.Mutex // guards the following
	leader    int32
	epoch     int32
	newest    int32 // epoch that was told
	stopped   bool
	changedAt int64 // Clock when the number of workers last changed, in milliseconds

	barrier barrier
}

// barrier keeps the order of keys when the number of workers changes: batches
// opened after a change wait until all opened before it have their outcome.
type barrier struct {
	mu      sync.Mutex     // guards the following; taken inside a lane's lock
	current uint64         // the newest generation
	sending uint64         // the oldest generation that has batches left
	left    map[uint64]int // batches without an outcome, by generation
}

// NewPartition makes a partition without a leader.
func NewPartition(id int32, cfg *Config, limits Limits, host Host) *Partition {
	p := &Partition{ID: id, cfg: cfg, limits: limits, host: host, leader: -1, epoch: -1, newest: -1}
	lanes := make([]*Lane, max(cfg.Workers, cfg.WorkersMax))
	p.lanes.Store(&lanes)
	p.publish(cfg.Workers, 0)
	return p
}

// Config is the topic's.
func (p *Partition) Config() *Config { return p.cfg }

// Limits are the partition's accounts.
func (p *Partition) Limits() Limits { return p.limits }

// Leader is the node id of the leader, -1 for none.
func (p *Partition) Leader() int32 {
	leader, _ := p.led()
	return leader
}

func (p *Partition) led() (leader, epoch int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.leader, p.epoch
}

// Lane gives the lane of a worker, started at its first message.
func (p *Partition) Lane(worker int) *Lane {
	if l := p.first.Load(); worker == 0 && l != nil {
		return l
	}
	if l := (*p.lanes.Load())[worker]; l != nil {
		return l
	}
	return p.start(worker)
}

func (p *Partition) start(worker int) *Lane {
	p.mu.Lock()
	lanes := *p.lanes.Load()
	if l := lanes[worker]; l != nil {
		p.mu.Unlock()
		return l
	}
	l := newLane(p, worker)
	_, l.generation = p.Choice()
	stopped := p.stopped
	grown := append([]*Lane(nil), lanes...)
	grown[worker] = l
	p.lanes.Store(&grown)
	if worker == 0 {
		p.first.Store(l)
	}
	p.mu.Unlock()
	if stopped {
		l.StopWith(ErrStopped)
		return l
	}
	l.follow() // or SetLeader, which finds it in lanes, makes it do so first
	return l
}

// Started lists the lanes that got messages.
func (p *Partition) Started() []*Lane {
	var started []*Lane
	for _, l := range *p.lanes.Load() {
		if l != nil {
			started = append(started, l)
		}
	}
	return started
}

// SetLeader tells the partition and its lanes where to send. Leader -1: nowhere.
// It reports whether the leader changed. reborn: its epoch went back, so that the
// partition is another one by the same name, or was restored from an older state.
func (p *Partition) SetLeader(leader, epoch int32) (moved, reborn bool) {
	p.mu.Lock()
	if p.stopped || (p.leader == leader && p.epoch == epoch) {
		p.mu.Unlock()
		return false, false
	}
	moved = p.leader != leader
	p.leader, p.epoch = leader, epoch
	if epoch >= 0 {
		reborn = epoch < p.newest
		p.newest = epoch
	}
	p.mu.Unlock()
	for _, l := range p.Started() {
		if reborn {
			l.Reborn()
		}
		l.follow()
	}
	return moved, reborn
}

// Reborn: see Lane.Reborn. Its leader epochs begin anew.
func (p *Partition) Reborn() {
	p.mu.Lock()
	p.newest = -1
	p.mu.Unlock()
	for _, l := range p.Started() {
		l.Reborn()
	}
}

// StopWith ends the partition's lanes. Their batches fail with err.
func (p *Partition) StopWith(err error) {
	p.mu.Lock()
	p.stopped = true
	p.mu.Unlock()
	for _, l := range p.Started() {
		l.StopWith(err)
	}
}

// shrinkAfter is how long, in milliseconds, a grown partition must have gone
// without a backlog before it loses a worker.
const shrinkAfter = 10_000

// backlogged is called, without locks, by a lane that closed a batch behind a
// full window.
func (p *Partition) backlogged() {
	p.busyAt.Store(p.host.Clock())
	if workers, _ := p.Choice(); workers < p.cfg.WorkersMax {
		p.resize(+1)
	}
}

// Idle shrinks a grown partition by one worker when it had no backlog for a while.
func (p *Partition) Idle(clock int64) {
	p.mu.Lock()
	workers, _ := p.Choice()
	quietSince := max(p.changedAt, p.busyAt.Load())
	due := workers > p.cfg.Workers && clock-quietSince > shrinkAfter
	p.mu.Unlock()
	if due {
		p.resize(-1)
	}
}

// resize adds or takes a worker, unless the change before still drains. A key
// that moves to another worker is held there until its old worker has drained
// (P3). The sequence of events that must not happen: a caller reads "2 workers"
// and is descheduled; the number becomes 3; the caller appends to worker 0 and
// returns; its next call, of the same key, goes to worker 2, which does not wait
// for the batch that worker 0 has just got. So every lane takes the new
// generation under its own lock first, and Begin turns away whoever chose by the
// old one; only then the new number is published.
func (p *Partition) resize(by int) {
	p.mu.Lock()
	workers, generation := p.Choice()
	target := workers + by
	if p.stopped || target < p.cfg.Workers || target > max(p.cfg.WorkersMax, p.cfg.Workers) || p.draining(generation) {
		p.mu.Unlock()
		return
	}
	generation++
	for _, l := range p.Started() {
		l.nextGeneration(generation)
	}
	p.barrier.mu.Lock()
	p.barrier.current = generation
	p.barrier.advance()
	p.barrier.mu.Unlock()
	p.publish(target, generation)
	p.changedAt = p.host.Clock()
	p.mu.Unlock()
	p.host.Resized(p, target)
}

// Choice is the number of workers that messages are given to now, with its
// generation, which Lane.Begin wants back.
func (p *Partition) Choice() (workers int, generation uint64) {
	c := p.choice.Load()
	return int(c & 0xffff), c >> 16
}

func (p *Partition) publish(workers int, generation uint64) {
	p.choice.Store(generation<<16 | uint64(workers))
}

func (p *Partition) draining(generation uint64) bool {
	p.barrier.mu.Lock()
	defer p.barrier.mu.Unlock()
	return p.barrier.sending < generation
}

// fixed reports that the number of workers never changes, so that no generation
// needs counting.
func (p *Partition) fixed() bool { return p.cfg.WorkersMax <= p.cfg.Workers }

// advance moves sending to the oldest generation that has batches left.
func (b *barrier) advance() (moved bool) {
	for b.sending < b.current && b.left[b.sending] == 0 {
		delete(b.left, b.sending)
		b.sending++
		moved = true
	}
	return moved
}

// count notes n more batches of a generation without an outcome, or fewer. opened:
// batches of a later one may go now, and the lanes are to be woken, by whoever holds
// no lane's lock: one of them may be the lane that the last batch has just left.
func (p *Partition) count(generation uint64, n int) (opened bool) {
	if p.fixed() || n == 0 {
		return false
	}
	p.barrier.mu.Lock()
	if p.barrier.left == nil {
		p.barrier.left = map[uint64]int{}
	}
	p.barrier.left[generation] += n
	opened = p.barrier.advance()
	p.barrier.mu.Unlock()
	return opened
}

// wake has the lanes look again, without a lane's lock: see count.
func (p *Partition) wake() {
	for _, l := range p.Started() {
		l.Wake()
	}
}

// maySend reports whether a batch of this generation need not wait for older ones.
func (p *Partition) maySend(generation uint64) bool {
	if p.fixed() {
		return true
	}
	p.barrier.mu.Lock()
	defer p.barrier.mu.Unlock()
	return generation <= p.barrier.sending
}
