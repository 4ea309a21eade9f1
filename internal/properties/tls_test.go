package properties

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// brokerConfig is a TLS server that asks for a client certificate of the same authority.
func brokerConfig(t *testing.T) *tls.Config {
	t.Helper()
	pair, err := keyFromPEM(read(t, "client.pem"), read(t, "pkcs8-aes256-sha256.pem"), "secret")
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(pair.Leaf)
	return &tls.Config{Certificates: []tls.Certificate{*pair}, ClientCAs: pool, ClientAuth: tls.RequireAnyClientCert}
}

// handshake connects as the broker's clients do, with ServerName set.
func handshake(t *testing.T, server, client *tls.Config, name string) (fromServer, fromClient error) {
	t.Helper()
	a, b := net.Pipe()
	client = client.Clone()
	client.ServerName = name
	done := make(chan error, 1)
	go func() {
		conn := tls.Server(a, server)
		err := conn.Handshake()
		if err == nil {
			_, err = conn.Write([]byte("x"))
		}
		conn.Close()
		done <- err
	}()
	conn := tls.Client(b, client)
	fromClient = conn.Handshake()
	if fromClient == nil {
		_, fromClient = conn.Read(make([]byte, 1))
	}
	b.Close()
	return <-done, fromClient
}

func TestHandshakes(t *testing.T) {
	keys := map[string][]string{
		"PEM files":         {"ssl.certificate.location=testdata/client.pem", "ssl.key.location=testdata/pkcs8-aes256-sha256.pem", "ssl.key.password=secret"},
		"3DES key":          {"ssl.certificate.location=testdata/client.pem", "ssl.key.location=testdata/pkcs8-3des-sha1.pem", "ssl.key.password=secret"},
		"SHA-512 key":       {"ssl.certificate.location=testdata/client.pem", "ssl.key.location=testdata/pkcs8-aes128-sha512.pem", "ssl.key.password=secret"},
		"openssl's old key": {"ssl.certificate.location=testdata/client.pem", "ssl.key.location=testdata/legacy-aes128.pem", "ssl.key.password=secret"},
		"PKCS12":            {"ssl.keystore.location=testdata/client.p12", "ssl.keystore.password=secret"},
		"PKCS12 called JKS": {"ssl.keystore.location=testdata/client.p12", "ssl.keystore.type=JKS", "ssl.keystore.password=secret"},
		"JKS":               {"ssl.keystore.location=testdata/client.jks", "ssl.keystore.type=JKS", "ssl.keystore.password=secret"},
		"JKS, key password": {"ssl.keystore.location=testdata/client.jks", "ssl.key.password=secret", "ssl.keystore.password=secret"},
		"inline PEM": {"ssl.keystore.type=PEM", "ssl.keystore.certificate.chain=" + string(read(t, "client.pem")),
			"ssl.keystore.key=" + string(read(t, "pkcs8-aes256-sha256.pem")), "ssl.key.password=secret"},
		"inline PEM of librdkafka": {"ssl.certificate.pem=" + strings.ReplaceAll(string(read(t, "client.pem")), "\n", `\n`),
			"ssl.key.pem=" + string(read(t, "pkcs8-aes256-sha256.pem")), "ssl.key.password=secret"},
	}
	trusts := map[string][]string{
		"PEM file":  {"ssl.ca.location=testdata/client.pem"},
		"PEM store": {"ssl.truststore.location=testdata/client.pem", "ssl.truststore.type=PEM"},
		"PKCS12":    {"ssl.truststore.location=testdata/trust.p12", "ssl.truststore.password=secret"},
		"JKS":       {"ssl.truststore.location=testdata/trust.jks", "ssl.truststore.type=JKS", "ssl.truststore.password=secret"},
		"plain p12": {"ssl.truststore.location=testdata/client.p12", "ssl.truststore.password=secret"},
		"inline":    {"ssl.truststore.certificates=" + string(read(t, "client.pem"))},
		"directory": {"ssl.ca.location=" + directoryWith(t, "client.pem")},
		"no checks": {"enable.ssl.certificate.verification=false"},
	}
	for keyName, key := range keys {
		for trustName, trust := range trusts {
			if keyName != "PEM files" && trustName != "PEM file" {
				continue // each of both once is enough
			}
			t.Run(keyName+", "+trustName, func(t *testing.T) {
				c, err := configOf(append(append([]string{"security.protocol=SSL"}, key...), trust...)...)
				if err != nil {
					t.Fatal(err)
				}
				if server, client := handshake(t, brokerConfig(t), c.TLS, "broker.test"); server != nil || client != nil {
					t.Errorf("broker: %v, client: %v", server, client)
				}
			})
		}
	}
}

func directoryWith(t *testing.T, name string) string {
	dir := t.TempDir()
	write(t, filepath.Join(dir, name), string(read(t, name)))
	write(t, filepath.Join(dir, "README"), "not a certificate")
	return dir
}

