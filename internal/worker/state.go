package worker

import "github.com/ekaf-go/ekaf/internal/machine"

// State is a worker's place in its machine.
type State uint8

// The states of a worker.
const (
	Connecting State = iota // has a leader whose connection is not up yet
	Ready                   // can send
	Downtime                // its leader cannot be reached, or there is none
	Stopped                 // its partition or its producer is gone
)

// Machine is the states of a worker and the moves that are legal.
var Machine = machine.NewTable("State", []machine.Row[State]{
	Connecting: machine.At("connecting", Ready, Downtime, Stopped),
	Ready:      machine.At("ready", Connecting, Downtime, Stopped),
	Downtime:   machine.At("downtime", Connecting, Ready, Stopped),
	Stopped:    machine.At[State]("stopped"),
})

func (s State) String() string { return Machine.Name(s) }
