package batch

import (
	"encoding/binary"
	"math/bits"
)

// MessageHeader is one record header to be encoded.
type MessageHeader struct {
	Key   string
	Value []byte
}

// Message is what Append encodes. Its slices are read and not kept.
type Message struct {
	Key, Value []byte
	Headers    []MessageHeader
	Time       int64 // milliseconds
	Timed      bool  // Time was given, be it 0; else it is that of the putting

	// Also hears of the record besides its first completer: a call's message may have
	// a callback of its own. It is kept with the completions, not encoded; nil: nobody.
	Also Completer
}

// varintSize is the size of a zigzag varint.
func varintSize(v int64) int {
	u := uint64(v)<<1 ^ uint64(v>>63)
	return (bits.Len64(u|1) + 6) / 7
}

// putVarint writes a zigzag varint at b[n:], which has room, and returns the new n.
// Lengths below 64 take one byte, which is most of them.
func putVarint(b []byte, n int, v int64) int {
	u := uint64(v)<<1 ^ uint64(v>>63)
	for u >= 0x80 {
		b[n] = byte(u) | 0x80
		u >>= 7
		n++
	}
	b[n] = byte(u)
	return n + 1
}

// sliceSize is the size of a length and its bytes; nil has length -1.
func sliceSize(p []byte) int {
	if p == nil {
		return 1
	}
	return varintSize(int64(len(p))) + len(p)
}

func putSlice(b []byte, n int, p []byte) int {
	if p == nil {
		b[n] = 1 // zigzag of -1
		return n + 1
	}
	n = putVarint(b, n, int64(len(p)))
	return n + copy(b[n:], p)
}

func headersSize(headers []MessageHeader) int {
	size := varintSize(int64(len(headers)))
	for i := range headers {
		h := &headers[i]
		size += varintSize(int64(len(h.Key))) + len(h.Key) + sliceSize(h.Value)
	}
	return size
}

// RecordSize is the size of the record as the batch's next one: its length
// prefix and its body.
func (b *Batch) RecordSize(r *Message) (size, body int) {
	body = 1 + varintSize(r.Time-b.baseTime) + varintSize(int64(b.count)) +
		sliceSize(r.Key) + sliceSize(r.Value)
	if len(r.Headers) == 0 {
		body++
	} else {
		body += headersSize(r.Headers)
	}
	return varintSize(int64(body)) + body, body
}

// MaxRecordSize is what a record takes at most, in any batch.
func MaxRecordSize(r *Message) int {
	return 5 + 1 + 5 + 5 + sliceSize(r.Key) + sliceSize(r.Value) + headersSize(r.Headers)
}

// FitsTime reports whether a timestamp lies within the reach of the batch's
// base: completions keep the distance in 32 bits, some 24 days.
func (b *Batch) FitsTime(ms int64) bool {
	delta := ms - b.baseTime
	return delta == int64(int32(delta))
}

// Append encodes the record into the last chunk, which has room (see Need), and
// gives its index.
func (b *Batch) Append(r *Message, size, body int) int32 {
	chunk := b.chunks[len(b.chunks)-1]
	start := len(chunk.Buf)
	buf := chunk.Buf[start : start+size]
	chunk.Buf = chunk.Buf[:start+size]

	n := putVarint(buf, 0, int64(body))
	buf[n] = 0 // attributes: unused by Kafka
	n = putVarint(buf, n+1, r.Time-b.baseTime)
	n = putVarint(buf, n, int64(b.count))
	n = putSlice(buf, n, r.Key)
	n = putSlice(buf, n, r.Value)
	n = putVarint(buf, n, int64(len(r.Headers)))
	for i := range r.Headers {
		h := &r.Headers[i]
		n = putVarint(buf, n, int64(len(h.Key)))
		n += copy(buf[n:], h.Key)
		n = putSlice(buf, n, h.Value)
	}

	if r.Time > b.maxTime {
		b.maxTime = r.Time
	}
	b.size += size
	index := b.count
	b.count++
	return index
}

// TryAppend is RecordSize and Append for a record that surely fits the batch as
// it is: its last chunk, its reach of time, and limit, a size of the whole batch.
// Else it changes nothing and is not ok.
func (b *Batch) TryAppend(r *Message, limit int) (at int32, ok bool) {
	delta := r.Time - b.baseTime
	if delta != int64(int32(delta)) || len(r.Headers) > 0 {
		return 0, false
	}
	return b.AppendPlain(r.Key, r.Value, int32(delta), limit)
}

// AppendPlain is TryAppend for a record without headers, its timestamp given as
// the distance from the batch's base.
func (b *Batch) AppendPlain(key, value []byte, timeDelta int32, limit int) (at int32, ok bool) {
	if len(b.chunks) == 0 {
		return 0, false
	}
	chunk := b.chunks[len(b.chunks)-1]
	start := len(chunk.Buf)
	if most := len(key) + len(value) + maxOverhead; most > cap(chunk.Buf)-start || b.size+most > limit {
		return 0, false
	}
	when, index := zigzag(timeDelta), zigzag(b.count)
	keyLength, valueLength := lengthOf(key), lengthOf(value)
	body := 2 + uvarintSize(when) + uvarintSize(index) +
		uvarintSize(keyLength) + len(key) + uvarintSize(valueLength) + len(value)

	buf := chunk.Buf[start:cap(chunk.Buf)]
	n := putUvarint(buf, 0, zigzag(int32(body)))
	buf[n] = 0 // attributes: unused by Kafka
	n = putUvarint(buf, n+1, when)
	n = putUvarint(buf, n, index)
	n = putUvarint(buf, n, keyLength)
	if len(key) > 0 {
		n += copy(buf[n:], key)
	}
	n = putUvarint(buf, n, valueLength)
	n += copy(buf[n:], value)
	buf[n] = 0 // no headers
	n++
	chunk.Buf = chunk.Buf[:start+n]

	if ms := b.baseTime + int64(timeDelta); ms > b.maxTime {
		b.maxTime = ms
	}
	b.size += n
	at = b.count
	b.count++
	return at, true
}

