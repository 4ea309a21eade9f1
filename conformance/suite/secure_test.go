package suite

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/conformance/realkafka"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

const (
	user     = "ekaf"
	password = "ekaf-secret"
)

// secured is a cluster that producers reach by other addresses and options.
type secured struct {
	Cluster
	options []ekaf.Option
}

func (s secured) Options() []ekaf.Option { return s.options }

// door is a way to reach a secured cluster.
type door struct {
	name    string
	options []ekaf.Option
}

func doors(tls *tls.Config) []door {
	return []door{
		{"PLAIN", []ekaf.Option{ekaf.TLS(tls), ekaf.SASL(ekaf.Plain(user, password))}},
		{"SCRAM-SHA-256", []ekaf.Option{ekaf.TLS(tls), ekaf.SASL(ekaf.ScramSHA256(user, password))}},
		{"SCRAM-SHA-512", []ekaf.Option{ekaf.TLS(tls), ekaf.SASL(ekaf.ScramSHA512(user, password))}},
	}
}

// TestRealSASL runs the core of the suite through SASL_SSL, with a CA made by the
// test, and puts wrong credentials, wrong CAs and missing permissions to it.
func TestRealSASL(t *testing.T) {
	realkafka.SkipUnlessEnabled(t)
	for _, version := range versions() {
		t.Run(version, func(t *testing.T) {
			c := startReal(t, realkafka.Config{Version: version, Security: realkafka.Security{Protocol: realkafka.SASLSSL, ACLs: true}})
			addrs := ekaf.Brokers(c.SecureAddrs()...)
			if err := c.Allow(t.Context(), "User:"+user, "*", kadm.OpWrite, kadm.OpDescribe); err != nil {
				t.Fatal(err)
			}
			for _, d := range doors(c.TLS()) {
				t.Run(d.name, func(t *testing.T) {
					Run(t, Core(Scenarios()), func(*testing.T) Cluster { return secured{c, append(d.options, addrs)} })
				})
			}
			t.Run("refused", func(t *testing.T) { refusals(t, addrs, c.TLS()) })
		})
	}
}

// TestRealMutualTLS runs the core of the suite with a client certificate; without
// one nothing gets through, and the error names the reason.
func TestRealMutualTLS(t *testing.T) {
	realkafka.SkipUnlessEnabled(t)
	for _, version := range versions() {
		t.Run(version, func(t *testing.T) {
			c := startReal(t, realkafka.Config{Version: version, Security: realkafka.Security{Protocol: realkafka.SSL, ClientAuth: true}})
			addrs := ekaf.Brokers(c.SecureAddrs()...)
			Run(t, Core(Scenarios()), func(*testing.T) Cluster {
				return secured{c, []ekaf.Option{addrs, ekaf.TLS(c.TLS())}}
			})
			t.Run("no certificate", func(t *testing.T) {
				bare := c.TLS()
				bare.Certificates = nil
				err := refused(t, addrs, ekaf.TLS(bare))
				if text := err.Error(); !strings.Contains(text, "certificate") {
					t.Errorf("the error does not speak of a certificate: %v", err)
				}
			})
		})
	}
}

// TestRealNoPermission: a principal without WRITE is told so at once.
func TestRealNoPermission(t *testing.T) {
	c := startReal(t, realkafka.Config{Security: realkafka.Security{Protocol: realkafka.SASLSSL, ACLs: true}})
	trial := newTrial(t, c)
	trial.check(c.Allow(trial.ctx, "User:"+user, "open", kadm.OpWrite, kadm.OpDescribe))
	trial.check(c.Allow(trial.ctx, "User:"+user, "seen", kadm.OpDescribe))
	for _, topic := range []string{"open", "seen", "hidden"} {
		trial.create(topic, 1, nil)
	}
	trial.Cluster = secured{c, append(doors(c.TLS())[0].options, ekaf.Brokers(c.SecureAddrs()...))}
	p := trial.producer()
	for _, topic := range []string{"seen", "hidden"} {
		_, err := p.ProduceSync(trial.ctx, topic, ekaf.Value("v"))
		d, ok := errors.AsType[*ekaf.DeliveryError](err)
		if !errors.Is(err, ekaf.ErrNotPermitted) || !errors.Is(err, kerr.TopicAuthorizationFailed) || !ok || d.MaybeWritten {
			t.Errorf("topic %s: got %v", topic, err)
		}
	}
	_, err := p.ProduceSync(trial.ctx, "open", ekaf.Value("v"))
	trial.check(err)
	trial.one("open")
}

