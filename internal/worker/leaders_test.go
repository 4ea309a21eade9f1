package worker

import (
	"runtime"
	"testing"
)

// The metadata decide which leader epoch to believe: a topic that was deleted and
// created again, or a cluster restored from an older state, begins at a lower one.
func TestAnOlderLeaderEpochIsFollowed(t *testing.T) {
	s := newScript(t, nil)
	s.partition.SetLeader(0, 7)
	list := s.batch(1)
	s.partition.SetLeader(-1, -1)
	if _, reborn := s.partition.SetLeader(1, 3); !reborn || s.lane.life != 1 {
		t.Fatalf("a partition by the same name is taken for the one that was: %s", s.describe())
	}
	s.ok(s.must(1, 1), 0)
	s.acked(list...)
	if s.lane.confirmed != 1 {
		t.Fatalf("an ack of the leader does not confirm the lane: %s", s.describe())
	}
	s.empty()
}

// pausing is a host whose next SenderFor runs meanwhile before it answers.
type pausing struct {
	*scripted
	meanwhile func(*Lane)
}

func (h *pausing) SenderFor(l *Lane, leader int32) Sender {
	sender := h.scripted.SenderFor(l, leader)
	if f := h.meanwhile; f != nil {
		h.meanwhile = nil
		f(l)
	}
	return sender
}

// Before Kafka 2.1 no leader epoch tells which of two leaders is the newer one. A
// lane is started, reads leader 0 and is descheduled; the leader moves; the lane
// goes on.
func TestALeaderMovesWhileALaneStarts(t *testing.T) {
	s := newScript(t, nil)
	h := &pausing{scripted: s}
	p := NewPartition(0, s.cfg, s.partition.limits, h)
	p.SetLeader(0, -1)
	moved := make(chan struct{})
	h.meanwhile = func(*Lane) {
		known := make(chan struct{})
		go func() {
			close(known)
			p.SetLeader(1, -1)
			close(moved)
		}()
		<-known
		for p.Leader() != 1 {
			runtime.Gosched()
		}
	}
	l := p.Lane(0)
	<-moved
	if got := l.sender.Broker(); got != 1 {
		t.Fatalf("the partition's leader is 1, and the lane sends to %d for ever", got)
	}
	if n := len(s.senders[0].lanes); n != 1 {
		t.Fatalf("%d lanes hear of the old leader's connection", n-1)
	}
}

// A lane that is stopped while it looks for its leader's sender is left attached to none.
func TestALaneStopsWhileItsLeaderMoves(t *testing.T) {
	s := newScript(t, nil)
	h := &pausing{scripted: s}
	p := NewPartition(0, s.cfg, s.partition.limits, h)
	p.SetLeader(0, 1)
	h.meanwhile = func(l *Lane) { l.StopWith(ErrStopped) }
	p.Lane(0)
	if n := len(s.senders[0].lanes); n != 1 {
		t.Fatalf("%d stopped lanes hear of the connection", n-1)
	}
}
