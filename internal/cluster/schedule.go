package cluster

import (
	"math/rand/v2"
	"time"
)

// schedule decides when the next Metadata request is due. It does no waiting, reads no clock and has no
// lock: the refresh loop owns it under Cluster.mu.
//
//	since the last attempt                next one
//	none yet                              at once
//	it failed, n times in a row           after backoff(n), whatever else is asked for
//	a topic was wanted for the first time at once
//	Refresh was called                    BackoffMin after it
//	n answers in a row left a topic open  after backoff(n)
//	none of these                         RefreshEvery after the last answer about all topics
type schedule struct {
	backoffMin, backoffMax, every time.Duration

	last     time.Time // end of the last attempt; zero: none yet
	full     time.Time // of the last answer about all wanted topics
	failures int       // attempts failed in a row
	open     int       // answers in a row after which a wanted topic was unknown or a partition leaderless
	fresh    bool      // a topic is wanted that was never asked for
	asked    bool      // Refresh was called
	jitter   float64   // 0.8 to 1.2, drawn anew for each attempt so that many clients do not march in step
}

// due is the moment of the next attempt; the zero time means now.
func (s *schedule) due() time.Time {
	switch {
	case s.last.IsZero():
		return time.Time{}
	case s.failures > 0:
		return s.last.Add(s.backoff(s.failures))
	case s.fresh:
		return time.Time{}
	}
	due := s.full.Add(s.every)
	sooner := func(wait time.Duration) {
		if at := s.last.Add(wait); at.Before(due) {
			due = at
		}
	}
	if s.open > 0 {
		sooner(s.backoff(s.open))
	}
	if s.asked {
		sooner(s.backoff(1))
	}
	return due
}

// wantsAll tells whether an attempt made now is to ask for all topics, and not only for new and open ones.
// One topic that stays open for ever must not put off the others' periodic refresh for ever.
func (s *schedule) wantsAll(now time.Time) bool {
	return s.asked || s.failures > 0 || now.Sub(s.full) >= s.every
}

// failed and answered record the end of an attempt.
func (s *schedule) failed(now time.Time) {
	s.last, s.failures, s.jitter = now, s.failures+1, 0.8+0.4*rand.Float64()
}

func (s *schedule) answered(now time.Time, all, settled bool) {
	if all {
		s.full = now
	}
	s.last, s.failures, s.jitter = now, 0, 0.8+0.4*rand.Float64()
	if settled {
		s.open = 0
	} else {
		s.open++
	}
}

// backoff is the wait after the n-th failure in a row, n from 1.
func (s *schedule) backoff(n int) time.Duration {
	return time.Duration(float64(doubling(s.backoffMin, s.backoffMax, n)) * s.jitter)
}

// doubling is low for n = 1, and doubles with each further n up to high.
func doubling(low, high time.Duration, n int) time.Duration {
	for range n - 1 {
		if low >= high/2 {
			return high
		}
		low *= 2
	}
	return min(low, high)
}
