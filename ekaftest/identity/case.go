package identity

import (
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Case is one row of the table: steps on a fresh topic of one partition.
type Case struct {
	Name    string
	Needs   Needs
	Configs map[string]string // of the topic
	Steps   []Step
}

// Needs is what a case asks of the cluster it runs on.
type Needs struct {
	Since, Until Release // releases it holds for, both included; zero: any
	Expiry       bool    // producer ids expire within seconds
	Brokers      int     // at least so many; 0: one
	API          kmsg.Key
	Version      int16 // of API, at least; with API Produce and 0: any
}

// Release is a Kafka release by its first two numbers.
type Release struct{ Major, Minor int }

func (r Release) before(o Release) bool {
	return r.Major < o.Major || r.Major == o.Major && r.Minor < o.Minor
}

// Action is what a step does.
type Action uint8

const (
	// Send produces batches, each in a request of its own.
	Send Action = iota
	// SendJoined produces batches as the records of one partition entry.
	SendJoined
	// SendTwice produces two batches in two entries of one request for the
	// same partition.
	SendTwice
	// Restart restarts every broker.
	Restart
	// FailOver stops the leader; another broker leads.
	FailOver
	// FailBack starts the stopped leader, which leads again.
	FailBack
	// AwaitExpiry waits until ids idle since now have been dropped.
	AwaitExpiry
	// AwaitCheck waits until brokers have looked for expired ids, but not as
	// long as the expiration.
	AwaitCheck
	// DeleteRecords moves the log start to Offset, -1 for the end.
	DeleteRecords
	// DeleteTopic deletes the topic; Recreate creates it again as well.
	DeleteTopic
	// Recreate deletes the topic and creates it again.
	Recreate
	// Configure sets the topic config Config to Value.
	Configure
	// Describe asks DescribeProducers for the first batch's producer.
	Describe
	// Read fetches the whole log and compares batch headers.
	Read
)

// Step is one action and what is expected of it.
type Step struct {
	Do            Action
	Batches       []Batch
	Want          []Answer // of Send: one per batch; of the joined ones: one
	Offset        int64
	Config, Value string
	Producer      Producer // of Describe
}

// Batch is a record batch to send or to find.
type Batch struct {
	Producer string // names a producer id; "" is one too
	Epoch    int16
	Sequence int32
	Count    int32

	Ahead   time.Duration // timestamps relative to now; negative: old
	Payload string        // of the records, beside their sequence
	Gzip    bool
	BadCRC  bool

	Acks    int16 // 0: all; see NoAcks
	NoAcks  bool  // acks=0
	Version int16 // of Produce; 0: 3
	OldID   bool  // by the topic id known before Recreate
}

// Answer is a broker's answer to a batch.
type Answer struct {
	Code   int16
	Offset int64 // with Code 0; -1: whichever
	None   bool  // acks=0: no answer, connection open
	Closed bool  // the connection is closed
}

// Producer is what DescribeProducers says of a producer id.
type Producer struct {
	Absent       bool
	Epoch        int32
	LastSequence int32
	Ahead        time.Duration // of LastTimestamp; compared with 5 minutes of tolerance
}

// The error codes of the table.
const (
	corruptMessage     = 2
	unknownTopic       = 3
	messageTooLarge    = 10
	outOfOrderSequence = 45
	invalidEpoch       = 47
	invalidRecord      = 87
	unknownTopicID     = 100
)

// ok expects success at an offset, code an error.
func ok(offset int64) Answer { return Answer{Offset: offset} }
func code(code int16) Answer { return Answer{Code: code} }
func send(b Batch, want Answer) Step {
	return Step{Do: Send, Batches: []Batch{b}, Want: []Answer{want}}
}

// b is batch number n, from 1: three records, sequences 3(n-1) and on.
func b(n int32) Batch { return Batch{Sequence: 3 * (n - 1), Count: 3} }

// write writes batches first to last, which go to offsets 3(n-1).
func write(first, last int32) Step { return resend(first, last, 0) }

// resend sends batches first to last: the first ooo of them are out of order,
// the others are there at their first offset.
func resend(first, last, ooo int32) Step {
	s := Step{Do: Send}
	for n := first; n <= last; n++ {
		s.Batches = append(s.Batches, b(n))
		if n < first+ooo {
			s.Want = append(s.Want, code(outOfOrderSequence))
		} else {
			s.Want = append(s.Want, ok(int64(3*(n-1))))
		}
	}
	return s
}

// read expects the log to hold these batches and no others.
func read(batches ...Batch) Step { return Step{Do: Read, Batches: batches} }

// logOf is read with batches 1 to n.
func logOf(n int32) Step {
	s := Step{Do: Read}
	for i := range n {
		s.Batches = append(s.Batches, b(i+1))
	}
	return s
}

func describe(b Batch, want Producer) Step {
	return Step{Do: Describe, Batches: []Batch{b}, Producer: want}
}

// with changes every batch of a step.
func with(s Step, change func(*Batch)) Step {
	for i := range s.Batches {
		change(&s.Batches[i])
	}
	return s
}
