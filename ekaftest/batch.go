package ekaftest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Offsets of the fields of a record batch, magic 2 (Kafka protocol guide,
// "Record Batch").
const (
	atBaseOffset      = 0
	atLength          = 8
	atMagic           = 16
	atCRC             = 17
	atAttributes      = 21
	atLastOffsetDelta = 23
	atBaseTimestamp   = 27
	atMaxTimestamp    = 35
	atProducerID      = 43
	atProducerEpoch   = 51
	atBaseSequence    = 53
	atCount           = 57
	batchHeaderLen    = 61
)

// Bits of a batch's attributes.
const (
	codecBits        = 0x07
	logAppendTimeBit = 0x08
	transactionalBit = 0x10
	controlBit       = 0x20
)

// identity is what a batch says about who sent it, and in which order.
type identity struct {
	producerID int64
	epoch      int16
	sequence   int32
}

var anonymous = identity{producerID: -1, epoch: -1, sequence: -1}

// batchHeader is a record batch's header and its bytes.
type batchHeader struct {
	identity
	raw             []byte // the whole batch
	baseOffset      int64
	attributes      int16
	lastOffsetDelta int32
	baseTimestamp   int64
	maxTimestamp    int64
	count           int32
}

// lastSequence is the sequence of the batch's last record; sequences wrap from
// 2147483647 to 0.
func (b *batchHeader) lastSequence() int32 { return addSequence(b.sequence, b.count-1) }

func addSequence(seq, n int32) int32 {
	return int32((int64(seq) + int64(n)) & math.MaxInt32)
}

func (b *batchHeader) transactional() bool { return b.attributes&transactionalBit != 0 }

// parseBatch reads the header of the first batch in raw, which must be whole.
func parseBatch(raw []byte) (batchHeader, error) {
	size, err := batchLen(raw)
	if err != nil {
		return batchHeader{}, err
	}
	be := binary.BigEndian
	return batchHeader{
		raw:             raw[:size],
		baseOffset:      int64(be.Uint64(raw[atBaseOffset:])),
		attributes:      int16(be.Uint16(raw[atAttributes:])),
		lastOffsetDelta: int32(be.Uint32(raw[atLastOffsetDelta:])),
		baseTimestamp:   int64(be.Uint64(raw[atBaseTimestamp:])),
		maxTimestamp:    int64(be.Uint64(raw[atMaxTimestamp:])),
		count:           int32(be.Uint32(raw[atCount:])),
		identity: identity{
			producerID: int64(be.Uint64(raw[atProducerID:])),
			epoch:      int16(be.Uint16(raw[atProducerEpoch:])),
			sequence:   int32(be.Uint32(raw[atBaseSequence:])),
		},
	}, nil
}

// batchLen answers the length of the first batch in raw, all of which is there.
func batchLen(raw []byte) (int, error) {
	if len(raw) < batchHeaderLen {
		return 0, fmt.Errorf("cannot parse a batch of %d bytes: the header takes %d", len(raw), batchHeaderLen)
	}
	size := int64(int32(binary.BigEndian.Uint32(raw[atLength:]))) + 12
	if size < batchHeaderLen || size > int64(len(raw)) {
		return 0, fmt.Errorf("cannot parse a batch said to take %d bytes of %d", size, len(raw))
	}
	return int(size), nil
}

func (b *batchHeader) crcMatches() bool {
	return binary.BigEndian.Uint32(b.raw[atCRC:]) == crc32.Checksum(b.raw[atAttributes:], castagnoli)
}

func fixCRC(raw []byte) {
	binary.BigEndian.PutUint32(raw[atCRC:], crc32.Checksum(raw[atAttributes:], castagnoli))
}

// setIdentity and setAppendTime patch a batch in place and leave the CRC to
// fixCRC.
func setIdentity(raw []byte, id identity) {
	binary.BigEndian.PutUint64(raw[atProducerID:], uint64(id.producerID))
	binary.BigEndian.PutUint16(raw[atProducerEpoch:], uint16(id.epoch))
	binary.BigEndian.PutUint32(raw[atBaseSequence:], uint32(id.sequence))
}

func setAppendTime(raw []byte, millis int64) {
	raw[atAttributes+1] |= logAppendTimeBit
	binary.BigEndian.PutUint64(raw[atMaxTimestamp:], uint64(millis))
}

var errRecords = errors.New("the records do not parse")

// records decodes the batch's records.
func (b *batchHeader) records() ([]kmsg.Record, error) {
	body, err := decompress(b.raw[batchHeaderLen:], int8(b.attributes&codecBits))
	if err != nil {
		return nil, fmt.Errorf("cannot decompress a batch: %w", err)
	}
	if b.count < 0 || int64(b.count) > int64(len(body)) {
		return nil, fmt.Errorf("%d records in %d bytes: %w", b.count, len(body), errRecords)
	}
	records := make([]kmsg.Record, 0, b.count)
	for range b.count {
		r := kbin.Reader{Src: body}
		size := r.Varint()
		end := len(body) - len(r.Src) + int(size)
		if !r.Ok() || size < 0 || end > len(body) {
			return nil, fmt.Errorf("record %d: %w", len(records), errRecords)
		}
		rec := kmsg.NewRecord()
		if err := rec.UnsafeReadFrom(body[:end]); err != nil {
			return nil, fmt.Errorf("record %d: %w", len(records), errRecords)
		}
		records, body = append(records, rec), body[end:]
	}
	if len(body) > 0 {
		return nil, fmt.Errorf("%d bytes behind the last record: %w", len(body), errRecords)
	}
	return records, nil
}
