package batch

import (
	"bytes"
	"fmt"
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

// zstdDecoder is a pooled decoder with the slice it reads from.
type zstdDecoder struct {
	dec *zstd.Decoder
	in  bytes.Reader
}

// zstdMaxWindow is the widest window that decompressZstd takes, as it must hold
// one in memory beside its result. It is what the format's specification (RFC
// 8878, section 3.1.1.1.2) asks of every decoder; only levels above 19 go beyond.
const zstdMaxWindow = 8 << 20

var zstdDecoders sync.Pool

func decompressZstd(dst, src []byte, limit int) ([]byte, error) {
	d, err := pooledZstdDecoder()
	if err != nil {
		return nil, err
	}
	defer zstdDecoders.Put(d)
	d.in.Reset(src)
	defer d.in.Reset(nil)
	if err := d.dec.Reset(&d.in); err != nil {
		return nil, noEOF(err)
	}
	return appendAll(dst, d.dec, limit)
}

// pooledZstdDecoder makes decoders that work as a stream: what they give can be
// stopped at any byte, while the library's call for whole slices takes the sizes
// in the data at their word up to a limit fixed for the decoder.
func pooledZstdDecoder() (*zstdDecoder, error) {
	if d, ok := zstdDecoders.Get().(*zstdDecoder); ok {
		return d, nil
	}
	dec, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1), // no goroutines: a decoder may be dropped
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(zstdMaxWindow),
	)
	if err != nil {
		return nil, err
	}
	return &zstdDecoder{dec: dec}, nil
}
