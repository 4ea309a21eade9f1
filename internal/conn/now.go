package conn

import (
	"encoding/binary"
	"fmt"
	"net"
)

// PromptWriter is a stream that can be written to without waiting. The sockets of package net are, where the operating
// system allows it; a net.Conn from Config.Dial may be.
type PromptWriter interface {
	net.Conn
	// WriteNow writes what the stream takes at once, and answers how many bytes that were. It does not wait: n below
	// len(b) without an error means that the stream is full.
	WriteNow(b []byte) (n int, err error)
}

// Quiet reports whether SendNow would write at once: the stream can be written to without waiting, no request awaits an
// answer, and nobody writes. While a caller makes sure that no other request is begun, only the connection's death ends it.
func (c *Conn) Quiet() bool {
	if c.prompt == nil || len(c.token) > 0 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err == nil && c.pending.count == 0
}

// SendNow is Send for a caller that must not wait, with a handler and on a Quiet connection only: an error, which
// Is ErrNotWritten, if it is not Quiet any more. The request is copied, so it should be small: what fits into the buffer
// of an idle socket, a few dozen KiB.
//
// A full stream takes a part of it, or nothing. The sequence of events then: the part is on the wire, so what follows on
// this connection must be the rest; a deadline for it would kill a connection that others use, and waiting would hold up
// a caller whose context may end. So the rest goes to a goroutine, which keeps the writer token until it is written: other
// writers wait for it, the watchdog sees it, and the connection's end waits for its return before it answers.
func (c *Conn) SendNow(frame []byte, tail net.Buffers, flexibleHeader bool, h Handler) error {
	if c.prompt == nil || len(frame) < frameHeaderBytes {
		return fmt.Errorf("cannot send a frame of %d bytes without waiting: %w", len(frame), ErrNotWritten)
	}
	select {
	case c.token <- struct{}{}:
	default:
		return fmt.Errorf("somebody else writes: %w", ErrNotWritten)
	}
	q := request{h: h, apiKey: int16(binary.BigEndian.Uint16(frame[frameKeyAt:])), flexible: flexibleHeader}
	handedOn, err := c.sendNowHeld(frame, tail, q)
	if !handedOn {
		c.release()
	}
	return err
}

// sendNowHeld is SendNow with the token held. handedOn: a goroutine holds it now.
func (c *Conn) sendNowHeld(frame []byte, tail net.Buffers, q request) (handedOn bool, err error) {
	w := &c.writer
	w.staging = append(w.staging[:0], frame...)
	for _, b := range tail {
		w.staging = append(w.staging, b...)
	}
	if !c.begin(w.staging, len(w.staging)-4, &q) {
		return false, c.notWritten()
	}
	n, err := c.prompt.WriteNow(w.staging)
	if err == nil && n < len(w.staging) {
		go c.writeRest(w.staging[n:])
		return true, nil
	}
	c.written(err)
	return false, nil // the handler hears of a failed write when the connection is buried
}

// writeRest ends a write that a full stream interrupted. It holds the token, and gives it back.
func (c *Conn) writeRest(rest []byte) {
	defer c.release()
	_, err := c.nc.Write(rest)
	c.written(err)
}
