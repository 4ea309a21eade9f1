package conn

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// steps is a mechanism of n rounds which sends c0, c1 ... and expects s0, s1 ...; with last it has a token to send when
// it is done, as GSSAPI has.
type steps struct {
	n    int
	last bool
}

func (steps) Name() string { return "STEPS" }

func (s steps) Authenticate(_ context.Context, host string) (sasl.Session, []byte, error) {
	if host == "" {
		return nil, nil, errors.New("no host")
	}
	return &stepsSession{steps: s}, []byte("c0"), nil
}

type stepsSession struct {
	steps
	at int
}

func (s *stepsSession) Challenge(b []byte) (bool, []byte, error) {
	if want := fmt.Sprint("s", s.at); string(b) != want {
		return false, nil, fmt.Errorf("server said %q, want %q", b, want)
	}
	s.at++
	if s.at == s.n {
		if s.last {
			return true, []byte("bye"), nil
		}
		return true, nil, nil
	}
	return false, fmt.Append(nil, "c", s.at), nil
}

func (p *peer) handshake(t *testing.T, code int16, offered ...string) bool {
	r, ok := p.request()
	if !ok {
		return false
	}
	if r.key != 17 {
		t.Errorf("request %d, want SaslHandshake", r.key)
	}
	resp := kmsg.NewPtrSASLHandshakeResponse()
	resp.Version, resp.ErrorCode, resp.SupportedMechanisms = r.version, code, offered
	p.answer(r.correlation, resp.AppendTo(nil))
	return true
}

// authenticate answers one SaslAuthenticate and returns the token that was in it.
func (p *peer) authenticate(t *testing.T, token string, code int16, message string, lifetime time.Duration) string {
	r, ok := p.request()
	if !ok {
		return ""
	}
	if r.key != 36 || r.version < 1 {
		t.Errorf("request %d v%d, want SaslAuthenticate v1 or v2", r.key, r.version)
	}
	req := kmsg.NewPtrSASLAuthenticateRequest()
	req.Version = r.version
	if req.IsFlexible() {
		r.rest = r.rest[1:] // the header's tagged fields
	}
	if err := req.ReadFrom(r.rest); err != nil {
		t.Error(err)
	}
	resp := kmsg.NewPtrSASLAuthenticateResponse()
	resp.Version, resp.ErrorCode, resp.SASLAuthBytes = r.version, code, []byte(token)
	resp.SessionLifetimeMillis = lifetime.Milliseconds()
	if message != "" {
		resp.ErrorMessage = &message
	}
	if resp.IsFlexible() {
		p.answerFlexible(r.correlation, resp.AppendTo(nil))
	} else {
		p.answer(r.correlation, resp.AppendTo(nil))
	}
	return string(req.SASLAuthBytes)
}

func TestSASLRounds(t *testing.T) {
	for _, m := range []steps{{1, false}, {3, false}, {2, true}} {
		t.Run(fmt.Sprint(m), func(t *testing.T) {
			tokens := make(chan string, 10)
			c := dialed(t, Config{SASL: constantly(m)}, func(p *peer) {
				p.handshake(t, 0)
				for i := range m.n {
					tokens <- p.authenticate(t, fmt.Sprint("s", i), 0, "", 0)
				}
				if m.last {
					tokens <- p.authenticate(t, "", 0, "", 0)
				}
				p.drain()
			})
			want := []string{"c0", "c1", "c2"}[:m.n]
			if m.last {
				want = append(want, "bye")
			}
			var got []string
			for range want {
				got = append(got, <-tokens)
			}
			if !slices.Equal(got, want) {
				t.Errorf("tokens %q, want %q", got, want)
			}
			if _, ends := c.SessionEnds(); ends {
				t.Error("a session without a lifetime ends")
			}
		})
	}
}

// A broker may leave no choice but the flexible v2, and none at all.
func TestSASLAuthenticateVersions(t *testing.T) {
	for only, served := range map[int16]bool{0: true, 1: true, 2: true, 3: false} {
		cfg := over(t, Config{SASL: constantly(steps{1, false})}, func(p *peer) {
			r, _ := p.request()
			p.answer(r.correlation, versionsAnswer(r.version, [3]int16{17, 1, 1}, [3]int16{36, only, only}))
			p.handshake(t, 0)
			if only > 0 {
				p.authenticate(t, "s0", 0, "", 0)
			} else if r, ok := p.request(); ok {
				resp := kmsg.NewPtrSASLAuthenticateResponse()
				resp.SASLAuthBytes = []byte("s0")
				p.answer(r.correlation, resp.AppendTo(nil))
			}
			p.drain()
		})
		c, err := Dial(t.Context(), cfg, "x:1")
		if c != nil {
			c.Close()
		}
		ue, refused := errors.AsType[*UnsupportedError](err)
		if (err == nil) != served || refused == served {
			t.Errorf("SaslAuthenticate v%d only: %v", only, err)
		}
		if refused && (ue.API != "SASLAuthenticate" || ue.Min != 3 || !strings.Contains(err.Error(), "in versions 3 to 3")) {
			t.Errorf("error %v", err)
		}
	}
}

