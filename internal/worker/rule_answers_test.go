package worker

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// Rule 1: an error answer is no proof of "not written".

func TestRule01ErrorIsNoProof(t *testing.T) {
	// What a broker answers before it looks for duplicates, and before it appends,
	// proves something about the only attempt of a batch. Nothing else does.
	proofs := map[int16]bool{
		2: true, 10: true, 17: true, 18: true, 19: true, 21: true, 29: true, 32: true, 35: true,
		43: true, 44: true, 76: true, 87: true, 100: true,
		// Checked before the append as well, and dealt with by rules 2, 3 and 5:
		45: true, 47: true, 49: true, 59: true, 90: true, 103: true,
	}
	for code := int16(-1); code < 130; code++ {
		if got := RulingOf(code).Proof; got != proofs[code] {
			t.Errorf("code %d: proof %v, want %v", code, got, proofs[code])
		}
	}
}

func TestRule01UnresolvedIsSentAgainUnchanged(t *testing.T) {
	for _, code := range []int16{3, 6, 7, 20, 56, -1, 13} {
		s := newScript(t, nil)
		list := s.batch(3)
		a := s.must(0, 1)
		first, b := wire(a), a.Batch
		s.code(a, code)
		if b.State != batch.Unresolved {
			t.Fatalf("after code %d the batch is %v", code, b.State)
		}
		if w := s.lane.Withdraw(list[0]); len(w.Withdrawn) != 0 || w.OnTheWire != 1 {
			t.Fatalf("after code %d: %+v", code, w)
		}
		if s.lane.DropOldest(errors.New("full")) {
			t.Fatalf("after code %d the batch was dropped", code)
		}
		again := s.must(0, 1)
		if string(wire(again)) != string(first) {
			t.Fatalf("after code %d other bytes are sent", code)
		}
		s.ok(again, 0)
		s.acked(list[1:]...)
		if s.bytes.Used() != 0 {
			t.Fatalf("%d bytes are still charged", s.bytes.Used())
		}
	}
}

// A batch whose first attempt may have been written is refused for good when it
// is sent again: the log is asked before anything is said.
func TestRule01RefusedAfterUnknownAsksTheLog(t *testing.T) {
	for _, code := range []int16{10, 17, 18, 29, 32, 44, 87, 47, 59} {
		for _, written := range []bool{true, false} {
			s := newScript(t, nil)
			list := s.batch(1)
			s.cut(s.must(0, 1))
			s.code(s.must(0, 2), code)
			s.pending(list...)
			if len(s.questions) != 1 || s.questions[0].Reason != DoubtRefused {
				t.Fatalf("code %d: asked %+v", code, s.questions)
			}
			s.none(0, 2)
			q := s.questions[0]
			s.settle(Finding{Found: written, Through: q.Last})
			switch {
			case written:
				s.acked(list...)
			case RulingOf(code).Verdict == Forgotten:
				s.ok(s.must(0, 2), 0)
				s.acked(list...)
			default:
				if r := s.outcome(list[0]); r.Err == nil || r.MaybeWritten || r.Code != code {
					t.Fatalf("code %d: %+v", code, r)
				}
			}
			s.empty()
		}
	}
}

// Without an answer to the question the outcome says MaybeWritten.
func TestRule01UndecidableSaysSo(t *testing.T) {
	s := newScript(t, nil)
	list := s.batch(1)
	s.cut(s.must(0, 1))
	s.code(s.must(0, 2), 10)
	s.settle(Finding{Undecidable: true, Err: errors.New("not permitted")})
	if r := s.outcome(list[0]); r.Err == nil || !r.MaybeWritten {
		t.Fatalf("%+v", r)
	}
	if s.eventsOf(EventUndecidable) != 1 {
		t.Fatal("no event")
	}
	s.empty()
}

// A broker that stumbles over a batch each time must not hold the lane for ever.
func TestRule01UnknownErrorsEnd(t *testing.T) {
	s := newScript(t, nil)
	list := s.batch(1)
	for range unknownLimit {
		s.code(s.must(0, 1), -1)
	}
	if r := s.outcome(list[0]); r.Err == nil || !r.MaybeWritten {
		t.Fatalf("%+v", r)
	}
	s.ok(mustAfter(s, s.batch(1)), 5)
	s.empty()
}

func mustAfter(s *scripted, _ []*note) *Attempt { return s.must(0, 1) }

