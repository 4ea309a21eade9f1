package sender

import (
	"time"

	"github.com/ekaf-go/ekaf/internal/worker"
)

// appointment is a lane to be looked at: its linger or its back-off is over then.
type appointment struct {
	lane *worker.Lane
	at   time.Time
}

// schedule is a heap of appointments, the earliest first. Package container/heap
// would put each one that is taken out on the heap of the other kind.
type schedule []appointment

// add puts an appointment in. Appointments mostly come in the order of their
// times (a linger is the same for all batches of a topic), so most move nothing.
func (s *schedule) add(a appointment) (first bool) {
	*s = append(*s, a)
	h := *s
	i := len(h) - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !a.at.Before(h[parent].at) {
			break
		}
		h[i] = h[parent]
		i = parent
	}
	h[i] = a
	return i == 0
}

// due takes out one lane whose time has come.
func (s *schedule) due(now time.Time) *worker.Lane {
	h := *s
	if len(h) == 0 || h[0].at.After(now) {
		return nil
	}
	lane, n := h[0].lane, len(h)-1
	last := h[n]
	h[n] = appointment{}
	*s = h[:n]
	if n > 0 {
		s.sink(last)
	}
	return lane
}

// sink puts an appointment in the place of the first one, which has gone.
func (s *schedule) sink(a appointment) {
	h, i := *s, 0
	for {
		child := 2*i + 1
		if child >= len(h) {
			break
		}
		if child+1 < len(h) && h[child+1].at.Before(h[child].at) {
			child++
		}
		if !h[child].at.Before(a.at) {
			break
		}
		h[i] = h[child]
		i = child
	}
	h[i] = a
}
