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
)

// Machine is the states of a batch and the moves that are legal.
var Machine = machine.NewTable("State", []machine.Row[State]{
	Open: machine.At("open", Sealed, Failed),
	// Sealed to Acked: MassageBuffer left nothing to send.
	Sealed: machine.At("sealed", InFlight, Acked, Failed),
	// InFlight to Sealed: the only attempt was refused, so nothing was written.
	InFlight: machine.At("in flight", Sealed, Unresolved, Acked, Failed),
	// Unresolved to Sealed: only when recovery read in the log that nothing of it
	// was written. No answer proves that: a batch of which one byte was given to
	// write is never plainly sealed again.
	Unresolved: machine.At("unresolved", InFlight, Sealed, Acked, Failed),
	Acked:      machine.At[State]("acked"),
	Failed:     machine.At[State]("failed"),
})

func (s State) String() string { return Machine.Name(s) }

// Final reports whether a batch in this state has had its outcome.
func (s State) Final() bool { return s == Acked || s == Failed }

// Move is the one place where a batch's state changes. An illegal move is a fault
// of the engine (see package machine). Where it does not panic it is made all the
// same, as what comes next counts on it; but an outcome that was told stands.
func (b *Batch) Move(to State) {
	if !Machine.CanMove(b.State, to) {
		machine.Illegal(fmt.Sprintf("batch %d", b.Ordinal), b.State, to)
		if b.State.Final() {
			return
		}
	}
	b.State = to
}
