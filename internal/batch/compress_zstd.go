package batch

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// zstdWindow is how far back a match may lie. It covers a batch of the default
// size (1,000,000 bytes) whole; a wider one would cost each pooled encoder
// memory for matches that a batch cannot have.
const zstdWindow = 1 << 20

// zstdEncoder is a pooled encoder with the slice it writes to.
type zstdEncoder struct {
	enc *zstd.Encoder
	out appendWriter
}

// zstdEncoders has one pool for each of the four strengths that the 22 levels
// come down to.
var zstdEncoders [zstd.SpeedBestCompression + 1]sync.Pool

func compressZstd(dst []byte, level int, chunks [][]byte) ([]byte, error) {
	speed := zstd.SpeedDefault
	if level != 0 {
		speed = zstd.EncoderLevelFromZstd(level)
	}
	e, err := pooledZstdEncoder(speed)
	if err != nil {
		return dst, fmt.Errorf("cannot compress with zstd: %w", err)
	}
	defer zstdEncoders[speed].Put(e)
	if len(chunks) == 1 {
		return e.enc.EncodeAll(chunks[0], dst), nil
	}
	start := len(dst)
	if dst, err = e.stream(dst, chunks); err != nil {
		return dst[:start], fmt.Errorf("cannot compress with zstd: %w", err)
	}
	return dst, nil
}

// stream compresses several chunks without joining them first. The size is told
// in advance so that a small batch gets a small window, also in the consumer.
func (e *zstdEncoder) stream(dst []byte, chunks [][]byte) ([]byte, error) {
	var size int64
	for _, chunk := range chunks {
		size += int64(len(chunk))
	}
	e.out.buf = dst
	e.enc.ResetContentSize(&e.out, size)
	for _, chunk := range chunks {
		if _, err := e.enc.Write(chunk); err != nil {
			return e.out.take(), err
		}
	}
	err := e.enc.Close()
	return e.out.take(), err
}

func pooledZstdEncoder(speed zstd.EncoderLevel) (*zstdEncoder, error) {
	if e, ok := zstdEncoders[speed].Get().(*zstdEncoder); ok {
		return e, nil
	}
	enc, err := zstd.NewWriter(nil,
		zstd.WithEncoderLevel(speed),
		zstd.WithWindowSize(zstdWindow),
		zstd.WithEncoderConcurrency(1), // no goroutines: an encoder may be dropped
		zstd.WithEncoderCRC(false),     // the batch has a CRC of its own
		zstd.WithZeroFrames(true),      // no data still gives a frame, as in Java
		zstd.WithLowerEncoderMem(true),
	)
	if err != nil {
		return nil, err
	}
	return &zstdEncoder{enc: enc}, nil
}

// zstdDecoder serves all callers: it starts no goroutines for DecodeAll, and
// with CapLimit never grows the slice it is given.
var zstdDecoder = sync.OnceValues(func() (*zstd.Decoder, error) {
	return zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecodeAllCapLimit(true), zstd.WithDecoderLowmem(true))
})

func decompressZstd(dst, src []byte, limit int) ([]byte, error) {
	decoder, err := zstdDecoder()
	if err != nil {
		return nil, err
	}
	if limit < 0 {
		return nil, ErrTooLarge
	}
	// A frame may or may not tell its size, and may lie; there may be several.
	// So the room starts at a likely size and is doubled up to the limit.
	start := len(dst)
	for room := min(limit, max(4<<10, 8*len(src))); ; room = min(limit, 2*room) {
		dst = slices.Grow(dst, room)
		// Never more than room, even when dst came with a larger capacity.
		out, err := decoder.DecodeAll(src, dst[:start:start+room])
		if err == nil {
			return out, nil
		}
		if !errors.Is(err, zstd.ErrDecoderSizeExceeded) {
			return nil, err
		}
		if room == limit {
			return nil, ErrTooLarge
		}
	}
}
