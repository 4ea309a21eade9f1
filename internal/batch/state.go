package batch

import (
	"fmt"

	"github.com/ekaf-go/ekaf/internal/machine"
)

// State is a batch's place in its machine. Whether the broker may already hold
// the batch is not a state but follows from its attempts.
type State uint8

// The states of a batch.
const (
	Open       State = iota // takes records
	Sealed                  // closed and never tried, or plainly refused
	InFlight                // given to a connection, which has not answered
	Unresolved              // tried; the answer, or its absence, proves nothing
	Acked                   // Kafka holds it
	Failed                  // given up, with an error that says what is known
	states
)

var stateNames = [states]string{"open", "sealed", "in flight", "unresolved", "acked", "failed"}

func (s State) String() string {
	if s < states {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// transitions lists the moves that are legal, from row to column.
var transitions = [states][states]bool{
	Open: {Sealed: true, Failed: true},
	// Sealed to Acked: MassageBuffer left nothing to send.
	Sealed: {InFlight: true, Acked: true, Failed: true},
	// InFlight to Sealed: the only attempt was refused, so nothing was written.
	InFlight: {Sealed: true, Unresolved: true, Acked: true, Failed: true},
	// Unresolved to Sealed: only when recovery read in the log that nothing of it
	// was written. No answer proves that: a batch of which one byte was given to
	// write is never plainly sealed again.
	Unresolved: {InFlight: true, Sealed: true, Acked: true, Failed: true},
}

// States lists all states, and CanMove the legal moves, for documents and tests.
func States() []State {
	all := make([]State, states)
	for i := range all {
		all[i] = State(i)
	}
	return all
}

// CanMove reports whether a batch may go from one state to another.
func CanMove(from, to State) bool { return from < states && to < states && transitions[from][to] }

// Final reports whether a batch in this state has had its outcome.
func (s State) Final() bool { return s == Acked || s == Failed }

// Move is the one place where a batch's state changes. An illegal move is a fault
// of the engine (see package machine). Where it does not panic it is made all the
// same, as what comes next counts on it; but an outcome that was told stands.
func (b *Batch) Move(to State) {
	if !CanMove(b.State, to) {
		machine.Illegal(fmt.Sprintf("batch %d", b.Ordinal), b.State, to)
		if b.State.Final() {
			return
		}
	}
	b.State = to
}
