package worker

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// Rule 5: the identity belongs to the lane, in chains.

// A poison record leaves a gap: what is behind it goes out under a fresh id from 0.
func TestRule05GapBeginsAChain(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	poison, good := s.batch(1), s.batch(2)
	a, b := s.must(0, 1), s.must(0, 1)
	was := a.Batch.ProducerID
	s.code(a, 87)
	s.code(b, 45)
	if r := s.outcome(poison[0]); r.Code != 87 || r.MaybeWritten {
		t.Fatalf("%+v", r)
	}
	again := s.must(0, 1)
	h, values := s.numbers(again)
	if h.ProducerID == was || h.BaseSequence != 0 || len(values) != 2 {
		t.Fatalf("%+v %q", h, values)
	}
	if s.fresh != 1 {
		t.Fatalf("%d fresh ids were asked for", s.fresh)
	}
	s.ok(again, 1)
	s.acked(good...)
	s.empty()
}

// A new chain waits until every tried batch of the lane has its outcome.
func TestRule05ChainWaitsForTheUndecided(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	first, poison, last := s.batch(1), s.batch(1), s.batch(1)
	a, b, c := s.must(0, 1), s.must(0, 1), s.must(0, 1)
	s.code(a, 7)
	s.code(b, 87)
	s.code(c, 45)
	again := s.must(0, 1)
	if again.Batch != a.Batch || s.fresh != 0 {
		t.Fatalf("batch %d is sent, %d fresh ids", again.Batch.Ordinal, s.fresh)
	}
	s.none(0, 1)
	if s.fresh != 0 {
		t.Fatal("a fresh id was asked for while a batch was undecided")
	}
	s.ok(again, 1)
	s.ok(s.must(0, 1), 2)
	s.acked(first[0], last[0])
	if r := s.outcome(poison[0]); r.Err == nil {
		t.Fatalf("%+v", r)
	}
	s.empty()
}

// The new chain is confirmed by an OK of its own, not by one of the old.
func TestRule05NewChainStartsAlone(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	s.batch(1)
	for range 4 {
		s.batch(1)
	}
	attempts := []*Attempt{s.must(0, 1), s.must(0, 1), s.must(0, 1)}
	s.code(attempts[0], 87)
	s.code(attempts[1], 45)
	s.code(attempts[2], 45)
	a := s.must(0, 1)
	s.none(0, 1)
	s.ok(a, 1)
	for i := range 3 {
		s.ok(s.must(0, 1), int64(2+i))
	}
	s.empty()
}

// The broker does not know the id any more: the only attempt goes out again under a fresh one.
func TestRule05ForgottenID(t *testing.T) {
	for _, code := range []int16{47, 59, 90} {
		s := newScript(t, nil)
		s.confirm(0, 1)
		list := s.batch(1)
		a := s.must(0, 1)
		was := a.Batch.ProducerID
		s.code(a, code)
		a = s.must(0, 1)
		if h, _ := s.numbers(a); h.ProducerID == was || h.BaseSequence != 0 {
			t.Fatalf("code %d: %+v", code, h)
		}
		s.ok(a, 1)
		s.acked(list...)
		s.empty()
	}
}

// While the id is on its way nothing is sent, and the lane goes on when it comes.
func TestRule05WaitsForItsID(t *testing.T) {
	s := withoutID(t)
	list := s.batch(1)
	s.none(0, 1)
	if !s.wanting {
		t.Fatal("no id was asked for")
	}
	s.withhold = false
	s.lane.Wake()
	s.ok(s.must(0, 1), 0)
	s.acked(list...)
	s.empty()
}

func TestRule05NoIDFailsWhatWaits(t *testing.T) {
	s := withoutID(t)
	list := s.batch(1)
	s.none(0, 1)
	s.wanting = false
	s.lane.FailWaiting(31, errors.New("no id"))
	if r := s.outcome(list[0]); r.Code != 31 || r.MaybeWritten {
		t.Fatalf("%+v", r)
	}
	if s.wanting {
		t.Fatal("with nothing to send an id is asked for again, for ever")
	}
	list = s.batch(1)
	s.none(0, 1)
	if !s.wanting {
		t.Fatal("the next batch asks for no id")
	}
	s.withhold = false
	s.lane.Wake()
	s.ok(s.must(0, 1), 0)
	s.acked(list...)
	s.empty()
}

