package worker

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// Rule 12: withdrawal, only from a batch never tried; offsets of the others stay right.
func TestRule12WithdrawalMovesTheOthers(t *testing.T) {
	for _, closed := range []bool{false, true} {
		s := newScript(t, nil)
		list := s.put(5)
		if closed {
			s.lane.Mark()
		}
		for _, i := range []int{1, 4} {
			if w := s.lane.Withdraw(list[i]); len(w.Withdrawn) != 1 || w.OnTheWire != 0 {
				t.Fatalf("%+v", w)
			}
		}
		a := s.must(0, 1)
		_, values := s.numbers(a)
		if len(values) != 3 || values[0] != "message 0" || values[1] != "message 2" || values[2] != "message 3" {
			t.Fatalf("%q is sent", values)
		}
		s.ok(a, 10)
		for at, i := range []int{0, 2, 3} {
			s.acked(list[i])
			if list[i].index[0] != int32(at) {
				t.Fatalf("message %d is said to be record %d", i, list[i].index[0])
			}
		}
		s.pending(list[1], list[4])
		if s.bytes.Used() != 0 || s.messages.Used() != 0 {
			t.Fatalf("%d bytes, %d messages are charged", s.bytes.Used(), s.messages.Used())
		}
	}
}

func TestRule12WhatIsOnTheWireIsNotWithdrawn(t *testing.T) {
	s := newScript(t, nil)
	list := s.batch(2)
	a := s.must(0, 1)
	if w := s.lane.Withdraw(list[0]); len(w.Withdrawn) != 0 || w.OnTheWire != 1 {
		t.Fatalf("%+v", w)
	}
	s.cut(a)
	if w := s.lane.Withdraw(list[1]); len(w.Withdrawn) != 0 || w.OnTheWire != 1 {
		t.Fatalf("%+v", w)
	}
	b := s.must(0, 2)
	if _, values := s.numbers(b); len(values) != 2 {
		t.Fatalf("%q is sent", values)
	}
	s.ok(b, 0)
	s.pending(list...)
}

// With the leader away a batch stays open. Calls that give up one after another
// must not fill the buffer with nothing.
func TestRule12WithdrawnMessagesHoldNoPlace(t *testing.T) {
	s := newScript(t, nil)
	s.partition.SetLeader(-1, 2)
	for range 10 {
		n := s.put(1)
		s.lane.Withdraw(n[0])
		if s.bytes.Used() != 0 || s.messages.Used() != 0 {
			t.Fatalf("%d bytes, %d messages are charged", s.bytes.Used(), s.messages.Used())
		}
	}
	kept := s.put(1)
	for range 10 {
		n := s.put(1)
		s.lane.Withdraw(n[0])
	}
	if s.messages.Used() != 1 {
		t.Fatalf("%d messages are charged", s.messages.Used())
	}
	s.partition.SetLeader(0, 3)
	a := s.must(0, 1)
	if _, values := s.numbers(a); len(values) != 1 {
		t.Fatalf("%q is sent", values)
	}
	s.ok(a, 0)
	s.acked(kept...)
	if s.bytes.Used() != 0 || s.messages.Used() != 0 {
		t.Fatalf("%d bytes, %d messages are charged", s.bytes.Used(), s.messages.Used())
	}
}

// A caller gives up while MassageBuffer runs on its batch.
func TestRule12WithdrawalDuringMassage(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	s := newScript(t, func(c *Config) {
		c.Massage = func(in []batch.Message) []batch.Message {
			close(entered)
			<-leave
			return in
		}
	})
	s.held = true
	list := s.batch(2)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.runPool()
	}()
	<-entered
	if w := s.lane.Withdraw(list[0]); w.OnTheWire != 1 {
		t.Errorf("%+v", w)
	}
	close(leave)
	<-done
	s.ok(s.must(0, 1), 0)
	s.pending(list[0])
	s.acked(list[1])
	if s.bytes.Used() != 0 || s.messages.Used() != 0 {
		t.Fatalf("%d bytes, %d messages are charged", s.bytes.Used(), s.messages.Used())
	}
}

