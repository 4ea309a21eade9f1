package conn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

const (
	readBytes     = 4 << 10   // first size of the read buffer: many Produce answers at once
	readKeepBytes = 256 << 10 // a larger buffer is not kept after the response that needed it
)

// frameReader cuts a stream into frames: a size of four bytes, then that many bytes. It reads ahead, so that answers
// that arrive together cost one system call, and its buffer grows only when it is full of bytes that did arrive: a
// size that lies costs nothing.
type frameReader struct {
	src    io.Reader
	buf    []byte
	r, w   int  // unread bytes are buf[r:w]
	proven bool // a whole frame was seen: from now on foreign protocols are not looked for
}

// next returns the next frame without its size; it is valid until the next call. limit is asked only when the size
// has arrived. io.EOF means that the stream ended between two frames.
func (f *frameReader) next(limit func() int32) ([]byte, error) {
	if f.r == f.w {
		f.r, f.w = 0, 0
		if len(f.buf) > readKeepBytes {
			f.buf = nil
		}
	}
	if err := f.fill(4); err != nil {
		return nil, err
	}
	head := f.buf[f.r : f.r+4]
	if !f.proven {
		if err := foreignProtocol(head); err != nil {
			return nil, err
		}
	}
	size := int32(binary.BigEndian.Uint32(head))
	if most := limit(); size < 0 || size > most {
		return nil, fmt.Errorf("%w: a response claims %d bytes, the limit is %d", ErrProtocol, size, most)
	}
	f.r += 4
	if err := f.fill(int(size)); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	body := f.buf[f.r : f.r+int(size)]
	f.r += int(size)
	f.proven = true
	return body, nil
}

// fill reads until n bytes are unread.
func (f *frameReader) fill(n int) error {
	for idle := 0; f.w-f.r < n; {
		if f.w == len(f.buf) {
			f.makeRoom(n)
		}
		m, err := f.src.Read(f.buf[f.w:])
		if m < 0 || m > len(f.buf)-f.w {
			return fmt.Errorf("the connection claims to have read %d bytes into %d", m, len(f.buf)-f.w)
		}
		f.w += m
		switch {
		case m > 0:
			idle = 0 // an error beside data comes again with the next Read
		case err != nil:
			if errors.Is(err, io.EOF) && f.w > f.r {
				return io.ErrUnexpectedEOF
			}
			return err
		default:
			if idle++; idle > 100 {
				return io.ErrNoProgress
			}
		}
	}
	return nil
}

// makeRoom gives a full buffer some space: by moving the unread bytes to its front, else by at most doubling it.
func (f *frameReader) makeRoom(n int) {
	if f.r > 0 {
		f.w = copy(f.buf, f.buf[f.r:f.w])
		f.r = 0
		return
	}
	grown := make([]byte, max(readBytes, min(n, 2*len(f.buf))))
	copy(grown, f.buf[:f.w])
	f.buf = grown
}

// foreignProtocol looks at the first four bytes a server ever sent. A Kafka frame begins with its size, so as a size
// these would be a first answer of 340 MiB and more.
func foreignProtocol(head []byte) error {
	switch {
	case string(head) == "HTTP":
		return ErrHTTP
	case head[0] == 0x15 && head[1] == 0x03: // TLS record: alert, version 3.x
		return ErrNeedsTLS
	}
	return nil
}

// readLoop is the reader goroutine. It outlives every writer and ends with the connection.
func (c *Conn) readLoop() {
	for {
		body, err := c.in.next(c.limit.Load)
		if err == nil {
			err = c.deliver(body)
		} else {
			err = c.explain("read", err)
		}
		if err != nil {
			c.mu.Lock()
			if c.writeErr != nil && isTimeout(err) {
				err = c.writeErr // the moment of writeFailed has passed without an explanation
			}
			c.mu.Unlock()
			c.Kill(err)
			break
		}
	}
	c.finish()
}

// deliver matches a frame with the oldest pending request. Kafka answers each connection's requests in their order, so
// any other correlation id means that one side has lost count; then no answer can be trusted to belong to its request
// and the connection has to go. The request stays in the ring in that case, and is answered with the error.
func (c *Conn) deliver(frame []byte) error {
	c.mu.Lock()
	if c.pending.count == 0 {
		c.mu.Unlock()
		return c.broken("it sent %d bytes that no request asked for", len(frame))
	}
	q := *c.pending.at(0)
	body := frame
	if !q.raw {
		if len(frame) < 4 {
			c.mu.Unlock()
			return c.broken("a response to %s has %d bytes", apiName(q.apiKey), len(frame))
		}
		if got := int32(binary.BigEndian.Uint32(frame)); got != q.correlation {
			c.mu.Unlock()
			return c.broken("a response carries correlation id %d where %d (%s) is due", got, q.correlation, apiName(q.apiKey))
		}
		body = frame[4:]
	}
	if q.flexible {
		var ok bool
		if body, ok = skipTags(body); !ok {
			c.mu.Unlock()
			return c.broken("the header of a response to %s is cut short", apiName(q.apiKey))
		}
	}
	c.pending.pop()
	switch c.stage {
	case stageVersions:
		c.stage = stageHandshake // here, not by who awaits the answer: the broker may hang up before that one runs
	case stageReady:
		c.answers = 1
	}
	c.mu.Unlock()
	q.h.Answer(body, nil)
	return nil
}

// skipTags passes over the tagged fields of a response header v1 (KIP-482).
func skipTags(b []byte) ([]byte, bool) {
	count, b, ok := uvarint(b)
	// Each field takes two bytes at least, so a count that lies ends the loop when the bytes end.
	for ; ok && count > 0; count-- {
		var size uint64
		if _, b, ok = uvarint(b); !ok {
			break
		}
		if size, b, ok = uvarint(b); !ok || size > uint64(len(b)) {
			return nil, false
		}
		b = b[size:]
	}
	return b, ok
}

func uvarint(b []byte) (uint64, []byte, bool) {
	v, n := binary.Uvarint(b)
	if n <= 0 || v > math.MaxUint32 {
		return 0, nil, false
	}
	return v, b[n:], true
}