// TestEmbeddedSecurity runs the core of the suite on secured embedded brokers.
func TestEmbeddedSecurity(t *testing.T) {
	mechanisms := map[string]ekaf.Auth{
		"PLAIN": ekaf.Plain(user, password), "SCRAM-SHA-256": ekaf.ScramSHA256(user, password), "SCRAM-SHA-512": ekaf.ScramSHA512(user, password),
	}
	for mechanism, auth := range mechanisms {
		t.Run(mechanism, func(t *testing.T) {
			Run(t, Core(Scenarios()), func(t *testing.T) Cluster {
				return openSecure(t, auth, ekaftest.TLS(), ekaftest.SASL("SCRAM-SHA-512", user, password), ekaftest.SASL(mechanism, user, password))
			})
		})
	}
	t.Run("mutual TLS", func(t *testing.T) {
		Run(t, Core(Scenarios()), func(t *testing.T) Cluster { return openSecure(t, ekaf.Auth{}, ekaftest.MutualTLS()) })
	})
	t.Run("refused", func(t *testing.T) {
		c := ekaftest.Start(t, ekaftest.TLS(), ekaftest.SASL("PLAIN", user, password), ekaftest.SASL("SCRAM-SHA-256", user, password), ekaftest.Topic("events", 1))
		trusting, err := c.ClientTLS()
		if err != nil {
			t.Fatal(err)
		}
		refusals(t, ekaf.Brokers(c.Addrs()...), trusting)
	})
}

// secureEmbedded is an embedded cluster whose only listener is secured, for the
// judge too.
type secureEmbedded struct {
	embedded
	tls  *tls.Config
	auth ekaf.Auth
}

func openSecure(t *testing.T, auth ekaf.Auth, options ...ekaftest.Option) Cluster {
	c := startEmbedded(t, options...)
	trusting, err := c.ClientTLS()
	if err != nil {
		t.Fatal(err)
	}
	return secureEmbedded{c, trusting, auth}
}

func (c secureEmbedded) Options() []ekaf.Option {
	options := []ekaf.Option{ekaf.Brokers(c.Addrs()...), ekaf.TLS(c.tls)}
	if c.auth.String() != "" {
		options = append(options, ekaf.SASL(c.auth))
	}
	return options
}

func (c secureEmbedded) Consumer() (addrs []string, opts []kgo.Opt) {
	opts = append(opts, kgo.DialTLSConfig(c.tls))
	if c.auth.String() != "" {
		var mechanism sasl.Mechanism = scram.Auth{User: user, Pass: password}.AsSha512Mechanism()
		opts = append(opts, kgo.SASL(mechanism))
	}
	return c.Addrs(), opts
}

// refused produces to a cluster that lets nobody in this way, and answers what
// the caller is told.
func refused(t *testing.T, options ...ekaf.Option) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	// The call need not wait longer than until the reason is known.
	p, err := ekaf.New(append(options, ekaf.OnEvent(func(e ekaf.Event) {
		if e.Kind == ekaf.EventMetadataFailed {
			cancel()
		}
	}))...)
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.ProduceSync(ctx, "events", ekaf.Value("v"))
	if err == nil {
		t.Fatal("the cluster took a message")
	}
	if d, ok := errors.AsType[*ekaf.DeliveryError](err); !ok || d.MaybeWritten {
		t.Errorf("nothing was sent, and the error is %#v", err)
	}
	_ = p.Close(ctx) // its message was withdrawn or has failed
	return err
}

// refusals: errors of a cluster that turns a client away say why, and no secret.
func refusals(t *testing.T, addrs ekaf.Option, trusting *tls.Config) {
	const wrong = "wrong-secret"
	for name, auth := range map[string]ekaf.Auth{"PLAIN": ekaf.Plain(user, wrong), "SCRAM": ekaf.ScramSHA256(user, wrong)} {
		t.Run("wrong password "+name, func(t *testing.T) {
			err := refused(t, addrs, ekaf.TLS(trusting), ekaf.SASL(auth))
			if text := err.Error(); !strings.Contains(strings.ToLower(text), "authenticat") || strings.Contains(text, wrong) {
				t.Errorf("the error is %v", err)
			}
		})
	}
	t.Run("unknown authority", func(t *testing.T) {
		err := refused(t, addrs, ekaf.TLS(&tls.Config{MinVersion: tls.VersionTLS12}), ekaf.SASL(ekaf.Plain(user, password)))
		if !strings.Contains(err.Error(), "certificate") {
			t.Errorf("the error is %v", err)
		}
	})
	t.Run("no TLS", func(t *testing.T) {
		err := refused(t, addrs, ekaf.SASL(ekaf.Plain(user, password)))
		if !strings.Contains(err.Error(), "TLS") {
			t.Errorf("the error is %v", err)
		}
	})
}
