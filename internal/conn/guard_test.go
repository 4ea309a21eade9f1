package conn

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sasl"
)

// panicky is a mechanism that panics, in its session if that is set.
type panicky struct{ session bool }

func (panicky) Name() string { return "PANICKY" }

func (p panicky) Authenticate(context.Context, string) (sasl.Session, []byte, error) {
	if !p.session {
		panic("boo")
	}
	return p, nil, nil
}

func (panicky) Challenge([]byte) (bool, []byte, error) { panic("boo") }

// TestPanicsOfOthersEndTheDial: what the user gave runs on goroutines of ours, where a panic would end the process.
func TestPanicsOfOthersEndTheDial(t *testing.T) {
	for name, cfg := range map[string]Config{
		"token function": {SASL: func(context.Context) (sasl.Mechanism, error) { panic("boo") }},
		"mechanism":      {SASL: constantly(panicky{})},
		"session":        {SASL: constantly(panicky{session: true})},
		"certificate":    {TLS: &tls.Config{ServerName: "x", VerifyConnection: func(tls.ConnectionState) error { panic("boo") }, InsecureSkipVerify: true}},
	} {
		t.Run(name, func(t *testing.T) {
			set := over(t, cfg, func(p *peer) {
				if cfg.TLS != nil {
					ca := newAuthority(t, "test authority")
					p.Conn = tls.Server(p.Conn, &tls.Config{Certificates: []tls.Certificate{ca.pair("x", inAnHour())}})
				}
				p.greet()
				p.handshake(t, 0)
				p.authenticate(t, "", 0, "", 0)
				p.drain()
			})
			if _, err := Dial(t.Context(), set, "x:1"); err == nil || !strings.Contains(err.Error(), "panicked: boo") || !strings.Contains(err.Error(), "x:1") {
				t.Errorf("error %v", err)
			}
		})
	}
	dialer := &Config{Dial: func(context.Context, string, string) (net.Conn, error) { panic("boo") }}
	if _, err := Dial(t.Context(), dialer, "x:1"); err == nil || !strings.Contains(err.Error(), "the dialer panicked: boo") {
		t.Errorf("error %v", err)
	}
}
