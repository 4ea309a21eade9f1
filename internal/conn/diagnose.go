package conn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
)

// explain turns a failed read or write into what most likely happened, by how far the connection had come.
func (c *Conn) explain(op string, err error) error {
	c.mu.Lock()
	at, answers := c.stage, c.answers
	c.mu.Unlock()
	problem := ErrLost
	switch {
	case errors.Is(err, ErrHTTP), errors.Is(err, ErrNeedsTLS), errors.Is(err, ErrProtocol):
		return &PeerError{Addr: c.addr, Problem: problemOf(err), Cause: causeBeside(err)}
	case isCertificateAlert(err):
		// With TLS 1.3 a client's handshake is over before the server has seen its certificate, or the lack of one:
		// the refusal arrives as the first thing read.
		problem = ErrClientCertificate
	case at == stageVersions && c.anonymous && (peerClosed(err) || isGarbled(err)):
		// The alert got lost: a reset overtook it, or the broker wrote it under keys that the other side no longer had,
		// as Java's TLS 1.3 does now and then (seen on Kafka 2.8).
		problem = ErrClientCertificate
	case !peerClosed(err):
	case at == stageVersions:
		problem = ErrNoApiVersions
	case at == stageHandshake && c.cfg.SASL != nil:
		problem = ErrSASLClosed
	case at == stageReady && answers == 0 && c.cfg.SASL == nil:
		problem = ErrSASLRequired
	}
	return &PeerError{Addr: c.addr, Problem: problem, Cause: &ioError{op, err}}
}

// ioError names the direction of a failure whose cause may be a bare io.EOF.
type ioError struct {
	op  string
	err error
}

func (e *ioError) Error() string { return e.op + ": " + e.err.Error() }
func (e *ioError) Unwrap() error { return e.err }

func problemOf(err error) error {
	for _, p := range []error{ErrHTTP, ErrNeedsTLS} {
		if errors.Is(err, p) {
			return p
		}
	}
	return ErrProtocol
}

// causeBeside is nil if err is nothing but its problem.
func causeBeside(err error) error {
	if err == problemOf(err) {
		return nil
	}
	return err
}

// peerClosed says that the other side ended the connection, as against timeouts and our own Close.
func peerClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNABORTED) || errors.Is(err, syscall.EPIPE)
}

// isCertificateAlert finds the TLS alerts by which a server refuses a client's certificate or its absence. Package tls
// exports no type for them outside QUIC, so their fixed texts are looked for.
func isCertificateAlert(err error) bool {
	if !isAlert(err) {
		return false
	}
	text := err.Error()
	for _, alert := range []string{
		"certificate required", "bad certificate", "unknown certificate", "unsupported certificate",
		"revoked certificate", "expired certificate", "access denied",
	} {
		if strings.Contains(text, alert) {
			return true
		}
	}
	return false
}

// isGarbled says that what came could not be read as TLS any more.
func isGarbled(err error) bool {
	oe, ok := errors.AsType[*net.OpError](err)
	return ok && oe.Op == "local error"
}

// isAlert says that the other side ended TLS with an alert.
func isAlert(err error) bool {
	oe, ok := errors.AsType[*net.OpError](err)
	return ok && oe.Op == "remote error"
}

// dialProblem explains why no byte stream came about.
func dialProblem(addr string, err error) error {
	problem := ErrUnreachable
	if dns, ok := errors.AsType[*net.DNSError](err); ok && !dns.IsTimeout {
		problem = ErrUnknownHost
	} else if errors.Is(err, syscall.ECONNREFUSED) {
		problem = ErrRefused
	}
	return &PeerError{Addr: addr, Problem: problem, Cause: err}
}

// tlsProblem explains a failed TLS handshake. With anonymous set, the broker had asked for a certificate, there was
// none to show, and what it did next was about that, whatever alert it chose.
func tlsProblem(addr string, err error, anonymous bool) error {
	return &PeerError{Addr: addr, Problem: classifyTLS(err, anonymous), Cause: err}
}

func classifyTLS(err error, anonymous bool) error {
	if header, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		if string(header.RecordHeader[:4]) == "HTTP" {
			return ErrHTTP
		}
		return ErrNotTLS
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return ErrCertificateName
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return ErrCertificateAuthority
	}
	if _, ok := errors.AsType[x509.CertificateInvalidError](err); ok {
		return ErrCertificateInvalid
	}
	switch {
	case isCertificateAlert(err), anonymous && (isAlert(err) || peerClosed(err)):
		return ErrClientCertificate
	case peerClosed(err):
		// A plaintext broker reads the beginning of a ClientHello as a size of 369 MB and hangs up.
		return ErrNotTLS
	}
	return ErrTLS
}