// After SaslHandshake v0 (Kafka 0.10), and without any (0.9), tokens travel without request headers.
func TestBareSASL(t *testing.T) {
	for name, assume := range map[string]*kversion.Versions{"handshake v0": kversion.V0_10_0(), "no handshake": kversion.V0_9_0()} {
		t.Run(name, func(t *testing.T) {
			var got []string
			c, err := Dial(t.Context(), over(t, Config{AssumeVersions: assume, SASL: constantly(steps{2, true})}, func(p *peer) {
				if name == "handshake v0" {
					p.handshake(t, 0)
				}
				for i := range 3 {
					b, err := p.frame()
					if err != nil {
						return
					}
					got = append(got, string(b))
					if i < 2 {
						p.Write(framed(fmt.Append(nil, "s", i)))
					}
				}
				r, _ := p.request()
				p.answer(r.correlation, kmsg.NewPtrMetadataResponse().AppendTo(nil))
				p.drain()
			}), "x:1")
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if _, err := c.DoRange(t.Context(), kmsg.NewPtrMetadataRequest(), 0, 0); err != nil {
				t.Errorf("the connection does not serve after authentication: %v", err)
			}
			if !slices.Equal(got, []string{"c0", "c1", "bye"}) {
				t.Errorf("tokens %q", got)
			}
		})
	}
}

func TestSASLRefusals(t *testing.T) {
	const secret = "very-secret"
	m := plain.Auth{User: "ann", Pass: secret}.AsMechanism()
	cases := map[string]struct {
		mechanism sasl.Mechanism
		script    func(p *peer)
		check     func(err error) bool
		text      string
	}{
		"mechanism not offered": {m, func(p *peer) { p.handshake(t, 33, "SCRAM-SHA-512", "GSS\x1bAPI") }, func(err error) bool {
			me, ok := errors.AsType[*MechanismError](err)
			return ok && me.Mechanism == "PLAIN" && len(me.Offered) == 2
		}, "it offers: SCRAM-SHA-512, GSS API"},
		"listener without SASL": {m, func(p *peer) { p.handshake(t, 34) }, func(err error) bool { return errors.Is(err, ErrSASLNotEnabled) }, "does not use SASL"},
		"other handshake error": {m, func(p *peer) { p.handshake(t, 31) }, func(err error) bool { return errors.Is(err, kerr.ClusterAuthorizationFailed) }, "CLUSTER_AUTHORIZATION_FAILED"},
		"wrong password": {m, func(p *peer) {
			p.handshake(t, 0)
			p.authenticate(t, "", 58, "Authentication failed:\nInvalid username or password", 0)
		}, func(err error) bool {
			ae, ok := errors.AsType[*AuthError](err)
			return ok && ae.Code == 58 && ae.Mechanism == "PLAIN" && errors.Is(err, kerr.SaslAuthenticationFailed)
		}, "SASL_AUTHENTICATION_FAILED (Authentication failed: Invalid username or password)"},
		"closed":             {m, func(p *peer) { p.handshake(t, 0); p.request() }, func(err error) bool { return errors.Is(err, ErrSASLClosed) }, "credentials"},
		"closed at once":     {m, func(*peer) {}, func(err error) bool { return errors.Is(err, ErrSASLClosed) }, "credentials"},
		"server not trusted": {steps{3, false}, func(p *peer) { p.handshake(t, 0); p.authenticate(t, "forged", 0, "", 0) }, func(err error) bool { return err != nil }, `server said "forged"`},
		"endless rounds": {steps{1000, false}, func(p *peer) {
			p.handshake(t, 0)
			for i := range 1000 {
				if p.authenticate(t, fmt.Sprint("s", i), 0, "", 0) == "" {
					return
				}
			}
		}, func(err error) bool { return errors.Is(err, ErrProtocol) }, "32 rounds"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Dial(t.Context(), over(t, Config{SASL: constantly(tc.mechanism)}, func(p *peer) {
				p.greet()
				tc.script(p)
			}), "broker.test:9092")
			if err == nil || !tc.check(err) {
				t.Fatalf("error %#v", err)
			}
			for _, want := range []string{tc.text, "broker.test:9092"} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%q holds the password", err)
			}
		})
	}
}

