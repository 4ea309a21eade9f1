package memory

import (
	"sync"
	"unsafe"
)

// slabBytes is the size of a slab: who keeps a piece of it keeps so much memory alive.
const slabBytes = 8 << 10

// Slab gives short slices cut from longer ones, for what a call's answer holds: the
// caller may keep it, so that it cannot be reused, but it need not be an
// allocation of its own. The collector takes a slab when nobody holds a piece of it.
type Slab[T any] struct{ open sync.Pool }

// Take gives an empty slice with room for n items.
func (s *Slab[T]) Take(n int) []T {
	var item T
	items := slabBytes / int(max(unsafe.Sizeof(item), 1))
	if n > items/4 {
		return make([]T, 0, n)
	}
	open, _ := s.open.Get().(*[]T)
	if open == nil {
		open = new([]T)
	}
	if cap(*open) < n {
		*open = make([]T, items)
	}
	piece := (*open)[:0:n]
	*open = (*open)[n:]
	s.open.Put(open)
	return piece
}
