package broker

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

var errShort = errors.New("request ends inside a field")

// frame reads one length-prefixed request as a stream. A Produce request of
// any size passes through one fixed buffer, so a length field from the network
// cannot make it allocate. After the first error every read gives zero.
type frame struct {
	r    *bufio.Reader
	left int // bytes of this request not read yet
	err  error
}

// next begins the next request. io.EOF before its first byte is a clean end.
func (f *frame) next() error {
	head, err := f.r.Peek(4)
	if err != nil {
		if len(head) > 0 && errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	size := int32(binary.BigEndian.Uint32(head))
	if size < 8 || size > maxFrame {
		return fmt.Errorf("cannot read a request of %d bytes: must be 8 to %d", size, maxFrame)
	}
	f.left, f.err = int(size), nil
	_, err = f.r.Discard(4)
	return err
}

func (f *frame) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

// take returns the next n bytes, which are good until the next read, or nil.
func (f *frame) take(n int) []byte {
	if f.err != nil {
		return nil
	}
	if n < 0 || n > f.left || n > f.r.Size() {
		f.fail(errShort)
		return nil
	}
	b, err := f.r.Peek(n)
	if err != nil {
		f.fail(err)
		return nil
	}
	f.left -= n
	if _, err := f.r.Discard(n); err != nil {
		f.fail(err)
	}
	return b
}

// skip passes over n bytes.
func (f *frame) skip(n int) {
	if f.err != nil {
		return
	}
	if n < 0 || n > f.left {
		f.fail(errShort)
		return
	}
	f.left -= n
	if _, err := f.r.Discard(n); err != nil {
		f.fail(err)
	}
}

// copyTo fills b with the next len(b) bytes.
func (f *frame) copyTo(b []byte) {
	if f.err != nil {
		return
	}
	if len(b) > f.left {
		f.fail(errShort)
		return
	}
	f.left -= len(b)
	if _, err := io.ReadFull(f.r, b); err != nil {
		f.fail(err)
	}
}

func (f *frame) int16() int16 {
	if b := f.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (f *frame) int32() int32 {
	if b := f.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

// uvarint reads an unsigned varint of at most 32 bits.
func (f *frame) uvarint() uint32 {
	var v uint64
	for shift := 0; shift < 35; shift += 7 {
		b := f.take(1)
		if b == nil {
			return 0
		}
		v |= uint64(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			if v > 1<<32-1 {
				break
			}
			return uint32(v)
		}
	}
	f.fail(errors.New("varint does not fit in 32 bits"))
	return 0
}

// length reads the length of a string, bytes or array; -1 is null. Compact
// forms (KIP-482) hold the length plus one.
func (f *frame) length(compact bool, size int) int {
	if compact {
		return int(f.uvarint()) - 1
	}
	if size == 2 {
		return int(f.int16())
	}
	return int(f.int32())
}

// array reads an array's length, of which each element has at least one byte.
func (f *frame) array(compact bool) int {
	n := f.length(compact, 4)
	if n > f.left {
		f.fail(errShort)
	}
	if f.err != nil {
		return 0
	}
	return max(n, 0)
}

// name reads a string; the bytes are good until the next read.
func (f *frame) name(compact bool) []byte {
	n := f.length(compact, 2)
	if n <= 0 {
		return nil
	}
	return f.take(n)
}

// tags skips a tagged-field section (KIP-482).
func (f *frame) tags() {
	for range f.bounded(f.uvarint()) {
		f.uvarint()
		f.skip(int(f.uvarint()))
		if f.err != nil {
			return
		}
	}
}

// bounded limits a count already read by the bytes that are left.
func (f *frame) bounded(n uint32) int {
	if int64(n) > int64(f.left) {
		f.fail(errShort)
		return 0
	}
	return int(n)
}
