package conn

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"time"
)

// Offsets in a request frame: size int32, api key int16, version int16, correlation id int32, then the client id.
const (
	frameKeyAt         = 4
	frameCorrelationAt = 8
	frameHeaderBytes   = 12
)

const (
	// writevBytes is the tail size from which writev is worth more than copying.
	writevBytes = 4 << 10
	// stagingBytes bounds the copy of a request for streams without writev. It is 16 TLS records: a larger buffer saves
	// no system call, and would stay with each connection.
	stagingBytes = 256 << 10
)

// Handler takes the answer to one request.
type Handler interface {
	// Answer is called exactly once. With err nil, body is the response after its header, valid only during the call.
	// With err set, the connection is dead, and nobody reads the request's bytes any more.
	//
	// It runs on the connection's reader goroutine: while it runs, no other answer is read. So it must be quick, must
	// not wait for anything that needs another answer, and must not call Close, Do or Reauthenticate.
	Answer(body []byte, err error)
}

// NextFrame appends the beginning of a request to dst: four bytes for the size, then the request header, v1 or, if
// flexible, v2. The request's body is to be appended to the result, which is then passed to Send.
//
// Size and correlation id are left as holes, which Send fills: only there, with the writer token held, is the order of
// writes known, and correlation ids must follow it. So frames may be prepared by many goroutines at once, and a frame
// that was never sent leaves no gap.
func (c *Conn) NextFrame(dst []byte, apiKey, version int16, flexible bool) []byte {
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint16(dst, uint16(apiKey))
	dst = binary.BigEndian.AppendUint16(dst, uint16(version))
	dst = append(dst, 0, 0, 0, 0)
	clientID := c.cfg.ClientID
	if len(clientID) > math.MaxInt16 {
		clientID = clientID[:math.MaxInt16]
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(clientID)))
	dst = append(dst, clientID...)
	if flexible {
		dst = append(dst, 0) // no tagged fields; the client id stays a plain string in header v2 (KIP-482)
	}
	return dst
}

// Send writes one request: frame, begun by NextFrame at its index 0, followed by the slices of tail. It fills the two
// holes of frame, changes nothing else, and keeps no reference to frame or tail once it has returned. flexibleHeader
// says that the answer's header has tagged fields (all flexible apis but ApiVersions).
//
// With a handler: nil means that h.Answer will be called exactly once, also if the write failed. An error means that
// h is never called and not one byte was written.
//
// Without one no answer is expected (Produce with acks=0): Send returns when the write has, with its error; not one
// byte was written if that Is ErrNotWritten.
//
// Calls from several goroutines are written one after the other. A call waits while the socket is full or a
// re-authentication runs, at most until RequestTimeout kills the connection. It allocates nothing.
func (c *Conn) Send(frame []byte, tail net.Buffers, flexibleHeader bool, h Handler) error {
	return c.send(nil, frame, tail, flexibleHeader, h)
}

// send is Send, given up while it waits for its turn if cancelled is closed.
func (c *Conn) send(cancelled <-chan struct{}, frame []byte, tail net.Buffers, flexibleHeader bool, h Handler) error {
	if len(frame) < frameHeaderBytes {
		return fmt.Errorf("cannot send a frame of %d bytes: %w", len(frame), ErrNotWritten)
	}
	if err := c.acquire(cancelled); err != nil {
		return err
	}
	defer c.release()
	return c.sendHeld(frame, tail, request{
		h:        h,
		apiKey:   int16(binary.BigEndian.Uint16(frame[frameKeyAt:])),
		flexible: flexibleHeader,
	})
}

// acquire takes the writer token. It is a channel and no mutex, so that it can be waited for together with other
// events.
func (c *Conn) acquire(cancelled <-chan struct{}) error {
	select {
	case c.token <- struct{}{}:
		return nil
	case <-c.dying:
		return c.notWritten()
	case <-cancelled:
		return fmt.Errorf("the call ended before its turn to write: %w", ErrNotWritten)
	}
}

func (c *Conn) release() { <-c.token }

func (c *Conn) notWritten() error {
	return fmt.Errorf("%w: %w", ErrNotWritten, c.Err())
}

// sendHeld is Send with the token already held.
func (c *Conn) sendHeld(frame []byte, tail net.Buffers, q request) error {
	tailBytes := 0
	for _, b := range tail {
		tailBytes += len(b)
	}
	size := len(frame) - 4 + tailBytes
	if size > math.MaxInt32 {
		return fmt.Errorf("cannot send a request of %d bytes, the protocol's limit is %d: %w", size, math.MaxInt32, ErrNotWritten)
	}
	if !c.begin(frame, size, &q) {
		return c.notWritten()
	}
	err := c.written(c.write(frame, tail, tailBytes))
	if q.h != nil {
		return nil // the handler hears of a failed write when the connection is buried
	}
	return err
}