// Two batches were cut off, the first is refused for one of its records when it
// is sent again, and nothing of either is in the log. Both must go on.
func TestRule01SettledBatchesGoOnBehindABadRecord(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	first, second := s.batch(3), s.batch(2)
	a, b := s.must(0, 1), s.must(0, 1)
	s.cut(a)
	s.cut(b)
	s.code(s.must(0, 2), 87, BadRecord{Index: 1})
	s.settle(Finding{})
	if r := s.outcome(first[1]); r.Code != 87 || r.MaybeWritten {
		t.Fatalf("%+v", r)
	}
	s.ok(s.must(0, 2), 1)
	s.ok(s.must(0, 2), 3)
	s.acked(first[0], first[2], second[0], second[1])
	s.empty()
}

// Two batches of a window that was cut off are refused when they are sent again,
// each for a record of its own. Only those two records may fail.
func TestRule13EachBatchFailsItsOwnRecords(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	first, second, third := s.batch(1), s.batch(4), s.batch(4)
	a, b, c := s.must(0, 1), s.must(0, 1), s.must(0, 1)
	s.cut(a)
	s.cut(b)
	s.cut(c)
	s.ok(s.must(0, 2), 1)
	b, c = s.must(0, 2), s.must(0, 2)
	s.code(b, 87, BadRecord{Index: 3, Message: "of the second"})
	s.code(c, 87, BadRecord{Index: 0, Message: "of the third"})
	s.settle(Finding{})
	s.ok(s.must(0, 2), 2)
	s.ok(s.must(0, 2), 5)
	s.acked(first...)
	s.acked(second[:3]...)
	s.acked(third[1:]...)
	for n, want := range map[*note]string{second[3]: "of the second", third[0]: "of the third"} {
		if r := s.outcome(n); r.Code != 87 || r.MaybeWritten || !strings.Contains(r.Err.Error(), want) {
			t.Errorf("message %d: %+v, want an error that says %q", n.id, r, want)
		}
	}
	s.empty()
}

// One batch of the window is refused and the other's answer is lost once more:
// nobody can tell of either. What is known of the one says nothing of the other.
func TestRule01ARefusalIsOfItsBatchAlone(t *testing.T) {
	for _, resend := range []bool{false, true} {
		s := newScript(t, func(c *Config) { c.ResendUndecided = resend })
		s.confirm(0, 1)
		first, second, third := s.batch(1), s.batch(1), s.batch(1)
		a, b, c := s.must(0, 1), s.must(0, 1), s.must(0, 1)
		s.cut(a)
		s.cut(b)
		s.cut(c)
		s.ok(s.must(0, 2), 1)
		b, c = s.must(0, 2), s.must(0, 2)
		s.code(b, 10)
		s.cut(c)
		s.settle(Finding{Undecidable: true, Err: errors.New("not permitted")})
		if r := s.outcome(second[0]); r.Code != 10 || !r.MaybeWritten {
			t.Errorf("the refused one: %+v", r)
		}
		if resend { // that one would be refused again, this one need not be
			s.ok(s.must(0, 3), 2)
			s.acked(third...)
		} else if r := s.outcome(third[0]); r.Code != 0 || !r.MaybeWritten {
			t.Errorf("the other one: %+v", r)
		}
		s.acked(first...)
		s.empty()
	}
}

// Rule 2: one in flight until confirmed, then five.

func TestRule02OneInFlightUntilConfirmed(t *testing.T) {
	s := newScript(t, nil)
	for range 8 {
		s.batch(1)
	}
	a := s.must(0, 1)
	s.none(0, 1)
	s.ok(a, 0)
	var attempts []*Attempt
	for range Window {
		attempts = append(attempts, s.must(0, 1))
	}
	s.none(0, 1)
	for i, a := range attempts {
		s.ok(a, int64(i+1))
	}
	s.ok(s.must(0, 1), 6)
	s.ok(s.must(0, 1), 7)
	s.empty()
}

// The window is counted from the oldest unresolved batch, not by answers.
func TestRule02WindowCountsFromTheOldest(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	for range 7 {
		s.batch(1)
	}
	var attempts []*Attempt
	for range Window {
		attempts = append(attempts, s.must(0, 1))
	}
	for _, a := range attempts[1:] {
		s.ok(a, 9) // the head has no answer yet
	}
	s.none(0, 1)
	s.ok(attempts[0], 1)
	s.ok(s.must(0, 1), 10)
	s.ok(s.must(0, 1), 11)
	s.empty()
}

