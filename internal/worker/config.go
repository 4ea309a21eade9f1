package worker

import (
	"sync/atomic"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/histogram"
	"github.com/ekaf-go/ekaf/internal/memory"
)

// Config is what a topic's lanes have in common. It does not change.
type Config struct {
	Topic           string
	ID              *TopicID
	Owner           any // what the host knows the topic by
	Acks            int16
	RequestTimeout  time.Duration
	Idempotent      bool
	Linger          time.Duration
	BatchRecords    int // 0: no limit
	BatchBytes      int
	Codec           batch.Codec
	Level           int
	Workers         int
	WorkersMax      int
	DeliveryTimeout time.Duration // 0: none
	BackoffMin      time.Duration
	BackoffMax      time.Duration
	ResendUndecided bool
	// StateLifetime is the age of an unresolved batch's records beyond which a
	// broker may have forgotten its producer id, as long as nothing is Learned.
	StateLifetime time.Duration
	// Learned, if set, is what brokers say of it, once they do.
	Learned *Lifetime
	// Latency, if set, takes the times of the lanes' batches.
	Latency *histogram.Latency
	// Massage, if set, makes new messages of a closed batch's.
	Massage func([]batch.Message) []batch.Message
}

// TopicID is a topic's id, which changes when the topic is deleted and created again.
type TopicID struct{ id atomic.Pointer[[16]byte] }

// Load gives the id; false while brokers do not tell it (before Kafka 2.8).
func (t *TopicID) Load() (id [16]byte, known bool) {
	if p := t.id.Load(); p != nil {
		return *p, *p != [16]byte{}
	}
	return id, false
}

// Store sets the id.
func (t *TopicID) Store(id [16]byte) { t.id.Store(&id) }

// Lifetime is a StateLifetime that is learned while lanes are at work.
type Lifetime struct{ d atomic.Int64 }

// Store sets it.
func (t *Lifetime) Store(d time.Duration) { t.d.Store(int64(d)) }

// Lifetime is the StateLifetime in force.
func (c *Config) Lifetime() time.Duration {
	if c.Learned != nil {
		if d := c.Learned.d.Load(); d > 0 {
			return time.Duration(d)
		}
	}
	return c.StateLifetime
}

// Window is how many unresolved batches a confirmed lane may have.
const Window = 5

// ID is a producer id with its epoch.
type ID struct {
	Producer int64
	Epoch    int16
}

// Sender carries a lane's batches to its leader.
type Sender interface {
	// Ready puts the lane in the queue of those that have something to send; idle
	// says that it is only for when nothing is in flight.
	Ready(l *Lane, idle bool)
	// Drain is Ready for a caller that waits for the answer: an idle sender may
	// write the request before it returns. It does not wait.
	Drain(l *Lane, idle bool)
	// Later calls the lane's Due at about this time.
	Later(l *Lane, at time.Time)
	// Warm connects although there is nothing to send.
	Warm()
	// Detach takes the lane out of those that hear of the connection.
	Detach(l *Lane)
	// Broker is the node id of the leader, for events.
	Broker() int32
}

// Host is what lanes need from above. Its methods are called without a lane's
// lock, from any goroutine, and must not block.
type Host interface {
	// Clock gives the time by a clock that is read every few milliseconds.
	Clock() int64
	// PrepareBatch hands a closed batch to the pool that massages and compresses; the
	// pool calls Prepared.
	PrepareBatch(l *Lane, b *batch.Batch)
	// Resolved hands over a batch with its outcome, to run its completions. free
	// says that its bytes may be recycled and credited, and then the batch; else
	// Released follows when its last attempt has ended.
	Resolved(l *Lane, b *batch.Batch, free bool)
	// Told says that the callers of all batches resolved before have been told: the
	// lane may have passed a Mark.
	Told(l *Lane)
	// Released says that the bytes of a batch resolved before may be recycled and credited.
	Released(l *Lane, b *batch.Batch)
	// NextID gives an id: the shared one for a lane's first chain, a fresh one
	// for later chains. Not ok: the host will call Wake once it has one.
	NextID(l *Lane, fresh bool) (id ID, ok bool)
	// Refresh asks for new metadata.
	Refresh()
	// Doubt asks the cluster what became of a lane's unresolved batches, and
	// answers with Settle.
	Doubt(l *Lane, q Question)
	// LogEnd asks where the lane's log ends, and answers with Noted, with the same number.
	LogEnd(l *Lane, number uint64)
	// SenderFor gives the sender for a lane of a partition with this leader, with
	// the lane attached to it; nil: there is none.
	SenderFor(l *Lane, leader int32) Sender
	// Event reports something that happened to a lane.
	Event(e Event)
	// Resized reports that a partition's number of workers changed.
	Resized(p *Partition, workers int)
}

// EventKind names what happened to a lane.
type EventKind uint8

// The events of a lane.
const (
	EventState       EventKind = iota // From, To
	EventSent                         // Batch facts
	EventAnswered                     // Batch facts, Took, Err
	EventRetry                        // Messages, Err
	EventDropped                      // Messages, Err
	EventDataLoss                     // Err
	EventUndecidable                  // Messages, Err
)

// Event is something that happened to a lane.
type Event struct {
	Kind     EventKind
	Lane     *Lane
	Broker   int32
	Messages int
	Bytes    int
	Took     time.Duration
	From, To State
	Err      error
}

// Limits are the accounts of a partition: bytes always, messages where a limit
// on them is set.
type Limits struct {
	Bytes    *memory.Account
	Messages *memory.Account
}

// HasRoom reports whether the partition's own limits, not those above them, leave
// room for a message of this size.
func (l Limits) HasRoom(size int) bool {
	// Most ask with room to spare: then it matters little how large the chunk would be.
	if most := int64(size) + batch.MaxChunk + batch.HeaderSize; l.Messages == nil && l.Bytes.Fits(4*most) {
		return true
	}
	return l.Bytes.Fits(int64(memory.CapacityFor(size+batch.HeaderSize))) && (l.Messages == nil || l.Messages.Fits(1))
}

// Charge takes room for what was accepted before, whatever the limits.
func (l *Limits) Charge(bytes, messages int64) {
	l.Bytes.Charge(bytes)
	if l.Messages != nil {
		l.Messages.Charge(messages)
	}
}

// Credit gives room back.
func (l *Limits) Credit(bytes, messages int64) {
	l.Bytes.Credit(bytes)
	if l.Messages != nil {
		l.Messages.Credit(messages)
	}
}
