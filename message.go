package ekaf

import (
	"time"
	"unsafe"
)

// Payload is what a key or a value may be made of.
type Payload interface{ ~[]byte | ~string }

// Header is one record header (Kafka 0.11 and later). Keys may repeat; a nil
// Value is kept apart from an empty one.
type Header struct {
	Key   string
	Value []byte
}

// Message is one event on its way to Kafka. The zero value of every field
// means "not given".
//
// The producer copies what it needs before a call returns: the caller may reuse
// Key, Value and Headers at once (promise P5).
type Message struct {
	// Key chooses the partition and, inside it, the worker (see ByKey and
	// Custom). nil means unkeyed; an empty, non-nil key is a key.
	Key []byte
	// Value is the payload. nil is a tombstone, which a compacted topic reads
	// as "delete this key"; an empty, non-nil value is an empty payload.
	Value []byte
	// Headers travel with the record, in this order.
	Headers []Header
	// Timestamp is the record's create time, kept with millisecond precision.
	// The zero time means now, as seen by a clock that is read when a batch
	// opens and then every few milliseconds.
	Timestamp time.Time
	// Callback, if set, gets this message's outcome, exactly once, after the
	// call accepted the message. It runs on the producer's callback goroutine:
	// it may produce, but while it runs no other callback of this producer does.
	Callback Callback

	partition int32 // explicit partition plus one; 0: the strategy decides
}

// Value makes a message without a key.
func Value[V Payload](value V) Message { return Message{Value: payloadBytes(value)} }

// KeyValue makes a message with a key.
func KeyValue[K, V Payload](key K, value V) Message {
	return Message{Key: payloadBytes(key), Value: payloadBytes(value)}
}

// Tombstone makes a message that has a key and no value.
func Tombstone[K Payload](key K) Message { return Message{Key: payloadBytes(key)} }

// Values makes one message of each value, for calls that take a list.
func Values[V Payload](values ...V) []Message {
	list := make([]Message, len(values))
	for i, v := range values {
		list[i] = Value(v)
	}
	return list
}

// OnPartition returns a copy of m that goes to the partition named, whatever
// the topic's strategy says. A partition that the topic does not have is
// refused with ErrUnknownPartition, at the call when the topic is known and
// through the outcome when it becomes known later.
func (m Message) OnPartition(partition int32) Message {
	m.SetPartition(partition)
	return m
}

// SetPartition is OnPartition in place, for messages that are filled again and again.
func (m *Message) SetPartition(partition int32) {
	m.partition = partition + 1
	if partition < 0 {
		m.partition = badPartition
	}
}

// Partition reports the partition given with OnPartition.
func (m Message) Partition() (partition int32, explicit bool) {
	return m.partition - 1, m.partition != 0
}

// WithKey returns a copy of m with this key.
func (m Message) WithKey(key []byte) Message { m.Key = key; return m }

// WithHeader returns a copy of m with one more header.
func (m Message) WithHeader(key string, value []byte) Message {
	m.Headers = append(m.Headers[:len(m.Headers):len(m.Headers)], Header{Key: key, Value: value})
	return m
}

// At returns a copy of m with this timestamp.
func (m Message) At(t time.Time) Message { m.Timestamp = t; return m }

// Then returns a copy of m whose outcome goes to fn.
func (m Message) Then(fn Callback) Message { m.Callback = fn; return m }

// badPartition marks a negative partition, so that it is refused and does not
// read as "the strategy decides".
const badPartition = -1

// payloadBytes views p as bytes without copying it: the producer copies the
// payload into the batch before the call that got it returns, and writes
// nowhere else.
func payloadBytes[P Payload](p P) []byte {
	switch p := any(p).(type) {
	case []byte:
		return p
	case string:
		return stringBytes(p)
	}
	return []byte(p) // a named type: copied, once
}

func stringBytes(s string) []byte {
	if s == "" {
		return []byte{}
	}
	return unsafe.Slice(unsafe.StringData(s), len(s))
}
