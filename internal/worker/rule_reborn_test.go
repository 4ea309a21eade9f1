package worker

import (
	"errors"
	"testing"
)

// IDENTITY.md 12, rule 10: a topic is deleted and created again. What was sent may be
// in either log.

// A lane with nothing under way begins anew.
func TestRule05RebornUsesFreshIDs(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	was := s.lane.chain.id
	s.lane.Reborn()
	list := s.batch(1)
	a := s.must(0, 1)
	if h, _ := s.numbers(a); h.ProducerID == was.Producer || h.BaseSequence != 0 {
		t.Fatalf("%+v", h)
	}
	s.ok(a, 0)
	s.acked(list...)
	s.empty()
}

// Answers that are under way count, and nothing else is sent before them. In which
// log the offset is nobody knows.
func TestRule05RebornAwaitsAnswers(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	list := s.batch(1)
	list = append(list, s.batch(1)...)
	a, b := s.must(0, 1), s.must(0, 1)
	s.lane.Reborn()
	later := s.batch(1)
	s.ok(a, 500)
	s.none(0, 1)
	s.ok(b, 501)
	s.acked(list...)
	if r := s.outcome(list[0]); r.BaseOffset != -1 || s.lane.ackedEnd != -1 || s.lane.confirmed != 0 {
		t.Fatalf("%+v, %s", r, s.describe())
	}
	s.ok(s.must(0, 1), 0)
	s.acked(later...)
	s.empty()
}

// An attempt without an answer may be in the new log: by its numbers, and by no
// others, the new leader knows it again.
func TestRule05RebornKeepsNumbers(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	list := s.batch(1)
	a := s.must(0, 1)
	was, _ := s.numbers(a)
	later := s.batch(1)
	s.lane.Reborn()
	s.cut(a)
	b := s.must(0, 2)
	if h, _ := s.numbers(b); h.ProducerID != was.ProducerID || h.BaseSequence != was.BaseSequence {
		t.Fatalf("%+v, before %+v", h, was)
	}
	s.ok(b, 0)
	s.ok(s.must(0, 2), 1)
	s.acked(append(list, later...)...)
	if n := s.eventsOf(EventDataLoss); n != 0 {
		t.Fatalf("%d losses are told", n)
	}
	s.empty()
}

// rebornWithAGap is a lane whose topic was created again between the second and the
// third of five batches in flight, of which no OK came. The new log holds the last three.
func rebornWithAGap(t *testing.T) (s *scripted, list []*note) {
	s, list = fiveCut(t)
	s.lane.Reborn()
	s.code(s.must(0, 2), 45)
	if len(s.questions) != 1 || s.questions[0].From != 0 || !s.questions[0].Gap {
		t.Fatalf("asked %+v: %s", s.questions, s.describe())
	}
	s.pending(list...)
	return s, list
}

// The new log begins with any number of the producer: that a later one is there
// says nothing of those before it.
func TestRule05RebornReadsWhereTheLogBegins(t *testing.T) {
	s, list := rebornWithAGap(t)
	was := s.questions[0].ID
	s.settle(Finding{Found: true, Since: 3, Through: 5})
	s.pending(list[:2]...)
	for i := range 2 {
		a := s.must(0, 2)
		if h, _ := s.numbers(a); h.ProducerID == was.Producer || h.BaseSequence != int32(i) {
			t.Fatalf("%+v", h)
		}
		s.ok(a, int64(3+i))
	}
	s.acked(list...)
	if n := s.eventsOf(EventDataLoss); n != 0 {
		t.Fatalf("%d losses are told", n)
	}
	s.empty()
}

// Where the new log was cut already, nobody can tell.
func TestRule05RebornIntoALogThatWasCut(t *testing.T) {
	s, list := rebornWithAGap(t)
	s.settle(Finding{Found: true, Since: 3, Through: 5, Cut: true, Err: errors.New("cut")})
	s.acked(list[2:]...)
	for _, n := range list[:2] {
		if r := s.outcome(n); r.Err == nil || !r.MaybeWritten {
			t.Fatalf("%+v", r)
		}
	}
	if n := s.eventsOf(EventUndecidable); n != 2 {
		t.Fatalf("%d events", n)
	}
	s.empty()
}

// An OK behind answers of OUT_OF_ORDER from before proves nothing for them.
func TestRule05RebornForgetsWhatWasOutOfOrder(t *testing.T) {
	s, list := fiveCut(t)
	s.code(s.must(0, 2), 45)
	s.code(s.must(0, 2), 45)
	s.lane.Reborn()
	for i := range Window {
		s.pending(list[i:]...)
		s.ok(s.must(0, 2), int64(i))
	}
	s.acked(list...)
	s.empty()
}
