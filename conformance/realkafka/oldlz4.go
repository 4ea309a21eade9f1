package realkafka

import (
	"bytes"
	"slices"

	"github.com/twmb/franz-go/pkg/kgo"
)

// oldLZ4 reads what brokers before 0.10 store with lz4: frames whose header has a
// checksum over the wrong bytes (KIP-57), which kgo's own reader refuses.
type oldLZ4 struct{ kgo.Decompressor }

func newOldLZ4() oldLZ4 { return oldLZ4{kgo.DefaultDecompressor()} }

// The only header that Kafka's writers make, with the wrong checksum and the right one.
var (
	oldLZ4Header   = []byte("\x04\x22\x4d\x18\x60\x40\x1a")
	rightLZ4Header = []byte("\x04\x22\x4d\x18\x60\x40\x82")
)

// Decompress implements kgo.Decompressor.
func (d oldLZ4) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	if codec == kgo.CodecLz4 && bytes.HasPrefix(src, oldLZ4Header) {
		src = slices.Concat(rightLZ4Header, src[len(oldLZ4Header):])
	}
	return d.Decompressor.Decompress(src, codec)
}