func TestVerification(t *testing.T) {
	key := []string{"security.protocol=SSL", "ssl.keystore.location=testdata/client.p12", "ssl.keystore.password=secret"}
	for _, c := range []struct {
		name    string
		more    []string
		server  string
		refused bool
	}{
		{"right name", []string{"ssl.ca.location=testdata/client.pem"}, "broker.test", false},
		{"wrong name", []string{"ssl.ca.location=testdata/client.pem"}, "other.test", true},
		{"wrong name, not checked", []string{"ssl.ca.location=testdata/client.pem", "ssl.endpoint.identification.algorithm="}, "other.test", false},
		{"system's authorities", nil, "broker.test", true},
		{"system's authorities, name not checked", []string{"ssl.endpoint.identification.algorithm=none"}, "broker.test", true},
		{"nothing checked", []string{"enable.ssl.certificate.verification=false"}, "other.test", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			config, err := configOf(append(key[:3:3], c.more...)...)
			if err != nil {
				t.Fatal(err)
			}
			_, client := handshake(t, brokerConfig(t), config.TLS, c.server)
			if _, typed := errors.AsType[*tls.CertificateVerificationError](client); typed != c.refused || (client != nil) != c.refused {
				t.Errorf("the handshake ended with %v", client)
			}
		})
	}
}

func TestStoreFaults(t *testing.T) {
	damaged := filepath.Join(t.TempDir(), "damaged")
	write(t, damaged, string(read(t, "client.p12")[:200]))
	text := filepath.Join(t.TempDir(), "text")
	write(t, text, "hello")
	for arguments, want := range map[string]string{
		"ssl.keystore.location=testdata/client.p12 ssl.keystore.password=hunter2":                                                 "password is wrong",
		"ssl.keystore.location=testdata/client.jks ssl.keystore.password=hunter2":                                                 "password is wrong",
		"ssl.keystore.location=testdata/client.jks ssl.keystore.password=secret ssl.key.password=hunter2":                         "ssl.key.password is wrong",
		"ssl.keystore.location=testdata/trust.jks ssl.keystore.password=secret":                                                   "no private key",
		"ssl.keystore.location=" + damaged + " ssl.keystore.password=secret":                                                      "PKCS12",
		"ssl.keystore.location=" + text:                                                                                           "neither PEM nor PKCS12 nor JKS",
		"ssl.truststore.location=testdata/trust.p12 ssl.truststore.password=hunter2":                                              "password is wrong",
		"ssl.truststore.location=testdata/client.jks ssl.truststore.password=secret":                                              "no certificate of an authority",
		"ssl.truststore.location=testdata/pkcs8-pbes1.pem":                                                                        "no certificate of an authority",
		"ssl.certificate.location=testdata/client.pem ssl.key.location=testdata/pkcs8-aes256-sha256.pem":                          "give ssl.key.password",
		"ssl.certificate.location=testdata/client.pem ssl.key.location=testdata/pkcs8-aes256-sha256.pem ssl.key.password=hunter2": "ssl.key.password is wrong",
		"ssl.certificate.location=testdata/client.pem ssl.key.location=testdata/legacy-aes128.pem ssl.key.password=hunter2":       "ssl.key.password is wrong",
		"ssl.certificate.location=testdata/client.pem ssl.key.location=testdata/legacy-aes128.pem":                                "give ssl.key.password",
		"ssl.certificate.location=testdata/client.pem ssl.key.location=testdata/pkcs8-pbes1.pem ssl.key.password=secret":          "only PBES2",
		"ssl.certificate.location=testdata/client.pem ssl.key.location=testdata/client.pem":                                       "no private key",
		"ssl.certificate.location=testdata/legacy-aes128.pem ssl.key.location=testdata/client.pem":                                "no certificate",
	} {
		got := strings.Join(faultsOf(t, append(strings.Fields(arguments), "security.protocol=SSL")...), "\n")
		if !strings.Contains(got, want) {
			t.Errorf("%s: got %q, want %q", arguments, got, want)
		}
	}
}

func TestFilesAreReadAgain(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ca.pem")
	write(t, file, string(read(t, "client.pem")))
	config, err := configOf("security.protocol=SSL", "ssl.keystore.location=testdata/client.p12", "ssl.keystore.password=secret", "ssl.ca.location="+file)
	if err != nil {
		t.Fatal(err)
	}
	connect := func() error {
		_, client := handshake(t, brokerConfig(t), config.TLS, "broker.test")
		return client
	}
	write(t, file, "not a certificate any more") // half written: the last good one serves
	if err := connect(); err != nil {
		t.Errorf("with an unusable file: %v", err)
	}
	write(t, file, string(otherAuthority(t)))
	later(t, file)
	if err := connect(); err == nil {
		t.Error("an authority that was replaced is still trusted")
	}
	write(t, file, string(read(t, "client.pem")))
	later(t, file)
	if err := connect(); err != nil {
		t.Errorf("after the file came back: %v", err)
	}
}

// later moves a file's time, where the file system's clock is too coarse to show a change.
func later(t *testing.T, file string) {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	when := info.ModTime().Add(time.Duration(info.Size()) * time.Second)
	if err := os.Chtimes(file, when, when); err != nil {
		t.Fatal(err)
	}
}

func FuzzStores(f *testing.F) {
	for _, name := range []string{"client.p12", "client.jks", "trust.p12", "trust.jks", "client.pem", "pkcs8-aes256-sha256.pem", "legacy-aes128.pem"} {
		text, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if storeKindOf(text, material{}) == "PKCS12" {
			return // its iteration count is the library's affair, and slow under fuzzing
		}
		if pair, err := keyFromStore(text, material{password: "secret"}, "secret"); err == nil && pair.Leaf == nil {
			t.Error("a pair without a certificate")
		}
		if list, err := certificatesFrom(text, material{password: "secret"}); err == nil {
			for _, c := range list {
				if c == nil {
					t.Error("a certificate is missing")
				}
			}
		}
	})
}
