package ekaf

import "github.com/ekaf-go/ekaf/internal/machine"

// TopicState is a topic's place in its machine.
type TopicState uint8

// The states of a topic.
const (
	// TopicBootstrapping: the partitions are not known yet. Messages wait unassigned.
	TopicBootstrapping TopicState = iota
	// TopicReady: at least one partition's leader is reachable, as far as is known.
	TopicReady
	// TopicDowntime: no partition can be reached. Messages are buffered.
	TopicDowntime
	// TopicClosed: the producer is closed.
	TopicClosed
)

// A topic that is deleted goes back to bootstrapping.
var topicMachine = machine.NewTable("TopicState", []machine.Row[TopicState]{
	TopicBootstrapping: machine.At("bootstrapping", TopicReady, TopicDowntime, TopicClosed),
	TopicReady:         machine.At("ready", TopicBootstrapping, TopicDowntime, TopicClosed),
	TopicDowntime:      machine.At("downtime", TopicBootstrapping, TopicReady, TopicClosed),
	TopicClosed:        machine.At[TopicState]("closed"),
})

func (s TopicState) String() string { return topicMachine.Name(s) }

// CanMove reports whether a topic may go from one state to another.
func (s TopicState) CanMove(to TopicState) bool { return topicMachine.CanMove(s, to) }

// TopicStates lists all states, for documents and tests.
func TopicStates() []TopicState { return topicMachine.States() }
