package broker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

const maxInflated = 64 << 20 // bytes of one batch's records, uncompressed

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	xerial     = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}
)

// ValueSum is what one value adds to Counters.ValueSum.
func ValueSum(value []byte) uint64 { return uint64(crc32.Checksum(value, castagnoli)) }

// verifyBatch checks the CRC and decodes every record of a whole batch.
func verifyBatch(h *batchHeader, batch []byte, seen *tally) error {
	// The CRC covers everything from the attributes on; what lies before
	// them is the broker's to change.
	if crc32.Checksum(batch[21:], castagnoli) != h.crc {
		return errors.New("CRC does not match")
	}
	records, err := inflate(batch[batchHeaderSize:], h.attributes&7)
	if err != nil {
		return err
	}
	for i := range h.records {
		if records, err = verifyRecord(records, int64(i), seen); err != nil {
			return fmt.Errorf("cannot read record %d: %w", i, err)
		}
	}
	if len(records) != 0 {
		return fmt.Errorf("%d bytes follow the last record", len(records))
	}
	return nil
}

// verifyRecord reads the record at the front of b and returns what follows it.
func verifyRecord(b []byte, offsetDelta int64, seen *tally) (rest []byte, err error) {
	v := varints{b: b}
	body := v.bytes(v.int())
	rest = v.b
	r := varints{b: body, bad: v.bad}
	if attributes := r.bytes(1); len(attributes) == 1 && attributes[0] != 0 {
		return nil, errors.New("attributes are not 0")
	}
	r.int() // timestamp delta
	if r.int() != offsetDelta {
		r.bad = true
	}
	key := r.nullable()
	value := r.nullable()
	headers := r.int()
	for range max(headers, 0) {
		r.bytes(r.int())
		r.nullable()
		if r.bad {
			break
		}
	}
	if r.bad || headers < 0 || len(r.b) != 0 {
		return nil, errShort
	}
	seen.verified++
	seen.keyBytes += int64(len(key))
	seen.valueBytes += int64(len(value))
	seen.valueSum += ValueSum(value)
	return rest, nil
}

// varints reads the zigzag varints and byte strings of records. Once it met
// bytes that cannot be, it is bad and gives zeros.
type varints struct {
	b   []byte
	bad bool
}

func (v *varints) int() int64 {
	n, used := binary.Varint(v.b)
	if used <= 0 || v.bad {
		v.bad = true
		return 0
	}
	v.b = v.b[used:]
	return n
}

func (v *varints) bytes(n int64) []byte {
	if v.bad || n < 0 || n > int64(len(v.b)) {
		v.bad = true
		return nil
	}
	b := v.b[:n]
	v.b = v.b[n:]
	return b
}

func (v *varints) nullable() []byte {
	n := v.int()
	if n == -1 {
		return nil
	}
	return v.bytes(n)
}

// inflate undoes one of Kafka's codecs. No input makes it hold more than
// maxInflated bytes.
func inflate(b []byte, codec int16) ([]byte, error) {
	switch codec {
	case 0:
		return b, nil
	case 1:
		r, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return nil, fmt.Errorf("cannot read gzip: %w", err)
		}
		return readBounded(r)
	case 2:
		return inflateSnappy(b)
	case 3:
		return readBounded(lz4.NewReader(bytes.NewReader(b)))
	case 4:
		r, err := zstd.NewReader(bytes.NewReader(b), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxInflated))
		if err != nil {
			return nil, fmt.Errorf("cannot read zstd: %w", err)
		}
		defer r.Close()
		return readBounded(r)
	}
	return nil, fmt.Errorf("codec %d does not exist", codec)
}

func readBounded(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxInflated+1))
	if err == nil && len(b) > maxInflated {
		err = fmt.Errorf("records take more than %d bytes", maxInflated)
	}
	return b, err
}

// inflateSnappy reads a plain block, or the chunks of snappy-java ("xerial"),
// which some clients write: 16 bytes of header, then length and block.
func inflateSnappy(b []byte) ([]byte, error) {
	if !bytes.HasPrefix(b, xerial) || len(b) < 16 {
		return decodeSnappy(nil, b)
	}
	var out []byte
	for b = b[16:]; len(b) > 0; {
		if len(b) < 4 {
			return nil, errShort
		}
		n := int64(binary.BigEndian.Uint32(b))
		if n > int64(len(b)-4) {
			return nil, errShort
		}
		var err error
		if out, err = decodeSnappy(out, b[4:4+n]); err != nil {
			return nil, err
		}
		b = b[4+n:]
	}
	return out, nil
}

func decodeSnappy(dst, block []byte) ([]byte, error) {
	n, err := s2.DecodedLen(block)
	if err != nil {
		return nil, fmt.Errorf("cannot read snappy: %w", err)
	}
	if n > maxInflated-len(dst) {
		return nil, fmt.Errorf("records take more than %d bytes", maxInflated)
	}
	plain, err := s2.Decode(nil, block)
	if err != nil {
		return nil, fmt.Errorf("cannot read snappy: %w", err)
	}
	return append(dst, plain...), nil
}
