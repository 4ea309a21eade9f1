package worker

import (
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
)

func (s *scripted) notSent(a *Attempt) {
	s.lane.Answered(a, Answer{Err: errCut, NotSent: true}, time.Now())
}

// Rule 1: a batch of which no byte was given to write is as if it was never tried,
// however often that happens: its callers can still take it back.
func TestRule01NeverWrittenIsNeverTried(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	first, second := s.batch(1), s.batch(1)
	for range 3 {
		a := s.must(0, 1)
		s.notSent(a)
	}
	if w := s.lane.Withdraw(first[0]); len(w.Withdrawn) != 1 || w.OnTheWire != 0 {
		t.Fatalf("%+v: %s", w, s.describe())
	}
	a := s.must(0, 1)
	if _, values := s.numbers(a); len(values) != 1 || a.Batch.ProducerID == 1 {
		t.Fatalf("the numbers of a message taken back are used for %q", values)
	}
	s.ok(a, 1)
	s.acked(second...)
}

// What stands behind a message taken back waits for a new chain, and that one for
// what is in flight: the lane asks for no take before its answer, and for one then.
func TestRule05ATakenBackNumberIsWaitedFor(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	first, second, third := s.batch(1), s.batch(1), s.batch(1)
	for _, a := range []*Attempt{s.must(0, 1), s.must(0, 1), s.must(0, 1)} {
		s.notSent(a)
	}
	s.ok(s.must(0, 2), 1)
	inFlight := s.must(0, 2)
	if w := s.lane.Withdraw(third[0]); len(w.Withdrawn) != 1 {
		t.Fatalf("%+v: %s", w, s.describe())
	}
	later := s.batch(1)
	e := s.senders[0]
	for takes := 0; e.ready || e.idle; takes++ {
		idle := !e.ready
		e.ready, e.idle = false, false
		if _, ok, again, _ := s.lane.Take(e, 2, idle, idle, time.Now(), 1<<30); ok || again || takes > 1 {
			t.Fatalf("taken %v, again %v, %d takes: %s", ok, again, takes+1, s.describe())
		}
	}
	s.ok(inFlight, 2)
	a := s.must(0, 2)
	if a.Batch.ProducerID == 1 {
		t.Fatalf("the number of a message taken back is used: %s", s.describe())
	}
	s.ok(a, 3)
	s.acked(first[0], second[0], later[0])
}

// The same where the leader moves between the take and the write that fails.
func TestRule01NeverWrittenAsTheLeaderMoves(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	notes := s.batch(1)
	a := s.must(0, 1)
	s.partition.SetLeader(1, 2)
	s.notSent(a)
	if w := s.lane.Withdraw(notes[0]); len(w.Withdrawn) != 1 || w.OnTheWire != 0 {
		t.Fatalf("%+v: %s", w, s.describe())
	}
	s.none(1, 2)
	if held := s.bytes.Used(); held != 0 {
		t.Fatalf("%d bytes are held: %s", held, s.describe())
	}
}

// Rule 1: but one of which an earlier attempt may be written stays unresolved,
// although a later one was not: it is never cut, split or given other numbers.
func TestRule01UnsentResendStaysUnresolved(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	notes := s.batch(2)
	s.cut(s.must(0, 1))
	a := s.must(0, 2)
	s.notSent(a)
	if a.Batch.State != batch.Unresolved {
		t.Fatalf("the batch is %v after %s", a.Batch.State, s.describe())
	}
	if w := s.lane.Withdraw(notes[0]); len(w.Withdrawn) != 0 || w.OnTheWire != 1 {
		t.Fatalf("%+v", w)
	}
	s.partition.StopWith(ErrStopped)
	if r := s.outcome(notes[1]); !r.MaybeWritten {
		t.Fatalf("%+v", r)
	}
}

