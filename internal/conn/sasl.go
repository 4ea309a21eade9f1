package conn

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
)

const (
	saslHandshakeKey    = 17
	saslAuthenticateKey = 36

	// saslSteps bounds the rounds of one authentication; the longest mechanism, GSSAPI, takes four.
	saslSteps = 32
	// saslLifetime bounds what a broker may claim as a session's lifetime, against overflow.
	saslLifetime = 365 * 24 * time.Hour
)

// SessionEnds is when re-authentication is due (KIP-368): at 85 to 95 % of the lifetime the broker gave, at random, so
// that the connections of a fleet do not all do it at once. False: the session does not end. A broker closes the
// connection on the first request after the lifetime.
func (c *Conn) SessionEnds() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sessionEnds, !c.sessionEnds.IsZero()
}

// Reauthenticate authenticates again on the living connection (KIP-368), with a fresh mechanism from Config.SASL.
// It returns ErrBusy, and does nothing, while answers are outstanding; so the caller stops sending first. Do and Send
// called meanwhile wait. After any other error the connection is dead.
func (c *Conn) Reauthenticate(ctx context.Context) error {
	if c.cfg.SASL == nil {
		return errors.New("cannot authenticate again: no SASL is configured")
	}
	if err := c.acquire(ctx.Done()); err != nil {
		return err
	}
	defer c.release()
	if c.Pending() > 0 { // with the token held it can only fall
		return ErrBusy
	}
	stop := context.AfterFunc(ctx, func() {
		c.Kill(fmt.Errorf("cannot finish authenticating with broker %s: %w", c.addr, context.Cause(ctx)))
	})
	err := c.authenticate(ctx)
	if !stop() && err == nil {
		err = context.Cause(ctx)
	}
	if err != nil {
		// Half way through, the broker takes nothing but the rest of the authentication.
		c.Kill(err)
		return err
	}
	c.setStage(stageReady)
	return nil
}

// authenticate runs SaslHandshake and the mechanism's session. The writer token is held.
func (c *Conn) authenticate(ctx context.Context) error {
	c.setStage(stageHandshake)
	mctx, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	var mechanism sasl.Mechanism
	err := guard("the function that gives the mechanism", func() (err error) {
		mechanism, err = c.cfg.SASL(mctx)
		return err
	})
	if err == nil && mechanism == nil {
		err = errors.New("no mechanism was given")
	}
	if err != nil {
		return c.saslFailed("prepare", err)
	}
	wrapped, err := c.saslHandshake(mechanism.Name())
	if err != nil {
		return err
	}
	var session sasl.Session
	var token []byte
	err = guard("the mechanism", func() (err error) {
		session, token, err = mechanism.Authenticate(mctx, c.addr)
		return err
	})
	if err == nil && session == nil {
		err = errors.New("the mechanism gave no session")
	}
	if err != nil {
		return c.saslFailed("begin", err)
	}
	return c.saslSession(mechanism.Name(), session, token, wrapped)
}

// guard runs code that is not ours: it runs on a goroutine of ours, where its panic would end the process.
func guard(whose string, run func() error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("%s panicked: %v", whose, v)
		}
	}()
	return run()
}

// saslFailed is an error of our own side: a token that cannot be fetched, a server that proves not to know the
// password. Mechanisms keep secrets out of their errors.
func (c *Conn) saslFailed(what string, err error) error {
	return fmt.Errorf("cannot %s SASL authentication with broker %s: %w", what, c.addr, err)
}

// saslHandshake names the mechanism (KIP-43). It returns whether the tokens then travel inside SaslAuthenticate
// requests (KIP-152), which follows handshake v1; after v0 (Kafka 0.10), or none (0.9), they travel bare.
func (c *Conn) saslHandshake(mechanism string) (wrapped bool, err error) {
	if _, known := c.versions.Max(saslHandshakeKey); !known && c.cfg.AssumeVersions != nil {
		return false, nil
	}
	version, ok := c.versions.Negotiate(saslHandshakeKey, 0, 1)
	if !ok {
		return false, c.unsupported(saslHandshakeKey, 0, 1)
	}
	req := kmsg.NewPtrSASLHandshakeRequest()
	req.SetVersion(version)
	req.Mechanism = mechanism
	kresp, err := c.exchange(req)
	if err != nil {
		return false, err
	}
	resp, ok := kresp.(*kmsg.SASLHandshakeResponse)
	if !ok {
		return false, c.broken("SaslHandshake was answered by %T", kresp)
	}
	switch resp.ErrorCode {
	case 0:
		return version >= 1, nil
	case kerr.UnsupportedSaslMechanism.Code:
		return false, &MechanismError{Addr: c.addr, Mechanism: mechanism, Offered: offered(resp.SupportedMechanisms)}
	case kerr.IllegalSaslState.Code:
		return false, &PeerError{Addr: c.addr, Problem: ErrSASLNotEnabled, Cause: kerr.IllegalSaslState}
	}
	return false, &AuthError{Addr: c.addr, Mechanism: mechanism, Code: resp.ErrorCode}
}

