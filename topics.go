package ekaf

import (
	"maps"
	"sync"
	"sync/atomic"
)

// topics are those that the producer has begun with; none ever leaves. Calls find
// a topic by its name without a lock:
//
//	name ─► settled, a plain map that never changes ─► recent, begun since
//
// A program that takes names from its users may begin with many: so the map is not
// copied for each of them, but when there are as many new ones as it holds.
type topics struct {
	settled atomic.Pointer[map[string]*topic]
	recent  sync.Map // string to *topic
	list    atomic.Pointer[[]*topic]

	mu    sync.Mutex // guards changes
	fresh int        // in recent
}

// find answers nil for a topic that was not begun with. Without the lock it may
// miss one that is just being settled: look again under it.
func (s *topics) find(name string) *topic {
	if known := s.settled.Load(); known != nil {
		if t := (*known)[name]; t != nil {
			return t
		}
	}
	if t, ok := s.recent.Load(name); ok {
		return t.(*topic)
	}
	return nil
}

// add takes a new topic. The lock is held.
func (s *topics) add(t *topic) {
	list := append(s.all(), t)
	s.list.Store(&list)
	s.recent.Store(t.name, t)
	s.fresh++
	known := s.settled.Load()
	if known != nil && s.fresh <= len(*known) {
		return
	}
	grown := make(map[string]*topic, len(list))
	if known != nil {
		maps.Copy(grown, *known)
	}
	for _, t := range list[len(grown):] {
		grown[t.name] = t
	}
	s.settled.Store(&grown)
	s.recent.Clear()
	s.fresh = 0
}

// all lists the topics that there are, in the order in which they came. It only
// grows at its end, which those who have it do not see.
func (s *topics) all() []*topic {
	if list := s.list.Load(); list != nil {
		return *list
	}
	return nil
}
