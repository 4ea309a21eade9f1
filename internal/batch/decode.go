package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// HeaderSize is the length in bytes of a record batch's header, from the base
// offset to the record count.
const HeaderSize = 61

// What a batch's length does not count (base offset and the length itself), and
// what its CRC does not cover (these two, leader epoch, magic and the CRC).
const (
	lengthEnd = 12
	crcEnd    = 21
)

// The bits of a batch's attributes (Kafka protocol guide, "Record Batch").
const (
	AttributeCodecMask     int16 = 0x07
	AttributeLogAppendTime int16 = 1 << 3
	AttributeTransactional int16 = 1 << 4
	AttributeControl       int16 = 1 << 5
	AttributeDeleteHorizon int16 = 1 << 6
)

// ErrTruncated is what [ParseHeader], [VerifyCRC] and [OpenBatch] answer,
// wrapped, for a batch that is cut short. A broker may cut the last batch of a
// Fetch answer; there it is no fault.
var ErrTruncated = errors.New("batch is cut short")

// ErrCRC is what [VerifyCRC] and [OpenBatch] answer, wrapped, when the bytes of a
// batch are not those its CRC was taken of.
var ErrCRC = errors.New("batch has a wrong CRC")

// Header is the header of a record batch of version 2 (magic 2), which Kafka
// 0.11 and newer use (KIP-98, Kafka protocol guide, "Record Batch").
type Header struct {
	BaseOffset      int64  // offset of the first record; 0 from a producer
	Length          int32  // bytes after this field
	LeaderEpoch     int32  // partition leader epoch; -1 from a producer
	Magic           int8   // always 2
	CRC             uint32 // CRC-32C of all from Attributes on
	Attributes      int16  // codec and flags, the Attribute constants
	LastOffsetDelta int32  // offset of the last record, from BaseOffset
	BaseTimestamp   int64  // of the first record, in ms since 1970
	MaxTimestamp    int64  // in ms since 1970
	ProducerID      int64  // -1 without idempotence
	ProducerEpoch   int16  // -1 without idempotence
	BaseSequence    int32  // -1 without idempotence
	Count           int32  // of records; 0 after compaction took them all
}

// Codec returns the codec of the records, which may be one Kafka does not have.
func (h Header) Codec() Codec { return Codec(h.Attributes & AttributeCodecMask) }

// Size returns the length of the whole batch in bytes, header included.
func (h Header) Size() int { return lengthEnd + int(h.Length) }

// LastSequence returns the sequence number of the last record, which wraps from
// 2^31-1 to 0, or -1 for a batch without a producer id.
func (h Header) LastSequence() int32 {
	if h.ProducerID < 0 || h.BaseSequence < 0 {
		return -1
	}
	return int32((uint32(h.BaseSequence) + uint32(h.LastOffsetDelta)) & 0x7fffffff)
}

// ParseHeader reads the header at the start of p. It needs no more than
// [HeaderSize] bytes, so that the headers of a Fetch answer can be walked, and
// checks neither the CRC nor whether the records are there. Length and Count of
// a header returned without error are not negative and Size is at least
// HeaderSize; all else is as the sender said.
func ParseHeader(p []byte) (Header, error) {
	if len(p) < HeaderSize {
		return Header{}, fmt.Errorf("cannot read batch header: %w: %d bytes, want %d", ErrTruncated, len(p), HeaderSize)
	}
	be := binary.BigEndian
	h := Header{
		BaseOffset:      int64(be.Uint64(p)),
		Length:          int32(be.Uint32(p[8:])),
		LeaderEpoch:     int32(be.Uint32(p[12:])),
		Magic:           int8(p[16]),
		CRC:             be.Uint32(p[17:]),
		Attributes:      int16(be.Uint16(p[21:])),
		LastOffsetDelta: int32(be.Uint32(p[23:])),
		BaseTimestamp:   int64(be.Uint64(p[27:])),
		MaxTimestamp:    int64(be.Uint64(p[35:])),
		ProducerID:      int64(be.Uint64(p[43:])),
		ProducerEpoch:   int16(be.Uint16(p[51:])),
		BaseSequence:    int32(be.Uint32(p[53:])),
		Count:           int32(be.Uint32(p[57:])),
	}
	switch {
	case h.Magic != 2:
		return Header{}, fmt.Errorf("cannot read batch header: magic %d, want 2", h.Magic)
	case h.Length < HeaderSize-lengthEnd:
		return Header{}, fmt.Errorf("cannot read batch header: length %d, want at least %d", h.Length, HeaderSize-lengthEnd)
	case h.Count < 0:
		return Header{}, fmt.Errorf("cannot read batch header: %d records", h.Count)
	case h.LastOffsetDelta < 0:
		return Header{}, fmt.Errorf("cannot read batch header: last offset delta %d", h.LastOffsetDelta)
	}
	return h, nil
}

