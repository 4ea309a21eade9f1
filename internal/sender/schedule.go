package sender

import (
	"container/heap"
	"time"

	"github.com/ekaf-go/ekaf/internal/worker"
)

// appointment is a lane to be looked at: its linger or its back-off is over then.
type appointment struct {
	lane *worker.Lane
	at   time.Time
}

// schedule orders appointments by time.
type schedule []appointment

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].at.Before(s[j].at) }
func (s schedule) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }
func (s *schedule) Push(x any)        { *s = append(*s, x.(appointment)) }
func (s *schedule) Pop() any {
	last := len(*s) - 1
	x := (*s)[last]
	(*s)[last] = appointment{}
	*s = (*s)[:last]
	return x
}

// add puts an appointment in. Appointments mostly come in the order of their
// times (a linger is the same for all batches of a topic), so most pushes move nothing.
func (s *schedule) add(a appointment) (first bool) {
	*s = append(*s, a)
	heap.Fix(s, len(*s)-1)
	return (*s)[0] == a
}

// due takes out one lane whose time has come.
func (s *schedule) due(now time.Time) *worker.Lane {
	if len(*s) == 0 || (*s)[0].at.After(now) {
		return nil
	}
	return heap.Pop(s).(appointment).lane
}
