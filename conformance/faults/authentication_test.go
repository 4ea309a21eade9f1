package faults

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

const (
	user     = "ekaf"
	password = "ekaf-secret"
	wrong    = "wrong-secret"
)

// tokenLife is how long a token is good, and sessionLife when brokers want a new one.
const (
	tokenLife   = time.Minute
	sessionLife = 30 * time.Second
)

func authentications() []scenario {
	oauthBrokers := []ekaftest.Option{ekaftest.Topic(topic, 1), ekaftest.SASLToken(validToken), ekaftest.SASLSessionLifetime(sessionLife)}
	plainBrokers := []ekaftest.Option{ekaftest.Topic(topic, 1), ekaftest.SASL("PLAIN", user, password)}
	scramBrokers := []ekaftest.Option{ekaftest.Topic(topic, 1), ekaftest.SASL("SCRAM-SHA-512", user, password)}
	tlsBrokers := []ekaftest.Option{ekaftest.Topic(topic, 1), ekaftest.TLS()}
	return []scenario{
		{name: "tokens that expire while messages flow", cluster: oauthBrokers, run: expiringTokens},
		{name: "no fresh token for five minutes", cluster: oauthBrokers, run: staleTokens},
		{name: "re-authentication is refused once", cluster: oauthBrokers, run: refusedOnce},
		{name: "a wrong password (PLAIN), then the right one", cluster: plainBrokers, run: wrongPassword(false)},
		{name: "a wrong password (SCRAM), then the right one", cluster: scramBrokers, run: wrongPassword(true)},
		// On TCP: connections in memory have no buffers, and a TLS alert meets bytes
		// that nobody reads.
		{name: "the client's certificate is rotated on disk", run: rotated, proxied: true,
			cluster: []ekaftest.Option{ekaftest.Topic(topic, 1), ekaftest.MutualTLS()}},
		{name: "the broker's certificate is of another name", cluster: tlsBrokers, run: anotherName, proxied: true},
	}
}

// Tokens are the time of their issue.
func validToken(token string) error {
	issued, err := time.Parse(time.RFC3339, token)
	if err == nil && time.Since(issued) > tokenLife {
		err = errors.New("the token has expired")
	}
	return err
}

func freshToken() string { return time.Now().Format(time.RFC3339) }

// admitJudge lets the consumer in by OAUTHBEARER.
func (s *stage) admitJudge() {
	s.judge = []kgo.Opt{kgo.SASL(oauth.Oauth(func(context.Context) (oauth.Auth, error) {
		return oauth.Auth{Token: freshToken()}, nil
	}))}
}

// drip produces for some minutes.
func (s *stage) drip(minutes int) {
	s.T.Helper()
	for range minutes * 12 {
		s.send("k", 3)
		time.Sleep(5 * time.Second)
	}
}

func expiringTokens(s *stage) {
	s.admitJudge()
	s.reopen(ekaf.SASL(ekaf.OAuthBearer(func(context.Context) (ekaf.Token, error) {
		return ekaf.Token{Value: freshToken()}, nil
	})))
	s.drip(10)
	s.flush()
	s.expectAcked()
	// The one that carries messages would need twenty.
	if accepted, _ := s.kafka.Connections(0); accepted > 15 {
		s.Errorf("%d connections in ten minutes: sessions should be renewed (KIP-368)", accepted)
	}
}

func staleTokens(s *stage) {
	s.admitJudge()
	var stuck atomic.Pointer[string]
	s.reopen(ekaf.SASL(ekaf.OAuthBearer(func(context.Context) (ekaf.Token, error) {
		if old := stuck.Load(); old != nil {
			return ekaf.Token{Value: *old}, nil
		}
		return ekaf.Token{Value: freshToken()}, nil
	})))
	s.drip(2)
	s.flush()
	before := s.acked()
	stuck.Store(new(freshToken()))
	s.drip(5)
	if during := s.acked() - before; during > 60 {
		s.Errorf("%d messages were acked under a token of at most a minute", during)
	}
	stuck.Store(nil)
	s.drip(1)
	s.flush()
	s.expectAcked()
}

func refusedOnce(s *stage) {
	s.admitJudge()
	s.reopen(ekaf.SASL(ekaf.OAuthBearer(func(context.Context) (ekaf.Token, error) {
		return ekaf.Token{Value: freshToken()}, nil
	})))
	for range 4 {
		s.drip(1)
		s.kafka.Inject(ekaftest.Fault{API: kmsg.SASLAuthenticate, Code: 58, Message: "not now"})
	}
	s.drip(1)
	s.flush()
	s.expectAcked()
}