// VerifyCRC checks the CRC of the batch at the start of p. What follows the
// batch is not looked at.
func VerifyCRC(p []byte) error {
	h, err := ParseHeader(p)
	if err != nil {
		return err
	}
	return h.verifyCRC(p)
}

func (h Header) verifyCRC(p []byte) error {
	if len(p) < h.Size() {
		return fmt.Errorf("cannot check CRC: %w: %d bytes, want %d", ErrTruncated, len(p), h.Size())
	}
	if sum := Sum(0, p[crcEnd:h.Size()]); sum != h.CRC {
		return fmt.Errorf("cannot trust batch at offset %d: %w: %08x, computed %08x", h.BaseOffset, ErrCRC, h.CRC, sum)
	}
	return nil
}

// OpenBatch reads the batch at the start of p whole: it checks the header and
// the CRC, decompresses the records, to at most limit bytes, and returns a
// cursor over them, which reports an error unless exactly Header.Count records
// are there. The cursor refers to p unless the batch is compressed. The next
// batch, if any, starts at p[Header.Size():]. Control batches open like others.
func OpenBatch(p []byte, limit int) (Header, Cursor, error) {
	h, err := ParseHeader(p)
	if err != nil {
		return Header{}, Cursor{}, err
	}
	if err := h.verifyCRC(p); err != nil {
		return Header{}, Cursor{}, err
	}
	records := p[HeaderSize:h.Size()]
	if h.Codec() != None && h.Count > 0 {
		if records, err = Decompress(nil, h.Codec(), records, limit); err != nil {
			return Header{}, Cursor{}, err
		}
	}
	return h, Cursor{rest: records, want: int(h.Count), counted: true}, nil
}

// Record is one record as it lies in a batch. Its slices refer to the bytes that
// the cursor reads; they are valid and unchanged as long as those are.
type Record struct {
	Attributes     int8  // unused by Kafka so far
	TimestampDelta int64 // ms after the batch's base timestamp
	OffsetDelta    int32 // from the batch's base offset
	Key            []byte
	Value          []byte // nil and empty differ, for Key as well: null, a tombstone, is nil
	Headers        HeaderCursor
}

// Cursor walks over uncompressed records without allocating. Use:
//
//	for c.Next() {
//		use(c.Record())
//	}
//	if err := c.Err(); err != nil { ... }
//
// It trusts no length it reads. A cursor is for one goroutine; a copy made
// before the first Next starts from the beginning as well.
type Cursor struct {
	record  Record
	err     error
	rest    []byte
	chunks  [][]byte
	read    int
	want    int
	counted bool // the records must be want in number
}

// NewCursor returns a cursor over the records in chunks, where no record spans
// two chunks. The chunks hold records alone, without a batch header. It keeps
// and does not change the slice of chunks.
func NewCursor(chunks [][]byte) Cursor { return Cursor{chunks: chunks} }

// Next moves to the next record. It returns false after the last one, and at
// the first fault; Err tells which.
func (c *Cursor) Next() bool {
	if c.err != nil {
		return false
	}
	for len(c.rest) == 0 && len(c.chunks) > 0 {
		c.rest, c.chunks = c.chunks[0], c.chunks[1:]
	}
	if len(c.rest) == 0 {
		if c.counted && c.read != c.want {
			c.err = fmt.Errorf("cannot read records: %d are there, the batch header says %d", c.read, c.want)
		}
		return false
	}
	if c.counted && c.read == c.want {
		c.err = fmt.Errorf("cannot read records: %d bytes follow the %d that the batch header says", len(c.rest), c.want)
		return false
	}
	size, err := c.decode()
	if err != nil {
		c.err = fmt.Errorf("cannot read record %d: %w", c.read, err)
		return false
	}
	c.rest = c.rest[size:]
	c.read++
	return true
}

