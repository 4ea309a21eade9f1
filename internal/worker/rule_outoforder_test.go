package worker

import (
	"errors"
	"testing"
)

// Rule 3: OUT_OF_ORDER needs a way out.

func TestRule03AllOutOfOrderAsks(t *testing.T) {
	s, list := fiveCut(t)
	for range Window {
		s.code(s.must(0, 2), 45)
	}
	s.none(0, 2)
	if len(s.questions) != 1 || s.questions[0].Reason != DoubtGap {
		t.Fatalf("asked %+v", s.questions)
	}
	if q := s.questions[0]; q.First != 1 || q.Last != 5 || q.AckedEnd != 1 {
		t.Fatalf("asked %+v", q)
	}
	s.pending(list...)
	s.settle(Finding{Found: true, Through: 5})
	s.acked(list...)
	s.empty()
}

// The cluster lost what it had acked: an event says so, and the batches go out
// again, the same, under a fresh id.
func TestRule03LossIsToldAndAFreshChainBegins(t *testing.T) {
	s, list := fiveCut(t)
	was := s.lane.chain.id
	for range Window {
		s.code(s.must(0, 2), 45)
	}
	s.settle(Finding{Lost: true, Err: errors.New("the log is too short")})
	if s.eventsOf(EventDataLoss) != 1 {
		t.Fatal("no event")
	}
	for i := range Window {
		a := s.must(0, 2)
		h, values := s.numbers(a)
		if h.ProducerID == was.Producer || h.BaseSequence != int32(i) || len(values) != 1 || values[0] != "message "+string(rune('1'+i)) {
			t.Fatalf("%+v %q", h, values)
		}
		s.ok(a, int64(i))
	}
	s.acked(list...)
	s.empty()
}

// Behind a loss the log is shorter, and its offsets are given again: what is asked
// about later batches begins where the log ended then, or they would not be found,
// and be sent twice.
func TestRule03AfterALossTheLogIsShorter(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	s.batch(5)
	s.ok(s.must(0, 1), 100)
	list := s.batch(1)
	s.code(s.must(0, 1), 45)
	s.settle(Finding{Lost: true, LogEnd: 40, Err: errors.New("the log is too short")})
	s.ok(s.must(0, 1), 40)
	s.acked(list...)
	list = s.batch(1)
	s.cut(s.must(0, 1))
	s.code(s.must(0, 2), 45)
	if q := s.questions[len(s.questions)-1]; len(s.questions) != 2 || q.From != 41 || q.AckedEnd != 41 {
		t.Fatalf("asked %+v", s.questions)
	}
	s.settle(Finding{Found: true, Through: s.questions[1].Last})
	s.acked(list...)
	if n := s.eventsOf(EventDataLoss); n != 1 {
		t.Fatalf("the loss was told %d times", n)
	}
	s.empty()
}

// A leader that never heard of the id takes any number. That it lacks what another
// one acked shows in the offset that it gives.
func TestRule03LossShowsInTheOffset(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	s.batch(5)
	s.ok(s.must(0, 1), 100)
	s.partition.SetLeader(1, 2)
	for i, offset := range []int64{60, 61} {
		list := s.batch(1)
		s.ok(s.must(1, 2), offset)
		s.acked(list...)
		if n := s.eventsOf(EventDataLoss); n != 1 {
			t.Fatalf("after batch %d the loss was told %d times", i, n)
		}
	}
	list := s.batch(1)
	s.cut(s.must(1, 2))
	s.code(s.must(1, 3), 45)
	if len(s.questions) != 1 || s.questions[0].From != 62 {
		t.Fatalf("asked %+v", s.questions)
	}
	s.settle(Finding{Found: true, Through: s.questions[0].Last})
	s.acked(list...)
	s.empty()
}

// A broker that answers any offset, on a connection that stands, loses nothing by it.
func TestRule03OffsetsOfOneConnectionAreNoLoss(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	for range 3 {
		list := s.batch(1)
		s.ok(s.must(0, 1), 0)
		s.acked(list...)
	}
	if n := s.eventsOf(EventDataLoss); n != 0 {
		t.Fatalf("%d losses are told", n)
	}
	s.empty()
}

// Nobody may be asked: Hold sets the batches aside, and newer ones pass; Resend sends them again.
func TestRule03Undecidable(t *testing.T) {
	for _, resend := range []bool{false, true} {
		s, list := fiveCut(t)
		s.cfg.ResendUndecided = resend
		for range Window {
			s.code(s.must(0, 2), 45)
		}
		newer := s.batch(1)
		s.settle(Finding{Undecidable: true, Err: errors.New("not permitted")})
		if s.eventsOf(EventUndecidable) == 0 {
			t.Fatal("no event")
		}
		if resend {
			for range Window {
				s.ok(s.must(0, 2), 7)
			}
			s.acked(list...)
		}
		for _, n := range list {
			if r := s.outcome(n); !resend && (r.Err == nil || !r.MaybeWritten) {
				t.Fatalf("%+v", r)
			}
		}
		s.ok(s.must(0, 2), 12)
		s.acked(newer...)
		s.empty()
	}
}

// The only attempt of the head is out of order: a gap, that is asked about too.
func TestRule03GapAtTheHead(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	list := s.batch(1)
	s.code(s.must(0, 1), 45)
	if len(s.questions) != 1 || s.questions[0].Reason != DoubtGap {
		t.Fatalf("asked %+v", s.questions)
	}
	s.settle(Finding{Lost: true, Err: errors.New("lost")})
	a := s.must(0, 1)
	if h, _ := s.numbers(a); h.BaseSequence != 0 {
		t.Fatalf("%+v", h)
	}
	s.ok(a, 1)
	s.acked(list...)
	s.empty()
}

// The finding about the old log of a topic that was recreated meanwhile, with new
// doubts raised since, must not decide these.
func TestRule03FindingAnswersItsOwnQuestion(t *testing.T) {
	s, list := fiveCut(t)
	for range Window {
		s.code(s.must(0, 2), 45)
	}
	s.lane.Reborn()
	if s.lane.Asks(s.questions[0]) {
		t.Fatal("the old log is asked on")
	}
	s.partition.SetLeader(0, 1)
	s.cut(s.must(0, 3))
	s.code(s.must(0, 4), 10)
	if n := len(s.questions); n != 2 || s.questions[1].Reason != DoubtRefused {
		t.Fatalf("asked %+v", s.questions)
	}
	s.lane.Settle(s.questions[0], Finding{Found: true, Through: 5})
	s.pending(list...)
	s.settle(Finding{Found: true, Since: 1, Through: 1})
	s.acked(list[0])
	for range Window - 1 {
		s.ok(s.must(0, 4), 1)
	}
	s.acked(list...)
	s.empty()
}

// OUT_OF_ORDER in a pipelined round is no "OUT_OF_ORDER prefix": the OK behind it
// says nothing of it.
func TestRule02OutOfOrderInARoundIsNotWritten(t *testing.T) {
	s, list := fiveCut(t)
	s.ok(s.must(0, 2), 1)
	b, c := s.must(0, 2), s.must(0, 2)
	s.code(b, 45)
	s.ok(c, 3)
	s.pending(list[1:]...)
	s.code(s.must(0, 2), 45)
	if len(s.questions) != 1 || s.questions[0].First != 2 {
		t.Fatalf("asked %+v", s.questions)
	}
	// What is looked for lies in front of the one that was acked since.
	if s.questions[0].AckedEnd != 2 {
		t.Fatalf("asked from offset %d", s.questions[0].AckedEnd)
	}
	s.settle(Finding{Found: true, Through: 5})
	s.acked(list...)
	s.empty()
}