// wrongPassword: messages wait, the error says why and not the secret, and once the
// password is right they arrive.
func wrongPassword(salted bool) func(*stage) {
	return func(s *stage) {
		var current atomic.Pointer[string]
		current.Store(new(wrong))
		mechanism := plain.Plain(func(context.Context) (plain.Auth, error) {
			return plain.Auth{User: user, Pass: *current.Load()}, nil
		})
		s.judge = []kgo.Opt{kgo.SASL(plain.Auth{User: user, Pass: password}.AsMechanism())}
		if salted {
			mechanism = scram.Sha512(func(context.Context) (scram.Auth, error) {
				return scram.Auth{User: user, Pass: *current.Load()}, nil
			})
			s.judge = []kgo.Opt{kgo.SASL(scram.Auth{User: user, Pass: password}.AsSha512Mechanism())}
		}
		s.reopen(ekaf.SASL(ekaf.Mechanism(mechanism)))
		s.send("k", 20)
		time.Sleep(10 * time.Second)
		s.expectTurnedAway("authenticat", time.Second)
		current.Store(new(password))
		s.flush()
		s.expectAckedBut("other")
	}
}

// expectTurnedAway: a call is told the reason, in a word, and no secret.
func (s *stage) expectTurnedAway(word string, patience time.Duration) {
	s.T.Helper()
	_, err := s.call("other", 1, patience)
	if text := fmt.Sprint(err); !strings.Contains(strings.ToLower(text), word) || strings.Contains(text, wrong) || strings.Contains(text, password) {
		s.Errorf("the call answers %v", err)
	}
	s.expectWithdrawn(err)
}

// expectAckedBut: only messages of the key given have failed.
func (s *stage) expectAckedBut(key string) {
	s.T.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, failure := range s.failed {
		if name.Key != key {
			s.Errorf("message %v failed: %v", name, failure)
		}
	}
}

// admitJudgeByTLS lets the consumer in, as the configuration answered does others.
func (s *stage) admitJudgeByTLS() *tls.Config {
	s.T.Helper()
	trusting, err := s.kafka.ClientTLS()
	s.check(err)
	s.judge = []kgo.Opt{kgo.DialTLSConfig(trusting)}
	return trusting
}

// writeCertificate puts a client certificate of a cluster into two files.
func (s *stage) writeCertificate(of *ekaftest.Cluster, certFile, keyFile string) {
	s.T.Helper()
	cert, err := of.ClientCertificate("ekaf")
	s.check(err)
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	s.check(err)
	s.check(os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]}), 0o600))
	s.check(os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
}

// rotated: the broker stops believing the certificate, as if it had expired; the
// one that is put in its place on disk lets the same producer in again.
func rotated(s *stage) {
	s.admitJudgeByTLS()
	stranger := ekaftest.Start(s.T, ekaftest.MutualTLS())
	dir := s.TempDir()
	ca, cert, key := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	s.check(os.WriteFile(ca, s.kafka.CAPEM(), 0o600))
	s.writeCertificate(s.kafka, cert, key)
	s.reopen(append(hasty, ekaf.TLSFiles(ca, cert, key))...)
	s.begin()
	for range 3 {
		s.writeCertificate(stranger, cert, key)
		s.kafka.Network(0).Cut() // connections that stand are not asked again
		s.send("k", 10)
		time.Sleep(100 * time.Millisecond)
		s.expectTurnedAway("certificate", 200*time.Millisecond)
		s.writeCertificate(s.kafka, cert, key)
		s.flush()
	}
	s.expectAckedBut("other")
}

// anotherName: whoever answers at the broker's address cannot prove to be it.
func anotherName(s *stage) {
	const alias = "kafka.example.com:9092"
	trusting := s.admitJudgeByTLS()
	s.aliases = map[string]int32{alias: 0}
	s.check(s.kafka.Advertise(0, alias))
	s.reopen(ekaf.TLS(&tls.Config{RootCAs: s.kafka.CAPool(), MinVersion: tls.VersionTLS12}))
	s.send("k", 5)
	time.Sleep(100 * time.Millisecond)
	s.expectTurnedAway("certificate", 200*time.Millisecond)
	if n := s.kafka.Requests(kmsg.Produce); n != 0 {
		s.Errorf("%d requests with messages went to a stranger", n)
	}
	s.check(s.kafka.Advertise(0, ""))
	if err := s.producer.Close(s.over()); err == nil {
		s.Error("Close says that all was delivered")
	}
	s.producer = s.open(append(s.options(), ekaf.TLS(trusting))...)
	s.begin()
}

// over is a context that has ended.
func (s *stage) over() context.Context {
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	return ctx
}

// TestAuthentication: credentials that are wrong, stale, refused or rotated.
func TestAuthentication(t *testing.T) { play(t, authentications()) }
