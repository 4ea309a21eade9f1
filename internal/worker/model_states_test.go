package worker

import (
	"pgregory.net/rapid"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// What the model of a lane knows of the states of the worker and of its batches.

// movedFrom: a worker with another leader waits for its connection.
func (m *model) movedFrom(before int32) {
	switch {
	case m.leader == before:
	case m.leader < 0:
		m.should = Downtime
	default:
		m.should = Connecting
	}
}

func (m *model) connected(*rapid.T) {
	if m.leader >= 0 {
		m.lane.Connected(m.senders[m.leader], true)
		m.should = Ready
	}
	m.fromElsewhere()
}

func (m *model) disconnected(*rapid.T) {
	if m.leader >= 0 {
		m.lane.Connected(m.senders[m.leader], false)
		m.should = Downtime
	}
	m.fromElsewhere()
}

// fromElsewhere: what becomes of another broker's connection is of no concern.
func (m *model) fromElsewhere() {
	m.lane.Connected(m.senders[(m.leader+1)%3], m.should != Ready)
}

// checkStates compares the states with what happened.
func (m *model) checkStates(t *rapid.T) {
	for _, e := range m.events[m.looked:] {
		if e.Kind != EventState {
			continue
		}
		if e.From != m.told || !Machine.CanMove(e.From, e.To) {
			t.Fatalf("the worker is %v and moves from %v to %v", m.told, e.From, e.To)
		}
		m.told = e.To
	}
	m.looked = len(m.events)
	if is := m.lane.State(); is != m.should || is != m.told {
		t.Fatalf("the worker is %v, was told to be %v, and should be %v", is, m.told, m.should)
	}
	outstanding := map[*batch.Batch]int{}
	for _, a := range m.inFlight {
		outstanding[a.Batch]++
	}
	preparing := map[*batch.Batch]int{}
	for _, b := range m.pool {
		preparing[b]++
	}
	flying := 0
	for i := range m.lane.queue.len() {
		b := m.lane.queue.at(i)
		if used := outstanding[b] + preparing[b]; b.Outstanding != used {
			t.Fatalf("batch %d is used by %d, and counts %d: %s", b.Ordinal, used, b.Outstanding, m.describe())
		}
		switch b.State {
		case batch.Open:
			t.Fatalf("batch %d is in the queue and open: %s", b.Ordinal, m.describe())
		case batch.InFlight:
			flying++
			if outstanding[b] == 0 {
				t.Fatalf("batch %d is in flight nowhere: %s", b.Ordinal, m.describe())
			}
		case batch.Unresolved:
			if b.Attempts == 0 {
				t.Fatalf("batch %d was never tried, and is unresolved: %s", b.Ordinal, m.describe())
			}
		}
	}
	if flying != m.lane.inFlight {
		t.Fatalf("%d batches are in flight, and the lane counts %d: %s", flying, m.lane.inFlight, m.describe())
	}
}

// retire stops the lane, from which nothing moves it any more.
func (m *model) retire() {
	m.checkStates(m.t)
	m.lane.StopWith(ErrStopped)
	m.should = Stopped
	m.lane.Connected(m.senders[m.leader], true)
	m.partition.SetLeader((m.leader+1)%3, m.epoch+1)
	m.checkStates(m.t)
}