// Record returns the record that Next moved to.
func (c *Cursor) Record() Record { return c.record }

// Read returns how many records Next has moved to so far.
func (c *Cursor) Read() int { return c.read }

// Err returns the fault that ended the walk, or nil.
func (c *Cursor) Err() error { return c.err }

// decode reads the record at the start of rest and returns its size with its
// length prefix.
func (c *Cursor) decode() (int, error) {
	length, n := binary.Varint(c.rest)
	if n <= 0 || length < 0 || length > int64(len(c.rest)-n) {
		return 0, fmt.Errorf("length %d, but %d bytes are left: %w", length, len(c.rest)-max(n, 0), errCorrupt)
	}
	size := n + int(length)
	in := fields{rest: c.rest[n:size]}
	var r Record
	r.Attributes = int8(in.byte())
	r.TimestampDelta = in.varint()
	r.OffsetDelta = in.varint32()
	r.Key = in.bytes()
	r.Value = in.bytes()
	r.Headers = in.headers()
	switch {
	case in.bad:
		return 0, fmt.Errorf("a field exceeds the record's %d bytes: %w", length, errCorrupt)
	case len(in.rest) > 0:
		return 0, fmt.Errorf("%d bytes follow the last field: %w", len(in.rest), errCorrupt)
	}
	c.record = r
	return size, nil
}

// HeaderCursor walks over the headers of one record without allocating. They
// were checked when the record was read, so a walk cannot fail. The zero value
// has no headers; a copy starts where the original stands.
type HeaderCursor struct {
	rest       []byte
	left       int
	key, value []byte
}

// Len returns how many headers Next has yet to move to.
func (h *HeaderCursor) Len() int { return h.left }

// Next moves to the next header; it returns false after the last.
func (h *HeaderCursor) Next() bool {
	if h.left == 0 {
		h.key, h.value = nil, nil
		return false
	}
	in := fields{rest: h.rest}
	h.key, h.value = in.bytes(), in.bytes()
	h.rest = in.rest
	h.left--
	return true
}

// Key returns the key of the header that Next moved to. Keys may repeat.
func (h *HeaderCursor) Key() []byte { return h.key }

// Value returns the value of the header that Next moved to; null is nil.
func (h *HeaderCursor) Value() []byte { return h.value }

// fields reads the fields of a record one after the other. After the first that
// does not fit, bad is set and all later ones are zero, so that a record needs
// one check at its end.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) fail() {
	f.bad = true
	f.rest = nil
}

func (f *fields) byte() byte {
	if len(f.rest) == 0 {
		f.fail()
		return 0
	}
	b := f.rest[0]
	f.rest = f.rest[1:]
	return b
}

func (f *fields) varint() int64 {
	v, n := binary.Varint(f.rest)
	if n <= 0 {
		f.fail()
		return 0
	}
	f.rest = f.rest[n:]
	return v
}

func (f *fields) varint32() int32 {
	v := f.varint()
	if int64(int32(v)) != v {
		f.fail()
		return 0
	}
	return int32(v)
}

// bytes reads a length and that many bytes. A length of -1 is null; of 0, empty
// but not nil.
func (f *fields) bytes() []byte {
	n := f.varint32()
	if n == -1 || f.bad {
		return nil
	}
	if n < 0 || int(n) > len(f.rest) {
		f.fail()
		return nil
	}
	b := f.rest[:n:n]
	f.rest = f.rest[n:]
	return b
}

// headers reads the count of headers and walks over all of them, so that the
// cursor it returns cannot meet a fault. A claimed count costs nothing: the walk
// ends at the first header that is not there.
func (f *fields) headers() HeaderCursor {
	count := f.varint32()
	if f.bad || count == 0 {
		return HeaderCursor{}
	}
	// A header has two lengths, so at least two bytes.
	if count < 0 || int(count) > len(f.rest)/2 {
		f.fail()
		return HeaderCursor{}
	}
	start := f.rest
	for range count {
		if key := f.bytes(); key == nil { // a header's key is never null
			f.fail()
		}
		f.bytes()
		if f.bad {
			return HeaderCursor{}
		}
	}
	return HeaderCursor{rest: slices.Clip(start[:len(start)-len(f.rest)]), left: int(count)}
}
