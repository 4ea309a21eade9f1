package worker

import (
	"testing"
	"testing/synctest"
	"time"
)

// A batch is given up, so the lane is empty and still backs off. What is produced
// then finds the lane not sendable, and tells no sender; the appointment at the
// end of the back-off has to.
func TestBackOffBehindAGivenUpBatchEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(t, func(c *Config) { c.BackoffMin, c.BackoffMax = time.Second, time.Second })
		lost := s.put(1)
		for range unknownLimit {
			time.Sleep(2 * time.Second)
			s.code(s.must(0, 1), -1)
		}
		if r := s.outcome(lost[0]); r.Code != -1 || !r.MaybeWritten {
			t.Fatalf("the outcome is %+v", r)
		}
		later := s.put(1) // within the back-off
		time.Sleep(2 * time.Second)
		s.ok(s.must(0, 1), 0)
		s.acked(later...)
	})
}

// A broker that refuses each new chain as well, or calls each new id out of order,
// is asked less and less often. A chain that had its OK may be forgotten once for nothing.
func TestBackOffOfIDsThatAreForgottenAgainAndAgain(t *testing.T) {
	for _, code := range []int16{45, 47, 49, 59, 90} {
		synctest.Test(t, func(t *testing.T) {
			s := newScript(t, func(c *Config) { c.BackoffMin, c.BackoffMax = time.Second, time.Minute })
			s.confirm(0, 1)
			list := s.batch(1)
			refuse := func() {
				s.code(s.must(0, 1), code)
				if n := len(s.questions); s.lane.doubting {
					s.lane.Settle(s.questions[n-1], Finding{})
				}
			}
			refuse()
			for _, pause := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
				refuse()
				time.Sleep(pause * 3 / 4)
				s.none(0, 1)
				time.Sleep(pause / 4)
			}
			s.ok(s.must(0, 1), 1)
			s.acked(list...)
			list = s.batch(1)
			s.code(s.must(0, 1), 59)
			s.ok(s.must(0, 1), 2)
			s.acked(list...)
			s.empty()
		})
	}
}

// Without ids there is no chain to begin anew: such an answer ends the batch.
func TestForgottenWithoutAnIDEnds(t *testing.T) {
	for _, code := range []int16{45, 47, 49, 59, 90} {
		s := newScript(t, func(c *Config) { c.Idempotent = false })
		list := s.batch(1)
		s.code(s.must(0, 1), code)
		if r := s.outcome(list[0]); r.Code != code || r.MaybeWritten {
			t.Errorf("code %d: %+v", code, r)
		}
		s.ok(mustAfter(s, s.batch(1)), 0)
		s.empty()
	}
}