// saslSession exchanges tokens until the mechanism is content. A mechanism may have a last token to send when it is
// done; wrapped in SaslAuthenticate that is answered too (and the lifetime is in that answer), bare it is not.
func (c *Conn) saslSession(mechanism string, session sasl.Session, token []byte, wrapped bool) error {
	var lifetime time.Duration
	var asked time.Time // before the last request: the broker's clock started later, so we are never late
	for step, done := 0, false; !done || len(token) > 0; step++ {
		if step == saslSteps {
			return c.broken("SASL %s is not done after %d rounds", mechanism, saslSteps)
		}
		asked = time.Now()
		var challenge []byte
		var err error
		if wrapped {
			challenge, lifetime, err = c.saslAuthenticate(mechanism, token)
		} else {
			challenge, err = c.saslBare(token, !done)
		}
		if err != nil {
			return err
		}
		token = nil
		if done {
			break
		}
		err = guard("the mechanism", func() (err error) {
			done, token, err = session.Challenge(challenge)
			return err
		})
		if err != nil {
			return c.saslFailed("complete", err)
		}
	}
	var ends time.Time
	if lifetime > 0 {
		ends = asked.Add(time.Duration((0.85 + 0.10*rand.Float64()) * float64(lifetime)))
	}
	c.mu.Lock()
	c.sessionEnds = ends
	c.mu.Unlock()
	return nil
}

// saslAuthenticate is one SaslAuthenticate (v0 to v2) and its answer. v1 has all the fields of v2; that one, with its
// tagged fields, is spoken only if the broker leaves no choice: see parseVersions.
func (c *Conn) saslAuthenticate(mechanism string, token []byte) ([]byte, time.Duration, error) {
	version, ok := c.versions.Negotiate(saslAuthenticateKey, 0, 1)
	if !ok {
		version, ok = c.versions.Negotiate(saslAuthenticateKey, 2, 2)
	}
	if !ok {
		return nil, 0, c.unsupported(saslAuthenticateKey, 0, 2)
	}
	req := kmsg.NewPtrSASLAuthenticateRequest()
	req.SetVersion(version)
	req.SASLAuthBytes = token
	kresp, err := c.exchange(req)
	if err != nil {
		return nil, 0, err
	}
	resp, ok := kresp.(*kmsg.SASLAuthenticateResponse)
	if !ok {
		return nil, 0, c.broken("SaslAuthenticate was answered by %T", kresp)
	}
	if resp.ErrorCode != 0 {
		refused := &AuthError{Addr: c.addr, Mechanism: mechanism, Code: resp.ErrorCode}
		if resp.ErrorMessage != nil {
			refused.Message = printable(*resp.ErrorMessage)
		}
		return nil, 0, refused
	}
	millis := min(max(resp.SessionLifetimeMillis, 0), int64(saslLifetime/time.Millisecond))
	return resp.SASLAuthBytes, time.Duration(millis) * time.Millisecond, nil
}

// saslBare sends a token as size and bytes, and reads one back if the mechanism expects it.
func (c *Conn) saslBare(token []byte, answered bool) ([]byte, error) {
	frame := append(make([]byte, 4, 4+len(token)), token...)
	if !answered {
		return nil, c.sendHeld(frame, nil, request{apiKey: saslAuthenticateKey, raw: true})
	}
	a, err := c.exchangeBytes(frame, request{apiKey: saslAuthenticateKey, raw: true})
	if err != nil {
		return nil, err
	}
	return a.body, a.err
}