// A caller gives up while its batch is being compressed: not a byte was on the
// wire, and none will be.
func TestRule12WithdrawalDuringCompression(t *testing.T) {
	for _, all := range []bool{false, true} {
		s := newScript(t, func(c *Config) { c.Codec = batch.Gzip })
		s.held = true
		list := s.batch(30)
		gone := list[3:5]
		if all {
			gone = list
		}
		for _, n := range gone {
			if w := s.lane.Withdraw(n); len(w.Withdrawn) != 1 || w.OnTheWire != 0 {
				t.Fatalf("all %v: %+v", all, w)
			}
		}
		s.none(0, 1) // not before it is without them
		s.runPool()
		s.none(0, 1)
		s.runPool()
		later := s.batch(1)
		s.runPool()
		if !all {
			a := s.must(0, 1)
			if _, values := s.numbers(a); len(values) != 28 || values[2] != "message 2" || values[3] != "message 5" {
				t.Fatalf("%q is sent", values)
			}
			s.ok(a, 10)
			s.acked(list[2], list[5])
			if at := list[5].index[0]; at != 3 {
				t.Fatalf("message 5 is said to be record %d", at)
			}
		}
		a := s.must(0, 1)
		if h, _ := s.numbers(a); h.BaseSequence != int32(30-len(gone)) {
			t.Fatalf("all %v: the next batch has sequence %d", all, h.BaseSequence)
		}
		s.ok(a, 38)
		s.acked(later...)
		s.pending(gone...)
		if s.bytes.Used() != 0 || s.messages.Used() != 0 {
			t.Fatalf("all %v: %d bytes, %d messages are charged", all, s.bytes.Used(), s.messages.Used())
		}
	}
}

// What cannot be sent fails, also while its bytes are being compressed; they are
// freed when the pool is done with them.
func TestFailWaitingFailsWhatIsCompressed(t *testing.T) {
	s := newScript(t, func(c *Config) { c.Codec = batch.Gzip })
	s.held = true
	list := append(s.batch(30), s.batch(1)...)
	denied := errors.New("denied")
	s.lane.FailWaiting(31, denied)
	for _, n := range list {
		if r := s.outcome(n); r.Err != denied || r.Code != 31 || r.MaybeWritten {
			t.Fatalf("%+v", r)
		}
	}
	if s.bytes.Used() == 0 {
		t.Fatal("the bytes are given back while the pool reads them")
	}
	s.runPool()
	if s.released != 2 {
		t.Fatalf("%d batches were released", s.released)
	}
	s.empty()
}

// Rule 14: MassageBuffer is N to M.
func TestRule14MassageBuffer(t *testing.T) {
	double := func(in []batch.Message) []batch.Message { return append(in, in...) }
	upper := func(in []batch.Message) []batch.Message {
		for i := range in {
			in[i].Value = bytes.ToUpper(in[i].Value)
		}
		return in
	}
	none := func([]batch.Message) []batch.Message { return nil }
	t.Run("same number", func(t *testing.T) {
		s := newScript(t, func(c *Config) { c.Massage, c.Codec = upper, batch.Gzip })
		list := s.batch(30)
		a := s.must(0, 1)
		if _, values := s.numbers(a); len(values) != 30 || values[2] != "MESSAGE 2" {
			t.Fatalf("%q", values)
		}
		s.ok(a, 10)
		if r := s.outcome(list[2]); r.Shared || list[2].index[0] != 2 || r.BaseOffset != 10 {
			t.Fatalf("%+v", r)
		}
		s.empty()
	})
	t.Run("more", func(t *testing.T) {
		s := newScript(t, func(c *Config) { c.Massage = double })
		list := s.batch(3)
		a := s.must(0, 1)
		if h, values := s.numbers(a); len(values) != 6 || h.BaseSequence != 0 {
			t.Fatalf("%q", values)
		}
		s.ok(a, 10)
		for _, n := range list {
			if r := s.outcome(n); !r.Shared || n.index[0] != 0 || r.BaseOffset != 10 {
				t.Fatalf("%+v", r)
			}
		}
		next := s.batch(1)
		a = s.must(0, 1)
		if h, _ := s.numbers(a); h.BaseSequence != 6 {
			t.Fatalf("%+v", h)
		}
		s.ok(a, 16)
		s.acked(next...)
		s.empty()
	})
	t.Run("none", func(t *testing.T) {
		s := newScript(t, func(c *Config) { c.Massage = none })
		s.acked(s.batch(3)...)
		s.none(0, 1)
		s.empty()
	})
	t.Run("panic", func(t *testing.T) {
		s := newScript(t, func(c *Config) {
			c.Massage = func([]batch.Message) []batch.Message { panic(context.Canceled) }
		})
		s.held = true
		list := s.batch(2)
		if fault := s.lane.Prepare(s.pool[0]); fault == nil {
			t.Fatal("no fault is told")
		}
		a := s.must(0, 1)
		if _, values := s.numbers(a); len(values) != 2 {
			t.Fatalf("%q", values)
		}
		s.ok(a, 0)
		s.acked(list...)
		s.empty()
	})
}

