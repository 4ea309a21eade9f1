package worker

import "fmt"

// State is a worker's place in its machine.
type State uint8

// The states of a worker.
const (
	Connecting State = iota // has a leader whose connection is not up yet
	Ready                   // can send
	Downtime                // its leader cannot be reached, or there is none
	Stopped                 // its partition or its producer is gone
	states
)

var stateNames = [states]string{"connecting", "ready", "downtime", "stopped"}

func (s State) String() string {
	if s < states {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// transitions lists the moves that are legal, from row to column.
var transitions = [states][states]bool{
	Connecting: {Ready: true, Downtime: true, Stopped: true},
	Ready:      {Connecting: true, Downtime: true, Stopped: true},
	Downtime:   {Connecting: true, Ready: true, Stopped: true},
	Stopped:    {},
}

// States lists all states, and CanMove the legal moves, for documents and tests.
func States() []State {
	all := make([]State, states)
	for i := range all {
		all[i] = State(i)
	}
	return all
}

// CanMove reports whether a worker may go from one state to another.
func CanMove(from, to State) bool { return from < states && to < states && transitions[from][to] }
