package conn

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

func TestDialProblems(t *testing.T) {
	closed := listening(t, func(*peer) {})
	failing := func(err error) *Config {
		return &Config{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, err }}
	}
	says := func(answer string) *Config {
		return over(t, Config{}, func(p *peer) {
			p.request()
			io.WriteString(p, answer)
		})
	}
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := free.Addr().String()
	free.Close()

	cases := map[string]struct {
		cfg  *Config
		addr string
		want error
		text string
	}{
		"no port":         {nil, "broker.test", ErrAddress, `"host:port"`},
		"bare IPv6":       {nil, "::1", ErrAddress, `[::1]:9092`},
		"unknown host":    {failing(&net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}), "x:1", ErrUnknownHost, "advertised.listeners"},
		"DNS timeout":     {failing(&net.DNSError{Err: "timeout", IsTimeout: true}), "x:1", ErrUnreachable, "x:1"},
		"refused":         {nil, nobody, ErrRefused, "connection refused"},
		"HTTP scripted":   {says("HTTP/1.1 400 Bad Request\r\n\r\n"), "x:1", ErrHTTP, "REST proxy"},
		"TLS alert":       {says("\x15\x03\x03\x00\x02\x02\x28"), "x:1", ErrNeedsTLS, "enable TLS"},
		"hangs up":        {nil, closed, ErrNoApiVersions, "older than Kafka 0.10"},
		"huge size":       {says("\x7f\xff\xff\xff"), "x:1", ErrProtocol, "2147483647 bytes"},
		"2 MiB handshake": {says("\x00\x20\x00\x00"), "x:1", ErrProtocol, "limit is 1048576"},
		"unreadable":      {over(t, Config{}, func(p *peer) { p.request(); p.answer(0, []byte{0, 0, 9}) }), "x:1", ErrProtocol, "ApiVersions v3"},
		"refuses all":     {over(t, Config{}, refuseVersions), "x:1", ErrProtocol, "ApiVersions v0"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Dial(t.Context(), tc.cfg, tc.addr)
			pe, ok := errors.AsType[*PeerError](err)
			if !errors.Is(err, tc.want) || !ok || pe.Addr != tc.addr {
				t.Fatalf("error %v, want %v", err, tc.want)
			}
			if !strings.Contains(err.Error(), tc.text) || !strings.Contains(err.Error(), tc.addr) {
				t.Errorf("%q does not say %q", err, tc.text)
			}
		})
	}
}

func refuseVersions(p *peer) {
	for {
		r, ok := p.request()
		if !ok {
			return
		}
		p.answer(r.correlation, []byte{0, 35, 0, 0, 0, 0})
	}
}

// A real web server answers as soon as it has seen a line, which our request contains with this client id.
func TestDialWebServer(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	_, err := Dial(t.Context(), &Config{ClientID: "a\r\n\r\n"}, web.Listener.Addr().String())
	if !errors.Is(err, ErrHTTP) {
		t.Errorf("error %v, want ErrHTTP", err)
	}
}

// The write fails first, the explanation lies unread: writeFailed must let the reader find it.
func TestAnswerBehindAFailedWrite(t *testing.T) {
	for answer, want := range map[string]error{"HTTP/1.1 400 Bad Request": ErrHTTP, "": ErrNoApiVersions} {
		t.Run(want.Error()[:20], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := over(t, Config{}, func(p *peer) {
					time.Sleep(100 * time.Millisecond)
					io.WriteString(p, answer)
					if answer == "" {
						time.Sleep(time.Hour) // only the moment's end can help
					}
				})
				dial := cfg.Dial
				cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
					nc, err := dial(ctx, network, addr)
					return &unwritable{nc}, err
				}
				if _, err := Dial(t.Context(), cfg, "x:1"); !errors.Is(err, want) {
					t.Errorf("error %v, want %v", err, want)
				}
			})
		})
	}
}

type unwritable struct{ net.Conn }

