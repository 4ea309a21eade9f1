package ekaf

import (
	"math/rand/v2"
	"sync/atomic"

	"github.com/ekaf-go/ekaf/internal/hash"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// choice is the worker that gets a message. The generation is that of the
// partition's number of workers by which it was made.
type choice struct {
	partition  *worker.Partition
	worker     int
	generation uint64
}

// router holds what the strategies of one topic remember between calls. All of
// it is atomic: calls of many goroutines take turns without a lock.
type router struct {
	turn   atomic.Uint64 // round robin: messages or calls so far
	sticky atomic.Int64  // adaptive: present partition plus one, and its worker
	left   atomic.Int64  // adaptive: bytes before the next turn
}

// adaptiveBytes is what Adaptive gives to a partition before it turns to another.
const adaptiveBytes = 64 << 10

// route chooses for a message. size is that of all messages of the call without
// a key, which stay together; n is their number.
func (t *topic) route(v *view, m *Message, n, size int) (choice, error) {
	if m.partition != 0 {
		return t.routeExplicit(v, m)
	}
	if m.Key == nil && t.settings.keyed.kind != selectCustom {
		return t.spread(v, t.settings.unkeyed, n, size)
	}
	switch s := &t.settings.keyed; s.kind {
	case selectByKey:
		h := hash.Murmur2(m.Key) & 0x7fffffff
		count := uint32(len(v.partitions))
		return workerOf(v.partitions[h%count], h/count), nil
	case selectCustom:
		return t.routeCustom(v, m, n, size)
	default:
		return t.spread(v, *s, n, size)
	}
}

// workerOf chooses a partition's worker by what is left of a key's hash.
func workerOf(p *worker.Partition, h uint32) choice {
	workers, generation := p.Choice()
	c := choice{partition: p, generation: generation}
	if workers > 1 {
		c.worker = int(h % uint32(workers))
	}
	return c
}

func (t *topic) routeExplicit(v *view, m *Message) (choice, error) {
	id := m.partition - 1
	if id < 0 || int(id) >= len(v.partitions) {
		return choice{}, t.unknownPartition(id)
	}
	return t.workerIn(v.partitions[id], m.Key), nil
}

// workerIn chooses a worker of a partition that was named: by the key, or a
// thousand calls each. One worker, as is usual, needs no counting.
func (t *topic) workerIn(p *worker.Partition, key []byte) choice {
	if workers, generation := p.Choice(); workers == 1 {
		return choice{partition: p, generation: generation}
	}
	if key != nil {
		return workerOf(p, hash.Murmur2(key)&0x7fffffff)
	}
	return workerOf(p, uint32(t.routes.turn.Add(1)/1000))
}

func (t *topic) routeCustom(v *view, m *Message, n, size int) (choice, error) {
	return t.place(v, t.ask(m.Key, m.Value, len(v.partitions)), m.Key, n, size)
}

func (t *topic) unknownPartition(id int32) error {
	return &DeliveryError{Topic: t.name, Partition: id, Err: ErrUnknownPartition}
}

// spread chooses for messages without a key, among the partitions that can be
// reached; among all, if none can.
func (t *topic) spread(v *view, s Selector, n, size int) (choice, error) {
	switch s.kind {
	case selectRandom:
		return workerOf(v.livePartition(rand.Uint32()), rand.Uint32()), nil
	case selectSticky:
		turn := t.routes.turn.Add(uint64(n)) - uint64(n)
		return inTurn(v, turn/uint64(s.n)), nil
	case selectStrict:
		return inTurn(v, t.routes.turn.Add(1)-1), nil
	default:
		return t.adapt(v, size), nil
	}
}

// livePartition maps a number to a partition that can be reached.
func (v *view) livePartition(n uint32) *worker.Partition {
	if len(v.live) == 0 {
		return v.partitions[n%uint32(len(v.partitions))]
	}
	return v.partitions[v.live[n%uint32(len(v.live))]]
}

// inTurn walks all workers of a partition and then the next partition, as the
// original does. Partitions of one topic may differ in their workers only while
// their number adapts; then the first's counts.
func inTurn(v *view, turn uint64) choice {
	workers, _ := v.livePartition(0).Choice()
	c := workerOf(v.livePartition(uint32(turn/uint64(workers))), 0)
	if have, generation := c.partition.Choice(); have > 1 {
		c.worker, c.generation = int(turn%uint64(workers))%have, generation
	}
	return c
}

// adapt stays with a partition for some bytes and then turns to the less loaded
// of two picked at random, so that those whose leaders keep up get more
// (KIP-794 reaches the same by weights, at the cost of a walk over all). A
// partition whose own share of memory is full gets nothing while another has room:
// its broker is the slow one, and the message need not wait for it (P7).
func (t *topic) adapt(v *view, size int) choice {
	r := &t.routes
	at := r.sticky.Load()
	if at > 0 && int(at-1) < len(v.partitions) && r.left.Add(-int64(size)) > 0 {
		p := v.partitions[at-1]
		if (v.isLive[p.ID] || len(v.live) == 0) && p.Limits().HasRoom(size) {
			return workerOf(p, uint32(r.turn.Load()))
		}
	}
	a, b := v.livePartition(rand.Uint32()), v.livePartition(rand.Uint32())
	if b.Limits().Bytes.Used() < a.Limits().Bytes.Used() {
		a = b
	}
	if !a.Limits().HasRoom(size) {
		a = v.leastLoaded(a)
	}
	r.left.Store(adaptiveBytes)
	r.sticky.Store(int64(a.ID) + 1)
	return workerOf(a, uint32(r.turn.Add(1)))
}

// leastLoaded walks all partitions that can be reached, for when two picks at
// random were both full.
func (v *view) leastLoaded(least *worker.Partition) *worker.Partition {
	n := len(v.live)
	if n == 0 {
		n = len(v.partitions)
	}
	for i := range n {
		if p := v.livePartition(uint32(i)); p.Limits().Bytes.Used() < least.Limits().Bytes.Used() {
			least = p
		}
	}
	return least
}
