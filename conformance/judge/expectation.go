package judge

import (
	"fmt"
	"sync"
)

// Order says within what the sequence numbers of one stream must rise.
type Order uint8

const (
	// PerKey: a stream's messages rise by offset and all lie in one partition.
	// For keyed messages while the partition count stands.
	PerKey Order = iota
	// PerPartition: they rise within each partition they were spread over. For
	// unkeyed messages with one worker to a partition.
	PerPartition
	// PerLane: they rise within each partition and Kafka producer id. For unkeyed
	// messages with several workers to a partition.
	PerLane
	// Unordered: nothing is asked. For messages sent by racing goroutines.
	Unordered
)

// Expectation collects what the producer under test said about each message.
// The zero value expects an empty topic. Its methods may be called from several
// goroutines at once, such as completion callbacks.
type Expectation struct {
	// Order is what to ask of the order. Default: PerKey. Set it before Verify.
	Order Order

	mu      sync.Mutex // guards the following
	streams map[stream]*fate
}

// fate is what is known of a stream's messages: a bit each.
type fate struct {
	acked set // must be in the topic, once
	maybe set // may be, once
}

// Acked notes that the producer called a message delivered: it must be in the
// topic exactly once. Sequences outside 0..MaxSequence-1 panic.
func (e *Expectation) Acked(m Message) { e.note(m, func(f *fate) { f.acked.add(m.Sequence) }) }

// Maybe notes that the producer left open whether a message was written: it may
// be in the topic once. A message that was never noted must not be there at all.
func (e *Expectation) Maybe(m Message) { e.note(m, func(f *fate) { f.maybe.add(m.Sequence) }) }

// AckedAll notes the first count messages of a stream as Acked.
func (e *Expectation) AckedAll(producer int, key string, count int64) {
	for sequence := range count {
		e.Acked(Message{Producer: producer, Key: key, Sequence: sequence})
	}
}

func (e *Expectation) note(m Message, do func(*fate)) {
	if m.Sequence < 0 || m.Sequence >= MaxSequence {
		panic(fmt.Sprintf("judge: sequence %d is outside 0..%d", m.Sequence, MaxSequence-1))
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	name := stream{m.Producer, m.Key}
	f := e.streams[name]
	if f == nil {
		if e.streams == nil {
			e.streams = map[stream]*fate{}
		}
		f = &fate{}
		e.streams[name] = f
	}
	do(f)
}

// set is a set of sequence numbers, a bit each.
type set []uint64

func (s set) has(i int64) bool {
	return i/64 < int64(len(s)) && s[i/64]&(1<<(i%64)) != 0
}

func (s *set) add(i int64) {
	if word := int(i / 64); word >= len(*s) {
		*s = append(*s, make(set, word+1-len(*s))...)
	}
	(*s)[i/64] |= 1 << (i % 64)
}
