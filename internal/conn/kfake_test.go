package conn

import (
	"context"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

func newCluster(t *testing.T, opts ...kfake.Opt) string {
	t.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return cluster.ListenAddrs()[0]
}

func constantly(m sasl.Mechanism) func(context.Context) (sasl.Mechanism, error) {
	return func(context.Context) (sasl.Mechanism, error) { return m, nil }
}

func TestKfakePlaintext(t *testing.T) {
	addr := newCluster(t, kfake.SeedTopics(3, "events"))
	c, err := Dial(t.Context(), &Config{ClientID: "test", SoftwareVersion: "1.0+dirty"}, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if hi, ok := c.Versions().Max(int16(kmsg.Produce)); !ok || hi < 9 {
		t.Errorf("Produce max = %d, %v", hi, ok)
	}
	resp, err := c.Do(t.Context(), kmsg.NewPtrMetadataRequest())
	if err != nil {
		t.Fatal(err)
	}
	meta := resp.(*kmsg.MetadataResponse)
	if len(meta.Topics) != 1 || len(meta.Topics[0].Partitions) != 3 {
		t.Errorf("metadata = %+v, want one topic of three partitions", meta.Topics)
	}
	if n := c.Pending(); n != 0 {
		t.Errorf("%d pending after the only answer", n)
	}
}

func TestKfakeSASL(t *testing.T) {
	addr := newCluster(t, kfake.EnableSASL(),
		kfake.Superuser("PLAIN", "ann", "secret-p"),
		kfake.Superuser("SCRAM-SHA-256", "bob", "secret-256"),
		kfake.Superuser("SCRAM-SHA-512", "cid", "secret-512"))
	good := map[string]sasl.Mechanism{
		"plain":     plain.Auth{User: "ann", Pass: "secret-p"}.AsMechanism(),
		"scram 256": scram.Auth{User: "bob", Pass: "secret-256"}.AsSha256Mechanism(),
		"scram 512": scram.Auth{User: "cid", Pass: "secret-512"}.AsSha512Mechanism(),
	}
	for name, m := range good {
		t.Run(name, func(t *testing.T) {
			c, err := Dial(t.Context(), &Config{SASL: constantly(m)}, addr)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.Do(t.Context(), kmsg.NewPtrMetadataRequest()); err != nil {
				t.Errorf("the authenticated connection does not serve: %v", err)
			}
		})
	}
	bad := map[string]sasl.Mechanism{
		"plain":     plain.Auth{User: "ann", Pass: "wrong-word"}.AsMechanism(),
		"scram 256": scram.Auth{User: "bob", Pass: "wrong-word"}.AsSha256Mechanism(),
	}
	for name, m := range bad {
		t.Run(name+" refused", func(t *testing.T) {
			_, err := Dial(t.Context(), &Config{SASL: constantly(m)}, addr)
			if !errors.Is(err, ErrSASLClosed) { // kfake hangs up where Kafka answers; that answer is scripted elsewhere
				t.Errorf("error %v, want ErrSASLClosed", err)
			}
		})
	}
	t.Run("none configured", func(t *testing.T) {
		c, err := Dial(t.Context(), nil, addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Do(t.Context(), kmsg.NewPtrMetadataRequest()); !errors.Is(err, ErrSASLRequired) {
			t.Errorf("error %v, want the hint at SASL", err)
		}
	})
}
