package batch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Codec is a compression codec of Kafka. Its value is what the lowest three bits
// of a batch's attributes hold (Kafka protocol guide, "Record Batch").
type Codec int8

// The codecs of Kafka. Zstd needs brokers of 2.1 or newer (KIP-110, Produce v7).
const (
	None Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

// codecNames are Kafka's own, as in compression.type.
var codecNames = [...]string{None: "none", Gzip: "gzip", Snappy: "snappy", LZ4: "lz4", Zstd: "zstd"}

// String returns Kafka's name of the codec, or codec(n) for one that Kafka does
// not have.
func (c Codec) String() string {
	if !c.valid() {
		return fmt.Sprintf("codec(%d)", int8(c))
	}
	return codecNames[c]
}

func (c Codec) valid() bool { return c >= None && int(c) < len(codecNames) }

// ParseCodec returns the codec that Kafka calls name (none, gzip, snappy, lz4,
// zstd), whatever its case. The empty string is none.
func ParseCodec(name string) (Codec, error) {
	if name == "" {
		return None, nil
	}
	if i := slices.Index(codecNames[:], strings.ToLower(name)); i >= 0 {
		return Codec(i), nil
	}
	return None, fmt.Errorf("cannot use compression %q: choose one of %s", name, strings.Join(codecNames[:], ", "))
}

// ErrLevel is what [CheckLevel] and [Compress] answer, wrapped, for a level that
// the codec does not have.
var ErrLevel = errors.New("no such compression level")

// CheckLevel tells whether Compress takes level for codec. Level 0 is the
// codec's default for every codec. Otherwise, in the numbering of Kafka
// (KIP-390): gzip 1 to 9, lz4 1 to 17, zstd 1 to 22; higher is smaller and
// slower. None and snappy have no levels.
//
// Level 0 of lz4 is its fast algorithm, and 1 to 17 the high-compression one,
// searching up to 2^(level-1) matches, as in Java; only Java's 9, which there
// means fast as well because it is the default, is high here. The 22 levels of
// zstd are four in effect: up to 2, 3 to 5, 6 to 9, and above.
func CheckLevel(codec Codec, level int) error {
	if !codec.valid() {
		return fmt.Errorf("cannot compress with %v: Kafka has no such codec", codec)
	}
	if level == 0 || level > 0 && level <= maxLevels[codec] {
		return nil
	}
	if maxLevels[codec] == 0 {
		return fmt.Errorf("cannot compress with %v at level %d: %w: %[1]v has none, leave the level at 0", codec, level, ErrLevel)
	}
	return fmt.Errorf("cannot compress with %v at level %d: %w: use 1 to %d, or 0 for the default", codec, level, ErrLevel, maxLevels[codec])
}

var maxLevels = [...]int{None: 0, Gzip: 9, Snappy: 0, LZ4: 17, Zstd: 22}

// Compress appends the compressed form of the concatenation of chunks to dst,
// framed as Kafka's Java client frames it, and returns the longer slice. With
// None it appends the chunks as they are.
//
// The result may be larger than the input when that does not compress; the
// caller decides what to send. dst must not overlap the chunks, which are only
// read. Encoders are pooled, so that once the pools are warm and dst has room,
// nothing is allocated. Compress may be called from any number of goroutines.
// It fails only for a codec or level that [CheckLevel] refuses, and then returns
// dst unchanged.
func Compress(dst []byte, codec Codec, level int, chunks [][]byte) ([]byte, error) {
	if err := CheckLevel(codec, level); err != nil {
		return dst, err
	}
	switch codec {
	case Gzip:
		return compressGzip(dst, level, chunks)
	case Snappy:
		return compressSnappy(dst, chunks), nil
	case LZ4:
		return compressLZ4(dst, level, chunks), nil
	case Zstd:
		return compressZstd(dst, level, chunks)
	}
	for _, chunk := range chunks {
		dst = append(dst, chunk...)
	}
	return dst, nil
}

// ErrTooLarge is what [Decompress] answers, wrapped, when the data would exceed
// the limit.
var ErrTooLarge = errors.New("decompressed data exceeds the limit")

// errCorrupt is for faults in a framing that is read here, not by a library.
var errCorrupt = errors.New("corrupt data")

// Decompress appends the decompressed form of src to dst and returns the longer
// slice. It reads every framing that Kafka's consumers do: for snappy both the
// xerial framing and a bare block. limit is the most bytes to append; memory is
// taken for no more than that, whatever sizes src claims, but for the decoders'
// own windows, which are pooled (at most 8 MiB, for zstd). dst must not overlap
// src.
// On error dst is returned at its old length. Decompress may be called from any
// number of goroutines.
func Decompress(dst []byte, codec Codec, src []byte, limit int) ([]byte, error) {
	var (
		out []byte
		err error
	)
	switch codec {
	case None:
		if len(src) > limit {
			err = ErrTooLarge
			break
		}
		out = append(dst, src...)
	case Gzip:
		out, err = decompressGzip(dst, src, limit)
	case Snappy:
		out, err = decompressSnappy(dst, src, limit)
	case LZ4:
		out, err = decompressLZ4(dst, src, limit)
	case Zstd:
		out, err = decompressZstd(dst, src, limit)
	default:
		err = errors.New("no such codec in Kafka")
	}
	if err != nil {
		return dst, fmt.Errorf("cannot decompress %v: %w", codec, err)
	}
	return out, nil
}

// appendWriter is the io.Writer in front of a slice that grows. It lives inside
// the pooled encoders, so that handing one to an encoder allocates nothing.
type appendWriter struct{ buf []byte }

func (w *appendWriter) Write(p []byte) (int, error) {
	w.buf = append(w.buf, p...)
	return len(p), nil
}

// take returns the slice and forgets it, so that a pooled encoder never keeps
// the memory of a batch alive, nor writes into it later.
func (w *appendWriter) take() []byte {
	buf := w.buf
	w.buf = nil
	return buf
}