// begin fills the holes of a frame and puts its request into the ring. False: the connection is dead.
func (c *Conn) begin(frame []byte, size int, q *request) bool {
	binary.BigEndian.PutUint32(frame, uint32(size))
	if !q.raw {
		q.correlation = c.writer.correlation
		binary.BigEndian.PutUint32(frame[frameCorrelationAt:], uint32(q.correlation))
	}
	if !c.enter(*q) {
		return false
	}
	c.writer.correlation = (c.writer.correlation + 1) & math.MaxInt32
	return true
}

// written ends a write for the watchdog; one that failed ends the connection.
func (c *Conn) written(err error) error {
	c.mu.Lock()
	c.writing = request{}
	c.mu.Unlock()
	if err != nil {
		err = c.writeFailed(err)
	}
	return err
}

// enter puts a request into the ring before its write begins, for two reasons: its answer may arrive before write
// returns, and the watchdog must see a write that hangs. It refuses on a dead connection; the check and the push are
// one step under the mutex, or a request could enter after the ring was emptied for good.
func (c *Conn) enter(q request) bool {
	q.since = time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return false
	}
	if q.h != nil {
		c.pending.push(q)
	}
	c.writing = q
	c.lastUsed = q.since
	if !c.armed {
		c.armed = true
		c.watchdog.Reset(c.cfg.RequestTimeout)
	}
	return true
}

// writeFailed kills the connection, except during the handshake: there the reader is given a moment to find out why.
// A server that speaks something else often answers, then closes; the write fails first, with a bare "broken pipe",
// while the answer that explains it (an HTTP status, a TLS alert) is still unread.
func (c *Conn) writeFailed(err error) error {
	err = c.explain("write", err)
	c.mu.Lock()
	early := c.stage != stageReady && c.writeErr == nil && c.err == nil
	if early {
		c.writeErr = err
	}
	c.mu.Unlock()
	if !early || c.nc.SetReadDeadline(time.Now().Add(time.Second)) != nil {
		c.Kill(err)
	}
	return err
}

// write puts frame and tail on the stream. The frame is copied even if it is all
// there is: the answer may come, and its owner use the frame again, before the
// runtime is done with a buffer that the kernel has long read. It is the connection's
// own then, which the next writer gets after this one.
func (c *Conn) write(frame []byte, tail net.Buffers, tailBytes int) error {
	if c.vectored && tailBytes > writevBytes {
		return c.writev(frame, tail)
	}
	return c.writeStaged(frame, tail)
}

// writev hands all slices to the kernel at once. Only the bare sockets of package net know how: on any other net.Conn
// net.Buffers makes one Write, and with TLS one record, per slice.
func (c *Conn) writev(frame []byte, tail net.Buffers) error {
	w := &c.writer
	w.slices = append(append(w.slices[:0], frame), tail...)
	w.buffers = w.slices
	_, err := w.buffers.WriteTo(c.nc)
	clear(w.slices) // also the slices an error left over: the connection must not keep a batch alive
	w.buffers = nil
	return err
}

// writeStaged copies the request into one reused buffer and writes that, in pieces of stagingBytes if it is larger.
func (c *Conn) writeStaged(frame []byte, tail net.Buffers) error {
	w := &c.writer
	w.staging = w.staging[:0]
	if err := c.stageBytes(frame); err != nil {
		return err
	}
	for _, b := range tail {
		if err := c.stageBytes(b); err != nil {
			return err
		}
	}
	if len(w.staging) == 0 {
		return nil
	}
	_, err := c.nc.Write(w.staging)
	return err
}

// stageBytes adds b to the staging buffer and writes the buffer whenever it is full.
func (c *Conn) stageBytes(b []byte) error {
	w := &c.writer
	for len(w.staging)+len(b) >= stagingBytes {
		n := stagingBytes - len(w.staging)
		w.staging = append(w.staging, b[:n]...)
		b = b[n:]
		if _, err := c.nc.Write(w.staging); err != nil {
			return err
		}
		w.staging = w.staging[:0]
	}
	w.staging = append(w.staging, b...)
	return nil
}

// isTimeout tells a passed deadline from other errors of the network.
func isTimeout(err error) bool {
	ne, ok := errors.AsType[net.Error](err)
	return ok && ne.Timeout()
}
