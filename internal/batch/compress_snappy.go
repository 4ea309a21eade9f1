package batch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/s2"
)

// The framing of snappy-java, known as xerial, which Kafka's Java client writes:
//
//	0x82 SNAPPY 0x00   version 1   compatible 1   then, up to the end of the data,
//	8 bytes            int32       int32          length int32 | snappy block
//
// All integers are big-endian. A block holds 1 MiB of data, where snappy-java's
// hold 32: readers take any size, and what repeats is found further back (10 to
// 50 % smaller on records of 100 bytes). Readers also take one bare block for the
// whole batch, but a Java consumer must then have all of it in memory twice, so
// that is read and never written.
const (
	xerialMagic     = "\x82SNAPPY\x00"
	xerialHeader    = xerialMagic + "\x00\x00\x00\x01\x00\x00\x00\x01"
	xerialBlockSize = 1 << 20
)

var snappyScratch = sync.Pool{New: func() any { return new([xerialBlockSize]byte) }}

func compressSnappy(dst []byte, chunks [][]byte) []byte {
	scratch := snappyScratch.Get().(*[xerialBlockSize]byte)
	defer snappyScratch.Put(scratch)
	cutter := blockCutter{chunks: chunks, scratch: scratch[:]}
	dst = append(dst, xerialHeader...)
	for block := cutter.next(); len(block) > 0; block = cutter.next() {
		start := len(dst) + 4
		// With room for the worst case the encoder writes in place.
		dst = slices.Grow(dst, 4+s2.MaxEncodedLen(len(block)))
		encoded := s2.EncodeSnappy(dst[start:cap(dst)], block)
		binary.BigEndian.PutUint32(dst[len(dst):start], uint32(len(encoded)))
		dst = dst[:start+len(encoded)]
	}
	return dst
}

func decompressSnappy(dst, src []byte, limit int) ([]byte, error) {
	if !bytes.HasPrefix(src, []byte(xerialMagic)) {
		return appendSnappyBlock(dst, src, limit)
	}
	if len(src) < len(xerialHeader) {
		return nil, fmt.Errorf("%w: xerial header of %d bytes, want %d", errCorrupt, len(src), len(xerialHeader))
	}
	src = src[len(xerialHeader):]
	start := len(dst)
	for len(src) > 0 {
		if len(src) < 4 {
			return nil, fmt.Errorf("%w: %d bytes after the last xerial block", errCorrupt, len(src))
		}
		n := binary.BigEndian.Uint32(src)
		src = src[4:]
		if uint64(n) > uint64(len(src)) {
			return nil, fmt.Errorf("%w: xerial block of %d bytes, only %d left", errCorrupt, n, len(src))
		}
		var err error
		if dst, err = appendSnappyBlock(dst, src[:n], limit-(len(dst)-start)); err != nil {
			return nil, err
		}
		src = src[n:]
	}
	return dst, nil
}

// snappyMaxRatio bounds what a byte of a snappy block can stand for: the densest
// element is a copy of 64 bytes in three. A block that claims more is refused
// before memory is taken for it.
const snappyMaxRatio = 22

func appendSnappyBlock(dst, block []byte, limit int) ([]byte, error) {
	n, err := s2.DecodedLen(block)
	if err != nil {
		return nil, err
	}
	if n > limit {
		return nil, ErrTooLarge
	}
	if n > snappyMaxRatio*len(block) {
		return nil, fmt.Errorf("%w: %d bytes claim to hold %d", errCorrupt, len(block), n)
	}
	dst = slices.Grow(dst, n)
	if _, err := s2.Decode(dst[len(dst):len(dst)+n], block); err != nil {
		return nil, err
	}
	return dst[:len(dst)+n], nil
}
