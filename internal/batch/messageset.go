package batch

import (
	"encoding/binary"
	"hash/crc32"
	"sync"
)

// The message sets of Kafka before 0.11 (Kafka protocol guide, "Message Sets"),
// which one attempt makes of a batch and nobody keeps:
//
//	offset int64 | size int32 | crc int32 | magic int8 | attributes int8 | [time int64] | key | value
//	                          └── size counts from here; the CRC-32 (IEEE) covers all behind itself
//
// Magic 0 (Produce v0 and v1) has no timestamp, magic 1 (Produce v2, KIP-32) has.
// Key and value have a length of four bytes before them, -1 for null. There are no
// record headers, no producer id and no zstd. Compressed, the set is the value of
// one message, the wrapper, whose attributes name the codec, and whose offset is
// that of the last message in it (KIP-31 wants so; magic 0 does not look).
const (
	setEntryBytes   = 8 + 4         // offset and size
	setMessageBytes = 4 + 1 + 1 + 8 // CRC, magic, attributes, and the two lengths
	setTimeBytes    = 8
)

// MessageSetBound is at least what AppendMessageSet appends.
func (b *Batch) MessageSetBound(magic int8) int64 {
	// A record has a byte at least for the length of its key and of its value.
	return int64(b.size) + int64(b.count)*int64(messageOverhead(magic)) + int64(messageOverhead(magic))
}

// messageOverhead is the size of a message without key and value.
func messageOverhead(magic int8) int {
	if magic == 0 {
		return setEntryBytes + setMessageBytes
	}
	return setEntryBytes + setMessageBytes + setTimeBytes
}

// WithHeaders lists the records, by index, that have headers: no message set can
// hold these.
func (b *Batch) WithHeaders() (indexes []int32) {
	cursor := b.records()
	for i := int32(0); cursor.Next(); i++ {
		if cursor.record.Headers.Len() > 0 {
			indexes = append(indexes, i)
		}
	}
	return indexes
}

// records walks the records as they were appended.
func (b *Batch) records() Cursor {
	records := make([][]byte, len(b.chunks))
	for i, c := range b.chunks {
		records[i] = c.Buf
	}
	if len(records) > 0 {
		records[0] = records[0][HeaderSize:]
	}
	return NewCursor(records)
}

// setScratch holds the plain sets that are being compressed.
var setScratch = sync.Pool{New: func() any { return new([]byte) }}

// AppendMessageSet appends the batch as a message set of magic 0 or 1, compressed
// as Wire would have it, and plain where that is not smaller or cannot be (the
// format has no zstd). Headers are left out: see WithHeaders. The batch is only
// read: it is closed, and its records are not recycled meanwhile.
func (b *Batch) AppendMessageSet(dst []byte, magic int8, level int) []byte {
	codec := b.Codec()
	if codec == None || codec == Zstd {
		return b.appendMessages(dst, magic)
	}
	scratch := setScratch.Get().(*[]byte)
	defer setScratch.Put(scratch)
	plain := b.appendMessages((*scratch)[:0], magic)
	*scratch = plain

	start := len(dst)
	dst = appendMessageStart(dst, magic, int8(codec), int64(b.count-1), b.maxTime)
	dst = append(dst, 0xff, 0xff, 0xff, 0xff) // a null key
	dst = append(dst, 0, 0, 0, 0)             // the value's length, once it is known
	value := len(dst)
	dst, err := Compress(dst, codec, level, [][]byte{plain})
	if err != nil || len(dst)-start >= len(plain) {
		return append(dst[:start], plain...)
	}
	if magic == 0 && codec == LZ4 {
		SetLZ4Magic0(dst[value:])
	}
	binary.BigEndian.PutUint32(dst[value-4:], uint32(len(dst)-value))
	finishMessage(dst[start:])
	return dst
}

// appendMessages appends the records as plain messages, with the offsets 0, 1, 2 ...
// Inside a wrapper these are what magic 1 calls relative (KIP-31); elsewhere brokers
// put their own.
func (b *Batch) appendMessages(dst []byte, magic int8) []byte {
	cursor := b.records()
	for i := int64(0); cursor.Next(); i++ {
		r := &cursor.record
		start := len(dst)
		dst = appendMessageStart(dst, magic, 0, i, b.baseTime+r.TimestampDelta)
		dst = appendSetBytes(dst, r.Key)
		dst = appendSetBytes(dst, r.Value)
		finishMessage(dst[start:])
	}
	if err := cursor.Err(); err != nil {
		panic("BUG: a batch's own records do not decode: " + err.Error())
	}
	return dst
}

// appendMessageStart appends all of a message before its key, with holes for the
// size and the CRC.
func appendMessageStart(dst []byte, magic, attributes int8, offset, ms int64) []byte {
	dst = binary.BigEndian.AppendUint64(dst, uint64(offset))
	dst = append(dst, 0, 0, 0, 0, 0, 0, 0, 0, byte(magic), byte(attributes))
	if magic > 0 {
		dst = binary.BigEndian.AppendUint64(dst, uint64(ms))
	}
	return dst
}

func appendSetBytes(dst, p []byte) []byte {
	if p == nil {
		return append(dst, 0xff, 0xff, 0xff, 0xff)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(p)))
	return append(dst, p...)
}

// finishMessage fills the size and the CRC of a message.
func finishMessage(m []byte) {
	binary.BigEndian.PutUint32(m[8:], uint32(len(m)-setEntryBytes))
	binary.BigEndian.PutUint32(m[setEntryBytes:], crc32.ChecksumIEEE(m[setEntryBytes+4:]))
}