// A batch of which the hook left nothing lies behind others that answer
// OUT_OF_ORDER: they are asked about all the same.
func TestRule14EmptyBatchHidesNoDoubt(t *testing.T) {
	drop := false
	s := newScript(t, func(c *Config) {
		c.Massage = func(in []batch.Message) []batch.Message {
			if drop {
				return nil
			}
			return in
		}
	})
	first := s.batch(1)
	s.cut(s.must(0, 1))
	drop = true
	nothing := s.batch(1)
	s.code(s.must(0, 2), 45)
	if len(s.questions) != 1 {
		t.Fatalf("asked %+v", s.questions)
	}
	s.settle(Finding{Found: true})
	s.acked(first[0], nothing[0])
	s.empty()
}

// What a hook leaves nothing of has its outcome, and hears of it as soon as no
// batch stands before it, whatever became of that one.
func TestRule14EmptyBatchBehindOneThatLeaves(t *testing.T) {
	gone := errors.New("gone")
	for name, leave := range map[string]func(s *scripted, first *note){
		"withdrawn": func(s *scripted, first *note) { s.lane.Withdraw(first) },
		"dropped":   func(s *scripted, _ *note) { s.lane.DropOldest(gone) },
		"failed":    func(s *scripted, _ *note) { s.lane.FailWaiting(31, gone) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, func(c *Config) {
				c.Massage = func(in []batch.Message) []batch.Message {
					if string(in[0].Value) == "message 0" {
						return in
					}
					return nil
				}
			})
			s.partition.SetLeader(-1, 2)
			first, nothing := s.batch(1), s.batch(1)
			s.pending(nothing...)
			leave(s, first[0])
			s.acked(nothing...)
			if n := s.lane.queue.len(); n != 0 || s.bytes.Used() != 0 || s.messages.Used() != 0 {
				t.Fatalf("%d bytes, %d messages are charged: %s", s.bytes.Used(), s.messages.Used(), s.describe())
			}
		})
	}
}

// Rule 17: the real clock is read when a batch opens, and nothing is stamped below it.
func TestRule17NeverBelowTheBase(t *testing.T) {
	s := newScript(t, nil)
	stale := &staleClock{scripted: s}
	s.lane.host = stale
	before := time.Now().UnixMilli()
	list := s.batch(3)
	a := s.must(0, 1)
	h, _ := s.numbers(a)
	if h.BaseTimestamp < before || h.MaxTimestamp < h.BaseTimestamp {
		t.Fatalf("base %d, largest %d, the clock said %d", h.BaseTimestamp, h.MaxTimestamp, before)
	}
	s.ok(a, 0)
	s.acked(list...)
	s.empty()
}

// staleClock lags behind by an hour, as after a suspend.
type staleClock struct{ *scripted }

func (c *staleClock) Clock() int64 { return time.Now().Add(-time.Hour).UnixMilli() }

// The wall clock goes forward and back by an hour, between messages of one batch
// and between batches: none is refused, held back or called in doubt for it.
func TestRule17ClockJumps(t *testing.T) {
	s := newScript(t, nil)
	jumping := &jumpingClock{scripted: s}
	s.lane.host = jumping
	s.confirm(0, 1)
	for _, by := range []time.Duration{time.Hour, -time.Hour, 0, -time.Hour, time.Hour} {
		var list []*note
		s.begin()
		for i := range 4 {
			jumping.by = by * time.Duration(i%2)
			list = append(list, s.add())
		}
		s.lane.Commit(true)
		jumping.by = by
		a := s.must(0, 1)
		if h, _ := s.numbers(a); h.MaxTimestamp < h.BaseTimestamp || h.MaxTimestamp-h.BaseTimestamp > 2*time.Hour.Milliseconds() {
			t.Fatalf("%v: base %d, largest %d", by, h.BaseTimestamp, h.MaxTimestamp)
		}
		s.cut(a) // sent again at another time than it was made
		jumping.by = -by
		s.ok(s.must(0, 1), 0)
		s.acked(list...)
	}
	if len(s.questions) != 0 {
		t.Fatalf("the log was asked: %+v", s.questions)
	}
	s.empty()
}

