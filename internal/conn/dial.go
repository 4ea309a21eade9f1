package conn

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const apiVersionsKey = 18

// apiVersionsVersion is the one asked first: v3 carries the client's name (KIP-511), and its answer can be read by all
// means, as a broker that does not know it answers in v0.
const apiVersionsVersion = 3

// Dial connects to the broker at addr (host:port), with TLS and SASL as cfg says, and learns its versions. DialTimeout
// and ctx bound all of it, RequestTimeout each request in it too. Errors are PeerError,
// TimeoutError, AuthError, MechanismError or UnsupportedError, and say what to do.
//
// With Config.Doors, an attempt that comes too soon after one that failed is not made, and answers its error.
func Dial(ctx context.Context, cfg *Config, addr string) (*Conn, error) {
	set := newSettings(cfg)
	if err := set.Doors.try(addr, time.Now()); err != nil {
		return nil, err
	}
	c, err := dial(ctx, set, addr)
	if !errors.Is(ctx.Err(), context.Canceled) { // one that was called off says nothing of the broker
		set.Doors.tried(addr, time.Now(), err)
	}
	return c, err
}

func dial(ctx context.Context, set *settings, addr string) (*Conn, error) {
	bounded, cancel := context.WithTimeout(ctx, set.DialTimeout)
	defer cancel()
	s, err := dialStream(bounded, set, addr)
	if err != nil {
		if ctx.Err() != nil {
			err = interrupted(ctx, addr) // the caller's doing, and no fault of the broker's
		}
		return nil, err
	}
	c := newConn(set, addr, s)
	c.token <- struct{}{} // held through the handshake
	go c.readLoop()

	ended := func() error {
		if ctx.Err() != nil {
			return interrupted(ctx, addr)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.lateLocked(set.DialTimeout)
	}
	stop := context.AfterFunc(bounded, func() { c.Kill(ended()) })
	unprobe := c.probeBefore(bounded)
	err = c.handshake(bounded)
	err = unprobe(err)
	if !stop() && err == nil {
		err = ended()
	}
	if err == nil {
		c.limit.Store(set.MaxResponseBytes)
		c.setStage(stageReady)
	} else {
		c.Kill(err) // before the token is free: nobody else may write on a half made connection
	}
	c.release()
	if err != nil {
		<-c.done
		return nil, err
	}
	set.Logger.Debug("connection ready", "addr", addr, "local", c.LocalAddr())
	return c, nil
}

func interrupted(ctx context.Context, addr string) error {
	return fmt.Errorf("cannot finish connecting to broker %s: %w", addr, context.Cause(ctx))
}

func (c *Conn) setStage(s stage) {
	c.mu.Lock()
	c.stage = s
	c.mu.Unlock()
}

// stream is a connected, and if asked for secured, byte stream.
type stream struct {
	raw net.Conn // what was dialled
	nc  net.Conn // what to use: raw, or TLS over raw
	// anonymous: the broker asked for a client certificate, and there was none to show.
	anonymous bool
}

// dialStream connects and, if asked to, wraps the stream in TLS. ctx ends with DialTimeout.
func dialStream(ctx context.Context, cfg *settings, addr string) (stream, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "" {
		return stream{}, &PeerError{Addr: addr, Problem: ErrAddress}
	}
	var raw net.Conn
	err = guard("the dialer", func() (err error) {
		raw, err = cfg.Dial(ctx, "tcp", addr)
		return err
	})
	if err != nil {
		return stream{}, dialProblem(addr, err)
	}
	if cfg.TLS == nil {
		return stream{raw: raw, nc: raw}, nil
	}
	s := stream{raw: raw}
	tc := cfg.TLS.Clone()
	if tc.ServerName == "" {
		tc.ServerName = host
	}
	show := certificateSource(tc)
	tc.GetClientCertificate = func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		pair, err := show(asked)
		s.anonymous = err == nil && pair != nil && len(pair.Certificate) == 0
		return pair, err
	}
	secured := tls.Client(raw, tc)
	err = guard("the TLS configuration", func() error { return secured.HandshakeContext(ctx) })
	if err != nil {
		_ = raw.Close() // the handshake's error is the one to tell
		if isTimeout(err) {
			return stream{}, &TimeoutError{Addr: addr, API: "the TLS handshake", After: cfg.DialTimeout, advice: silentTLS}
		}
		return stream{}, tlsProblem(addr, err, s.anonymous)
	}
	s.nc = secured
	return s, nil
}

// certificateSource is how package tls would choose the client's certificate: an empty one if none suits.
func certificateSource(tc *tls.Config) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	if tc.GetClientCertificate != nil {
		return tc.GetClientCertificate
	}
	pairs := tc.Certificates
	return func(asked *tls.CertificateRequestInfo) (*tls.Certificate, error) {
		for i := range pairs {
			if asked.SupportsCertificate(&pairs[i]) == nil {
				return &pairs[i], nil
			}
		}
		return new(tls.Certificate), nil
	}
}

// handshake makes a fresh connection usable. The writer token is held.
func (c *Conn) handshake(ctx context.Context) error {
	if c.cfg.AssumeVersions != nil {
		c.versions = versionsAssumed(c.cfg.AssumeVersions)
	} else if err := c.askVersions(); err != nil {
		return err
	}
	if c.cfg.SASL == nil {
		return nil
	}
	return c.authenticate(ctx)
}

// askVersions runs ApiVersions. A broker that does not know v3 answers error 35 with the body of v0 (KIP-511), and is
// asked again in v0.
func (c *Conn) askVersions() error {
	err := c.askVersionsIn(apiVersionsVersion)
	if errors.Is(err, kerr.UnsupportedVersion) {
		err = c.askVersionsIn(0)
	}
	return err
}

func (c *Conn) askVersionsIn(version int16) error {
	req := kmsg.NewPtrApiVersionsRequest()
	req.SetVersion(version)
	req.ClientSoftwareName = c.cfg.SoftwareName
	req.ClientSoftwareVersion = c.cfg.SoftwareVersion
	// The answer's header is v0 in all versions, or a client could not read the refusal of its version.
	a, err := c.exchangeBytes(c.encode(req), request{apiKey: apiVersionsKey})
	if err == nil {
		err = a.err
	}
	if err != nil {
		return err
	}
	// The error code comes first in all versions; the rest of a refusal is not in the version asked for.
	if len(a.body) >= 2 {
		if code := int16(binary.BigEndian.Uint16(a.body)); code != 0 {
			return c.broken("it refuses ApiVersions v%d: %w", version, kerr.ErrorForCode(code))
		}
		var ok bool
		if c.versions, ok = parseVersions(a.body[2:], req.IsFlexible()); ok {
			return nil
		}
	}
	return c.broken("its ApiVersions v%d response of %d bytes cannot be read", version, len(a.body))
}
