package sender

import (
	"runtime"
	"time"

	"github.com/ekaf-go/ekaf/internal/worker"
)

// inlineBytes bounds the batches that a caller writes itself: what an idle socket
// takes whole, and what costs the caller microseconds.
const inlineBytes = 32 << 10

// Drain implements worker.Sender. A caller that will wait for the answer, and
// finds the sender idle, writes the request itself, without a switch to the
// sender's goroutine and from there to the reader's.
//
// It never waits: not for the turn, not for a connection, not for the socket, so
// its context keeps its meaning. It writes one request, so it does not work for
// others without end. The turn is taken before any lane's lock, and no lane is
// locked here. All that does not fit these bounds is left to the sender's goroutine.
func (s *Sender) Drain(l *worker.Lane, idle bool) {
	s.mu.Lock()
	c := s.enqueue(l, idle)
	s.mu.Unlock()
	s.gather()
	if !s.drainInline(c) {
		s.poke()
	}
}

// gather lets other callers go first, so that one request carries what they bring.
//
// Callers that wait are woken together, by one answer. The first to run would send
// its message alone, and those of all others would wait for the answer to that: two
// round trips for everybody, one of them with a request of one message. The lane is
// marked as standing in the queue, so that the others only add to its batch.
func (s *Sender) gather() {
	if s.cfg.Host.Crowded() {
		runtime.Gosched()
	}
}

// drainInline sends one request of a class if the sender is idle. It reports
// whether nothing is left for the loop: a lane that it did not see, because it was
// put in a queue after the look at them, is announced by whoever put it there.
func (s *Sender) drainInline(c *class) (clean bool) {
	select {
	case s.turn <- struct{}{}:
	default:
		return false // somebody drains, and may have looked already
	}
	defer func() { <-s.turn }()
	now := time.Now()
	if !s.takesInline(c, now) {
		return false
	}
	r := requestPool.Get().(*request)
	r.begin(s)
	r.inline, r.acks, r.timeout = true, c.acks, c.timeout
	s.fill(r, c, false, true, now, inlineBytes)
	s.fill(r, c, true, true, now, inlineBytes)
	if len(r.attempts) == 0 {
		r.recycle()
		return false
	}
	s.send(r)
	return !s.waiting()
}

// takesInline: the connection stands, nothing is in flight, and the loop has
// nothing to do with it first. With acks=0 nothing ever is in flight, so that a
// full socket could not be told from an empty one.
func (s *Sender) takesInline(c *class, now time.Time) bool {
	if c.acks == 0 || s.conn == nil || !s.conn.Quiet() || s.pausedFor(now) > 0 {
		return false
	}
	due, limited := s.conn.SessionEnds()
	return !limited || now.Before(due)
}

// answered wakes the loop if it has left something until an answer came. While
// nothing waits it sleeps on: with callers that write themselves, a switch to it
// at each answer would be as dear as the one that they save.
func (s *Sender) answered() {
	if s.waiting() || s.awaits.Load() {
		s.poke()
	}
}