func TestSASLFunctionFails(t *testing.T) {
	fetch := errors.New("token endpoint is down")
	for name, f := range map[string]func(context.Context) (sasl.Mechanism, error){
		"error": func(context.Context) (sasl.Mechanism, error) { return nil, fetch },
		"nil":   func(context.Context) (sasl.Mechanism, error) { return nil, nil },
	} {
		_, err := Dial(t.Context(), over(t, Config{SASL: f}, func(p *peer) { p.greet(); p.drain() }), "x:1")
		if err == nil || !strings.Contains(err.Error(), "cannot prepare SASL") || name == "error" && !errors.Is(err, fetch) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A token endpoint that hangs must not hang Dial.
func TestSASLFunctionHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := func(ctx context.Context) (sasl.Mechanism, error) { <-ctx.Done(); return nil, ctx.Err() }
		begun := time.Now()
		_, err := Dial(t.Context(), over(t, Config{SASL: hang}, func(p *peer) { p.greet(); p.drain() }), "x:1")
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != DefaultDialTimeout {
			t.Errorf("error %v after %v of the fake clock", err, time.Since(begun))
		}
	})
}

func TestSessionLifetime(t *testing.T) {
	const lifetime = 100 * time.Second
	synctest.Test(t, func(t *testing.T) {
		seen := map[time.Duration]bool{}
		for range 20 {
			begun := time.Now()
			c := dialed(t, Config{SASL: constantly(steps{1, false})}, func(p *peer) {
				p.handshake(t, 0)
				time.Sleep(2 * time.Second) // the answer is late; the lifetime counts from the request
				p.authenticate(t, "s0", 0, "", lifetime)
				p.drain()
			})
			at, ends := c.SessionEnds()
			after := at.Sub(begun)
			if !ends || after < 85*time.Second || after > 95*time.Second {
				t.Errorf("re-authentication is due after %v, %v", after, ends)
			}
			seen[after] = true
			c.Close()
		}
		if len(seen) < 2 {
			t.Error("no jitter: all connections would authenticate at once")
		}
	})
}

func TestAbsurdLifetimeIsBounded(t *testing.T) {
	c := dialed(t, Config{SASL: constantly(steps{1, false})}, func(p *peer) {
		p.handshake(t, 0)
		p.authenticate(t, "s0", 0, "", 1<<63-1)
		p.drain()
	})
	if at, ends := c.SessionEnds(); !ends || at.Before(time.Now()) || at.After(time.Now().Add(saslLifetime)) {
		t.Errorf("ends at %v, %v", at, ends)
	}
}

func TestReauthenticate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var order []string
		fetched := 0
		cfg := Config{SASL: func(context.Context) (sasl.Mechanism, error) { fetched++; return steps{1, false}, nil }}
		c := dialed(t, cfg, func(p *peer) {
			p.handshake(t, 0)
			p.authenticate(t, "s0", 0, "", time.Minute)
			r, _ := p.request()
			time.Sleep(time.Second)
			p.answer(r.correlation, nil)

			p.handshake(t, 0)
			order = append(order, "handshake")
			time.Sleep(time.Second)
			p.authenticate(t, "s0", 0, "", 0)
			order = append(order, "authenticated")
			r, _ = p.request()
			order = append(order, "request")
			p.answer(r.correlation, nil)
			p.drain()
		})
		first := newCall()
		if err := c.Send(produce(c, "x"), nil, false, first); err != nil {
			t.Fatal(err)
		}
		if err := c.Reauthenticate(t.Context()); !errors.Is(err, ErrBusy) {
			t.Errorf("with an answer outstanding: %v, want ErrBusy", err)
		}
		<-first.answered

		done := make(chan error, 1)
		go func() { done <- c.Reauthenticate(t.Context()) }()
		synctest.Wait()
		second := newCall() // comes while the broker takes nothing but SASL: it has to wait
		if err := c.Send(produce(c, "y"), nil, false, second); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if a := <-second.answered; a.err != nil {
			t.Errorf("the request that waited: %v", a.err)
		}
		if !slices.Equal(order, []string{"handshake", "authenticated", "request"}) || fetched != 2 {
			t.Errorf("order %q, mechanism asked for %d times", order, fetched)
		}
		if _, ends := c.SessionEnds(); ends {
			t.Error("the old session's end outlived it")
		}
	})
}

