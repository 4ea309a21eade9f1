package sender

import "github.com/ekaf-go/ekaf/internal/worker"

// ring is a queue of lanes that grows when it is full and allocates only then.
type ring struct {
	items []*worker.Lane // length a power of two
	head  int
	n     int
}

func (r *ring) len() int { return r.n }

func (r *ring) push(l *worker.Lane) {
	if r.n == len(r.items) {
		r.grow()
	}
	r.items[(r.head+r.n)&(len(r.items)-1)] = l
	r.n++
}

func (r *ring) pushFront(l *worker.Lane) {
	if r.n == len(r.items) {
		r.grow()
	}
	r.head = (r.head - 1) & (len(r.items) - 1)
	r.items[r.head] = l
	r.n++
}

func (r *ring) pop() *worker.Lane {
	l := r.items[r.head]
	r.items[r.head] = nil
	r.head = (r.head + 1) & (len(r.items) - 1)
	r.n--
	return l
}

func (r *ring) grow() {
	grown := make([]*worker.Lane, max(2*len(r.items), 8))
	for i := range r.n {
		grown[i] = r.items[(r.head+i)&(len(r.items)-1)]
	}
	r.items, r.head = grown, 0
}
