package ekaf

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/ekaf-go/ekaf/internal/memory"
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
// a call of one message the embedded Ack is all of it; At and All give the others.
//
// It keeps what the batches answered, not an Ack for each message, so an answer
// for a hundred messages of one batch costs no more than one for a single message.
type Acked struct {
	// Ack is that of the first message.
	Ack

	n      int
	topic  string
	one    ackRun   // the first run to be answered
	more   []ackRun // the others; of many, by their first place
	places []int32  // place among the runs of each message; nil: its index
}

// ackRun is the outcome of count messages that one batch carried together. It is
// small because a full buffer of small messages holds very many of them.
type ackRun struct {
	first, count int32
	partition    int32
	worker       int16
	steps        bool   // each message's offset is one above that of the one before
	offset       int64  // of the first
	ms           int64  // timestamp, 0: none
	err          *error // nil: acked
}

// ack is that of the i-th message of the run.
func (r *ackRun) ack(topic string, i int32) Ack {
	a := Ack{Topic: topic, Partition: r.partition, Worker: int(r.worker), Offset: r.offset}
	if r.steps {
		a.Offset += int64(i)
	}
	if r.err != nil {
		a.Err = *r.err
	} else {
		a.Timestamp = time.UnixMilli(r.ms)
	}
	return a
}

// Pieces of a call's answer, which its caller may keep.
var (
	runSlab     memory.Slab[ackRun]
	placeSlab   memory.Slab[int32]
	receiptSlab memory.Slab[Buffered]
)

// Len is the number of messages answered for.
func (a Acked) Len() int { return a.n }

// At is the ack of the i-th message of the call, from 0. It panics if there is none.
func (a Acked) At(i int) Ack {
	if i < 0 || i >= a.n {
		panic(fmt.Sprintf("ekaf: there is no ack %d of %d", i, a.n))
	}
	place := int32(i)
	if a.places != nil {
		place = a.places[i]
	}
	run := a.run(place)
	return run.ack(a.topic, place-run.first)
}

// fewRuns are looked through faster than they are sorted.
const fewRuns = 32

// run is the one that holds a place. After seal.
func (a *Acked) run(place int32) *ackRun {
	if a.one.holds(place) {
		return &a.one
	}
	if len(a.more) > fewRuns {
		at, _ := slices.BinarySearchFunc(a.more, place, func(r ackRun, place int32) int {
			return int(r.first + r.count - 1 - place)
		})
		return &a.more[at]
	}
	at := 0
	for !a.more[at].holds(place) {
		at++
	}
	return &a.more[at]
}

// All walks the acks in the order of the messages.
func (a Acked) All() iter.Seq2[int, Ack] {
	return func(yield func(int, Ack) bool) {
		for i := range a.n {
			if !yield(i, a.At(i)) {
				return
			}
		}
	}
}

func (r *ackRun) holds(place int32) bool { return place >= r.first && place < r.first+r.count }

// has reports whether there is an outcome for a place. Before seal.
func (a *Acked) has(place int32) bool {
	if a.one.holds(place) {
		return true
	}
	return slices.ContainsFunc(a.more, func(r ackRun) bool { return r.holds(place) })
}

// add notes the outcome of a run.
func (a *Acked) add(run ackRun) {
	if a.one.count == 0 {
		a.one = run
	} else {
		a.more = append(a.more, run)
	}
}

// seal ends the adding.
func (a *Acked) seal(places []int32) {
	a.places = places
	if len(a.more) > fewRuns {
		slices.SortFunc(a.more, func(x, y ackRun) int { return int(x.first - y.first) })
	}
	if a.n > 0 {
		a.Ack = a.At(0)
	}
}

// firstErr is the error of the first message that failed.
func (a *Acked) firstErr() error {
	failed := a.one.err != nil
	for i := range a.more {
		failed = failed || a.more[i].err != nil
	}
	if !failed {
		return nil
	}
	for _, ack := range a.All() {
		if ack.Err != nil {
			return ack.Err
		}
	}
	return nil
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
