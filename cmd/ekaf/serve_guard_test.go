//go:build unix

package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/ekaf-go/ekaf/ekaftest"
)

const (
	shopToken  = "shop-token-0123456789"
	otherToken = "other-token-0123456789"
)

// put writes a file.
func put(t *testing.T, name, text string) string {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// askStatus posts with headers by name and value in turn, and gives the status.
func askStatus(t *testing.T, client *http.Client, url string, header ...string) (int, http.Header) {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, url, strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	answer, err := client.Do(r)
	if err != nil {
		return 0, nil
	}
	defer client.CloseIdleConnections()
	defer answer.Body.Close()
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header
}

const guarded = `
brokers: %s
tokens: %s
users: %s
topics:
  events: {linger: 20ms}
producer:
  metadata-refresh: 30s
properties:
  client.id: gate
principals:
  shop: {topics: [events]}
  alice: {topics: ["*"], rate: 0.01, burst: 2}
  anonymous: {topics: [clicks]}
`

// TestServeKeepsOut: each answer of the guard, from the running program, and what
// SIGHUP changes.
func TestServeKeepsOut(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1), ekaftest.Topic("clicks", 1))
	dir := t.TempDir()
	password, err := bcrypt.GenerateFromPassword([]byte("wonder-secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	tokens := put(t, filepath.Join(dir, "tokens"), "shop:"+shopToken+"\n")
	users := put(t, filepath.Join(dir, "users"), "alice:"+string(password)+"\n")
	text := fmt.Sprintf(guarded, c.Addrs()[0], tokens, users)
	config := put(t, filepath.Join(dir, "g.yaml"), text)
	s := startServe(t, "--config", config)
	want := func(topic string, status int, header ...string) http.Header {
		t.Helper()
		got, answered := askStatus(t, http.DefaultClient, s.url+"/sync/"+topic, header...)
		if got != status {
			t.Errorf("%s with %v: %d, want %d", topic, header, got, status)
		}
		return answered
	}
	shop := []string{"Authorization", "Bearer " + shopToken}
	alice := &http.Request{Header: http.Header{}}
	alice.SetBasicAuth("alice", "wonder-secret")
	basic := []string{"Authorization", alice.Header.Get("Authorization")}
	want("events", 200, shop...)
	want("clicks", 403, shop...)
	want("clicks", 200)
	want("events", 403)
	if challenge := want("events", 401, "Authorization", "Bearer wrong-token-0123456789")["Www-Authenticate"]; len(challenge) != 2 {
		t.Errorf("challenged with %q", challenge)
	}
	want("events", 401, "Authorization", "Basic YWxpY2U6d3Jvbmc=")
	want("events", 200, basic...)
	want("clicks", 200, basic...)
	if again := want("events", 429, basic...).Get("Retry-After"); again == "" || again == "0" {
		t.Errorf("429 with Retry-After %q", again)
	}

	put(t, tokens, "shop:short\n")
	s.signal(syscall.SIGHUP)
	s.until("not reloaded")
	s.until("tokens:1: ")
	want("events", 200, shop...)
	put(t, tokens, "shop:"+otherToken+"\n")
	put(t, config, strings.Replace(text, "anonymous: {topics: [clicks]}", "", 1)+"sync-timeout: 3s\n")
	s.signal(syscall.SIGHUP)
	s.until("needs a restart: sync-timeout")
	want("events", 401, shop...)
	want("clicks", 401)
	want("events", 200, "Authorization", "Bearer "+otherToken)
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != exitDone {
		t.Errorf("exit code %d", code)
	}
	for _, secret := range []string{shopToken, otherToken, "wonder-secret", string(password), "short", "wrong-token"} {
		if strings.Contains(s.errOut.String(), secret) {
			t.Errorf("%s is told:\n%s", secret, s.errOut.String())
		}
	}
}

// TestServeStaysShutOverAReload: what a file that was emptied, cut short or is
// wrong elsewhere would open stays shut, and the log says that nothing was taken.
func TestServeStaysShutOverAReload(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1), ekaftest.Topic("clicks", 1))
	dir := t.TempDir()
	tokens := put(t, filepath.Join(dir, "tokens"), "shop:"+shopToken+"\n")
	before := "brokers: " + c.Addrs()[0] + "\n"
	text := before + "tokens: " + tokens + "\nprincipals:\n  shop: {topics: [events]}\n"
	config := put(t, filepath.Join(dir, "g.yaml"), text)
	s := startServe(t, "--config", config)
	shop := []string{"Authorization", "Bearer " + shopToken}
	for _, one := range []struct{ what, text, fault string }{
		{"an empty file", "", "no broker is named"},
		{"the brokers alone", before, "whether anybody is kept out"},
		{"a file cut short before the principals", before + "tokens: " + tokens + "\n", "whether there are principals"},
		{"a fault in what needs a restart", text + "producer: {workers: -1}\n", ":5: Workers"},
		{"a fault in a flag that needs a restart", text + "max-body: -1\n", "MaxBody: -1"},
	} {
		put(t, config, one.text)
		s.signal(syscall.SIGHUP)
		s.until("not reloaded, all stays as it was")
		s.until(one.fault)
		for topic, want := range map[string]int{"events": 401, "clicks": 401} {
			if got, _ := askStatus(t, http.DefaultClient, s.url+"/sync/"+topic); got != want {
				t.Errorf("%s: %s without credentials is answered with %d, want %d", one.what, topic, got, want)
			}
		}
		for topic, want := range map[string]int{"events": 200, "clicks": 403} {
			if got, _ := askStatus(t, http.DefaultClient, s.url+"/sync/"+topic, shop...); got != want {
				t.Errorf("%s: %s is answered with %d, want %d", one.what, topic, got, want)
			}
		}
	}
	put(t, config, text)
	s.signal(syscall.SIGHUP)
	s.until("reloaded: credentials, principals and certificates")
	s.signal(syscall.SIGTERM)
	s.wait()
}