func (unwritable) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestOldBrokerIsAskedAgainInV0(t *testing.T) {
	var versions []int16
	cfg := over(t, Config{SoftwareName: "ekaf", SoftwareVersion: "1.2"}, func(p *peer) {
		r, _ := p.request()
		versions = append(versions, r.version)
		if !strings.Contains(string(r.rest), "\x05ekaf\x041.2") {
			t.Errorf("ApiVersions v3 does not name the software: %q", r.rest)
		}
		p.answer(r.correlation, []byte{0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 2})
		r, _ = p.request()
		versions = append(versions, r.version)
		p.answer(r.correlation, versionsAnswer(0, [3]int16{0, 0, 2}, [3]int16{18, 0, 0}, [3]int16{-4, 0, 1}, [3]int16{30000, 0, 1}, [3]int16{9, 5, 2}))
		p.drain()
	})
	c, err := Dial(t.Context(), cfg, "x:1")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if len(versions) != 2 || versions[0] != 3 || versions[1] != 0 {
		t.Errorf("asked in versions %v", versions)
	}
	if hi, ok := c.Versions().Max(0); hi != 2 || !ok {
		t.Errorf("Produce max %d, %v", hi, ok)
	}
	for _, key := range []int16{-4, 9, 18000, 30000} {
		if _, ok := c.Versions().Max(key); ok {
			t.Errorf("nonsense key %d was taken", key)
		}
	}
}

// The table is read by hand; kmsg writes it here.
func TestParseVersions(t *testing.T) {
	for _, version := range []int16{0, 3} {
		body := versionsAnswer(version, usual...)[2:]
		v, ok := parseVersions(body, version == 3)
		for _, k := range usual {
			if got := (versionRange{k[1], k[2], true}); !ok || v.lookup(k[0]) != got {
				t.Errorf("v%d, key %d: %+v, %v", version, k[0], v.lookup(k[0]), ok)
			}
		}
		table := len(versionsAnswer(version, usual...)) - len(versionsAnswer(version)) // bytes of the entries
		for cut := range table {
			if _, ok := parseVersions(body[:cut], version == 3); ok {
				t.Errorf("v%d cut to %d bytes was taken", version, cut)
			}
		}
	}
	if v, ok := parseVersions([]byte{0}, true); !ok || len(v.ranges) != 0 {
		t.Errorf("a null table: %+v, %v", v, ok)
	}
}

func TestAssumeVersions(t *testing.T) {
	cfg := over(t, Config{AssumeVersions: kversion.V0_8_2()}, func(p *peer) {
		r, ok := p.request()
		if !ok || r.key != 3 || r.version != 0 {
			t.Errorf("first request has key %d, version %d; want Metadata v0", r.key, r.version)
		}
		resp := kmsg.NewPtrMetadataResponse()
		p.answer(r.correlation, resp.AppendTo(nil))
		p.drain()
	})
	c, err := Dial(t.Context(), cfg, "x:1")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Do(t.Context(), kmsg.NewPtrMetadataRequest()); err != nil {
		t.Error(err)
	}
	if lo, ok := c.Versions().Min(0); lo != 0 || !ok {
		t.Errorf("Produce min %d, %v", lo, ok)
	}
}

func TestNegotiate(t *testing.T) {
	var v Versions
	v.set(0, 3, 9)
	for _, tc := range []struct {
		key, lo, hi, want int16
		ok                bool
	}{
		{0, 0, 13, 9, true}, {0, 0, 7, 7, true}, {0, 9, 9, 9, true}, {0, 3, 3, 3, true},
		{0, 10, 13, 0, false}, {0, 0, 2, 0, false}, {1, 0, 9, 0, false}, {-1, 0, 9, 0, false},
	} {
		got, ok := v.Negotiate(tc.key, tc.lo, tc.hi)
		if ok != tc.ok || ok && got != tc.want {
			t.Errorf("Negotiate(%d, %d, %d) = %d, %v", tc.key, tc.lo, tc.hi, got, ok)
		}
	}
}

func TestSilentBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := Dial(t.Context(), over(t, Config{RequestTimeout: 7 * time.Second}, (*peer).drain), "x:1")
		late, ok := errors.AsType[*TimeoutError](err)
		if !ok || late.API != "ApiVersions" || late.After != 7*time.Second || !strings.Contains(err.Error(), "whether it expects TLS") {
			t.Errorf("error %v", err)
		}
	})
}

