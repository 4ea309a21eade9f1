package batch

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// noted is a batch of no records but many completions, and what they should be.
type noted struct {
	*Batch
	want []Completer // of each record; nil: taken out
}

func (n *noted) add(done Completer) {
	at := int32(len(n.want))
	n.NoteRun(done, at, 1, OwnPlace, 0)
	n.want = append(n.want, done)
}

// takeOut compares what a batch finds with what it holds.
func (n *noted) takeOut(t *rapid.T, done Completer) {
	var want, got []int32
	for i, d := range n.want {
		if d == done {
			want = append(want, int32(i))
			n.want[i] = nil
		}
	}
	for _, e := range n.Batch.takeOut(done) {
		for i := range e.Count {
			got = append(got, e.First+i)
		}
	}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Fatalf("found %v, want %v", got, want)
	}
	for _, e := range n.Entries() {
		for i := range e.Count {
			if e.Done != n.want[e.First+i] {
				t.Fatalf("record %d has completer %v, want %v", e.First+i, e.Done, n.want[e.First+i])
			}
		}
	}
}

// TestFindAmongMany: of many completions those of one are found, whatever came and
// went before.
func TestFindAmongMany(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := &noted{Batch: New(time.Now())}
		calls := make([]*heard, rapid.IntRange(1, 400).Draw(t, "calls"))
		for i := range calls {
			calls[i] = &heard{id: i}
		}
		which := rapid.IntRange(0, len(calls)-1)
		for range rapid.IntRange(1, 12).Draw(t, "rounds") {
			for _, i := range rapid.SliceOfN(which, 0, 200).Draw(t, "come") {
				n.add(calls[i])
			}
			for _, i := range rapid.SliceOfN(which, 0, 20).Draw(t, "go") {
				n.takeOut(t, calls[i])
			}
		}
	})
}

// TestFindLooksOnce: the completions of a large batch are looked at a few times, and
// then not for each call that gives up.
func TestFindLooksOnce(t *testing.T) {
	b := New(time.Now())
	calls := make([]*heard, 3*stride)
	for i := range calls {
		calls[i] = &heard{id: i}
		b.NoteRun(calls[i], int32(i), 1, OwnPlace, 0)
	}
	for i, h := range calls {
		if found := b.takeOut(h); len(found) != 1 || found[0].First != int32(i) {
			t.Fatalf("call %d: %+v", i, found)
		}
		if i == patience+2 && len(b.finder.before) != len(calls) {
			t.Fatalf("%d of %d completions need no look", len(b.finder.before), len(calls))
		}
	}
	if left := len(b.finder.last); left != 0 {
		t.Errorf("%d calls are remembered that have gone", left)
	}
}

// TestIndexOfBatches: an Index names the batches of a call and few others, also after
// some left, others came, and some were cut in two.
func TestIndexOfBatches(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x Index
		var list []*Batch
		of := map[*heard][]uint64{}
		var calls []*heard
		ordinal := uint64(0)
		at := func(i int) *Batch { return list[i] }
		for range rapid.IntRange(1, 30).Draw(t, "rounds") {
			for range rapid.IntRange(0, 3*fewBatches).Draw(t, "come") {
				ordinal++
				h := &heard{id: len(calls)}
				if n := len(calls); n > 0 && rapid.Bool().Draw(t, "one that came before") {
					h = calls[n-1]
				} else {
					calls = append(calls, h)
				}
				for range rapid.IntRange(1, 2).Draw(t, "halves") {
					b := New(time.Now())
					b.Ordinal = ordinal
					b.Note(h, 0, 0, 0)
					list = append(list, b)
				}
				of[h] = append(of[h], ordinal)
			}
			list = list[min(len(list), rapid.IntRange(0, 2*fewBatches).Draw(t, "leave")):]
			if len(calls) == 0 {
				continue
			}
			h := calls[rapid.IntRange(0, len(calls)-1).Draw(t, "which")]
			first, last, through := x.Span(h, len(list), at)
			for _, o := range of[h] {
				if len(list) > 0 && o >= list[0].Ordinal && (o < first || o > last) && o <= through {
					t.Fatalf("batch %d holds the call; named are %d to %d, and behind %d", o, first, last, through)
				}
			}
			if len(list) > fewBatches && through != ordinal {
				t.Fatalf("the last batch is %d, known are those up to %d", ordinal, through)
			}
			delete(of, h)
			for _, b := range list {
				b.takeOut(h)
			}
		}
	})
}
