package ekaftest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"
)

// tlsMode is how connections are encrypted.
type tlsMode uint8

const (
	plaintext tlsMode = iota
	serverTLS
	mutualTLS
)

// TLS encrypts every connection, under certificates of an authority made for
// this cluster; see [Cluster.ClientTLS].
func TLS() Option { return func(cfg *config) { cfg.tls = max(cfg.tls, serverTLS) } }

// MutualTLS is [TLS], and clients must show a certificate of the same
// authority (ssl.client.auth=required); see [Cluster.ClientCertificate].
func MutualTLS() Option { return func(cfg *config) { cfg.tls = mutualTLS } }

var errNoTLS = errors.New("the cluster does not use TLS: start it with ekaftest.TLS() or ekaftest.MutualTLS()")

// authority is a certificate authority for one cluster.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template, err := certificateTemplate("ekaftest authority")
	if err != nil {
		return nil, err
	}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &authority{key: key, cert: cert, pool: pool}, nil
}

func certificateTemplate(name string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.Add(365 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
	}, nil
}

// issue signs a certificate for a server (hosts given) or a client.
func (a *authority) issue(name string, hosts ...string) (tls.Certificate, error) {
	template, err := certificateTemplate(name)
	if err != nil {
		return tls.Certificate{}, err
	}
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, h := range hosts {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		if ip := net.ParseIP(h); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, h)
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func (c *Cluster) prepareTLS() error {
	if c.cfg.tls == plaintext {
		return nil
	}
	ca, err := newAuthority()
	if err != nil {
		return fmt.Errorf("cannot make a certificate authority: %w", err)
	}
	hosts := []string{"localhost", "127.0.0.1", "::1", c.cfg.host}
	for id := range c.cfg.brokers {
		hosts = append(hosts, memoryHost(int32(id)))
	}
	cert, err := ca.issue("ekaftest broker", hosts...)
	if err != nil {
		return fmt.Errorf("cannot make a server certificate: %w", err)
	}
	c.ca = ca
	c.serverTLS = &tls.Config{Certificates: []tls.Certificate{cert}}
	if c.cfg.tls == mutualTLS {
		c.serverTLS.ClientAuth, c.serverTLS.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool
	}
	return nil
}

// CAPool is the authority clients must trust, nil without TLS.
func (c *Cluster) CAPool() *x509.CertPool {
	if c.ca == nil {
		return nil
	}
	return c.ca.pool.Clone()
}

// CAPEM is the authority's certificate as PEM, nil without TLS.
func (c *Cluster) CAPEM() []byte {
	if c.ca == nil {
		return nil
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.ca.cert.Raw})
}

// ClientCertificate issues a client certificate for the common name given. It
// is an error without TLS.
func (c *Cluster) ClientCertificate(name string) (tls.Certificate, error) {
	if c.ca == nil {
		return tls.Certificate{}, fmt.Errorf("cannot issue a client certificate: %w", errNoTLS)
	}
	cert, err := c.ca.issue(name)
	if err != nil {
		return cert, fmt.Errorf("cannot issue a client certificate: %w", err)
	}
	return cert, nil
}

// ClientTLS is a configuration clients can use as it is: it trusts the
// authority and, with [MutualTLS], shows a certificate. It is an error without
// TLS.
func (c *Cluster) ClientTLS() (*tls.Config, error) {
	config := &tls.Config{RootCAs: c.CAPool()}
	if c.ca == nil || c.cfg.tls == mutualTLS {
		cert, err := c.ClientCertificate("ekaftest client")
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{cert}
	}
	return config, nil
}