// The first id is asked for with the leader, so that the sender that comes for the
// first batch takes it along in its request, and need not come again.
func TestRule05TheFirstBatchFindsItsID(t *testing.T) {
	s := newScript(t, nil)
	if s.ids != 1 {
		t.Fatalf("%d ids were asked for before the first batch", s.ids)
	}
	list := s.batch(1)
	a, ok, _, _ := s.lane.Take(s.senders[0], 1, false, false, time.Now(), 1<<30)
	if !ok {
		t.Fatalf("the first batch is not there: %s", s.describe())
	}
	a.Stamp()
	s.ok(&a, 0)
	s.acked(list...)
	if s.ids != 1 || s.fresh != 0 {
		t.Fatalf("%d ids were asked for, %d fresh ones", s.ids, s.fresh)
	}
	s.empty()
}

// A lane without a leader asks for nothing: it may never have anything to send.
func TestRule05NoLeaderNoID(t *testing.T) {
	s := newScript(t, nil)
	p := NewPartition(1, s.cfg, s.partition.limits, s)
	l := p.Lane(0)
	if s.ids != 1 || l.chain.number != 0 {
		t.Fatalf("%d ids were asked for, %+v", s.ids, l.chain)
	}
	p.SetLeader(0, 1)
	if s.ids != 2 || l.chain.number != 1 {
		t.Fatalf("%d ids were asked for, %+v", s.ids, l.chain)
	}
}

// Rule 7: no number is used twice for other records.

// The halves of a batch keep its numbers. If one of them is taken back or given
// up, the numbers that are left over are not used for others.
func TestRule07HalvesKeepTheirNumbers(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	list := s.batch(4)
	s.code(s.must(0, 1), 10)
	a := s.must(0, 1)
	if h, values := s.numbers(a); h.BaseSequence != 1 || len(values) != 2 {
		t.Fatalf("%+v %q", h, values)
	}
	s.ok(a, 1)
	b := s.must(0, 1)
	if h, values := s.numbers(b); h.BaseSequence != 3 || len(values) != 2 {
		t.Fatalf("%+v %q", h, values)
	}
	s.ok(b, 3)
	s.acked(list...)
	for i, n := range list {
		if r := s.outcome(n); r.BaseOffset+int64(n.index[0]) != int64(1+i) {
			t.Fatalf("message %d is said to be at %d", n.id, r.BaseOffset+int64(n.index[0]))
		}
	}
	s.empty()
}

func TestRule07HalvesTakenBackLeaveNoNumbers(t *testing.T) {
	gone := map[string]func(s *scripted, list []*note){
		"one record withdrawn": func(s *scripted, list []*note) { s.lane.Withdraw(list[0]) },
		"a half withdrawn":     func(s *scripted, list []*note) { s.lane.Withdraw(list[0]); s.lane.Withdraw(list[1]) },
		"dropped":              func(s *scripted, _ []*note) { s.lane.DropOldest(errors.New("full")) },
		"failed":               func(s *scripted, _ []*note) { s.lane.FailWaiting(0, errors.New("failed")) },
	}
	for name, take := range gone {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, nil)
			s.confirm(0, 1)
			list := s.batch(4)
			a := s.must(0, 1)
			used := newNumbers(t)
			used.note(s, a)
			s.code(a, 10)
			take(s, list)
			last := s.batch(1)
			for last[0].outcomes == nil {
				a := s.must(0, 1)
				used.note(s, a)
				if h, _ := s.numbers(a); h.ProducerID == 1 {
					t.Fatalf("sent under the old chain: %+v", h)
				}
				s.ok(a, 9)
			}
			s.acked(last...)
		})
	}
}

// numbers remembers which records each sequence number of an id was sent with.
type numbers struct {
	t    failer
	sent map[string]string
}

func newNumbers(t failer) *numbers { return &numbers{t, map[string]string{}} }