func TestRule02WhatEndsConfirmation(t *testing.T) {
	cases := map[string]func(t *testing.T, s *scripted) (broker int32, connection uint64){
		"another connection": func(*testing.T, *scripted) (int32, uint64) { return 0, 2 },
		"an error answer": func(t *testing.T, s *scripted) (int32, uint64) {
			a := s.must(0, 1)
			s.code(a, 7)
			return 0, 1
		},
		"another leader": func(t *testing.T, s *scripted) (int32, uint64) {
			s.partition.SetLeader(1, 2)
			return 1, 1
		},
		"another leader epoch": func(t *testing.T, s *scripted) (int32, uint64) {
			s.partition.SetLeader(0, 2)
			return 0, 1
		},
	}
	for name, end := range cases {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, nil)
			s.confirm(0, 1)
			for range 3 {
				s.batch(1)
			}
			broker, connection := end(t, s)
			a := s.must(broker, connection)
			s.none(broker, connection)
			s.ok(a, 1)
			s.ok(s.must(broker, connection), 2)
			s.ok(s.must(broker, connection), 3)
			s.empty()
		})
	}
}

// An OK that was under way when the leader epoch changed says nothing of the new one.
func TestRule02LateOKDoesNotConfirmANewEpoch(t *testing.T) {
	s := newScript(t, nil)
	for range 4 {
		s.batch(1)
	}
	a := s.must(0, 1)
	s.partition.SetLeader(0, 2)
	s.ok(a, 0)
	b := s.must(0, 1)
	s.none(0, 1)
	s.ok(b, 1)
	s.ok(s.must(0, 1), 2)
	s.ok(s.must(0, 1), 3)
	s.empty()
}

// The state expires on a living connection: OK, OUT_OF_ORDER, OK. The OK behind
// the error answers an attempt that was sent before it, and confirms nothing.
func TestRule02OKBehindAnErrorDoesNotConfirm(t *testing.T) {
	s := newScript(t, nil)
	s.confirm(0, 1)
	for range 6 {
		s.batch(1)
	}
	a, b, c := s.must(0, 1), s.must(0, 1), s.must(0, 1)
	s.ok(a, 1)
	s.code(b, 45)
	s.ok(c, 2)
	s.settle(Finding{})
	d := s.must(0, 1)
	s.none(0, 1)
	if d.Batch != b.Batch {
		t.Fatalf("batch %d is sent", d.Batch.Ordinal)
	}
	s.ok(d, 3)
	for range 3 {
		s.ok(s.must(0, 1), 4)
	}
	s.empty()
}

// Old records end it too: brokers count the life of an id from the records' timestamps.
func TestRule02OldRecordsAreSentAlone(t *testing.T) {
	s := newScript(t, nil)
	s.putAt(time.Now().Add(-13*time.Hour), 3)
	s.ok(s.must(0, 1), 0)
	a := s.must(0, 1)
	s.none(0, 1)
	s.ok(a, 1)
	s.ok(s.must(0, 1), 2)
	s.empty()
}

// putAt makes n batches of one record with a timestamp each.
func (s *scripted) putAt(when time.Time, n int) (list []*note) {
	for range n {
		s.begin()
		note := &note{id: len(s.notes)}
		s.notes = append(s.notes, note)
		m := batch.Message{Value: []byte("old"), Time: when.UnixMilli(), Timed: true}
		if full := s.lane.Put(&m, note, 0); full != nil {
			s.t.Fatalf("no room in %s", full.Name)
		}
		s.lane.Commit(true)
		s.lane.Mark()
		list = append(list, note)
	}
	return list
}

// Before old records are sent again the state is looked at, each time.
func TestRule02OldRecordsAreAskedAboutBeforeEachResend(t *testing.T) {
	s := newScript(t, nil)
	list := s.putAt(time.Now().Add(-13*time.Hour), 1)
	s.cut(s.must(0, 1))
	for i, code := range []int16{6, 7, 20} {
		s.none(0, 2)
		if len(s.questions) != i+1 || s.questions[i].Reason != DoubtOld {
			t.Fatalf("asked %+v", s.questions)
		}
		s.settle(Finding{Alive: true})
		s.code(s.must(0, 2), code)
	}
	s.none(0, 2)
	if len(s.questions) != 4 {
		t.Fatalf("asked %d times", len(s.questions))
	}
	s.settle(Finding{Found: true, Through: 0})
	s.acked(list...)
	s.empty()
}

