package ekaf

import "fmt"

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
	topicStates
)

var topicStateNames = [topicStates]string{"bootstrapping", "ready", "downtime", "closed"}

func (s TopicState) String() string {
	if s < topicStates {
		return topicStateNames[s]
	}
	return fmt.Sprintf("TopicState(%d)", uint8(s))
}

// topicTransitions lists the moves that are legal, from row to column. A topic
// that is deleted goes back to bootstrapping.
var topicTransitions = [topicStates][topicStates]bool{
	TopicBootstrapping: {TopicReady: true, TopicDowntime: true, TopicClosed: true},
	TopicReady:         {TopicBootstrapping: true, TopicDowntime: true, TopicClosed: true},
	TopicDowntime:      {TopicBootstrapping: true, TopicReady: true, TopicClosed: true},
	TopicClosed:        {},
}

// CanMove reports whether a topic may go from one state to another.
func (s TopicState) CanMove(to TopicState) bool {
	return s < topicStates && to < topicStates && topicTransitions[s][to]
}

// TopicStates lists all states, for documents and tests.
func TopicStates() []TopicState {
	all := make([]TopicState, topicStates)
	for i := range all {
		all[i] = TopicState(i)
	}
	return all
}
