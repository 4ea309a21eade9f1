// Package clients drives each producer of the benchmark, tuned as its own
// documentation advises, through one small interface.
//
//	harness ──► Client.Produce(from, to) ──► the producer ──► broker
//	               ▲                              │
//	             Load ◄──────── Ack ──────────────┘
//
// A client loops over its share of the records itself, so the interface costs
// one call for a whole run and no client pays for another's shape.
package clients

import (
	"context"
	"errors"
	"slices"

	"github.com/ekaf-go/ekaf/bench/load"
)

// ErrNotOffered is returned by a Factory whose client cannot do a row. The
// cell is then left empty.
var ErrNotOffered = errors.New("this client does not offer it")

// Client is one producer under measurement.
type Client interface {
	// Produce gives the records from to to-1 to the producer, waiting only
	// where its buffer is full. Outcomes go to Load.Ack. It may be called from
	// several goroutines with separate ranges.
	Produce(ctx context.Context, from, to int) error
	// Flush sends at once what lingers. It need not wait for acks.
	Flush(ctx context.Context) error
	// Sync produces record i, waits for its outcome and reports it to Load.Ack.
	Sync(ctx context.Context, i int) error
	// Close ends the producer.
	Close() error
}

// Outage is a client that can tell when it knows that its broker is away.
type Outage interface {
	AwaitOutage(ctx context.Context) error
}

// Factory makes a client for a load.
type Factory func(ctx context.Context, l *load.Load) (Client, error)

// Entry is a client by name.
type Entry struct {
	Name string
	New  Factory
	Note string // what sets its numbers apart, for the legend
}

var entries = []Entry{
	{"ekaf", newEkaf, "this module's producer, with its defaults but for linger, buffer and the Block policy"},
	{"franz-go", newFranz, "twmb/franz-go; a new Record for each call, as its examples do"},
	{"franz-go-pool", newFranzPooled, "franz-go with Records from a sync.Pool"},
	{"sarama", newSarama, "IBM/sarama; idempotence allows it one request in flight"},
	{"kafka-go", newKafkaGo, "segmentio/kafka-go; has no idempotence, and no bound of its own in async mode: the driver adds one"},
	{"limit", newLimit, "a hand-made loop without locks: what the bytes alone cost"},
	{"limit-locks", newLimitLocks, "the same with a lock for each partition"},
	{"raw", newRaw, "a round trip of the same bytes over one socket, by the caller itself: the limit of latency"},
}

// doneOf is a function for the outcome of one record, of clients to whose messages
// anything can be tied.
func doneOf(l *load.Load, i int) func(error) {
	return func(err error) { l.AckOne(i, err) }
}

// All lists the clients of this build.
func All() []Entry { return entries }

// Find returns the client of that name.
func Find(name string) (Entry, bool) {
	i := slices.IndexFunc(entries, func(e Entry) bool { return e.Name == name })
	if i < 0 {
		return Entry{}, false
	}
	return entries[i], true
}
