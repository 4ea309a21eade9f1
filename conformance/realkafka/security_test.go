package realkafka

import (
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

func contains(err error, text string) bool { return strings.Contains(err.Error(), text) }

func TestSASLMechanisms(t *testing.T) {
	mechanisms := []string{Plain, ScramSHA256, ScramSHA512, OAuthBearer}
	for _, version := range []string{"4.4.0", "3.9.1", "2.8.2"} {
		t.Run(version, func(t *testing.T) {
			c := start(t, Config{Version: version, Security: Security{
				Protocol: SASLSSL, Mechanisms: mechanisms, Users: map[string]string{"alice": "a secret; 'quoted'"},
			}})
			for _, name := range mechanisms {
				topic := strings.ToLower(name)
				topicWith(t, c, topic, 1)
				opts := []kgo.Opt{
					kgo.SeedBrokers(c.SecureAddrs()...), kgo.DialTLSConfig(c.TLS()),
					kgo.SASL(mechanism(name, "alice", "a secret; 'quoted'")),
				}
				produce(t, c, topic, "k", 10, opts...)
				verify(t, c, topic, "k", 10, c.SecureAddrs(), opts...)
			}
			client, err := kgo.NewClient(kgo.SeedBrokers(c.SecureAddrs()...), kgo.DialTLSConfig(c.TLS()),
				kgo.SASL(mechanism(Plain, "alice", "wrong")))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if err := client.Ping(limit(t)); !errors.Is(err, kerr.SaslAuthenticationFailed) {
				t.Errorf("a wrong password gives %v, want %v", err, kerr.SaslAuthenticationFailed)
			}
		})
	}
}

func TestMutualTLS(t *testing.T) {
	for _, version := range []string{"4.4.0", "3.9.1", "2.8.2"} {
		t.Run(version, func(t *testing.T) {
			c := start(t, Config{Version: version, Security: Security{Protocol: SSL, ClientAuth: true}})
			topicWith(t, c, "events", 1)
			produce(t, c, "events", "k", 10, c.SecureClientOpts()...)
			verify(t, c, "events", "k", 10, c.SecureAddrs(), c.SecureClientOpts()...)

			pair, err := tls.LoadX509KeyPair(c.Files().ClientCert, c.Files().ClientKey)
			if err != nil || len(pair.Certificate) != 1 {
				t.Errorf("the client's files hold %d certificates (%v), want 1", len(pair.Certificate), err)
			}
			bare := c.TLS()
			bare.Certificates = nil
			client, err := kgo.NewClient(kgo.SeedBrokers(c.SecureAddrs()...), kgo.DialTLSConfig(bare))
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if err := client.Ping(limit(t)); err == nil {
				t.Error("a client without certificate was let in")
			}
		})
	}
}

func TestACLsDenyWhatIsNotAllowed(t *testing.T) {
	for _, version := range []string{"4.4.0", "2.8.2"} {
		t.Run(version, func(t *testing.T) {
			c := start(t, Config{Version: version, Security: Security{Protocol: SASLPlaintext, ACLs: true}})
			topicWith(t, c, "open", 1)
			topicWith(t, c, "closed", 1)
			if err := c.Allow(limit(t), "User:ekaf", "open", kadm.OpWrite, kadm.OpDescribe); err != nil {
				t.Fatal(err)
			}
			produce(t, c, "open", "k", 10, c.SecureClientOpts()...)
			verify(t, c, "open", "k", 10, c.Addrs())
			client, err := kgo.NewClient(c.SecureClientOpts()...)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			err = client.ProduceSync(limit(t), &kgo.Record{Topic: "closed"}).FirstErr()
			if !errors.Is(err, kerr.TopicAuthorizationFailed) {
				t.Errorf("producing without permission gives %v, want %v", err, kerr.TopicAuthorizationFailed)
			}
		})
	}
}
