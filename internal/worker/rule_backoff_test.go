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
