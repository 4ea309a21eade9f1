package realkafka

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Config says what cluster to start. The zero value is one broker of the newest
// Kafka, without security.
type Config struct {
	// Version is Kafka's version, such as "4.4.0" or "0.11.0.3". Default: Newest.
	Version string
	// Brokers is how many to start, 1 to 9. Default: 1. With three or more,
	// topics have three replicas and min.insync.replicas=2 unless said otherwise.
	Brokers int
	// Properties are added to every broker's server.properties and win over the
	// package's own choices.
	Properties map[string]string
	// Security adds a second listener to every broker. Default: none.
	Security Security
	// HeapMB is a broker's maximal Java heap, in MiB. Default: 256, enough for
	// tests; a benchmark wants 1024.
	HeapMB int
	// JVMFlags are added to every broker's command line. Brokers run with the
	// quick compiler only; a benchmark wants "-XX:TieredStopAtLevel=4".
	JVMFlags []string
	// Progress receives one line for each slow step (fetching jars, making class
	// archives). Default: discarded. It is written to from one goroutine at a time.
	Progress io.Writer
}

// Protocol is the value of Kafka's security.protocol for the second listener.
type Protocol string

// The protocols of Security.
const (
	SSL           Protocol = "SSL"
	SASLSSL       Protocol = "SASL_SSL"
	SASLPlaintext Protocol = "SASL_PLAINTEXT"
)

// The SASL mechanisms of Security.
const (
	Plain       = "PLAIN"
	ScramSHA256 = "SCRAM-SHA-256"
	ScramSHA512 = "SCRAM-SHA-512"
	// OAuthBearer uses the unsecured validator which Kafka ships for tests: any
	// unsigned JWT with the claims sub and exp is good.
	OAuthBearer = "OAUTHBEARER"
)

// The user of a secure cluster for which no others were named.
const (
	DefaultUser     = "ekaf"
	DefaultPassword = "ekaf-secret"
)

// Security describes the second listener of every broker. The PLAINTEXT one
// stays, for the brokers themselves and for the test's own clients. It needs
// Kafka 2.7, the first to read certificates from PEM files and to store SCRAM
// users by protocol (KIP-651, KIP-554).
type Security struct {
	// Protocol of the listener; empty means there is none.
	Protocol Protocol
	// ClientAuth demands a client certificate (mTLS; ssl.client.auth=required).
	ClientAuth bool
	// Mechanisms are those the listener offers. Default: PLAIN, SCRAM-SHA-256
	// and SCRAM-SHA-512. Only for the SASL protocols.
	Mechanisms []string
	// Users maps names to passwords, for PLAIN and SCRAM; for OAUTHBEARER the names
	// are subjects. Default: ekaf with the password ekaf-secret.
	Users map[string]string
	// ACLs turns the authorizer on: clients of the PLAINTEXT listener may do
	// anything, others only what [Cluster.Allow] granted them.
	ACLs bool
}

func (s Security) enabled() bool { return s.Protocol != "" }
func (s Security) tls() bool     { return s.Protocol == SSL || s.Protocol == SASLSSL }
func (s Security) sasl() bool    { return s.Protocol == SASLSSL || s.Protocol == SASLPlaintext }

// withDefaults returns a copy the caller cannot reach, with every field set, and
// all faults joined.
func (c Config) withDefaults() (Config, release, error) {
	if c.Version == "" {
		c.Version = Newest
	}
	if c.Brokers == 0 {
		c.Brokers = 1
	}
	if c.HeapMB == 0 {
		c.HeapMB = 256
	}
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	c.Properties, c.JVMFlags = maps.Clone(c.Properties), slices.Clone(c.JVMFlags)
	r, err := parseRelease(c.Version)
	faults := []error{err}
	if c.Brokers < 1 || c.Brokers > 9 {
		faults = append(faults, fmt.Errorf("cannot start %d brokers: ask for 1 to 9", c.Brokers))
	}
	if c.HeapMB < 64 {
		faults = append(faults, fmt.Errorf("cannot run a broker in %d MiB of heap: give it 64 or more", c.HeapMB))
	}
	c.Security, err = c.Security.withDefaults(r)
	return c, r, errors.Join(append(faults, err)...)
}

func (s Security) withDefaults(r release) (Security, error) {
	switch s.Protocol {
	case "":
		if s.ClientAuth || s.ACLs || len(s.Mechanisms) > 0 || len(s.Users) > 0 {
			return s, errors.New("cannot set up security without Security.Protocol: choose SSL, SASL_SSL or SASL_PLAINTEXT")
		}
		return s, nil
	case SSL, SASLSSL, SASLPlaintext:
	default:
		return s, fmt.Errorf("cannot use security protocol %q: choose SSL, SASL_SSL or SASL_PLAINTEXT", s.Protocol)
	}
	if !r.atLeast(2, 7) {
		return s, fmt.Errorf("cannot set up security on Kafka %s: it needs 2.7 or newer", r.version)
	}
	if s.ClientAuth && !s.tls() {
		return s, fmt.Errorf("cannot ask for client certificates over %s: choose SSL or SASL_SSL", s.Protocol)
	}
	if !s.sasl() {
		s.Mechanisms, s.Users = nil, nil
		return s, nil
	}
	if len(s.Mechanisms) == 0 {
		s.Mechanisms = []string{Plain, ScramSHA256, ScramSHA512}
	}
	if len(s.Users) == 0 {
		s.Users = map[string]string{DefaultUser: DefaultPassword}
	}
	s.Users = maps.Clone(s.Users)
	for _, mechanism := range s.Mechanisms {
		switch mechanism {
		case Plain, ScramSHA256, ScramSHA512, OAuthBearer:
		default:
			return s, fmt.Errorf("cannot offer SASL mechanism %q: choose PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER", mechanism)
		}
	}
	for user, password := range s.Users {
		if user == "" || strings.ContainsAny(user+password, "\"\\\n") {
			return s, fmt.Errorf("cannot set up user %q: names and passwords must hold no quote, backslash or newline", user)
		}
	}
	return s, nil
}