// TestServeStaysOpenOverAReload: a gateway without a guard gets one at a restart,
// and says so in place of seeming to have one.
func TestServeStaysOpenOverAReload(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	dir := t.TempDir()
	config := put(t, filepath.Join(dir, "g.yaml"), "brokers: "+c.Addrs()[0]+"\n")
	s := startServe(t, "--config", config)
	put(t, config, "brokers: "+c.Addrs()[0]+"\ntokens: "+put(t, filepath.Join(dir, "tokens"), "shop:"+shopToken+"\n")+"\n")
	s.signal(syscall.SIGHUP)
	s.until("not reloaded, all stays as it was")
	s.until("whether anybody is kept out")
	s.signal(syscall.SIGTERM)
	s.wait()
}

// TestServeListsAllFaults: those of the file, of flags, files named and options.
func TestServeListsAllFaults(t *testing.T) {
	dir := t.TempDir()
	config := put(t, filepath.Join(dir, "g.yaml"), `
tokens: `+put(t, filepath.Join(dir, "tokens"), "shop:hunter2")+`
lisen: x
max-body: hunter2
producer:
  workers: -1
topics:
  events: {batch-bytes: 1, acks: 7}
properties:
  linger.ms: hunter2
principals:
  shop: {topic: x}
tls-key: none
client-principal: cn
`)
	var errOut strings.Builder
	code := run(t.Context(), []string{"serve", "--config", config, "--ack", "durable", "--header-timeout", "0s"}, strings.NewReader(""), io.Discard, &errOut)
	if code != exitUsage {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{
		"tokens:1: ", "g.yaml:3: lisen is not known", "g.yaml:4: max-body needs a value", "g.yaml:8: acks:",
		"linger.ms (" + config + ":10)", "g.yaml:12: topic is not known", "--ack durable", "--header-timeout", "TLS needs a certificate", "--client-principal needs",
	} {
		if !strings.Contains(errOut.String(), want) {
			t.Errorf("%q is missing", want)
		}
	}
	if t.Failed() || strings.Contains(errOut.String(), "hunter2") {
		t.Errorf("it says\n%s", errOut.String())
	}
	errOut.Reset()
	put(t, config, "producer:\n  workers: -1\ntopics:\n  events: {batch-bytes: 1}\n")
	run(t.Context(), []string{"serve", "--config", config}, strings.NewReader(""), io.Discard, &errOut)
	for _, want := range []string{"g.yaml:2: Workers", `g.yaml:4: Topic "events": BatchBytes`, "no broker is named"} {
		if !strings.Contains(errOut.String(), want) {
			t.Errorf("%q is missing from\n%s", want, errOut.String())
		}
	}
}

// TestServeSaysWhereEachFaultIs: once, and with its line in the file.
func TestServeSaysWhereEachFaultIs(t *testing.T) {
	dir := t.TempDir()
	config := put(t, filepath.Join(dir, "g.yaml"), `brokers: a:1
users: /nonexistent/users
jwt-keys: http://issuer.example/keys
jwt-issuer: me
client-principal: x
max-body: banana
grace: -5s
sync-timeout: -1s
topics:
  "a/b": {linger: 1s}
principals:
  shop: {topics: ["a*b"]}
tls-certificate: /nonexistent/cert
tls-key: /nonexistent/key
linger: -1s
idempotency-keys: -1
`)
	r := ekafRun(t, "", "serve", "--config", config, "--metric-topics", "-5")
	for _, want := range []string{
		"2: users: cannot read it", "3: jwt: keys: the URL is not https", "3: jwt: audience is needed", "5: certificates: ", "5: --client-principal needs",
		"6: max-body needs", "7: --grace", "8: SyncTimeout", `10: Topic "a/b": the topic's name`, `12: principals: shop: topics: "a*b"`,
		"13, " + config + ":14: --tls-certificate", "15: linger.ms (--linger)", "16: IdempotencyWindow",
	} {
		if strings.Count(r.errOut, config+":"+want) != 1 {
			t.Errorf("%q is not there, or twice", want)
		}
	}
	if strings.Contains(r.errOut, "MaxBody") || strings.Count(r.errOut, "\n") != 14 {
		t.Errorf("more faults than there are")
	}
	if t.Failed() {
		t.Errorf("it says\n%s", r.errOut)
	}
	for _, flag := range []string{"--grace=-1s", "--drain-delay=-1s", "--metric-topics=-5"} {
		name, _, _ := strings.Cut(flag, "=")
		if r := ekafRun(t, "", "serve", "-b", "a:1", flag); r.code != exitUsage || !strings.Contains(r.errOut, name) {
			t.Errorf("%s: exit code %d, %s", flag, r.code, r.errOut)
		}
	}
}

// authority signs certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
	file string
}

