package batch

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/pierrec/lz4/v4"
)

// The LZ4 frame format as Kafka's Java client writes it: version 1, independent
// blocks, no checksums of blocks or content (the batch has its CRC), no content
// size. These flags never change, so neither does the header's own checksum, the
// last byte, which is xxHash32 of the two bytes before it (KIP-57).
//
//	magic       flags  block size  checksum   blocks                     end
//	04 22 4d 18  60     40          82        size uint32 LE | data ...  00 00 00 00
//
// The highest bit of a size marks a block that is stored as it is.
//
// Blocks hold 64 KiB, as Java's do, or 256 KiB if there is more data than that: a
// block knows nothing of the one before, and what repeats is found up to 64 KiB
// back, so that fewer beginnings make a batch 3 % smaller for the same work. Yet
// larger ones gain 1 % more and cost a third of the work. High compression keeps to
// 64 KiB, for which its tables take half the memory.
const (
	lz4Magic  = 0x184d2204
	lz4Window = 64 << 10
	lz4Stored = 1 << 31
)

// lz4Form is a size of blocks with the header that tells it.
type lz4Form struct {
	block  int
	header string
	magic0 byte // the checksum that brokers before 0.10 want (see SetLZ4Magic0)
}

var (
	lz4Small = lz4Form{64 << 10, "\x04\x22\x4d\x18\x60\x40\x82", 0x1a}
	lz4Large = lz4Form{256 << 10, "\x04\x22\x4d\x18\x60\x50\xfb", 0x77}
)

// lz4LargeBlock is the largest block.
const lz4LargeBlock = 256 << 10

// lz4HeaderSize is the size of both headers.
const lz4HeaderSize = 7

// SetLZ4Magic0 changes the header of a frame made by [Compress] with [LZ4], in
// place, to the form that message sets of magic 0 need: brokers before 0.10 took
// the header's checksum over the magic as well, and refuse the right one
// (KIP-57). It does nothing to what is not such a frame.
func SetLZ4Magic0(frame []byte) {
	for _, form := range []*lz4Form{&lz4Small, &lz4Large} {
		if len(frame) >= lz4HeaderSize && string(frame[:lz4HeaderSize]) == form.header {
			frame[lz4HeaderSize-1] = form.magic0
		}
	}
}

// lz4Encoder is the pooled state of one compression.
type lz4Encoder struct {
	fast    lz4.Compressor
	scratch [lz4LargeBlock]byte
}

var (
	lz4Encoders = sync.Pool{New: func() any { return new(lz4Encoder) }}
	// The high-compression tables take half a megabyte, so they are pooled apart.
	lz4HighEncoders = sync.Pool{New: func() any { return new(lz4.CompressorHC) }}
)

func compressLZ4(dst []byte, level int, chunks [][]byte) []byte {
	e := lz4Encoders.Get().(*lz4Encoder)
	defer lz4Encoders.Put(e)
	form, compress := lz4FormOf(chunks), e.fast.CompressBlock
	if level > 0 {
		high := lz4HighEncoders.Get().(*lz4.CompressorHC)
		defer lz4HighEncoders.Put(high)
		high.Level = lz4.CompressionLevel(1) << (level - 1)
		form, compress = &lz4Small, high.CompressBlock
	}
	cutter := blockCutter{chunks: chunks, scratch: e.scratch[:form.block]}
	dst = append(dst, form.header...)
	for block := cutter.next(); len(block) > 0; block = cutter.next() {
		start := len(dst) + 4
		dst = slices.Grow(dst, 4+len(block))
		// The room is less than the worst case on purpose: what does not get
		// smaller ends early, by an error or a size of 0, and is stored.
		n, err := compress(block, dst[start:start+len(block)])
		size := uint32(n)
		if err != nil || n == 0 || n >= len(block) {
			n = copy(dst[start:start+len(block)], block)
			size = uint32(n) | lz4Stored
		}
		binary.LittleEndian.PutUint32(dst[start-4:start], size)
		dst = dst[:start+n]
	}
	return append(dst, 0, 0, 0, 0)
}

