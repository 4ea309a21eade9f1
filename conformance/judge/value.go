package judge

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
)

// MaxSequence bounds the sequence numbers of a stream, so that a damaged value
// cannot make the judge allocate without bound: two bits a message, 64 MiB.
const MaxSequence = 1 << 28

// Message names one message of a test: the Sequence-th (from 0) that producer
// Producer sent with the key Key. Messages which share Producer and Key form a
// stream; streams are what stays in order.
type Message struct {
	Producer int
	Key      string
	Sequence int64
}

// String is the message's value without padding.
func (m Message) String() string { return fmt.Sprintf("%d:%d:%s", m.Producer, m.Sequence, m.Key) }

// AppendValue appends the message's value to dst, filled up to size bytes if it
// is shorter, and returns the extended slice.
//
//	7:42:user-9|xxxxxxxx
//	│ │  │      └ padding
//	│ │  └ key, any bytes
//	│ └ sequence
//	└ producer
func AppendValue(dst []byte, m Message, size int) []byte {
	start := len(dst)
	dst = strconv.AppendInt(dst, int64(m.Producer), 10)
	dst = append(dst, ':')
	dst = strconv.AppendInt(dst, m.Sequence, 10)
	dst = append(dst, ':')
	dst = append(dst, m.Key...)
	dst = append(dst, '|')
	for len(dst)-start < size {
		dst = append(dst, 'x')
	}
	return dst
}

var errNotOurs = errors.New("cannot read the value: it is not of the form producer:sequence:key|xxx")

// ParseValue reads what AppendValue wrote. The padding is checked too, so that a
// value which was cut or mixed with another is refused. Any other value is an
// error.
func ParseValue(value []byte) (Message, error) {
	producer, key, sequence, err := parse(value)
	return Message{Producer: producer, Key: string(key), Sequence: sequence}, err
}

// parse is ParseValue without the copy of the key.
func parse(value []byte) (producer int, key []byte, sequence int64, err error) {
	end := bytes.LastIndexByte(value, '|')
	if end < 0 {
		return 0, nil, 0, errNotOurs
	}
	for _, b := range value[end+1:] {
		if b != 'x' {
			return 0, nil, 0, errNotOurs
		}
	}
	first, rest, found := bytes.Cut(value[:end], []byte(":"))
	second, key, found2 := bytes.Cut(rest, []byte(":"))
	if !found || !found2 {
		return 0, nil, 0, errNotOurs
	}
	producer64, err1 := strconv.ParseUint(string(first), 10, 31)
	sequence64, err2 := strconv.ParseUint(string(second), 10, 63)
	if err1 != nil || err2 != nil || sequence64 >= MaxSequence {
		return 0, nil, 0, errNotOurs
	}
	return int(producer64), key, int64(sequence64), nil
}
