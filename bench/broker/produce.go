package broker

import (
	"encoding/binary"
	"errors"
)

const batchHeaderSize = 61 // bytes of a record batch before its records

var errNullRecords = errors.New("records are null")

// batchHeader is the part of a record batch (magic 2) which is checked.
type batchHeader struct {
	size         int // bytes of the batch
	crc          uint32
	attributes   int16
	producerID   int64
	epoch        int16
	baseSequence int32
	records      int32
}

func (h *batchHeader) lastSequence() int32 { return addSequence(h.baseSequence, h.records-1) }

// parseBatchHeader reads the header of the only batch in a partition's records
// of that size, and says whether it is one.
func parseBatchHeader(b []byte, size int) (h batchHeader, ok bool) {
	if len(b) < batchHeaderSize {
		return h, false
	}
	length := int32(binary.BigEndian.Uint32(b[8:]))
	h = batchHeader{
		size:         size,
		crc:          binary.BigEndian.Uint32(b[17:]),
		attributes:   int16(binary.BigEndian.Uint16(b[21:])),
		producerID:   int64(binary.BigEndian.Uint64(b[43:])),
		epoch:        int16(binary.BigEndian.Uint16(b[51:])),
		baseSequence: int32(binary.BigEndian.Uint32(b[53:])),
		records:      int32(binary.BigEndian.Uint32(b[57:])),
	}
	lastDelta := int32(binary.BigEndian.Uint32(b[23:]))
	ok = int64(length)+12 == int64(size) && b[16] == 2 && h.records > 0 && lastDelta == h.records-1 &&
		(h.producerID < 0 || h.baseSequence >= 0 && h.epoch >= 0)
	return h, ok
}

// produce reads a Produce request (v3-v13) and builds its answer as it goes:
// both name the same topics and partitions in the same order. It reports
// whether the client wants an answer, which with acks=0 it does not.
func (c *conn) produce(version int16) (answer bool) {
	flexible := version >= flexProduce
	f := &c.f
	if flexible {
		f.tags()                 // of the request header
		c.out = append(c.out, 0) // of the answer's header
	}
	c.seen = tally{}
	f.name(flexible) // transactional id
	acks := f.int16()
	f.skip(4) // timeout
	topics := f.array(flexible)
	c.appendLength(flexible, topics)
	for range topics {
		c.produceTopic(version, flexible)
		if f.err != nil {
			return false
		}
	}
	if flexible {
		f.tags()
	}
	c.out = append(c.out, 0, 0, 0, 0) // throttle time
	if flexible {
		c.out = append(c.out, 0)
	}
	if f.err == nil {
		c.b.counters.add(&c.seen)
	}
	return acks != 0
}

func (c *conn) produceTopic(version int16, flexible bool) {
	f := &c.f
	d := c.b.directory.Load()
	var t *topic
	unknown := errUnknownTopic
	if version >= 13 { // KIP-516
		var id [16]byte
		copy(id[:], f.take(len(id)))
		c.out = append(c.out, id[:]...)
		t, unknown = d.byID[id], errUnknownTopicID
	} else {
		name := f.name(flexible)
		t = d.byName[string(name)]
		if flexible {
			c.appendLength(true, len(name))
		} else {
			c.out = binary.BigEndian.AppendUint16(c.out, uint16(len(name)))
		}
		c.out = append(c.out, name...)
	}
	partitions := f.array(flexible)
	c.appendLength(flexible, partitions)
	for range partitions {
		index := f.int32()
		size := f.length(flexible, 4)
		if size < 0 {
			f.fail(errNullRecords)
		}
		offset, code := int64(-1), unknown
		if p := t.partition(index); p != nil {
			offset, code = c.appendBatch(p, size)
		} else {
			c.seen.unknown++
			f.skip(size)
		}
		if flexible {
			f.tags()
		}
		if f.err != nil {
			return
		}
		c.appendPartition(version, index, code, offset)
	}
	if flexible {
		f.tags()
		c.out = append(c.out, 0)
	}
}

// appendBatch reads the records of one partition and gives their batch to it.
func (c *conn) appendBatch(p *partition, size int) (offset int64, code int16) {
	if size < batchHeaderSize {
		c.f.skip(size)
		c.seen.malformed++
		return -1, errCorruptMessage
	}
	verify := c.b.verify.Load()
	var head []byte
	if verify {
		if size > c.f.left { // before memory is taken for it
			c.f.fail(errShort)
			return -1, errCorruptMessage
		}
		head = c.grow(size)
		c.f.copyTo(head)
	} else {
		head = c.f.take(batchHeaderSize)
	}
	if c.f.err != nil {
		return -1, errCorruptMessage
	}
	h, ok := parseBatchHeader(head, size)
	var decoded tally
	if verify {
		ok = ok && verifyBatch(&h, head, &decoded) == nil
	} else {
		c.f.skip(size - batchHeaderSize)
	}
	if !ok {
		c.seen.malformed++
		return -1, errCorruptMessage
	}
	if c.f.err != nil { // the rest never came: a batch cut short is not appended
		return -1, errCorruptMessage
	}
	offset, code, duplicate := p.append(&h)
	switch {
	case code != errNone:
		c.seen.outOfOrder++
	case duplicate:
		c.seen.duplicates++
	default:
		c.seen.batches++
		c.seen.records += int64(h.records)
		c.seen.bytes += int64(h.size)
		c.seen.verified += decoded.verified
		c.seen.keyBytes += decoded.keyBytes
		c.seen.valueBytes += decoded.valueBytes
		c.seen.valueSum += decoded.valueSum
	}
	return offset, code
}

// appendPartition writes one partition of the answer.
func (c *conn) appendPartition(version int16, index int32, code int16, offset int64) {
	out := binary.BigEndian.AppendUint32(c.out, uint32(index))
	out = binary.BigEndian.AppendUint16(out, uint16(code))
	out = binary.BigEndian.AppendUint64(out, uint64(offset))
	out = binary.BigEndian.AppendUint64(out, ^uint64(0)) // log append time: the producer's stands
	if version >= 5 {
		out = binary.BigEndian.AppendUint64(out, 0) // log start offset
	}
	switch {
	case version >= flexProduce:
		out = append(out, 1, 0, 0) // no record errors, null message, no tags
	case version >= 8:
		out = append(out, 0, 0, 0, 0, 0xff, 0xff)
	}
	c.out = out
}

// appendLength writes the length of an array, or of a compact string.
func (c *conn) appendLength(compact bool, n int) {
	if compact {
		c.out = binary.AppendUvarint(c.out, uint64(n)+1)
		return
	}
	c.out = binary.BigEndian.AppendUint32(c.out, uint32(n))
}