// lz4FormOf is the form for so much data.
func lz4FormOf(chunks [][]byte) *lz4Form {
	size := 0
	for _, chunk := range chunks {
		size += len(chunk)
	}
	if size > lz4Small.block {
		return &lz4Large
	}
	return &lz4Small
}

// lz4Frame is what the header of a frame says about the blocks after it.
type lz4Frame struct {
	linked         bool // blocks refer to the data of those before
	blockChecksums bool
	blockSize      int // the most a block may hold
}

func decompressLZ4(dst, src []byte, limit int) ([]byte, error) {
	frame, src, err := parseLZ4Header(src)
	if err != nil {
		return nil, err
	}
	start := len(dst)
	for {
		if len(src) < 4 {
			return nil, fmt.Errorf("%w: lz4 frame without an end mark", errCorrupt)
		}
		size := binary.LittleEndian.Uint32(src)
		src = src[4:]
		if size == 0 {
			return dst, nil // a content checksum may follow; the CRC stands for it
		}
		n := int(size &^ lz4Stored)
		after := n
		if frame.blockChecksums {
			after += 4
		}
		if after > len(src) {
			return nil, fmt.Errorf("%w: lz4 block of %d bytes, only %d left", errCorrupt, n, len(src))
		}
		if dst, err = frame.appendBlock(dst, start, src[:n], size&lz4Stored != 0, limit-(len(dst)-start)); err != nil {
			return nil, err
		}
		src = src[after:]
	}
}

// lz4MaxRatio bounds what a byte of a block can stand for: a match's length
// grows by at most 255 a byte.
const lz4MaxRatio = 255

// appendBlock appends the data of one block. dst[start:] is the data of the
// blocks before it, and limit the room that is left.
func (f lz4Frame) appendBlock(dst []byte, start int, block []byte, stored bool, limit int) ([]byte, error) {
	if stored {
		if len(block) > f.blockSize {
			return nil, fmt.Errorf("%w: lz4 block of %d bytes, at most %d are allowed", errCorrupt, len(block), f.blockSize)
		}
		if len(block) > limit {
			return nil, ErrTooLarge
		}
		return append(dst, block...), nil
	}
	most := min(f.blockSize, lz4MaxRatio*len(block))
	room := min(most, max(limit, 0))
	dst = slices.Grow(dst, room)
	var dict []byte
	if f.linked {
		dict = dst[max(start, len(dst)-lz4Window):]
	}
	n, err := lz4.UncompressBlockWithDict(block, dst[len(dst):len(dst)+room], dict)
	if err != nil {
		if room < most {
			return nil, ErrTooLarge // or corrupt: which of the two cannot be told
		}
		return nil, err
	}
	return dst[:len(dst)+n], nil
}

// parseLZ4Header returns what the frame's header says and the bytes after it.
// The header's checksum is not looked at: early Kafka clients got it wrong
// (KIP-57), and what it covers is checked here.
func parseLZ4Header(src []byte) (lz4Frame, []byte, error) {
	if len(src) < lz4HeaderSize || binary.LittleEndian.Uint32(src) != lz4Magic {
		return lz4Frame{}, nil, fmt.Errorf("%w: not an lz4 frame", errCorrupt)
	}
	flags, sizes := src[4], src[5]
	if flags>>6 != 1 {
		return lz4Frame{}, nil, fmt.Errorf("%w: lz4 frame of version %d, want 1", errCorrupt, flags>>6)
	}
	if flags&1 != 0 {
		return lz4Frame{}, nil, fmt.Errorf("%w: lz4 frame with a dictionary", errCorrupt)
	}
	class := sizes >> 4 & 7
	if class < 4 {
		return lz4Frame{}, nil, fmt.Errorf("%w: lz4 block size class %d, want 4 to 7", errCorrupt, class)
	}
	header := lz4HeaderSize
	if flags&0x08 != 0 {
		header += 8 // the content size, which is not needed
	}
	if len(src) < header {
		return lz4Frame{}, nil, fmt.Errorf("%w: lz4 header cut short", errCorrupt)
	}
	return lz4Frame{
		linked:         flags&0x20 == 0,
		blockChecksums: flags&0x10 != 0,
		blockSize:      1 << (8 + 2*class),
	}, src[header:], nil
}
