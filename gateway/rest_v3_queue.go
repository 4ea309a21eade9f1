package gateway

import (
	"sync"
	"sync/atomic"
)

// entryQueue is between the two goroutines of a stream.
type entryQueue struct {
	mu      sync.Mutex // guards the following
	changed sync.Cond
	entries []v3Entry
	bytes   int64
	ended   bool // nothing comes any more
	hung    bool // nothing is wanted any more
}

// push waits for room, and reports whether the entry was taken.
func (q *entryQueue) push(e v3Entry) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.hung && len(q.entries) > 0 && (len(q.entries) >= queueEntries || q.bytes+e.charged > queueBytes) {
		q.changed.Wait()
	}
	if q.hung {
		return false
	}
	q.entries = append(q.entries, e)
	q.bytes += e.charged
	q.changed.Broadcast()
	return true
}

// take waits for entries and takes all, in exchange for the ones before, whose
// memory is used again. It reports false when there are no more to come.
func (q *entryQueue) take(entries *[]v3Entry) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.entries) == 0 && !q.ended {
		q.changed.Wait()
	}
	q.entries, *entries = (*entries)[:0], q.entries
	q.bytes = 0
	q.changed.Broadcast()
	return len(*entries) > 0
}

// end: nothing comes any more.
func (q *entryQueue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.changed.Broadcast()
}

func (q *entryQueue) isEnded() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.ended
}

// hangUp: nothing more is wanted.
func (q *entryQueue) hangUp() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.hung = true
	q.changed.Broadcast()
}

func (q *entryQueue) hungUp() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.hung
}

// drop gives back what entries that nobody will take have charged.
func (q *entryQueue) drop(memory *bodyMemory) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, e := range q.entries {
		memory.give(e.charged)
	}
	q.entries, q.bytes = nil, 0
}

// streams are those that are open.
type streams struct {
	mu   sync.Mutex // guards the following
	open map[*stream]struct{}
	full atomic.Int64 // streams turned away
}

// enter reports whether one more stream may open.
func (ss *streams) enter(s *stream, most int) bool {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if len(ss.open) >= most {
		ss.full.Add(1)
		return false
	}
	if ss.open == nil {
		ss.open = map[*stream]struct{}{}
	}
	ss.open[s] = struct{}{}
	return true
}

func (ss *streams) leave(s *stream) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	delete(ss.open, s)
}

func (ss *streams) count() int64 {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return int64(len(ss.open))
}

// hangUp ends the streams that have no end of their own: each is answered for
// what was read.
func (ss *streams) hangUp() {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for s := range ss.open {
		if s.endless {
			s.hangUp()
		}
	}
}
