package ekaf

import "time"

// EventKind names an event. The first ten are the original ekaf's callbacks.
type EventKind uint8

// The events, with the fields of Event that each fills beside Kind, Time and Topic.
const (
	// EventTimeToConnect: a worker's connection stands. Partition, Worker, Broker, Took.
	EventTimeToConnect EventKind = iota + 1
	// EventWorkerUp: a worker can send. Partition, Worker, Broker.
	EventWorkerUp
	// EventWorkerDown: a worker lost its broker, or never reached it. Partition, Worker, Broker, Err.
	EventWorkerDown
	// EventWorkerStillDown: another attempt to reach the broker failed. Partition, Worker, Broker, Took (the time down), Err.
	EventWorkerStillDown
	// EventTimeDown: the topic's downtime is over. Took (how long it was).
	EventTimeDown
	// EventFlush: a batch is being sent. Partition, Worker, Broker, Messages, Bytes.
	EventFlush
	// EventFlushedReplied: Kafka answered a batch. Partition, Worker, Broker, Messages, Took (the round trip), Err.
	EventFlushedReplied
	// EventDowntimeSaved: a call's messages were buffered while the topic is in downtime. Messages.
	EventDowntimeSaved
	// EventDowntimeReplayed: the buffered messages of a downtime are being sent. Messages.
	EventDowntimeReplayed
	// EventMaxDowntimeBufferReached: a limit was reached, and the policy decides. Partition (-1: none yet), Messages (of the call), Err.
	EventMaxDowntimeBufferReached
	// EventTopicState: the topic's state machine moved. From, To.
	EventTopicState
	// EventWorkerState: a worker's state machine moved. Partition, Worker, Broker, From, To.
	EventWorkerState
	// EventConnectionState: the state machine of a broker's connection moved. Broker, From, To, Err (why it is down); no Topic, as it serves all: only the handler that is no single topic's hears of it. With ConnectionsPer(PerWorker): also Topic, Partition, Worker.
	EventConnectionState
	// EventTopicUnknown: brokers answer that the topic does not exist. Err.
	EventTopicUnknown
	// EventTopicRecreated: the topic was deleted and created again: its id is another one or, where there is none, its leader epochs went back.
	EventTopicRecreated
	// EventLeaderMoved: a partition has another leader. Partition, Broker (the new one).
	EventLeaderMoved
	// EventPartitionsAdded: the topic has more partitions. Messages (how many it has now).
	EventPartitionsAdded
	// EventRetry: a batch will be sent again. Partition, Worker, Broker, Messages, Err.
	EventRetry
	// EventDropped: messages were given up. Partition, Worker, Messages, Err (the reason).
	EventDropped
	// EventDataLoss: the cluster lost data that it had acked (an unclean election). Partition, Worker, Err.
	EventDataLoss
	// EventUndecidable: Kafka can no longer tell whether a batch was written. Partition, Worker, Messages, Err.
	EventUndecidable
	// EventThrottled: a broker asked for a pause. Broker, Took.
	EventThrottled
	// EventMetadataFailed: no broker could be asked for metadata. Err.
	EventMetadataFailed
	// EventCallbackPanicked: a callback or hook panicked; the producer goes on. Err.
	EventCallbackPanicked
)

var eventNames = [...]string{
	EventTimeToConnect:            "time_to_connect",
	EventWorkerUp:                 "worker_up",
	EventWorkerDown:               "worker_down",
	EventWorkerStillDown:          "worker_still_down",
	EventTimeDown:                 "time_down",
	EventFlush:                    "flush",
	EventFlushedReplied:           "flushed_replied",
	EventDowntimeSaved:            "downtime_saved",
	EventDowntimeReplayed:         "downtime_replayed",
	EventMaxDowntimeBufferReached: "max_downtime_buffer_reached",
	EventTopicState:               "topic_state",
	EventWorkerState:              "worker_state",
	EventConnectionState:          "connection_state",
	EventTopicUnknown:             "topic_unknown",
	EventTopicRecreated:           "topic_recreated",
	EventLeaderMoved:              "leader_moved",
	EventPartitionsAdded:          "partitions_added",
	EventRetry:                    "retry",
	EventDropped:                  "dropped",
	EventDataLoss:                 "data_loss",
	EventUndecidable:              "undecidable",
	EventThrottled:                "throttled",
	EventMetadataFailed:           "metadata_failed",
	EventCallbackPanicked:         "callback_panicked",
}

func (k EventKind) String() string {
	if int(k) < len(eventNames) && eventNames[k] != "" {
		return eventNames[k]
	}
	return "unknown_event"
}

// EventKinds lists all kinds, in order.
func EventKinds() []EventKind {
	kinds := make([]EventKind, 0, len(eventNames)-1)
	for k := EventTimeToConnect; int(k) < len(eventNames); k++ {
		kinds = append(kinds, k)
	}
	return kinds
}

// Event is something that happened to a topic or a worker. Which fields it
// fills is said at its kind; the others are zero, Partition and Broker -1.
//
// Where a handler is so slow that 10,000 events wait for it, later ones of one kind, topic,
// partition, worker, broker and reason become one until it comes to them: with the sum
// of their Messages and Bytes, the From of the first, and the rest of the last.
type Event struct {
	Kind      EventKind
	Time      time.Time
	Topic     string
	Partition int32
	Worker    int
	// Broker is the node id of the leader concerned, and Addr its address.
	Broker   int32
	Addr     string
	Messages int
	Bytes    int
	Took     time.Duration
	// From and To are states, for transitions.
	From, To string
	Err      error

	statsd *StatsDSocket
}

// StatsD is the worker's own socket for metrics, or one of the producer's where
// the event has no worker. It is never nil; without the option StatsD its methods do nothing.
func (e Event) StatsD() *StatsDSocket { return e.statsd }