// A lane stands at most once in each of its sender's queues: a take out of one says
// nothing of the other.
func TestTakeLeavesTheOtherQueueAlone(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	s.put(1) // the lane stands in the idle queue
	s.lane.Mark()
	e := s.senders[0]
	if !e.idle || !e.ready || !s.lane.marks.idle || !s.lane.marks.ready {
		t.Fatalf("idle %v, ready %v, marks %+v", e.idle, e.ready, s.lane.marks)
	}
	a, ok, again, blocked := s.lane.Take(e, 1, true, false, time.Now(), 1<<30)
	if !ok || again || blocked || !s.lane.marks.idle || s.lane.marks.ready {
		t.Fatalf("took %v, again %v, blocked %v, marks %+v", ok, again, blocked, s.lane.marks)
	}
	a.Stamp()
	s.ok(&a, 1)
	s.batch(1) // ready again
	if _, ok, again, blocked = s.lane.Take(e, 1, true, true, time.Now(), 10); ok || again || !blocked {
		t.Fatalf("taken %v, again %v, blocked %v although it stands in the ready queue", ok, again, blocked)
	}
	if _, ok, again, blocked = s.lane.Take(e, 1, true, false, time.Now(), 10); ok || !again || !blocked || !s.lane.marks.ready {
		t.Fatalf("taken %v, again %v, blocked %v, marks %+v", ok, again, blocked, s.lane.marks)
	}
	// An old sender's queue says nothing of the new one's.
	s.partition.SetLeader(1, 2)
	before := s.lane.marks
	if _, ok, _, _ = s.lane.Take(e, 1, true, false, time.Now(), 1<<30); ok || s.lane.marks != before {
		t.Fatalf("taken %v, marks %+v, before %+v", ok, s.lane.marks, before)
	}
}

// Rule 4: in a topic that was deleted and created again, the log is read from its
// start: the offsets of the old one say nothing, and what lies before them is looked for.
func TestRule04RebornLaneForgetsItsOffsets(t *testing.T) {
	s := newScript(t, nil)
	s.batch(1)
	s.ok(s.must(0, 1), 500)
	s.lane.Reborn()
	s.batch(1)
	s.cut(s.must(0, 1))
	s.code(s.must(0, 2), 10)
	if len(s.questions) != 1 || s.questions[0].AckedEnd != -1 {
		t.Fatalf("%+v", s.questions)
	}
	s.settle(Finding{Found: true, Through: s.questions[0].Last})
	s.empty()
}

// Rule 5: a batch that is given up while it waits to be sent again leaves a gap: its
// number is not given to what follows, which begins a chain.
func TestRule05ExpiredAfterARefusalLeavesAGap(t *testing.T) {
	s := newScript(t, func(c *Config) { c.DeliveryTimeout = time.Hour })
	s.confirm(0, 1)
	first, second := s.batch(1), s.batch(1)
	a := s.must(0, 1)
	was := a.Batch.ProducerID
	s.code(a, 19) // refused, nothing written
	a.Batch.Opened = a.Batch.Opened.Add(-2 * time.Hour)
	s.lane.Expire(time.Now(), errCut)
	if r := s.outcome(first[0]); r.MaybeWritten || r.Err == nil {
		t.Fatalf("%+v", r)
	}
	next := s.must(0, 1)
	if h, _ := s.numbers(next); h.ProducerID == was || h.BaseSequence != 0 {
		t.Fatalf("what follows a gap goes on in its chain: %+v", h)
	}
	s.ok(next, 1)
	s.acked(second...)
	s.empty()
}

// Rule 1: a batch that was sent again although nobody could tell what became of it
// may be written, whatever its last answer proves.
func TestRule01ResentUndecidedMaybeWritten(t *testing.T) {
	s := newScript(t, func(c *Config) { c.ResendUndecided = true })
	s.confirm(0, 1)
	notes := s.batch(1)
	s.cut(s.must(0, 1))
	s.code(s.must(0, 2), 45)
	s.settle(Finding{Undecidable: true, Err: errCut})
	s.code(s.must(0, 2), 29) // refused: nothing of this attempt is written
	if r := s.outcome(notes[0]); r.Code != 29 || !r.MaybeWritten {
		t.Fatalf("%+v", r)
	}
	s.empty()
}
