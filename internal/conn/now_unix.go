//go:build unix

package conn

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// socket writes to a socket of package net without waiting: those are in non-blocking mode.
type socket struct {
	net.Conn
	raw  syscall.RawConn
	once func(fd uintptr) bool // made once, as each closure would be an allocation

	// of the write under way; the writer token guards it
	bytes   []byte
	written int
	err     error
}

// promptWriter gives a stream that can be written to without waiting, nil if this one cannot.
func promptWriter(nc net.Conn) PromptWriter {
	if p, ok := nc.(PromptWriter); ok {
		return p
	}
	var raw syscall.RawConn
	var err error
	switch nc := nc.(type) {
	case *net.TCPConn:
		raw, err = nc.SyscallConn()
	case *net.UnixConn:
		raw, err = nc.SyscallConn()
	default:
		return nil // TLS, for one, writes its records itself, and waits
	}
	if err != nil {
		return nil
	}
	s := &socket{Conn: nc, raw: raw}
	s.once = s.writeOnce
	return s
}

// WriteNow implements PromptWriter.
func (s *socket) WriteNow(b []byte) (int, error) {
	s.bytes, s.written, s.err = b, 0, nil
	err := s.raw.Write(s.once)
	s.bytes = nil
	if err == nil && s.err != nil {
		err = &net.OpError{Op: "write", Net: s.LocalAddr().Network(), Source: s.LocalAddr(), Addr: s.RemoteAddr(), Err: os.NewSyscallError("write", s.err)}
	}
	return s.written, err
}

// writeOnce answers true, whatever came of it: false would have the runtime wait until the socket takes more.
func (s *socket) writeOnce(fd uintptr) bool {
	for {
		n, err := syscall.Write(int(fd), s.bytes)
		switch {
		case err == nil:
			s.written = max(n, 0)
		case errors.Is(err, syscall.EINTR):
			continue
		case !errors.Is(err, syscall.EAGAIN):
			s.err = err
		}
		return true
	}
}