// Not alive and not in the log: it goes out under a fresh id.
func TestRule02ForgottenOldRecordsGetAFreshID(t *testing.T) {
	s := newScript(t, nil)
	list := s.putAt(time.Now().Add(-13*time.Hour), 2)
	a := s.must(0, 1)
	was := a.Batch.ProducerID
	s.cut(a)
	s.none(0, 2)
	s.settle(Finding{})
	b := s.must(0, 2)
	if b.Batch.ProducerID == was || b.Batch.Sequence != 0 {
		t.Fatalf("sent under id %d, sequence %d", b.Batch.ProducerID, b.Batch.Sequence)
	}
	s.ok(b, 0)
	s.ok(s.must(0, 2), 1)
	s.acked(list...)
	s.empty()
}

// "OUT_OF_ORDER, then OK" after a restart: the prefix is written.
func TestRule02OutOfOrderPrefixIsWritten(t *testing.T) {
	s, list := fiveCut(t)
	for range 3 {
		s.code(s.must(0, 2), 45)
	}
	s.pending(list...)
	s.ok(s.must(0, 2), 4)
	for _, n := range list[:4] {
		s.acked(n)
	}
	s.ok(s.must(0, 2), 5)
	s.acked(list...)
	if len(s.questions) != 0 {
		t.Fatalf("asked %+v", s.questions)
	}
	s.empty()
}

// fiveCut is a confirmed lane whose five batches in flight were cut off.
func fiveCut(t failer) (s *scripted, list []*note) {
	s = newScript(t, nil)
	s.confirm(0, 1)
	for range Window {
		list = append(list, s.batch(1)...)
	}
	var attempts []*Attempt
	for range Window {
		attempts = append(attempts, s.must(0, 1))
	}
	for _, a := range attempts {
		s.cut(a)
	}
	return s, list
}

// The prefix counts only if no other error came between, and on one connection
// to one leader: a leader without state takes any number, and its OK would turn
// what another one said into "written".
func TestRule02OutOfOrderDoesNotOutliveItsConnection(t *testing.T) {
	ends := map[string]func(s *scripted) (broker int32, connection uint64){
		"an error": func(s *scripted) (int32, uint64) {
			s.code(s.must(0, 2), 6)
			return 0, 2
		},
		"an error and another leader": func(s *scripted) (int32, uint64) {
			s.code(s.must(0, 2), 6)
			s.partition.SetLeader(1, 2)
			return 1, 7
		},
		"a cut": func(s *scripted) (int32, uint64) {
			s.cut(s.must(0, 2))
			return 0, 3
		},
		"another connection":   func(*scripted) (int32, uint64) { return 0, 3 },
		"another leader":       func(s *scripted) (int32, uint64) { s.partition.SetLeader(1, 2); return 1, 7 },
		"another leader epoch": func(s *scripted) (int32, uint64) { s.partition.SetLeader(0, 2); return 0, 2 },
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			s, list := fiveCut(t)
			s.code(s.must(0, 2), 45)
			s.code(s.must(0, 2), 45)
			broker, connection := end(s)
			a := s.must(broker, connection)
			if h, _ := s.numbers(a); h.BaseSequence != 1 {
				t.Fatalf("sequence %d is sent, not the first: %s", h.BaseSequence, s.describe())
			}
			s.ok(a, 1)
			for range 4 {
				s.ok(s.must(broker, connection), 2)
			}
			s.acked(list...)
			s.empty()
		})
	}
}

// An error of one batch and OUT_OF_ORDER of the next, in one round: both are
// sent again, in order.
func TestRule02OutOfOrderBehindAnError(t *testing.T) {
	s, list := fiveCut(t)
	s.ok(s.must(0, 2), 1)
	b, c := s.must(0, 2), s.must(0, 2)
	s.code(b, 7)
	s.code(c, 45)
	again := s.must(0, 2)
	if again.Batch != b.Batch {
		t.Fatalf("batch %d is sent", again.Batch.Ordinal)
	}
	s.ok(again, 2)
	again = s.must(0, 2)
	if again.Batch != c.Batch {
		t.Fatalf("batch %d is sent", again.Batch.Ordinal)
	}
	s.ok(again, 3)
	s.ok(s.must(0, 2), 4)
	s.ok(s.must(0, 2), 5)
	s.acked(list...)
	s.empty()
}
