package realkafka

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

// Files names the PEM files a TLS cluster's clients need, for programs that are
// configured with paths. They go away with the cluster.
type Files struct {
	CA         string // certificate of the authority which signed the brokers'
	ClientCert string // client certificate, CN=ekaf-client
	ClientKey  string // its private key, PKCS #8, not encrypted
}

// authority is a certificate authority made for one cluster, and what it signed.
type authority struct {
	files  Files
	root   string // PEM of the authority's own certificate
	cert   string // PEM of the brokers' certificate
	key    string // PEM of the brokers' key
	pool   *x509.CertPool
	client tls.Certificate
}

func newAuthority(dir string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("cannot make the key of the test's authority: %w", err)
	}
	template := certificateTemplate("ekaf test authority")
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	root, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("cannot make the certificate of the test's authority: %w", err)
	}
	a := &authority{pool: x509.NewCertPool(), files: Files{
		CA:         filepath.Join(dir, "ca.pem"),
		ClientCert: filepath.Join(dir, "client.pem"),
		ClientKey:  filepath.Join(dir, "client.key"),
	}}
	rootPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root})
	a.pool.AppendCertsFromPEM(rootPEM)
	brokerCert, brokerKey, err := issue(template, key, "ekaf-broker")
	if err != nil {
		return nil, err
	}
	a.root, a.cert, a.key = string(rootPEM), string(brokerCert), string(brokerKey)
	clientCert, clientKey, err := issue(template, key, "ekaf-client")
	if err != nil {
		return nil, err
	}
	if a.client, err = tls.X509KeyPair(clientCert, clientKey); err != nil {
		return nil, fmt.Errorf("cannot use the client certificate: %w", err)
	}
	return a, errors.Join(
		os.WriteFile(a.files.CA, rootPEM, 0o600),
		os.WriteFile(a.files.ClientCert, clientCert, 0o600),
		os.WriteFile(a.files.ClientKey, clientKey, 0o600))
}

func certificateTemplate(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 100))
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(30 * 24 * time.Hour),
	}
}

// issue makes a key and a certificate for it, good for both ends of a connection
// on the loopback interface.
func issue(issuer *x509.Certificate, issuerKey *ecdsa.PrivateKey, name string) (certPEM, keyPEM []byte, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make the key of %s: %w", name, err)
	}
	template := certificateTemplate(name)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	template.DNSNames = []string{"localhost"}
	template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	cert, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), issuerKey)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make the certificate of %s: %w", name, err)
	}
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot encode the key of %s: %w", name, err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), nil
}

