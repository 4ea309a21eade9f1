package properties

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
)

// checking verifies a broker's certificate where Go's own check does not fit:
// with roots that are read again when their file changes, or without its name.
type checking struct {
	chain, name bool
	roots       *watched[*x509.CertPool] // nil: the system's
}

// install replaces Go's check by this one, which reports the same errors.
func (c checking) install(config *tls.Config) {
	config.InsecureSkipVerify = true
	if c.chain {
		config.VerifyConnection = c.verify
	}
}

func (c checking) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the broker sent no certificate")
	}
	options := x509.VerifyOptions{Intermediates: x509.NewCertPool()}
	if c.roots != nil {
		roots, err := c.roots.get()
		if err != nil {
			return err
		}
		options.Roots = roots
	}
	if c.name {
		options.DNSName = state.ServerName
	}
	for _, certificate := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(certificate)
	}
	if _, err := state.PeerCertificates[0].Verify(options); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
	}
	return nil
}
