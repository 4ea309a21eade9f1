package ekaftest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

func TestSASL(t *testing.T) {
	mechanisms := func(user, password, token string) map[string]sasl.Mechanism {
		return map[string]sasl.Mechanism{
			"PLAIN":         plain.Auth{User: user, Pass: password}.AsMechanism(),
			"SCRAM-SHA-256": scram.Auth{User: user, Pass: password}.AsSha256Mechanism(),
			"SCRAM-SHA-512": scram.Auth{User: user, Pass: password}.AsSha512Mechanism(),
			"OAUTHBEARER":   oauth.Auth{Token: token}.AsMechanism(),
		}
	}
	good, bad := mechanisms("ann", "s,e=cret", "fine"), mechanisms("ann", "wrong", "stale")
	for name := range good {
		for _, release := range []string{"4.0", "0.11.0"} {
			if name == "OAUTHBEARER" && release == "0.11.0" {
				continue // older than the mechanism
			}
			t.Run(name+"/"+release, func(t *testing.T) {
				c := ekaftest.Start(t, ekaftest.Topic("events", 1), ekaftest.KafkaVersion(release),
					ekaftest.SASL("PLAIN", "ann", "s,e=cret"),
					ekaftest.SASL("SCRAM-SHA-256", "ann", "s,e=cret"),
					ekaftest.SASL("SCRAM-SHA-512", "ann", "s,e=cret"),
					ekaftest.SASLToken(func(token string) error {
						if token != "fine" {
							return errors.New("stale")
						}
						return nil
					}))
				produce(t, client(t, c, kgo.SASL(good[name])), "events", 0, 3)
				seenOnce(t, c, "events", 3)

				stranger := client(t, c, kgo.SASL(bad[name]), kgo.RequestRetries(0))
				if err := stranger.Ping(within(t, 5*time.Second)); err == nil {
					t.Error("wrong credentials were let in")
				} else if release == "4.0" && name != "OAUTHBEARER" && !errors.Is(err, kerr.SaslAuthenticationFailed) {
					t.Errorf("wrong credentials: %v, want SASL_AUTHENTICATION_FAILED", err)
				}
				anonymous := client(t, c, kgo.RequestRetries(0))
				if anonymous.Ping(within(t, 5*time.Second)) == nil {
					t.Error("a client without credentials was let in")
				}
			})
		}
	}
}

func TestSASLUnknownMechanism(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.SASL("PLAIN", "ann", "secret"))
	cl := client(t, c, kgo.SASL(scram.Auth{User: "ann", Pass: "secret"}.AsSha256Mechanism()), kgo.RequestRetries(0))
	if err := cl.Ping(within(t, 5*time.Second)); !errors.Is(err, kerr.UnsupportedSaslMechanism) {
		t.Errorf("got %v, want UNSUPPORTED_SASL_MECHANISM", err)
	}
}

func TestSASLSessionsEnd(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1),
		ekaftest.SASL("PLAIN", "ann", "secret"), ekaftest.SASLSessionLifetime(3*time.Second))
	again := c.Inject(ekaftest.Fault{API: kmsg.SASLAuthenticate, Delay: time.Millisecond, Times: -1})
	cl := client(t, c, kgo.SASL(plain.Auth{User: "ann", Pass: "secret"}.AsMechanism()))
	produce(t, cl, "events", 0, 1)
	before := again.Hits()
	time.Sleep(3200 * time.Millisecond)
	produce(t, cl, "events", 1, 2)
	if again.Hits() == before {
		t.Error("the client went on for longer than its session without authenticating again")
	}
	seenOnce(t, c, "events", 2)
}

func TestInjectedSASLFailure(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.SASL("PLAIN", "ann", "secret"))
	c.Inject(ekaftest.Fault{API: kmsg.SASLAuthenticate, Code: kerr.SaslAuthenticationFailed.Code, Message: "the directory is down"})
	cl := client(t, c, kgo.SASL(plain.Auth{User: "ann", Pass: "secret"}.AsMechanism()), kgo.RequestRetries(0))
	if err := cl.Ping(within(t, 5*time.Second)); !errors.Is(err, kerr.SaslAuthenticationFailed) {
		t.Errorf("got %v, want SASL_AUTHENTICATION_FAILED", err)
	}
	if err := cl.Ping(within(t, 5*time.Second)); err != nil {
		t.Errorf("the second attempt failed: %v", err)
	}
}

func TestTLS(t *testing.T) {
	networks(t, func(t *testing.T, opts ...ekaftest.Option) {
		c := ekaftest.Start(t, append(opts, ekaftest.TLS(), ekaftest.Topic("events", 1))...)
		config, err := c.ClientTLS()
		if err != nil {
			t.Fatal(err)
		}
		produce(t, client(t, c, overTLS(c, config)), "events", 0, 3)
		seenOnce(t, c, "events", 3)

		distrustful := client(t, c, overTLS(c, &tls.Config{}), kgo.RequestRetries(0))
		if distrustful.Ping(within(t, 500*time.Millisecond)) == nil {
			t.Error("a client that does not know the authority trusts the broker")
		}
	})
}

func TestMutualTLS(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.MutualTLS(), ekaftest.Topic("events", 1))
	config, err := c.ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	produce(t, client(t, c, overTLS(c, config)), "events", 0, 3)
	seenOnce(t, c, "events", 3)

	nameless := client(t, c, overTLS(c, &tls.Config{RootCAs: c.CAPool()}), kgo.RequestRetries(0))
	if nameless.Ping(within(t, 5*time.Second)) == nil {
		t.Error("a client without a certificate was let in")
	}
	if len(c.CAPEM()) == 0 {
		t.Error("there is no PEM of the authority")
	}
}

// overTLS is a dialer that makes TLS of what the cluster's own one answers.
func overTLS(c *ekaftest.Cluster, config *tls.Config) kgo.Opt {
	return kgo.Dialer(tlsDialer(c, config))
}

func TestNoTLS(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory())
	if _, err := c.ClientCertificate("ann"); err == nil {
		t.Error("a cluster without TLS issues certificates")
	}
	if c.CAPool() != nil || c.CAPEM() != nil {
		t.Error("a cluster without TLS has an authority")
	}
	if err := client(t, c).Ping(context.Background()); err != nil {
		t.Error(err)
	}
}
