package batch

import (
	"sort"
	"unsafe"
)

// Where thousands of calls wait and give up at once, each looks for its own
// completions. A batch that was searched a few times keeps a finder, and of many
// batches an Index knows which to search: each call then costs as much as it has
// messages, and not as much as all have. Both are made while callers look, a bit
// each time, as they look with a lock held.

const (
	// patience is how many searches look at each entry before a finder is made.
	patience = 4
	// fewEntries and fewBatches are looked through as they are.
	fewEntries = 64
	fewBatches = 16
	// stride is how many entries a search takes into a finder or an Index.
	stride = 4096
)

// finder tells the entries of one completer among many.
type finder struct {
	last   map[unsafe.Pointer]int32 // by completer: its last entry
	before []int32                  // by entry: the one before of the same completer, -1 for none
}

// pointed is what a completer points to.
func pointed(c Completer) unsafe.Pointer { return (*[2]unsafe.Pointer)(unsafe.Pointer(&c))[1] }

// cover takes some more entries in.
func (f *finder) cover(entries []Entry) {
	from := len(f.before)
	for _, e := range entries[from:min(from+stride, len(entries))] {
		before := int32(-1)
		if e.Done != nil {
			key := pointed(e.Done)
			if i, found := f.last[key]; found {
				before = i
			}
			f.last[key] = int32(len(f.before))
		}
		f.before = append(f.before, before)
	}
}

// takeOut takes the completions of one completer out, and lists them. It must be one
// of pointers: only calls are looked for, never plain functions. What is left of an
// entry is its place, so that the others keep theirs.
func (b *Batch) takeOut(done Completer) (found []Entry) {
	take := func(i int) {
		if e := &b.entries[i]; sameCompleter(e.Done, done) {
			found = append(found, *e)
			e.Done = nil
		}
	}
	covered := 0
	if b.searches++; b.searches > patience && len(b.entries) > fewEntries {
		if b.finder == nil {
			b.finder = &finder{last: map[unsafe.Pointer]int32{}}
		}
		b.finder.cover(b.entries)
		covered = len(b.finder.before)
		if at, found := b.finder.last[pointed(done)]; found {
			for ; at >= 0; at = b.finder.before[at] {
				take(int(at))
			}
			delete(b.finder.last, pointed(done))
		}
	}
	for i := covered; i < len(b.entries); i++ {
		take(i)
	}
	return found
}

// Index tells which batches of a long list may hold completions of one completer.
// The batches have ordinals, in their order; others may come behind them, and each
// may leave, or others be made of its records, under its ordinal.
type Index struct {
	spans   map[unsafe.Pointer]span
	began   uint64 // the last ordinal when it was begun
	through uint64 // the last one that was taken in
}

// span is the ordinals that a completer's batches lie between.
type span struct{ first, last uint64 }

// Span says where to search for a completer, which is then forgotten: from first to
// last, and behind through. at gives each of n batches.
func (x *Index) Span(done Completer, n int, at func(i int) *Batch) (first, last, through uint64) {
	if n <= fewBatches {
		*x = Index{}
		return 1, 0, 0
	}
	if at(0).Ordinal > x.began {
		// What it knows is of batches that are gone.
		*x = Index{spans: map[unsafe.Pointer]span{}, began: at(n - 1).Ordinal}
	}
	i := sort.Search(n, func(i int) bool { return at(i).Ordinal > x.through })
	for left := stride; i < n && (left > 0 || at(i).Ordinal == x.through); i++ {
		left -= 1 + len(at(i).entries)
		x.add(at(i))
	}
	s, found := x.spans[pointed(done)]
	if !found {
		return 1, 0, x.through
	}
	delete(x.spans, pointed(done))
	return s.first, s.last, x.through
}

func (x *Index) add(b *Batch) {
	x.through = b.Ordinal
	for i := range b.entries {
		done := b.entries[i].Done
		if done == nil {
			continue
		}
		s, found := x.spans[pointed(done)]
		if !found {
			s.first = b.Ordinal
		}
		if s.last != b.Ordinal {
			s.last = b.Ordinal
			x.spans[pointed(done)] = s
		}
	}
}
