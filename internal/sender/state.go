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
)

// Machine is the states of a connection and the moves that are legal.
var Machine = machine.NewTable("State", []machine.Row[State]{
	Unused:         machine.At("unused", Connecting, Stopped),
	Connecting:     machine.At("connecting", Up, Down, Stopped),
	Up:             machine.At("up", Authenticating, Idle, Down, Stopped),
	Authenticating: machine.At("authenticating", Up, Down, Stopped),
	Idle:           machine.At("idle", Connecting, Stopped),
	Down:           machine.At("down", Reconnecting, Stopped),
	Reconnecting:   machine.At("reconnecting", Up, Down, Stopped),
	Stopped:        machine.At[State]("stopped"),
})

func (s State) String() string { return Machine.Name(s) }

// State is the connection's state.
func (s *Sender) State() State { return State(s.state.Load()) }

// move is the one place where the state changes; err says why it goes down. The
// turn is held, so that moves come one by one; others only read.
func (s *Sender) move(to State, err error) {
	from := s.State()
	if !Machine.CanMove(from, to) {
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