// maxOverhead is what a record without headers takes at most beside its key and value.
const maxOverhead = 5 + 1 + 5 + 5 + 5 + 5 + 1

func zigzag(v int32) uint32 { return uint32(v)<<1 ^ uint32(v>>31) }

// lengthOf is a key's or value's length as the record has it: -1 for nil.
func lengthOf(p []byte) uint32 {
	if p == nil {
		return 1
	}
	return uint32(len(p)) << 1
}

// uvarintSize is the size of an unsigned varint; most are below 2^14.
func uvarintSize(u uint32) int {
	if u < 1<<7 {
		return 1
	}
	if u < 1<<14 {
		return 2
	}
	return (bits.Len32(u) + 6) / 7
}

// putUvarint writes an unsigned varint at b[n:], which has room, and returns the new n.
func putUvarint(b []byte, n int, u uint32) int {
	for u >= 0x80 {
		b[n] = byte(u) | 0x80
		u >>= 7
		n++
	}
	b[n] = byte(u)
	return n + 1
}

// Offsets of the fields of a batch header (Kafka protocol guide, "Record Batch").
const (
	atBaseOffset    = 0
	atLength        = 8
	atLeaderEpoch   = 12
	atMagic         = 16
	atCRC           = 17
	atAttributes    = 21
	atLastDelta     = 23
	atBaseTime      = 27
	atMaxTime       = 35
	atProducerID    = 43
	atProducerEpoch = 51
	atBaseSequence  = 53
	atCount         = 57
)

func (b *Batch) wireHeader() []byte {
	if b.compressed != nil {
		return b.header[:]
	}
	return b.chunks[0].Buf[:HeaderSize]
}

// Stamp writes the header: identity, sequence, checksum. The batch is closed
// and has no outstanding attempt. A producer id of -1 means none.
func (b *Batch) Stamp(producerID int64, epoch int16, sequence int32) {
	b.ProducerID, b.Epoch, b.Sequence = producerID, epoch, sequence
	b.WriteHeader()
}

// WriteHeader is Stamp with the identity that the batch has. It only reads the
// batch's fields, so that it needs no lock while the batch is in flight.
func (b *Batch) WriteHeader() {
	producerID, epoch, sequence := b.ProducerID, b.Epoch, b.Sequence
	h := b.wireHeader()
	be := binary.BigEndian
	be.PutUint64(h[atBaseOffset:], 0)
	be.PutUint32(h[atLength:], uint32(b.WireSize()-atLeaderEpoch))
	be.PutUint32(h[atLeaderEpoch:], 0xffffffff)
	h[atMagic] = 2
	attributes := uint16(0)
	if b.compressed != nil {
		attributes = uint16(b.codec)
	}
	be.PutUint16(h[atAttributes:], attributes)
	be.PutUint32(h[atLastDelta:], uint32(b.count-1))
	be.PutUint64(h[atBaseTime:], uint64(b.baseTime))
	be.PutUint64(h[atMaxTime:], uint64(b.maxTime))
	be.PutUint64(h[atProducerID:], uint64(producerID))
	be.PutUint16(h[atProducerEpoch:], uint16(epoch))
	be.PutUint32(h[atBaseSequence:], uint32(sequence))
	be.PutUint32(h[atCount:], uint32(b.count))

	crc, size := b.checksum()
	be.PutUint32(h[atCRC:], Combine(Sum(0, h[atAttributes:]), crc, size))
}

// checksum is that of what follows the header, taken once: a further Stamp
// combines it with the new header's.
func (b *Batch) checksum() (crc uint32, size int64) {
	size = int64(b.WireSize() - HeaderSize)
	if b.compressed != nil {
		if b.summed != sumOfCompressed {
			b.recordCRC, b.summed = Sum(0, b.compressed), sumOfCompressed
		}
		return b.recordCRC, size
	}
	b.sumChunks(len(b.chunks))
	return b.recordCRC, size
}

// sumOfCompressed, in place of a number of chunks, says that the compressed form was summed.
const sumOfCompressed = -1

// sumChunks takes the first n chunks into the checksum. Nothing is appended to them any more.
func (b *Batch) sumChunks(n int) {
	if b.summed == sumOfCompressed {
		b.recordCRC, b.summed = 0, 0
	}
	for ; b.summed < n; b.summed++ {
		records := b.chunks[b.summed].Buf
		if b.summed == 0 {
			records = records[HeaderSize:]
		}
		b.recordCRC = Sum(b.recordCRC, records)
	}
}

// WireSize is the size of what Wire appends.
func (b *Batch) WireSize() int {
	if b.compressed != nil {
		return HeaderSize + len(b.compressed)
	}
	return b.size
}

// Wire appends the stamped batch's slices.
func (b *Batch) Wire(dst [][]byte) [][]byte {
	if b.compressed != nil {
		return append(dst, b.header[:], b.compressed)
	}
	for _, c := range b.chunks {
		dst = append(dst, c.Buf)
	}
	return dst
}