func (u *numbers) note(s *scripted, a *Attempt) {
	u.t.Helper()
	h, values := s.numbers(a)
	if h.ProducerID != a.Batch.ProducerID || h.BaseSequence != a.Batch.Sequence {
		u.t.Fatalf("the header says id %d, sequence %d; the lane %d, %d", h.ProducerID, h.BaseSequence, a.Batch.ProducerID, a.Batch.Sequence)
	}
	for i, v := range values {
		at := fmt.Sprintf("id %d epoch %d sequence %d", h.ProducerID, h.ProducerEpoch, advance(h.BaseSequence, i))
		if was, ok := u.sent[at]; ok && was != v {
			u.t.Fatalf("%s was sent with %q and is sent with %q", at, was, v)
		}
		u.sent[at] = v
	}
}

// Sequence numbers wrap from 2^31-1 to 0.
func TestRule07NumbersWrap(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	s.lane.chain.next = 1<<31 - 2
	list := s.batch(5)
	next := s.batch(1)
	a := s.must(0, 1)
	if h, _ := s.numbers(a); h.BaseSequence != 1<<31-2 || h.LastSequence() != 2 {
		t.Fatalf("%+v", h)
	}
	b := s.must(0, 1)
	if h, _ := s.numbers(b); h.BaseSequence != 3 {
		t.Fatalf("%+v", h)
	}
	s.cut(a)
	s.cut(b)
	s.code(s.must(0, 2), 45)
	s.code(s.must(0, 2), 45)
	s.settle(Finding{Found: true, Since: s.questions[0].First, Through: 3})
	s.acked(append(list, next...)...)
	s.empty()
	for _, c := range []struct {
		a, b   int32
		behind bool
	}{{1, 0, true}, {0, 1, false}, {3, 3, false}, {0, 1<<31 - 1, true}, {1<<31 - 1, 0, false}} {
		if Behind(c.a, c.b) != c.behind {
			t.Errorf("Behind(%d, %d) is %v", c.a, c.b, !c.behind)
		}
	}
}

// Rule 13: one bad record must not fail its neighbours.

func TestRule13NamedRecordsFailAlone(t *testing.T) {
	for _, code := range []int16{87, 32} {
		s := newScript(t, nil)
		s.confirm(0, 1)
		list := s.batch(5)
		used := newNumbers(t)
		a := s.must(0, 1)
		used.note(s, a)
		s.code(a, code, BadRecord{Index: 1, Message: "too odd"}, BadRecord{Index: 3}, BadRecord{Index: 99})
		for _, i := range []int{1, 3} {
			if r := s.outcome(list[i]); r.Code != code || r.MaybeWritten || r.Err == nil {
				t.Fatalf("message %d: %+v", i, r)
			}
		}
		b := s.must(0, 1)
		used.note(s, b)
		if _, values := s.numbers(b); len(values) != 3 {
			t.Fatalf("%q", values)
		}
		s.ok(b, 1)
		for i, n := range []*note{list[0], list[2], list[4]} {
			s.acked(n)
			if n.index[0] != int32(i) {
				t.Fatalf("message %d is at index %d of its batch", n.id, n.index[0])
			}
		}
		s.empty()
	}
}

// Brokers before Produce v8 name no record: the batch is halved until one is left to blame.
func TestRule13UnnamedRecordsAreFoundByHalving(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	list := s.batch(7)
	poison := fmt.Sprint("message ", list[4].id)
	used := newNumbers(t)
	for range 40 {
		if s.lane.queue.len() == 0 {
			break
		}
		a := s.must(0, 1)
		used.note(s, a)
		_, values := s.numbers(a)
		bad := false
		for _, v := range values {
			bad = bad || v == poison
		}
		if bad {
			s.code(a, 87)
		} else {
			s.ok(a, 5)
		}
	}
	for i, n := range list {
		if r := s.outcome(n); (r.Err != nil) != (i == 4) {
			t.Fatalf("message %d: %+v", i, r)
		}
	}
	s.empty()
}

