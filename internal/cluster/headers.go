package cluster

import (
	"encoding/binary"
	"fmt"
)

// Where the fields of a record batch are (magic 2; KIP-98). Older message sets share the first three.
//
//	0            8        12            16    17    21    23               27
//	base offset  length   leader epoch  magic CRC   attr  last offset delta
//	27             35            43           51     53             57            61
//	first timestamp max timestamp producer id epoch  base sequence  record count  records
const (
	atLength     = 8
	atMagic      = 16
	atAttributes = 21
	atLastDelta  = 23
	atProducer   = 43
	atEpoch      = 51
	atSequence   = 53
	headerBytes  = 61

	beforeLength = 12   // bytes that length does not count
	controlBit   = 0x20 // of the attributes: a transaction marker
)

// batchHeader is what read-back needs to know of a batch in the log.
type batchHeader struct {
	base, last   int64 // offsets
	producer     int64 // -1: none
	epoch        int16
	sequence     int32 // of its first record, -1: none
	lastSequence int32 // of its last one
	control      bool
}

// scanBatches reads the headers in the records of one Fetch answer, in order, and calls visit for each. What
// lies behind a header is not looked at. The end may be cut off anywhere, as brokers fill an answer up to its
// limit; a batch whose header is whole counts as read. It answers the offset behind the last header, -1 if
// there is none.
func scanBatches(b []byte, visit func(batchHeader)) (next int64, err error) {
	next = -1
	for len(b) > atMagic {
		h, size, whole, err := readHeader(b)
		if err != nil {
			return next, err
		}
		if !whole {
			return next, nil
		}
		if h.last < next {
			return next, fmt.Errorf("cannot read the log: offset %d follows offset %d", h.last, next-1)
		}
		next = h.last + 1
		visit(h)
		if size >= int64(len(b)) {
			return next, nil
		}
		b = b[size:]
	}
	return next, nil
}

// readHeader reads the header at the start of b, which holds more than atMagic bytes, and answers the size of
// the whole batch; whole is false if the header is cut off.
func readHeader(b []byte) (h batchHeader, size int64, whole bool, err error) {
	base := int64(binary.BigEndian.Uint64(b))
	length := int32(binary.BigEndian.Uint32(b[atLength:]))
	magic := int8(b[atMagic])
	least := int32(headerBytes - beforeLength)
	if magic < 2 {
		least = 14 // CRC, magic, attributes, and the two lengths of a message
	}
	switch {
	case magic < 0 || magic > 2:
		return h, 0, false, fmt.Errorf("cannot read the log: the batch at offset %d has the unknown format %d", base, magic)
	case base < 0 || length < least:
		return h, 0, false, fmt.Errorf("cannot read the log: a batch at offset %d claims %d bytes", base, length)
	}
	size = beforeLength + int64(length)
	if magic < 2 {
		// The offset is that of the message, or of the last one inside a compressed one.
		return batchHeader{base: base, last: base, producer: -1, epoch: -1, sequence: -1, lastSequence: -1}, size, true, nil
	}
	if len(b) < headerBytes {
		return h, size, false, nil
	}
	delta := int32(binary.BigEndian.Uint32(b[atLastDelta:]))
	if delta < 0 || base+int64(delta) < 0 {
		return h, 0, false, fmt.Errorf("cannot read the log: the batch at offset %d ends %d behind it", base, delta)
	}
	h = batchHeader{
		base: base, last: base + int64(delta),
		producer: int64(binary.BigEndian.Uint64(b[atProducer:])),
		epoch:    int16(binary.BigEndian.Uint16(b[atEpoch:])),
		sequence: -1, lastSequence: -1,
		control: binary.BigEndian.Uint16(b[atAttributes:])&controlBit != 0,
	}
	if first := int32(binary.BigEndian.Uint32(b[atSequence:])); first >= 0 {
		// By the offset delta, not the record count: compaction lowers that one to 0. Sequences wrap
		// from 2^31-1 to 0.
		h.sequence, h.lastSequence = first, int32((int64(first)+int64(delta))&0x7fffffff)
	}
	return h, size, true, nil
}

// later tells whether sequence a comes after b, on the ring of 2^31 numbers.
func later(a, b int32) bool {
	return a != b && (a-b)&0x7fffffff < 1<<30
}
