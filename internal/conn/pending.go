package conn

import "time"

// request is one written (or just being written) request whose answer is awaited.
type request struct {
	h           Handler
	since       time.Time // just before the write began
	correlation int32
	apiKey      int16
	flexible    bool // the answer's header is v1: it has tagged fields
	raw         bool // a SASL token without any header, as after SaslHandshake v0
}

// pendingRing holds requests in the order of their writes. It grows by doubling and keeps its memory, so that a
// connection in steady state allocates nothing. Guarded by Conn.mu.
type pendingRing struct {
	slots []request // length is a power of two
	head  int
	count int
}

func (r *pendingRing) push(q request) {
	if r.count == len(r.slots) {
		grown := make([]request, max(8, 2*len(r.slots)))
		for i := range r.count {
			grown[i] = *r.at(i)
		}
		r.slots, r.head = grown, 0
	}
	r.count++
	*r.at(r.count - 1) = q
}

// at is the i-th oldest request; i must be below count.
func (r *pendingRing) at(i int) *request {
	return &r.slots[(r.head+i)&(len(r.slots)-1)]
}

// pop forgets the oldest request, and its handler, so that nothing it refers to is kept alive by the ring.
func (r *pendingRing) pop() request {
	q := *r.at(0)
	*r.at(0) = request{}
	r.head = (r.head + 1) & (len(r.slots) - 1)
	r.count--
	return q
}
