package ekaf_test

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// made is what New makes of options beside a broker's address, closed at once.
func made(t *testing.T, options ...ekaf.Option) (text string, err error) {
	t.Helper()
	p, err := ekaf.New(append(opts(ekaf.Brokers("127.0.0.1:1")), options...)...)
	if err != nil {
		if _, ok := errors.AsType[*ekaf.ConfigError](err); !ok {
			t.Errorf("the error is no ConfigError: %v", err)
		}
		return "", err
	}
	over, end := context.WithCancel(t.Context())
	end()
	text = p.String()
	_ = p.Close(over) // nothing was accepted
	return text, nil
}

// TestConfigurationsThatAreRefused: each asks for what it would not get.
func TestConfigurationsThatAreRefused(t *testing.T) {
	plain := ekaf.SASL(ekaf.Plain("u", "hunter2"))
	for name, c := range map[string]struct {
		options []ekaf.Option
		want    string
	}{
		"no TLS where TLS was meant":                     {opts(ekaf.TLS(nil), plain), "TLS: the configuration is nil"},
		"TLS in two ways":                                {opts(ekaf.TLS(&tls.Config{}), ekaf.TLSFiles("", "", "")), "TLS and TLSFiles: "},
		"TLS in two ways, turned round":                  {opts(ekaf.TLSFiles("", "", ""), ekaf.TLS(&tls.Config{})), "TLS and TLSFiles: "},
		"TLS in two ways, one of them without its files": {opts(ekaf.TLS(&tls.Config{}), ekaf.TLSFiles("/nowhere", "", "")), "TLS and TLSFiles: "},
		"no mechanism":                                   {opts(ekaf.SASL(ekaf.Mechanism(nil))), "SASL: Mechanism needs"},
		"no auth":                                        {opts(ekaf.SASL(ekaf.Auth{})), "SASL: there is no mechanism"},
		"no token function":                              {opts(ekaf.SASL(ekaf.OAuthBearer(nil))), "SASL: OAuthBearer needs a function"},
		"no credentials function":                        {opts(ekaf.SASL(ekaf.AWSMSKIAM(nil))), "SASL: AWSMSKIAM needs a function"},
		"a policy that is none":                          {opts(ekaf.OnUndecidable(9)), "OnUndecidable: there is no UndecidablePolicy(9)"},
		"a mode that is none":                            {opts(ekaf.ConnectionsPer(9)), "ConnectionsPer: there is no ConnectionMode(9)"},
		"a port that is none":                            {opts(ekaf.StatsD("nohost:notaport")), "StatsD: "},
		"a host that is none":                            {opts(ekaf.Brokers("a b:9092")), "Brokers: "},
		"a list as one address":                          {opts(ekaf.Brokers("a,b")), "Brokers: "},
		"idempotence with acks 1":                        {opts(ekaf.Idempotence(true), ekaf.Acks(ekaf.AcksLeader)), "Idempotence and Acks: idempotence needs acks all, not 1"},
		"idempotence with acks 0, in a topic": {
			opts(ekaf.Topic("t", ekaf.Acks(ekaf.AcksNone), ekaf.Idempotence(true))), `Topic "t": Idempotence and Acks: `,
		},
		"idempotence in a topic with the acks of all": {
			opts(ekaf.Acks(ekaf.AcksNone), ekaf.Topic("t", ekaf.Idempotence(true))), `Topic "t": Idempotence and Acks: `,
		},
		"idempotence of brokers without": {opts(ekaf.BrokerVersion("0.8.2"), ekaf.Idempotence(true)), "Idempotence and BrokerVersion: "},
		"idempotence by default of brokers without": {
			opts(ekaf.BrokerVersion("0.9.0")), "Idempotence and BrokerVersion: brokers of release 0.9.0 have no idempotence, which is on by default: add Idempotence(false)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := made(t, c.options...)
			if err == nil || !strings.Contains(err.Error(), "\n  "+c.want) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("New answers %v, want %q", err, c.want)
			}
		})
	}
}

// TestConfigurationsThatAreTaken: what looks like the refused ones, and is not.
func TestConfigurationsThatAreTaken(t *testing.T) {
	for name, c := range map[string]struct {
		options []ekaf.Option
		want    string // of String, spaces joined
	}{
		"space around an address":                 {opts(ekaf.Brokers(" localhost:9092", "b ")), "Brokers localhost:9092,b:9092"},
		"addresses":                               {opts(ekaf.Brokers("[::1]:9092", "[fe80::1%eth0]:1", "k_1")), "Brokers [::1]:9092,[fe80::1%eth0]:1,k_1:9092"},
		"other acks switch idempotence off":       {opts(ekaf.Acks(ekaf.AcksLeader)), "Idempotence false"},
		"a topic's own acks, with it on for all":  {opts(ekaf.Idempotence(true), ekaf.Topic("t", ekaf.Acks(ekaf.AcksNone))), "Idempotence true"},
		"old brokers, with it off":                {opts(ekaf.BrokerVersion("0.8.2"), ekaf.Idempotence(false)), "BrokerVersion 0.8.2"},
		"old brokers, with acks 1":                {opts(ekaf.BrokerVersion("0.8.2"), ekaf.Acks(ekaf.AcksLeader)), "BrokerVersion 0.8.2"},
		"two configurations: the later one holds": {opts(ekaf.TLS(&tls.Config{}), ekaf.TLS(&tls.Config{})), "TLS on TLSFiles off"},
		"files":                       {opts(ekaf.TLSFiles("", "", "")), "TLS on TLSFiles on"},
		"an option that sets nothing": {opts(ekaf.Option{}), "TLS off"},
		"metrics to this machine":     {opts(ekaf.StatsD(":8125")), "StatsD :8125"},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := made(t, c.options...)
			if text = strings.Join(strings.Fields(text), " "); err != nil || !strings.Contains(text, c.want) {
				t.Errorf("New answers %v\n%s\nwant %q", err, text, c.want)
			}
		})
	}
}

// TestATokenFunctionThatPanics fails the connection, and not the process.
func TestATokenFunctionThatPanics(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.SASLToken(func(string) error { return nil }), ekaftest.Topic("events", 1))
	failed := make(chan error, 100)
	p := newProducer(t, c,
		ekaf.SASL(ekaf.OAuthBearer(func(context.Context) (ekaf.Token, error) { panic("boo") })),
		ekaf.OnEvent(func(e ekaf.Event) {
			if e.Kind == ekaf.EventMetadataFailed {
				select {
				case failed <- e.Err:
				default:
				}
			}
		}))
	over, end := context.WithCancel(t.Context())
	defer end()
	if err := p.ProduceAsync(over, "events", ekaf.Value("x")); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !strings.Contains(err.Error(), "panicked: boo") {
		t.Errorf("the event says: %v", err)
	}
	end()
	_ = p.Close(over) // the message cannot be delivered
}