func newAuthority(t *testing.T, dir string) *authority {
	a := &authority{t: t, pool: x509.NewCertPool()}
	template := &x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, key := a.sign("authority", template)
	a.key, a.file = key, filepath.Join(dir, "ca.pem")
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	put(t, a.file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return a
}

func (a *authority) sign(name string, template *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template.SerialNumber, template.Subject = big.NewInt(time.Now().UnixNano()), pkix.Name{CommonName: name}
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	return der, key
}

// pair writes certificate and key of a name, and gives them.
func (a *authority) pair(name, certFile, keyFile string) tls.Certificate {
	a.t.Helper()
	der, key := a.sign(name, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}})
	text, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	put(a.t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	put(a.t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text})))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// TestServeTLS: HTTP/2, client certificates as principals, and a certificate that
// is renewed.
func TestServeTLS(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1), ekaftest.Topic("clicks", 1))
	dir := t.TempDir()
	a := newAuthority(t, dir)
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	a.pair("first", cert, key)
	shop := a.pair("shop", filepath.Join(dir, "c.pem"), filepath.Join(dir, "k.pem"))
	config := put(t, filepath.Join(dir, "g.yaml"), "principals:\n  shop: {topics: [events]}\n")
	s := startServe(t, "-b", c.Addrs()[0], "--config", config, "--tls-certificate", cert, "--tls-key", key,
		"--tls-client-authorities", a.file, "--client-principal", "cn")
	client := func(certificates ...tls.Certificate) *http.Client {
		return &http.Client{Transport: &http.Transport{ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: a.pool, Certificates: certificates}}}
	}
	for _, one := range []struct {
		topic  string
		client *http.Client
		want   int
	}{{"events", client(shop), 200}, {"clicks", client(shop), 403}, {"events", client(), 401}} {
		if got, _ := askStatus(t, one.client, s.url+"/sync/"+one.topic); got != one.want {
			t.Errorf("%s: %d, want %d", one.topic, got, one.want)
		}
	}
	served := func() (name, protocol string) {
		conn, err := tls.Dial("tcp", strings.TrimPrefix(s.url, "https://"), &tls.Config{RootCAs: a.pool, NextProtos: []string{"h2"}})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		state := conn.ConnectionState()
		return state.PeerCertificates[0].Subject.CommonName, state.NegotiatedProtocol
	}
	if name, protocol := served(); name != "first" || protocol != "h2" {
		t.Errorf("%s is served by %s", protocol, name)
	}
	a.pair("second, renewed", cert, key)
	if name, _ := served(); name != "second, renewed" {
		t.Errorf("the old certificate is served: %s", name)
	}
	s.signal(syscall.SIGTERM)
	s.wait()
}

