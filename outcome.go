package ekaf

import (
	"iter"
	"time"
)

// Ack says where a message stands in Kafka.
type Ack struct {
	// Topic and Partition are those the record was written to.
	Topic     string
	Partition int32
	// Worker is the lane of the partition that carried it, from 0.
	Worker int
	// Offset is the record's offset, or -1 where Kafka does not tell: with
	// acks=0, and for a batch known to be written only by its successor's answer.
	Offset int64
	// Timestamp is the broker's on topics with
	// message.timestamp.type=LogAppendTime, else the record's own.
	Timestamp time.Time
	// Err is this message's failure, a *DeliveryError, or nil. It is set in the
	// answer for a list of messages, of which some may fail and others not.
	Err error
}

// Acked answers for the messages of one call, in the order they were given. For
// a call of one message the embedded Ack is all of it; Rest holds the others.
type Acked struct {
	Ack
	Rest []Ack
}

// Len is the number of messages answered for.
func (a Acked) Len() int { return 1 + len(a.Rest) }

func (a *Acked) at(i int) Ack {
	if i == 0 {
		return a.Ack
	}
	return a.Rest[i-1]
}

func (a *Acked) set(i int, ack Ack) {
	if i == 0 {
		a.Ack = ack
	} else {
		a.Rest[i-1] = ack
	}
}

// All walks the acks in the order of the messages.
func (a Acked) All() iter.Seq2[int, Ack] {
	return func(yield func(int, Ack) bool) {
		if !yield(0, a.Ack) {
			return
		}
		for i, ack := range a.Rest {
			if !yield(i+1, ack) {
				return
			}
		}
	}
}

// Buffered is what a batched verb answers: so many messages now wait in the
// open batch of this worker.
type Buffered struct {
	// Partition is -1 while the topic's partitions are unknown.
	Partition int32
	Worker    int
	// Messages is the number of messages in the worker's buffer, those of this
	// call included.
	Messages int
}

// Receipt lists the workers that a batched call touched. For a call that
// touched one the embedded Buffered is all of it; Rest holds the others.
type Receipt struct {
	Buffered
	Rest []Buffered
}

// All walks the workers touched.
func (r Receipt) All() iter.Seq[Buffered] {
	return func(yield func(Buffered) bool) {
		if !yield(r.Buffered) {
			return
		}
		for _, b := range r.Rest {
			if !yield(b) {
				return
			}
		}
	}
}

// Callback gets the outcome of one message: acked (err is nil) or failed, with
// a *DeliveryError that says why and whether the broker may hold it all the same.
type Callback func(ack Ack, err error)
