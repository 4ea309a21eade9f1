package worker

import (
	"sort"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// queue holds a lane's closed batches without an outcome, oldest first.
type queue struct {
	items []*batch.Batch
	head  int
	few   [2]*batch.Batch // room for a short one
	index batch.Index     // of a long one whose callers give up
}

func (q *queue) len() int              { return len(q.items) - q.head }
func (q *queue) at(i int) *batch.Batch { return q.items[q.head+i] }

func (q *queue) push(b *batch.Batch) {
	if q.items == nil {
		q.items = q.few[:0]
	}
	q.items = append(q.items, b)
}

// search is the index of the first batch from an ordinal on.
func (q *queue) search(ordinal uint64) int {
	return sort.Search(q.len(), func(i int) bool { return q.at(i).Ordinal >= ordinal })
}

// place is the index of a batch that is in the queue. Halves have one ordinal.
func (q *queue) place(b *batch.Batch) int {
	i := q.search(b.Ordinal)
	for q.at(i) != b {
		i++
	}
	return i
}

// set puts other batches in the place of the one at i: halves, or what is left of it.
func (q *queue) set(i int, list ...*batch.Batch) {
	at := q.head + i
	rest := append(list, q.items[at+1:]...)
	q.items = append(q.items[:at], rest...)
}

// remove takes out the batch at i.
func (q *queue) remove(i int) *batch.Batch {
	b := q.at(i)
	if i == 0 {
		return q.pop()
	}
	at := q.head + i
	copy(q.items[at:], q.items[at+1:])
	q.items[len(q.items)-1] = nil
	q.items = q.items[:len(q.items)-1]
	return b
}

// pop takes out the head. Its place is used again once half of the slice is
// empty, so that a long backlog drains without moving at each step.
func (q *queue) pop() *batch.Batch {
	b := q.items[q.head]
	q.items[q.head] = nil
	q.head++
	if q.head*2 >= len(q.items) {
		n := copy(q.items, q.items[q.head:])
		clear(q.items[n:])
		q.items, q.head = q.items[:n], 0
	}
	if len(q.items) == 0 {
		q.index = batch.Index{} // it keeps nobody's call alive
	}
	return b
}