type jumpingClock struct {
	*scripted
	by time.Duration
}

func (c *jumpingClock) Clock() int64 { return time.Now().Add(c.by).UnixMilli() }

// The header's largest timestamp is the records', wherever they lie.
func TestRule17LargestTimestampIsTheRecords(t *testing.T) {
	for _, away := range []time.Duration{-48 * time.Hour, -time.Minute, time.Hour, 100 * 24 * time.Hour, -100 * 24 * time.Hour} {
		s := newScript(t, nil)
		when := time.Now().Add(away)
		s.putAt(when, 1)
		a := s.must(0, 1)
		if h, _ := s.numbers(a); h.MaxTimestamp != when.UnixMilli() {
			t.Fatalf("%v away: %d is said, %d is right", away, h.MaxTimestamp, when.UnixMilli())
		}
		s.ok(a, 0)
		s.empty()
	}
}

// The delivery timeout fails what was never sent; what may be on the wire keeps
// its place, and its callers are told.
func TestRule17DeliveryTimeout(t *testing.T) {
	s := newScript(t, func(c *Config) { c.DeliveryTimeout = time.Minute })
	onWire, closed, open := s.batch(1), s.batch(1), s.put(1)
	a := s.must(0, 1)
	why := errors.New("too late")
	s.lane.Expire(time.Now().Add(30*time.Second), why)
	s.pending(onWire[0], closed[0], open[0])
	s.lane.Expire(time.Now().Add(2*time.Minute), why)
	for i, n := range []*note{onWire[0], closed[0], open[0]} {
		if r := s.outcome(n); r.Err != why || r.MaybeWritten != (i == 0) {
			t.Fatalf("%d: %+v", i, r)
		}
	}
	s.cut(a)
	s.lane.Expire(time.Now().Add(3*time.Minute), why)
	s.ok(s.must(0, 2), 0)
	s.empty()
}

// A batch stays open while its leader is away. Its messages end with the first, so
// it does not take them for long; but for its linger it does.
func TestRule17DeliveryTimeoutOfAnOpenBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, func(c *Config) { c.DeliveryTimeout, c.Linger = time.Minute, 10*time.Second })
		s.partition.SetLeader(-1, 2)
		began := time.Now()
		var list []*note
		ended := map[*note]time.Duration{} // from the call
		for second := range 120 {
			if second < 60 {
				list = append(list, s.put(1)...)
			}
			s.lane.Expire(time.Now(), errors.New("too late"))
			for i, n := range list {
				if _, told := ended[n]; !told && len(n.outcomes) > 0 {
					ended[n] = time.Since(began) - time.Duration(i)*time.Second
				}
			}
			time.Sleep(time.Second)
		}
		for i, n := range list {
			if took, told := ended[n]; !told || took > 61*time.Second || took < 57*time.Second {
				t.Errorf("message %d ended after %v", i, took)
			}
		}
		s.empty()

		s.begin()
		lingering := s.add()
		s.lane.Commit(false)
		time.Sleep(9 * time.Second)
		s.lane.Expire(time.Now(), errors.New("too late"))
		if s.lane.open == nil {
			t.Error("a linger is cut short")
		}
		s.lane.StopWith(ErrStopped)
		s.outcome(lingering)
	})
}

// A batch that was given to a connection, of which not a byte was sent, lies
// behind one that is undecided: its callers are told as well.
func TestRule17DeliveryTimeoutBehindTheUndecided(t *testing.T) {
	s := newScript(t, func(c *Config) { c.DeliveryTimeout = time.Minute })
	s.confirm(0, 1)
	undecided, refused := s.batch(1), s.batch(1)
	a, b := s.must(0, 1), s.must(0, 1)
	s.cut(a)
	s.lane.Answered(b, Answer{Err: errCut, NotSent: true}, time.Now())
	s.lane.Expire(time.Now().Add(2*time.Minute), errCut)
	if r := s.outcome(undecided[0]); !r.MaybeWritten {
		t.Fatalf("%+v", r)
	}
	if r := s.outcome(refused[0]); r.MaybeWritten {
		t.Fatalf("%+v", r)
	}
	s.ok(s.must(0, 2), 1)
	later := s.batch(1)
	s.ok(s.must(0, 2), 2)
	s.acked(later...)
	s.empty()
}