// TestDialTimeoutBoundsAllOfIt: also what comes behind connecting, where each request may take RequestTimeout.
func TestDialTimeoutBoundsAllOfIt(t *testing.T) {
	deaf := func(*peer) { time.Sleep(time.Hour) } // the write hangs
	slow := func(p *peer) {
		p.greet()
		p.handshake(t, 0)
		for i := 0; ; i++ {
			time.Sleep(4 * time.Second)
			if p.authenticate(t, fmt.Sprint("s", i), 0, "", 0) == "" {
				return
			}
		}
	}
	for name, c := range map[string]struct {
		script func(*peer)
		api    string
		silent bool
	}{
		"silent port":    {(*peer).drain, "ApiVersions", true},
		"deaf port":      {deaf, "ApiVersions", true},
		"endless rounds": {slow, "SASLAuthenticate", false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				_, err := Dial(t.Context(), over(t, Config{SASL: constantly(steps{1000, false})}, c.script), "x:1")
				late, ok := errors.AsType[*TimeoutError](err)
				if !ok || late.API != c.api || late.After != DefaultDialTimeout || time.Since(begun) != DefaultDialTimeout {
					t.Fatalf("error %v after %v of the fake clock", err, time.Since(begun))
				}
				if text := err.Error(); !strings.Contains(text, "x:1") || strings.Contains(text, "whether it expects TLS") != c.silent {
					t.Errorf("it says %q", text)
				}
			})
		})
	}
}

func TestDialEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		deaf := func(*peer) { time.Sleep(time.Minute) } // the write hangs
		begun := time.Now()
		_, err := Dial(ctx, over(t, Config{}, deaf), "x:1")
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begun) != 3*time.Second {
			t.Errorf("error %v after %v of the fake clock", err, time.Since(begun))
		}
	})
}

func TestDialCancelledWhileConnecting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reason := errors.New("shutting down")
		ctx, cancel := context.WithCancelCause(t.Context())
		cfg := &Config{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		time.AfterFunc(time.Second, func() { cancel(reason) })
		if _, err := Dial(ctx, cfg, "x:1"); !errors.Is(err, reason) || errors.Is(err, ErrUnreachable) {
			t.Errorf("error %v, want the caller's reason", err)
		}
	})
}

func TestDialTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := &Config{Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}}
		begun := time.Now()
		_, err := Dial(t.Context(), cfg, "x:1")
		if !errors.Is(err, ErrUnreachable) || time.Since(begun) != DefaultDialTimeout {
			t.Errorf("error %v after %v of the fake clock", err, time.Since(begun))
		}
	})
}

func TestIPv6Literal(t *testing.T) {
	l, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		t.Logf("no IPv6 here (%v): checking the address only", err)
		if _, err := Dial(t.Context(), nil, "[::1]:1"); errors.Is(err, ErrAddress) {
			t.Error("an IPv6 address was not understood")
		}
		return
	}
	defer l.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if nc, err := l.Accept(); err == nil {
			defer nc.Close()
			p := &peer{Conn: nc}
			p.greet()
			p.drain()
		}
	}()
	c, err := Dial(t.Context(), nil, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if c.Addr() != l.Addr().String() || c.LocalAddr() == nil {
		t.Errorf("addresses %v, %v", c.Addr(), c.LocalAddr())
	}
	c.Close()
	<-done
}

// A broker that wants SASL serves ApiVersions to anybody and hangs up on the rest; one that did answer has another reason.
func TestSASLRequiredIsGuessedOnlyAtFirst(t *testing.T) {
	for answered, want := range map[int]error{0: ErrSASLRequired, 1: ErrLost} {
		c := dialed(t, Config{}, func(p *peer) {
			for range answered {
				r, _ := p.request()
				p.answer(r.correlation, nil)
			}
			p.request()
		})
		var last answer
		for range answered + 1 {
			k := newCall()
			if err := c.Send(produce(c, "x"), nil, false, k); err != nil {
				t.Fatal(err)
			}
			last = <-k.answered
		}
		if !errors.Is(last.err, want) || !errors.Is(last.err, io.EOF) {
			t.Errorf("after %d answers: %v, want %v", answered, last.err, want)
		}
	}
}

func TestSoftwareWord(t *testing.T) {
	for in, want := range map[string]string{
		"": "fallback", "1.0": "1.0", "v1.2+dirty": "v1.2-dirty", "-a-": "a", "...": "fallback", "é": "fallback", "(devel)": "devel",
	} {
		if got := softwareWord(in, "fallback"); got != want {
			t.Errorf("softwareWord(%q) = %q, want %q", in, got, want)
		}
	}
}