// Without ids one batch is in flight, else a retry would reorder.
func TestRule13WithoutIDsOneInFlight(t *testing.T) {
	s := newScript(t, func(c *Config) { c.Idempotent, c.Acks = false, 1 })
	list := append(s.batch(1), s.batch(1)...)
	for i := range 2 {
		a := s.must(0, 1)
		if h, _ := s.numbers(a); h.ProducerID != -1 || h.BaseSequence != -1 {
			t.Fatalf("%+v", h)
		}
		s.none(0, 1)
		s.code(a, 6)
		again := s.must(0, 1)
		if again.Batch != a.Batch {
			t.Fatal("another batch overtakes")
		}
		s.none(0, 1)
		s.ok(again, int64(i))
	}
	s.acked(list...)
	s.empty()
}

// A single record that is too large fails; a larger batch is halved.
func TestRule13TooLargeSingleRecordFails(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	list := s.batch(2)
	s.code(s.must(0, 1), 10)
	a := s.must(0, 1)
	s.code(a, 10)
	if r := s.outcome(list[0]); r.Code != 10 || r.MaybeWritten {
		t.Fatalf("%+v", r)
	}
	s.ok(s.must(0, 1), 1)
	s.acked(list[1])
	if s.lane.Stats().Splits != 1 {
		t.Fatalf("%d splits", s.lane.Stats().Splits)
	}
	s.empty()
}

// Rule 9: a leader that cannot read the codec gets the raw records, under the same numbers.
func TestRule09UnreadableCodecGoesRaw(t *testing.T) {
	s := newScript(t, func(c *Config) { c.Codec = batch.Zstd })
	s.confirm(0, 1)
	list := s.batch(200)
	a := s.must(0, 1)
	if a.Batch.Codec() != batch.Zstd {
		t.Fatal("not compressed")
	}
	used := newNumbers(t)
	used.note(s, a)
	s.code(a, 76)
	b := s.must(0, 1)
	used.note(s, b)
	if h, values := s.numbers(b); h.Codec() != batch.None || len(values) != 200 || h.BaseSequence != 1 || s.fresh != 0 {
		t.Fatalf("%+v, %d values", h, len(values))
	}
	s.ok(b, 1)
	s.acked(list...)
	s.empty()
}

// The id was forgotten, and the answer to the batch behind is lost: the new chain
// waits for that one, which waits behind the chain. The log is asked.
func TestRule05ChainAndUndecidedDoNotWaitForEachOther(t *testing.T) {
	for _, code := range []int16{59, 87} {
		for _, written := range []bool{false, true} {
			s := newScript(t, nil)
			s.confirm(0, 1)
			first, second := s.batch(2), s.batch(1)
			a, b := s.must(0, 1), s.must(0, 1)
			s.code(a, code, BadRecord{Index: 0})
			s.cut(b)
			s.none(0, 2)
			if len(s.questions) != 1 || !s.questions[0].Gap {
				t.Fatalf("code %d: asked %+v: %s", code, s.questions, s.describe())
			}
			s.settle(Finding{Found: written, Through: 3})
			for end := int64(5); s.lane.queue.len() > 0; end += 5 {
				s.ok(s.must(0, 2), end)
			}
			s.acked(first[1], second[0])
			if s.eventsOf(EventDataLoss) != 0 {
				t.Fatal("a loss is told")
			}
			s.empty()
		}
	}
}

// A batch was refused although the one behind it was taken: a leader without
// state. Its number can never be right again.
func TestRule05RefusedBeforeAnAcceptedOne(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	list := append(s.batch(1), s.batch(1)...)
	a, b := s.must(0, 1), s.must(0, 1)
	was := a.Batch.ProducerID
	s.code(a, 19)
	s.ok(b, 1)
	again := s.must(0, 1)
	if h, _ := s.numbers(again); h.ProducerID == was || h.BaseSequence != 0 {
		t.Fatalf("%+v", h)
	}
	s.ok(again, 2)
	s.acked(list...)
	s.empty()
}

// Without an id there is nothing to take. The connection is made all the same: else
// nobody would find out that the leader cannot be reached either, and the topic would
// count as ready.
func TestWithoutAnIDTheLeaderIsLookedFor(t *testing.T) {
	s := withoutID(t)
	s.batch(1)
	if e := s.senders[0]; e.ready || !e.warmed {
		t.Errorf("without an id the sender is told that there is something (%v), or not to connect (%v)", e.ready, e.warmed)
	}
}
