package ekaftest

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// maxDecompressed bounds what one batch may unpack to.
const maxDecompressed = 256 << 20

var errTooLarge = fmt.Errorf("more than %d bytes", maxDecompressed)

// decompress unpacks by Kafka's codec numbers: 0 none, 1 gzip, 2 snappy (bare
// or framed as by xerial's Java library), 3 lz4, 4 zstd.
func decompress(src []byte, codec int8) ([]byte, error) {
	switch codec {
	case 0:
		return src, nil
	case 1:
		r, err := gzip.NewReader(bytes.NewReader(src))
		if err != nil {
			return nil, err
		}
		return readBounded(r)
	case 2:
		return unsnappy(src)
	case 3:
		return readBounded(lz4.NewReader(bytes.NewReader(src)))
	case 4:
		return zstdDecoder().DecodeAll(src, nil)
	}
	return nil, fmt.Errorf("unknown codec %d", codec)
}

// zstdDecoder is used through DecodeAll only, which needs no goroutine and may
// be called concurrently.
var zstdDecoder = sync.OnceValue(func() *zstd.Decoder {
	d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(maxDecompressed), zstd.WithDecoderConcurrency(1))
	if err != nil {
		panic(err) // the options are constant
	}
	return d
})

func readBounded(r io.Reader) ([]byte, error) {
	out, err := io.ReadAll(io.LimitReader(r, maxDecompressed+1))
	if err == nil && len(out) > maxDecompressed {
		err = errTooLarge
	}
	return out, err
}

var xerialMagic = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

func unsnappy(src []byte) ([]byte, error) {
	if !bytes.HasPrefix(src, xerialMagic) {
		return unsnappyBlock(nil, src)
	}
	if len(src) < 16 {
		return nil, errors.New("a xerial header cut short")
	}
	var out []byte
	for src = src[16:]; len(src) > 0; {
		if len(src) < 4 || uint64(binary.BigEndian.Uint32(src)) > uint64(len(src)-4) {
			return nil, errors.New("a xerial block cut short")
		}
		n := int(binary.BigEndian.Uint32(src))
		var err error
		if out, err = unsnappyBlock(out, src[4:4+n]); err != nil {
			return nil, err
		}
		src = src[4+n:]
	}
	return out, nil
}

func unsnappyBlock(out, block []byte) ([]byte, error) {
	n, err := s2.DecodedLen(block)
	if err != nil {
		return nil, err
	}
	if len(out)+n > maxDecompressed {
		return nil, errTooLarge
	}
	unpacked, err := s2.Decode(nil, block)
	return append(out, unpacked...), err
}
