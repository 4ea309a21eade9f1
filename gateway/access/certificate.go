package access

import (
	"crypto/x509"
	"fmt"
)

// CertificateName is the name of a client certificate that is the principal.
type CertificateName string

// The names; of several of a kind the first counts.
const (
	CommonName CertificateName = "cn"    // the subject's common name
	Subject    CertificateName = "dn"    // the whole subject, as RFC 2253 writes it
	DNSName    CertificateName = "dns"   // an alternative name
	URI        CertificateName = "uri"   // an alternative name, as SPIFFE's
	Email      CertificateName = "email" // an alternative name
)

func (n CertificateName) check() error {
	switch n {
	case "", CommonName, Subject, DNSName, URI, Email:
		return nil
	}
	return fmt.Errorf("certificates: the principal is cn, dn, dns, uri or email, not %q", string(n))
}

// of gives the name, "" if the certificate has none that can be a principal.
func (n CertificateName) of(c *x509.Certificate) (name string) {
	switch {
	case n == CommonName:
		name = c.Subject.CommonName
	case n == Subject:
		name = c.Subject.String()
	case n == DNSName && len(c.DNSNames) > 0:
		name = c.DNSNames[0]
	case n == URI && len(c.URIs) > 0:
		name = c.URIs[0].String()
	case n == Email && len(c.EmailAddresses) > 0:
		name = c.EmailAddresses[0]
	}
	if checkPrincipal(name) != nil {
		return ""
	}
	return name
}
