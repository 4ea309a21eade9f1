package conn

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// authority is a certificate authority made for one test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{t, cert, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue makes a certificate and key, as PEM, for a name or address.
func (a *authority) issue(serial int64, name string, until time.Time) (certPEM, keyPEM []byte) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
}

func (a *authority) pair(name string, until time.Time) tls.Certificate {
	a.t.Helper()
	pair, err := tls.X509KeyPair(a.issue(2, name, until))
	if err != nil {
		a.t.Fatal(err)
	}
	return pair
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func inAnHour() time.Time { return time.Now().Add(time.Hour) }

// securing runs script behind TLS on a TCP port.
func securing(t *testing.T, cfg *tls.Config, script func(p *peer)) string {
	return listening(t, func(p *peer) {
		secured := tls.Server(p.Conn, cfg)
		if secured.Handshake() != nil {
			return // the alert has been sent; the client's side of the test judges
		}
		script(&peer{Conn: secured})
	})
}

func greeter(p *peer) {
	p.greet()
	p.drain()
}

func TestTLS(t *testing.T) {
	ca := newAuthority(t, "test authority")
	addr := securing(t, &tls.Config{Certificates: []tls.Certificate{ca.pair("127.0.0.1", inAnHour())}}, func(p *peer) {
		p.greet()
		r, _ := p.request()
		p.answer(r.correlation, r.rest)
		p.drain()
	})
	own := &tls.Config{RootCAs: ca.pool()}
	c, err := Dial(t.Context(), &Config{TLS: own}, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if own.ServerName != "" {
		t.Error("the caller's tls.Config was changed")
	}
	if c.vectored {
		t.Error("writev would make one TLS record of each slice")
	}
	k := newCall()
	tail := slices.Repeat(net.Buffers{bytes.Repeat([]byte("t"), 50)}, 2000)
	if err := c.Send(produce(c, "head"), tail, false, k); err != nil {
		t.Fatal(err)
	}
	if a := <-k.answered; a.err != nil || len(a.body) != 4+2000*50 {
		t.Errorf("%d bytes came back, %v", len(a.body), a.err)
	}
}

func TestTLSProblems(t *testing.T) {
	ca, other := newAuthority(t, "test authority"), newAuthority(t, "other authority")
	server := func(mutate func(*tls.Config)) *tls.Config {
		cfg := &tls.Config{Certificates: []tls.Certificate{ca.pair("127.0.0.1", inAnHour())}, ClientCAs: ca.pool()}
		mutate(cfg)
		return cfg
	}
	needsCert := func(version uint16) string {
		return securing(t, server(func(c *tls.Config) {
			c.ClientAuth, c.MinVersion, c.MaxVersion = tls.RequireAndVerifyClientCert, version, version
		}), greeter)
	}
	good := securing(t, server(func(*tls.Config) {}), greeter)
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	trusting := &tls.Config{RootCAs: ca.pool()}

	cases := map[string]struct {
		cfg  *tls.Config
		addr string
		want error
		text string
	}{
		// Go's server hangs up without an alert; Kafka's sends one, which TestDialProblems scripts.
		"plaintext client": {nil, good, ErrNoApiVersions, "expect TLS"},
		"alert lost, 1.3":  {trusting, securing(t, server(func(c *tls.Config) { c.ClientAuth = tls.RequestClientCert }), func(*peer) {}), ErrClientCertificate, "mutual TLS"},
		"alert garbled, 1.3": {trusting, securing(t, server(func(c *tls.Config) { c.ClientAuth = tls.RequestClientCert }), func(p *peer) {
			p.Conn.(*tls.Conn).NetConn().Write([]byte("\x17\x03\x03\x00\x13an alert, lost keys"))
		}), ErrClientCertificate, "mutual TLS"},
		"web server":        {trusting, web.Listener.Addr().String(), ErrHTTP, "HTTP"},
		"plaintext broker":  {trusting, listening(t, func(p *peer) { p.Read(make([]byte, 4)) }), ErrNotTLS, "disable TLS"},
		"kfake":             {trusting, listening(t, func(p *peer) { p.Write([]byte("\x00\x00\x00\x10garbage")); p.drain() }), ErrNotTLS, "disable TLS"},
		"wrong name":        {&tls.Config{RootCAs: ca.pool(), ServerName: "kafka.test"}, good, ErrCertificateName, "kafka.test"},
		"unknown authority": {&tls.Config{RootCAs: other.pool()}, good, ErrCertificateAuthority, "unknown authority"},
		"expired": {trusting, securing(t, server(func(c *tls.Config) {
			c.Certificates = []tls.Certificate{ca.pair("127.0.0.1", time.Now().Add(-time.Hour))}
		}), greeter), ErrCertificateInvalid, "clock"},
		"no client cert, 1.2":  {trusting, needsCert(tls.VersionTLS12), ErrClientCertificate, "mutual TLS"},
		"no client cert, 1.3":  {trusting, needsCert(tls.VersionTLS13), ErrClientCertificate, "mutual TLS"},
		"foreign client cert":  {&tls.Config{RootCAs: ca.pool(), GetClientCertificate: always(other.pair("me", inAnHour()))}, needsCert(tls.VersionTLS13), ErrClientCertificate, "mutual TLS"},
		"no version in common": {&tls.Config{RootCAs: ca.pool(), MinVersion: tls.VersionTLS13}, needsCert(tls.VersionTLS12), ErrTLS, "protocol version"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Dial(t.Context(), &Config{TLS: tc.cfg}, tc.addr)
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

func always(pair tls.Certificate) func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
}

// A TLS server that accepts and then says nothing must not hold Dial beyond its timeout.
func TestTLSHandshakeTimeout(t *testing.T) {
	addr := listening(t, (*peer).drain)
	_, err := Dial(t.Context(), &Config{TLS: &tls.Config{}, DialTimeout: 50 * time.Millisecond}, addr)
	if late, ok := errors.AsType[*TimeoutError](err); !ok || late.API != "the TLS handshake" || !strings.Contains(err.Error(), "the TLS port of a Kafka broker") {
		t.Errorf("error %v", err)
	}
}

func TestKfakeTLS(t *testing.T) {
	ca := newAuthority(t, "test authority")
	addr := newCluster(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{ca.pair("127.0.0.1", inAnHour())}}))
	c, err := Dial(t.Context(), &Config{TLS: &tls.Config{RootCAs: ca.pool()}}, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Do(t.Context(), kmsg.NewPtrMetadataRequest()); err != nil {
		t.Error(err)
	}
}

// put writes a file with a time of its own: two writes within the clock's grain must still look different.
func put(t *testing.T, name string, content []byte, age time.Duration) {
	t.Helper()
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	at := time.Now().Add(-age)
	if err := os.Chtimes(name, at, at); err != nil {
		t.Fatal(err)
	}
}

func TestCertificateReloader(t *testing.T) {
	ca := newAuthority(t, "test authority")
	dir := t.TempDir()
	certFile, keyFile := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	if _, err := CertificateReloader(certFile, keyFile, nil); err == nil || !strings.Contains(err.Error(), certFile) {
		t.Errorf("missing files: %v", err)
	}
	cert, key := ca.issue(10, "client", inAnHour())
	put(t, certFile, cert, time.Hour)
	put(t, keyFile, []byte("no key"), time.Hour)
	if _, err := CertificateReloader(certFile, keyFile, nil); err == nil || strings.Contains(err.Error(), "no key") {
		t.Errorf("bad key: %v", err)
	}
	put(t, keyFile, key, time.Hour)

	var log bytes.Buffer
	get, err := CertificateReloader(certFile, keyFile, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	// Through real handshakes: the broker notes which certificate each connection shows.
	serials := make(chan int64, 10)
	addr := securing(t, &tls.Config{
		Certificates: []tls.Certificate{ca.pair("127.0.0.1", inAnHour())},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: ca.pool(),
		VerifyConnection: func(s tls.ConnectionState) error {
			serials <- s.PeerCertificates[0].SerialNumber.Int64()
			return nil
		},
	}, greeter)
	shows := func(what string, want int64) {
		t.Helper()
		c, err := Dial(t.Context(), &Config{TLS: &tls.Config{RootCAs: ca.pool(), GetClientCertificate: get}}, addr)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		c.Close()
		if got := <-serials; got != want {
			t.Errorf("%s: certificate %d, want %d", what, got, want)
		}
	}
	warnings := func() int { return strings.Count(log.String(), "keeping the last good") }

	shows("at first", 10)
	cert, key = ca.issue(11, "client", inAnHour())
	put(t, certFile, cert, 50*time.Minute)
	shows("certificate renewed, key not yet", 10)
	shows("still so", 10)
	if n := warnings(); n != 1 {
		t.Errorf("%d warnings for one bad pair:\n%s", n, &log)
	}
	put(t, keyFile, key, 50*time.Minute)
	shows("both renewed", 11)
	if err := os.Remove(keyFile); err != nil {
		t.Fatal(err)
	}
	shows("key gone", 11)
	shows("still gone", 11)
	if n := warnings(); n != 2 {
		t.Errorf("%d warnings, want 2:\n%s", n, &log)
	}
	cert, key = ca.issue(12, "client", inAnHour())
	put(t, certFile, cert, 10*time.Minute)
	put(t, keyFile, key, 10*time.Minute)
	shows("back again", 12)
	if !strings.Contains(log.String(), "read again") {
		t.Errorf("renewals are not logged:\n%s", &log)
	}
}

func TestLoadCAPool(t *testing.T) {
	ca := newAuthority(t, "test authority")
	dir := t.TempDir()
	good, empty := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "empty.pem")
	put(t, good, ca.pem, 0)
	put(t, empty, []byte("nothing here"), 0)
	pool, err := LoadCAPool(false, good)
	if err != nil || !pool.Equal(ca.pool()) {
		t.Errorf("pool %v, error %v", pool, err)
	}
	if pool, err := LoadCAPool(true, good); err != nil || pool.Equal(ca.pool()) && systemTrustsSome() {
		t.Errorf("with the system's: error %v", err)
	}
	for _, bad := range []string{empty, filepath.Join(dir, "missing")} {
		if _, err := LoadCAPool(false, good, bad); err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%s: error %v", bad, err)
		}
	}
}

func systemTrustsSome() bool {
	pool, err := x509.SystemCertPool()
	return err == nil && !pool.Equal(x509.NewCertPool())
}
