package sender

import (
	"fmt"

	"github.com/ekaf-go/ekaf/internal/machine"
)

// State is the place in its machine of a sender's connection to its broker: of the
// one that is there, and where there is none, of why.
type State uint8

// The states of a connection.
const (
	Unused         State = iota // nothing was to be sent yet
	Connecting                  // being made, for the first time or after an idle time
	Up                          // carries requests
	Authenticating              // proves anew who we are, and carries nothing meanwhile
	Idle                        // closed by us, as nothing was to be sent
	Down                        // lost, or could not be made: the next attempt is waited for
	Reconnecting                // being made, after it was down
	Stopped                     // the producer, or the last worker at the broker, is gone
	states
)

var stateNames = [states]string{
	"unused", "connecting", "up", "authenticating", "idle", "down", "reconnecting", "stopped",
}

func (s State) String() string {
	if s < states {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// transitions lists the moves that are legal, from row to column.
var transitions = [states][states]bool{
	Unused:         {Connecting: true, Stopped: true},
	Connecting:     {Up: true, Down: true, Stopped: true},
	Up:             {Authenticating: true, Idle: true, Down: true, Stopped: true},
	Authenticating: {Up: true, Down: true, Stopped: true},
	Idle:           {Connecting: true, Stopped: true},
	Down:           {Reconnecting: true, Stopped: true},
	Reconnecting:   {Up: true, Down: true, Stopped: true},
	Stopped:        {},
}

// States lists all states, and CanMove the legal moves, for documents and tests.
func States() []State {
	all := make([]State, states)
	for i := range all {
		all[i] = State(i)
	}
	return all
}

// CanMove reports whether a connection may go from one state to another.
func CanMove(from, to State) bool { return from < states && to < states && transitions[from][to] }

// State is the connection's state.
func (s *Sender) State() State { return State(s.state.Load()) }

// move is the one place where the state changes; err says why it goes down. The
// turn is held, so that moves come one by one; others only read.
func (s *Sender) move(to State, err error) {
	from := s.State()
	if !CanMove(from, to) {
		machine.Illegal(fmt.Sprintf("the connection to broker %d", s.broker), from, to)
	}
	s.state.Store(uint32(to))
	s.cfg.Host.Moved(s, from, to, err)
}

// Up reports whether the connection stands, or stood when it was last needed.
func (s *Sender) Up() bool {
	state := s.State()
	return state == Up || state == Authenticating || state == Idle
}

// Down reports whether the broker is known not to be reachable: the last
// connection was lost or could not be made, and none stands since.
func (s *Sender) Down() bool {
	state := s.State()
	return state == Down || state == Reconnecting
}