// setSecurity writes what the second listener needs.
func (c *Cluster) setSecurity(p properties) {
	security := c.config.Security
	if security.tls() {
		// Inline, not as files: Kafka before 3.0 takes a PEM file only if the key in
		// it is encrypted.
		p["ssl.keystore.type"], p["ssl.truststore.type"] = "PEM", "PEM"
		p["ssl.keystore.key"], p["ssl.keystore.certificate.chain"] = c.authority.key, c.authority.cert
		p["ssl.truststore.certificates"] = c.authority.root
	}
	if security.ClientAuth {
		p["listener.name."+strings.ToLower(string(security.Protocol))+".ssl.client.auth"] = "required"
	}
	if security.sasl() {
		p["sasl.enabled.mechanisms"] = strings.Join(security.Mechanisms, ",")
		for _, mechanism := range security.Mechanisms {
			name := strings.ToLower("listener.name." + string(security.Protocol) + "." + mechanism)
			p[name+".sasl.jaas.config"] = security.jaas(mechanism)
		}
	}
	if security.ACLs {
		p["authorizer.class.name"] = "kafka.security.authorizer.AclAuthorizer"
		if c.release.kraft() {
			p["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
		}
		p["super.users"] = "User:ANONYMOUS"
	}
}

// jaas is the broker's login module of a mechanism. SCRAM users are not in it:
// they are stored in the cluster's metadata.
func (s Security) jaas(mechanism string) string {
	const modules = "org.apache.kafka.common.security."
	switch mechanism {
	case Plain:
		line := modules + "plain.PlainLoginModule required"
		for _, user := range slices.Sorted(maps.Keys(s.Users)) {
			line += fmt.Sprintf(` user_%s="%s"`, user, s.Users[user])
		}
		return line + ";"
	case OAuthBearer:
		return modules + `oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`
	default:
		return modules + "scram.ScramLoginModule required;"
	}
}

// createUsers stores the SCRAM users, a request for each mechanism: brokers
// refuse one that names a user twice.
func (c *Cluster) createUsers(ctx context.Context) error {
	kinds := map[string]kadm.ScramMechanism{ScramSHA256: kadm.ScramSha256, ScramSHA512: kadm.ScramSha512}
	for _, mechanism := range c.config.Security.Mechanisms {
		kind, scram := kinds[mechanism]
		if !scram {
			continue
		}
		var users []kadm.UpsertSCRAM
		for user, password := range c.config.Security.Users {
			users = append(users, kadm.UpsertSCRAM{User: user, Mechanism: kind, Iterations: 4096, Password: password})
		}
		err := c.withAdmin(func(admin *kadm.Client) error {
			altered, err := admin.AlterUserSCRAMs(ctx, nil, users)
			return errors.Join(err, altered.Error())
		})
		if err != nil {
			return fmt.Errorf("cannot store %s users: %w", mechanism, err)
		}
	}
	return nil
}

// TLS is a client's configuration for the secure listener: it trusts the
// cluster's authority and, with Security.ClientAuth, carries the client
// certificate. Every call answers a new one; nil without TLS.
func (c *Cluster) TLS() *tls.Config {
	if c.authority == nil {
		return nil
	}
	config := &tls.Config{RootCAs: c.authority.pool, MinVersion: tls.VersionTLS12}
	if c.config.Security.ClientAuth {
		config.Certificates = []tls.Certificate{c.authority.client}
	}
	return config
}

// SecureClientOpts are the kgo options for the second listener: its addresses,
// TLS and the first user with the first mechanism. nil without Security.
func (c *Cluster) SecureClientOpts() []kgo.Opt {
	security := c.config.Security
	if !security.enabled() {
		return nil
	}
	opts := c.clientOpts(c.SecureAddrs()...)
	if security.tls() {
		opts = append(opts, kgo.DialTLSConfig(c.TLS()))
	}
	if !security.sasl() {
		return opts
	}
	user := slices.Sorted(maps.Keys(security.Users))[0]
	return append(opts, kgo.SASL(mechanism(security.Mechanisms[0], user, security.Users[user])))
}

// mechanism logs a user in.
func mechanism(name, user, password string) sasl.Mechanism {
	switch name {
	case Plain:
		return plain.Auth{User: user, Pass: password}.AsMechanism()
	case ScramSHA256:
		return scram.Auth{User: user, Pass: password}.AsSha256Mechanism()
	case ScramSHA512:
		return scram.Auth{User: user, Pass: password}.AsSha512Mechanism()
	default:
		return oauth.Auth{Token: UnsecuredToken(user, time.Now().Add(time.Hour))}.AsMechanism()
	}
}

// UnsecuredToken is an unsigned JWT for a subject, which the OAUTHBEARER listener
// of a test cluster accepts until expiry (RFC 7519, section 6).
func UnsecuredToken(subject string, expiry time.Time) string {
	encode := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"sub":%q,"iat":%d,"exp":%d}`, subject, time.Now().Add(-time.Minute).Unix(), expiry.Unix())
	return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(claims)) + "."
}

// Files are the paths of the cluster's certificates; empty without TLS.
func (c *Cluster) Files() Files {
	if c.authority == nil {
		return Files{}
	}
	return c.authority.files
}
