package worker

import (
	"testing"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// growing is a lane whose partition has just got a second worker, and what it held
// before: all of the old generation that is left.
func growing(t *testing.T, codec batch.Codec) (s *scripted, old []*note) {
	t.Helper()
	s = newScript(t, func(c *Config) { c.WorkersMax, c.Codec = 2, codec })
	s.held = true
	old = s.put(1)
	s.partition.resize(+1)
	return s, old
}

// The batches of a new number of workers wait for those of the old one. Where the
// last of these is taken back, its lane lets the others go, itself among them, and
// not with its own lock held.
func TestWithdrawalOpensTheBarrier(t *testing.T) {
	s, old := growing(t, batch.None)
	fresh := s.batch(1)
	other := s.partition.Lane(1)
	other.PutOne(1, &batch.Message{Value: []byte("m")}, nil, 0, true, false)
	if s.partition.maySend(1) {
		t.Fatal("the new generation does not wait for the old one")
	}
	s.lane.marks, other.marks = marks{}, marks{}
	if w := s.lane.Withdraw(old[0]); len(w.Withdrawn) != 1 {
		t.Fatalf("%+v", w)
	}
	if !s.lane.marks.ready || !other.marks.idle {
		t.Fatalf("not woken: %+v, %+v", s.lane.marks, other.marks)
	}
	s.senders[0].ready = true
	s.ok(s.must(0, 1), 0)
	s.acked(fresh...)
	s.pending(old...)
}

// The same where the pool had the batch meanwhile.
func TestWithdrawalFromThePoolOpensTheBarrier(t *testing.T) {
	s, old := growing(t, batch.Gzip)
	if w := s.lane.Withdraw(old[0]); len(w.Withdrawn) != 1 {
		t.Fatalf("%+v", w)
	}
	fresh := s.batch(1)
	s.runPool()
	s.ok(s.must(0, 1), 0)
	s.acked(fresh...)
	s.pending(old...)
}