func TestReauthenticateFails(t *testing.T) {
	cases := map[string]struct {
		script func(p *peer)
		ok     func(err error) bool
	}{
		"refused": {func(p *peer) { p.handshake(t, 0); p.authenticate(t, "", 58, "", 0) }, func(err error) bool { return errors.Is(err, kerr.SaslAuthenticationFailed) }},
		"hung up": {func(p *peer) { p.handshake(t, 0) }, func(err error) bool { return errors.Is(err, ErrSASLClosed) }},
		"no answer": {(*peer).drain, func(err error) bool {
			te, ok := errors.AsType[*TimeoutError](err)
			return ok && te.API == "SASLHandshake"
		}},
		"no reading": {func(*peer) { time.Sleep(time.Hour) }, func(err error) bool { _, ok := errors.AsType[*TimeoutError](err); return ok }},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := dialed(t, Config{SASL: constantly(steps{1, false})}, func(p *peer) {
					p.handshake(t, 0)
					p.authenticate(t, "s0", 0, "", time.Minute)
					tc.script(p)
				})
				if err := c.Reauthenticate(t.Context()); !tc.ok(err) {
					t.Errorf("error %v", err)
				}
				<-c.Done()
				if err := c.Send(produce(c, "x"), nil, false, nil); !errors.Is(err, ErrNotWritten) {
					t.Errorf("the connection lives on: %v", err)
				}
			})
		})
	}
	t.Run("context", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := dialed(t, Config{SASL: constantly(steps{1, false})}, func(p *peer) {
				p.handshake(t, 0)
				p.authenticate(t, "s0", 0, "", time.Minute)
				p.drain()
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := c.Reauthenticate(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v", err)
			}
			<-c.Done()
		})
	})
	t.Run("not configured", func(t *testing.T) {
		c := dialed(t, Config{}, (*peer).drain)
		if err := c.Reauthenticate(t.Context()); err == nil || c.Err() != nil {
			t.Errorf("error %v; the connection's %v", err, c.Err())
		}
	})
}

func TestErrorTexts(t *testing.T) {
	for text, err := range map[string]error{
		"does not offer Fetch":            &UnsupportedError{Addr: "b:1", API: "Fetch"},
		"it offers: none":                 &MechanismError{Addr: "b:1", Mechanism: "PLAIN"},
		"credentials: error code 9999":    &AuthError{Addr: "b:1", Mechanism: "PLAIN", Code: 9999},
		"has not answered api 999 within": &TimeoutError{Addr: "b:1", API: apiName(999), After: time.Second},
	} {
		if got := err.Error(); !strings.Contains(got, text) || !strings.Contains(got, "b:1") {
			t.Errorf("%q does not say %q", got, text)
		}
	}
	if long := printable(strings.Repeat("é\x00", 1000)); len(long) > 310 || strings.Contains(long, "\x00") {
		t.Errorf("%d bytes of a broker's message kept", len(long))
	}
}

func TestKfakeReauthenticate(t *testing.T) {
	addr := newCluster(t, kfake.EnableSASL(), kfake.Superuser("PLAIN", "ann", "pw"),
		kfake.BrokerConfigs(map[string]string{"connections.max.reauth.ms": "60000"}))
	c, err := Dial(t.Context(), &Config{SASL: constantly(plain.Auth{User: "ann", Pass: "pw"}.AsMechanism())}, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	before, ends := c.SessionEnds()
	if !ends {
		t.Fatal("the session has no end")
	}
	for range 3 {
		if err := c.Reauthenticate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Do(t.Context(), kmsg.NewPtrMetadataRequest()); err != nil {
			t.Fatal(err)
		}
	}
	if after, _ := c.SessionEnds(); after.Equal(before) {
		t.Error("the session's end was not moved")
	}
}

// Arbitrary bytes in place of the broker's side of a handshake must end in a connection or an error, never in a panic.
func FuzzHandshake(f *testing.F) {
	f.Add(framed(be32(0), versionsAnswer(3, usual...)))
	f.Add(slices.Concat(framed(be32(0), versionsAnswer(3, usual...)), framed(be32(1), []byte{0, 33, 0, 0, 0, 1, 0, 1, 'X'})))
	f.Add(slices.Concat(framed(be32(0), versionsAnswer(3, usual...)), framed(be32(1), []byte{0, 0, 0, 0, 0, 0}), framed(be32(2), []byte{0, 0, 0, 0, 3, 's', '0'}, make([]byte, 9))))
	f.Add(slices.Concat(framed(be32(0), []byte{0, 35}), framed(be32(1), versionsAnswer(0, usual...))))
	f.Add(binary.BigEndian.AppendUint32(nil, 0x7fffffff))
	f.Add(framed(be32(0), []byte{0, 0, 2, 0, 0, 0, 0, 0, 9, 0xff, 0xff, 0xff, 0xff, 0x0f})) // a tag count of 2^32-1
	f.Fuzz(func(t *testing.T, stream []byte) {
		c, err := Dial(t.Context(), over(t, Config{RequestTimeout: 5 * time.Second, SASL: constantly(steps{1, false})}, func(p *peer) {
			go p.drain()
			p.SetWriteDeadline(time.Now().Add(5 * time.Second))
			p.Write(stream)
		}), "x:1")
		if (c == nil) == (err == nil) {
			t.Fatalf("connection %v, error %v", c, err)
		}
		if c != nil {
			c.Close()
		}
	})
}
