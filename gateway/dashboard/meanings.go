package dashboard

import "github.com/ekaf-go/ekaf"

// meanings say of each kind of events what happened.
var meanings = map[ekaf.EventKind]string{
	ekaf.EventTimeToConnect:            "A worker's connection stands",
	ekaf.EventWorkerUp:                 "A worker can send",
	ekaf.EventWorkerDown:               "A worker lost its broker, or never reached it",
	ekaf.EventWorkerStillDown:          "Another attempt to reach the broker failed",
	ekaf.EventTimeDown:                 "A topic's downtime is over",
	ekaf.EventFlush:                    "A batch is being sent",
	ekaf.EventFlushedReplied:           "Kafka answered a batch",
	ekaf.EventDowntimeSaved:            "Messages were buffered during a downtime",
	ekaf.EventDowntimeReplayed:         "The messages of a downtime are being sent",
	ekaf.EventMaxDowntimeBufferReached: "A limit of the buffer was reached",
	ekaf.EventTopicState:               "A topic's state changed",
	ekaf.EventWorkerState:              "A worker's state changed",
	ekaf.EventConnectionState:          "The connection to a broker changed its state",
	ekaf.EventTopicUnknown:             "Brokers say that the topic does not exist",
	ekaf.EventTopicRecreated:           "The topic was deleted and created again",
	ekaf.EventLeaderMoved:              "A partition has another leader",
	ekaf.EventPartitionsAdded:          "The topic has more partitions",
	ekaf.EventRetry:                    "A batch will be sent again",
	ekaf.EventDropped:                  "Messages were given up",
	ekaf.EventDataLoss:                 "The cluster lost data that it had acked",
	ekaf.EventUndecidable:              "Kafka cannot tell whether a batch was written",
	ekaf.EventThrottled:                "A broker asked for a pause",
	ekaf.EventMetadataFailed:           "No broker could be asked for metadata",
	ekaf.EventCallbackPanicked:         "A callback or hook panicked",
}
