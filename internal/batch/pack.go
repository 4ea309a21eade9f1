package batch

import "sync"

// compressedBuffers are reused: a batch's compressed form lives as long as the
// batch is unresolved.
var compressedBuffers sync.Pool

func takeCompressed() []byte {
	if p, ok := compressedBuffers.Get().(*[]byte); ok {
		return (*p)[:0]
	}
	return nil
}

func giveCompressed(p []byte) { compressedBuffers.Put(&p) }

// Pack makes the compressed form. It runs in the compression pool, outside the
// lane's lock: the batch is closed, never tried, and marked Compressing, so
// nobody else touches its bytes. A form that is not smaller is not kept, and the
// batch goes raw. The raw records stay until the batch is resolved: to split it,
// or for a leader that cannot read the codec.
func (b *Batch) Pack(codec Codec, level int) error {
	raw := make([][]byte, len(b.chunks))
	for i, c := range b.chunks {
		raw[i] = c.Buf
	}
	raw[0] = raw[0][HeaderSize:]
	packed, err := Compress(takeCompressed(), codec, level, raw)
	if err != nil {
		return err
	}
	b.recordCRC, b.summed = 0, 0
	if len(packed) >= b.size-HeaderSize {
		giveCompressed(packed)
		return nil
	}
	b.codec, b.compressed = codec, packed
	return nil
}

// Codec is the compression of what Wire gives.
func (b *Batch) Codec() Codec {
	if b.compressed == nil {
		return None
	}
	return b.codec
}

// DropPacked goes back to the raw records, for a leader that cannot read the
// codec. Only without outstanding attempts.
func (b *Batch) DropPacked() {
	if b.compressed != nil {
		giveCompressed(b.compressed)
		b.compressed = nil
	}
}
