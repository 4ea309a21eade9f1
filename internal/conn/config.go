package conn

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl"
)

// Defaults of Config.
const (
	DefaultDialTimeout      = 10 * time.Second
	DefaultRequestTimeout   = 30 * time.Second
	DefaultMaxResponseBytes = 64 << 20
)

// handshakeResponseBytes bounds an answer while the broker is not yet known to be a broker, let alone the right one.
// The largest honest one, ApiVersions, is below 2 KiB.
const handshakeResponseBytes = 1 << 20

// Config says how to reach brokers. Its zero value is a plaintext connection with the defaults. It is not changed, and
// must not be changed while a Dial with it runs or a Conn made from it lives; many connections may share one.
type Config struct {
	// ClientID names this client in the broker's logs, quotas and metrics. Empty: the empty string is sent.
	ClientID string

	// SoftwareName and SoftwareVersion are told to the broker (KIP-511). Kafka accepts letters, digits, dots and
	// dashes only; what else is in them becomes a dash. Empty: "ekaf" and "unknown".
	SoftwareName, SoftwareVersion string

	// Dial opens the byte stream. Nil: a net.Dialer, which tries all addresses of a name, keeps the connection alive
	// and switches Nagle's algorithm off. A connection's Close must end a Write and a Read in progress.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Doors are shared by all who connect to the same brokers, so that together they do not try a dead one more often
	// than its back-off allows. Nil: every Dial is an attempt.
	Doors *Doors

	// TLS switches TLS on. It is cloned; an empty ServerName becomes the host dialled. Nil: plaintext.
	TLS *tls.Config

	// SASL gives the mechanism, once for every authentication and re-authentication, so that tokens can be renewed.
	// Nil: no authentication. Its context ends after RequestTimeout, or with the Dial it is a part of.
	SASL func(ctx context.Context) (sasl.Mechanism, error)

	// DialTimeout bounds all that makes a connection: name lookup, connecting, TLS, ApiVersions and SASL. 0: 10 s.
	DialTimeout time.Duration

	// RequestTimeout is how old the oldest unanswered request may grow, counted from just before its write; then the
	// connection dies. It must exceed the timeout inside a Produce request, which the broker may use up. 0: 30 s.
	RequestTimeout time.Duration

	// MaxResponseBytes is the size from which a response is taken for garbage. 0: 64 MiB.
	MaxResponseBytes int32

	// AssumeVersions skips ApiVersions and takes these as the broker's, for brokers before Kafka 0.10, which close
	// the connection on it. Nil: ask.
	AssumeVersions *kversion.Versions

	// Logger gets a line, at level debug, for each connection made and lost. Nil: none.
	Logger *slog.Logger
}

// settings is a Config with its defaults filled in.
type settings struct{ Config }

func newSettings(cfg *Config) *settings {
	s := &settings{}
	if cfg != nil {
		s.Config = *cfg
	}
	if s.Dial == nil {
		// The zero Dialer sends keep-alive probes every 15 s; Go switches Nagle's algorithm off by itself.
		s.Dial = new(net.Dialer).DialContext
	}
	if s.DialTimeout <= 0 {
		s.DialTimeout = DefaultDialTimeout
	}
	if s.RequestTimeout <= 0 {
		s.RequestTimeout = DefaultRequestTimeout
	}
	if s.MaxResponseBytes <= 0 {
		s.MaxResponseBytes = DefaultMaxResponseBytes
	}
	if s.Logger == nil {
		s.Logger = slog.New(slog.DiscardHandler)
	}
	s.SoftwareName = softwareWord(s.SoftwareName, "ekaf")
	s.SoftwareVersion = softwareWord(s.SoftwareVersion, "unknown")
	return s
}

// softwareWord makes s fit [a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?, the pattern of KIP-511: a broker answers
// INVALID_REQUEST to any other, and a stray "+dirty" in a version would keep the client out altogether.
func softwareWord(s, fallback string) string {
	word := []byte(s)
	alnum := func(b byte) bool {
		return '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
	}
	for i, b := range word {
		if !alnum(b) && b != '.' {
			word[i] = '-'
		}
	}
	for len(word) > 0 && !alnum(word[0]) {
		word = word[1:]
	}
	for len(word) > 0 && !alnum(word[len(word)-1]) {
		word = word[:len(word)-1]
	}
	if len(word) == 0 {
		return fallback
	}
	return string(word)
}
