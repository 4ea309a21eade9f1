package ekaftest

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The SASL mechanisms a cluster can ask for.
const (
	saslPlain   = "PLAIN"
	scramSHA256 = "SCRAM-SHA-256"
	scramSHA512 = "SCRAM-SHA-512"
	oauthBearer = "OAUTHBEARER"
)

type saslConfig struct {
	mechanisms []string
	users      map[string]map[string]string // mechanism, user: password
	token      func(token string) error
	lifetime   time.Duration
}

func (s *saslConfig) enable(mechanism string) {
	if !slices.Contains(s.mechanisms, mechanism) {
		s.mechanisms = append(s.mechanisms, mechanism)
	}
}

// SASL has clients authenticate: mechanism is PLAIN, SCRAM-SHA-256 or
// SCRAM-SHA-512. Give it several times for several users or mechanisms.
func SASL(mechanism, user, password string) Option {
	return func(cfg *config) {
		if !slices.Contains([]string{saslPlain, scramSHA256, scramSHA512}, mechanism) {
			cfg.fail("cannot offer SASL mechanism %q: choose PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512, or SASLToken for OAUTHBEARER", mechanism)
			return
		}
		cfg.sasl.enable(mechanism)
		if cfg.sasl.users == nil {
			cfg.sasl.users = make(map[string]map[string]string)
		}
		if cfg.sasl.users[mechanism] == nil {
			cfg.sasl.users[mechanism] = make(map[string]string)
		}
		cfg.sasl.users[mechanism][user] = password
	}
}

// SASLToken has clients authenticate by OAUTHBEARER with a token for which
// valid answers nil. valid may be called from several connections at once.
func SASLToken(valid func(token string) error) Option {
	return func(cfg *config) {
		cfg.sasl.enable(oauthBearer)
		cfg.sasl.token = valid
	}
}

// SASLSessionLifetime is connections.max.reauth.ms: a connection that has not
// authenticated again after d is closed at its next request (KIP-368). Default
// 0: sessions do not end.
func SASLSessionLifetime(d time.Duration) Option {
	return func(cfg *config) { cfg.sasl.lifetime = d }
}

// saslState is how far one connection has authenticated.
//
//	none ── handshake ──► chosen ── token(s) ──► authenticated ── handshake ──► chosen ...
//	                         └── bad token ──► closed
type saslState struct {
	mechanism     string // chosen and not finished; "": none
	exchange      *scram // between the two messages of SCRAM
	refused       bool   // OAUTHBEARER: the error was told, the client's nod is due
	raw           bool   // handshake version 0: tokens come without a request around them
	authenticated bool
	until         time.Time // zero: for ever
}

// authorize lets requests through as the connection's state allows.
func (s *session) authorize(api kmsg.Key) error {
	if len(s.b.c.cfg.sasl.mechanisms) == 0 {
		return nil
	}
	switch api {
	case kmsg.ApiVersions, kmsg.SASLHandshake, kmsg.SASLAuthenticate:
		return nil
	}
	if !s.auth.authenticated || !s.auth.until.IsZero() && time.Now().After(s.auth.until) {
		return errHangUp
	}
	return nil
}

func (s *session) saslHandshake(req *kmsg.SASLHandshakeRequest, hit hits) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.SASLHandshakeResponse)
	resp.SupportedMechanisms = s.b.c.cfg.sasl.mechanisms
	switch {
	case hit.code("", -1) != nil:
		resp.ErrorCode = hit.code("", -1).Code
	case len(resp.SupportedMechanisms) == 0:
		resp.ErrorCode = kerr.IllegalSaslState.Code
	case !slices.Contains(resp.SupportedMechanisms, req.Mechanism):
		resp.ErrorCode = kerr.UnsupportedSaslMechanism.Code
	default:
		s.auth.mechanism, s.auth.exchange, s.auth.refused = req.Mechanism, nil, false
		s.auth.raw = req.Version == 0
	}
	return resp
}

// saslAuthenticate carries out one step. A failed one is answered, then the
// connection is closed.
func (s *session) saslAuthenticate(req *kmsg.SASLAuthenticateRequest, hit hits) (kmsg.Response, bool) {
	resp := req.ResponseKind().(*kmsg.SASLAuthenticateResponse)
	if f := hit.code("", -1); f != nil {
		resp.ErrorCode, resp.ErrorMessage = f.Code, new(f.Message)
		return resp, false
	}
	if s.auth.mechanism == "" {
		resp.ErrorCode = kerr.IllegalSaslState.Code
		resp.ErrorMessage = new("SaslAuthenticate request received without a handshake")
		return resp, false
	}
	challenge, err := s.authenticate(req.SASLAuthBytes)
	if err != nil {
		resp.ErrorCode = kerr.SaslAuthenticationFailed.Code
		resp.ErrorMessage = new("Authentication failed: " + err.Error())
		return resp, false
	}
	resp.SASLAuthBytes = challenge
	if s.auth.authenticated && s.auth.mechanism == "" {
		resp.SessionLifetimeMillis = s.b.c.cfg.sasl.lifetime.Milliseconds()
	}
	return resp, true
}

// rawToken is a step of handshake version 0: bare tokens, and no error but
// closing the connection.
func (s *session) rawToken(token []byte) error {
	challenge, err := s.authenticate(token)
	if err != nil {
		return errHangUp
	}
	if s.auth.mechanism == "" {
		s.auth.raw = false
	}
	return s.send(challenge, s.b.net.latency())
}

// authenticate takes one token of the client and answers the server's.
func (s *session) authenticate(token []byte) ([]byte, error) {
	cfg := &s.b.c.cfg.sasl
	a := &s.auth
	switch a.mechanism {
	case saslPlain:
		parts := strings.Split(string(token), "\x00") // authzid, user, password
		if len(parts) != 3 {
			return nil, errors.New("malformed PLAIN message")
		}
		if want, ok := cfg.users[saslPlain][parts[1]]; !ok || want != parts[2] {
			return nil, errCredentials
		}
		a.finish(cfg.lifetime)
		return []byte{}, nil
	case scramSHA256, scramSHA512:
		if a.exchange == nil {
			a.exchange = &scram{hash: scramHash(a.mechanism)}
			first, err := a.exchange.first(string(token), cfg.users[a.mechanism])
			return []byte(first), err
		}
		final, err := a.exchange.final(string(token))
		if err == nil {
			a.finish(cfg.lifetime)
		}
		return []byte(final), err
	}
	return s.authenticateBearer(string(token))
}

// authenticateBearer follows RFC 7628: a bad token is answered by a challenge
// that says so, and the failure itself comes after the client's next message.
func (s *session) authenticateBearer(message string) ([]byte, error) {
	if s.auth.refused {
		return nil, errors.New("invalid token")
	}
	_, rest, _ := strings.Cut(message, "\x01")
	for field := range strings.SplitSeq(rest, "\x01") {
		if token, ok := strings.CutPrefix(field, "auth=Bearer "); ok {
			if s.b.c.cfg.sasl.token(token) == nil {
				s.auth.finish(s.b.c.cfg.sasl.lifetime)
				return []byte{}, nil
			}
		}
	}
	s.auth.refused = true
	return []byte(`{"status":"invalid_token"}`), nil
}

func (a *saslState) finish(lifetime time.Duration) {
	a.mechanism, a.exchange, a.authenticated = "", nil, true
	a.until = time.Time{}
	if lifetime > 0 {
		a.until = time.Now().Add(lifetime)
	}
}