// TestServeRefusesWhatCanBeReadInTwoWays: requests that a proxy and a server could
// take apart in different ways (smuggling), and headers that carry more than one
// line, are refused or have no effect, and the connection ends.
func TestServeRefusesWhatCanBeReadInTwoWays(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	s := startServe(t, "-b", c.Addrs()[0], "--max-header", "4096")
	const second = "POST /sync/events HTTP/1.1\r\nHost: x\r\nContent-Length: 8\r\n\r\nsmuggled"
	raw := func(text string) string {
		t.Helper()
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn)
		if err != nil && len(answer) == 0 {
			t.Fatalf("%q: %v", text, err)
		}
		return string(answer)
	}
	const start = "POST /sync/events HTTP/1.1\r\nHost: x\r\n"
	for what, request := range map[string]string{
		"two lengths":          start + "Content-Length: 1\r\nContent-Length: 9\r\n\r\nx" + second,
		"a signed length":      start + "Content-Length: +1\r\n\r\nx" + second,
		"an unknown encoding":  start + "Transfer-Encoding: xchunked\r\n\r\n" + second,
		"two encodings":        start + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n" + second,
		"a space in the name":  start + "Content-Length : 1\r\n\r\nx" + second,
		"a name of bytes":      start + "X-\x00: 1\r\n\r\n" + second,
		"a value of bytes":     start + "X-Kafka-Key: a\x00b\r\n\r\n" + second,
		"a bare return":        start + "X-Kafka-Key: a\rX: y\r\n\r\n" + second,
		"no host":              "POST /sync/events HTTP/1.1\r\nContent-Length: 1\r\n\r\nx" + second,
		"two hosts":            start + "Host: y\r\nContent-Length: 1\r\n\r\nx" + second,
		"a chunk of nonsense":  start + "Transfer-Encoding: chunked\r\n\r\nzz\r\nx\r\n0\r\n\r\n" + second,
		"a chunk that is huge": start + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx\r\n0\r\n\r\n" + second,
		"a header too large":   start + "X-Kafka-Key: " + strings.Repeat("k", 20_000) + "\r\n\r\n" + second,
	} {
		answer := raw(request)
		if status, _, _ := strings.Cut(strings.TrimPrefix(answer, "HTTP/1.1 "), " "); !slices.Contains([]string{"400", "431", "501"}, status) {
			t.Errorf("%s: %q", what, answer)
		}
		if strings.Count(answer, "HTTP/1.1 ") != 1 {
			t.Errorf("%s: what followed was taken for a request: %q", what, answer)
		}
	}
	// Length and chunks at once: the chunks count (RFC 9112, section 6.3), so that
	// what the length would have hidden is a request, and no part of a message.
	last := strings.Replace(second, "Host: x", "Host: x\r\nConnection: close", 1)
	if answer := raw(start + "Content-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n" + last); strings.Count(answer, "HTTP/1.1 200 ") != 2 {
		t.Errorf("length and chunks: %q", answer)
	}
	// What the answer repeats of a request cannot end a line.
	answer := raw("GET /v1/topics/a%0d%0aX-Injected:%20yes HTTP/1.1\r\nHost: x\r\nConnection: close\r\nOrigin: https://x%0d%0aX-Injected: yes\r\n\r\n")
	header, _, _ := strings.Cut(answer, "\r\n\r\n")
	if strings.Contains(header, "X-Injected") {
		t.Errorf("a header was injected: %q", answer)
	}
	s.signal(syscall.SIGTERM)
	s.wait()
	messages, err := c.Consume("events")
	if err != nil {
		t.Fatal(err)
	}
	if len(messages) != 2 || string(messages[0].Value) != "a" || string(messages[1].Value) != "smuggled" {
		t.Errorf("a consumer sees %v", messages)
	}
}

// TestServeCutsOffSlowClients: headers and bodies that do not arrive, and
// connections beyond the number.
func TestServeCutsOffSlowClients(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	s := startServe(t, "-b", c.Addrs()[0], "--header-timeout", "100ms", "--body-timeout", "200ms", "--sync-timeout", "100ms",
		"--idle-timeout", "100ms", "--max-connections", "2")
	for what, text := range map[string]string{
		"nothing": "", "half a header": "POST /async/events HTTP/1.1\r\nHost:",
		"half a body": "POST /async/events HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf",
		"idle":        "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(bufio.NewReader(conn)) // until the server hangs up
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if status := strings.TrimPrefix(string(answer), "HTTP/1.1 "); what == "half a body" && !strings.HasPrefix(status, "408 ") {
			t.Errorf("%s: %q", what, answer)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
	}
	// Two slow ones keep a third waiting until they are cut off.
	for range 2 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	if status, body := s.post("/async/events", "x"); status != 200 {
		t.Errorf("answered %d %s", status, body)
	}
	s.signal(syscall.SIGTERM)
	s.wait()
}
