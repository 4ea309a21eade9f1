package properties

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/pavlo-v-chernykh/keystore-go/v4"
	"software.sslmate.com/src/go-pkcs12"
)

// errStorePassword: nothing tells a wrong password from a damaged store, so both are said.
var errStorePassword = errors.New("the password is wrong, or the store is damaged")

// storeKindOf looks at the first bytes where the type was not given: people
// rename stores, and Java reads a PKCS12 file under the type JKS and the other way round.
func storeKindOf(text []byte, m material) string {
	switch {
	case m.kind == "PEM" || bytes.Contains(text, []byte("-----BEGIN ")):
		return "PEM"
	case bytes.HasPrefix(text, []byte{0xfe, 0xed, 0xfe, 0xed}):
		return "JKS"
	case bytes.HasPrefix(text, []byte{0x30}):
		return "PKCS12"
	}
	return m.kind
}

// certificatesFrom reads the authorities of a trust store.
func certificatesFrom(text []byte, m material) ([]*x509.Certificate, error) {
	switch storeKindOf(text, m) {
	case "PEM":
		return certificatesFromPEM(text)
	case "PKCS12":
		return certificatesFromPKCS12(text, m.password)
	case "JKS":
		return certificatesFromJKS(text, m.password)
	}
	return nil, errors.New("it is neither PEM nor PKCS12 nor JKS")
}

func certificatesFromPEM(text []byte) (list []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return list, nil
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("cannot read certificate %d of it: %w", len(list)+1, err)
		}
		list = append(list, c)
	}
}

// certificatesFromPKCS12 takes Java's trust stores, and plain PKCS12 files whose
// certificates lack Java's mark of trust.
func certificatesFromPKCS12(text []byte, password string) ([]*x509.Certificate, error) {
	list, err := pkcs12.DecodeTrustStore(text, password)
	if err == nil {
		return list, nil
	}
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return nil, errStorePassword
	}
	if _, leaf, authorities, chainErr := pkcs12.DecodeChain(text, password); chainErr == nil {
		if len(authorities) == 0 {
			authorities = []*x509.Certificate{leaf}
		}
		return authorities, nil
	}
	return nil, fmt.Errorf("cannot read the PKCS12 store: %w", err)
}

func openJKS(text []byte, password string) (keystore.KeyStore, error) {
	ks := keystore.New(keystore.WithOrderedAliases())
	if !checkJKS(text) {
		return ks, errors.New("it is no whole JKS store: its lengths do not fit the file")
	}
	if err := ks.Load(bytes.NewReader(text), []byte(password)); err != nil {
		return ks, errStorePassword // the cause may quote bytes of the store
	}
	return ks, nil
}

func certificatesFromJKS(text []byte, password string) (list []*x509.Certificate, err error) {
	ks, err := openJKS(text, password)
	if err != nil {
		return nil, err
	}
	for _, alias := range ks.Aliases() {
		if !ks.IsTrustedCertificateEntry(alias) {
			continue
		}
		trusted, err := ks.GetTrustedCertificateEntry(alias)
		if err != nil {
			return nil, fmt.Errorf("cannot read the store's entry %s: %w", alias, err)
		}
		c, err := x509.ParseCertificate(trusted.Certificate.Content)
		if err != nil {
			return nil, fmt.Errorf("cannot read the certificate %s: %w", alias, err)
		}
		list = append(list, c)
	}
	return list, nil
}

// keyFromStore reads the client's certificate chain and key.
func keyFromStore(text []byte, m material, keyPassword string) (*tls.Certificate, error) {
	switch storeKindOf(text, m) {
	case "PEM":
		return keyFromPEM(text, text, keyPassword)
	case "PKCS12":
		return keyFromPKCS12(text, m.password)
	case "JKS":
		if keyPassword == "" {
			keyPassword = m.password // what keytool does unless told otherwise
		}
		return keyFromJKS(text, m.password, keyPassword)
	}
	return nil, errors.New("it is neither PEM nor PKCS12 nor JKS")
}

func keyFromPKCS12(text []byte, password string) (*tls.Certificate, error) {
	key, leaf, authorities, err := pkcs12.DecodeChain(text, password)
	if errors.Is(err, pkcs12.ErrIncorrectPassword) {
		return nil, errStorePassword
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the PKCS12 store: %w", err)
	}
	chain := [][]byte{leaf.Raw}
	for _, c := range authorities {
		chain = append(chain, c.Raw)
	}
	return pair(chain, key)
}

func keyFromJKS(text []byte, storePassword, keyPassword string) (*tls.Certificate, error) {
	ks, err := openJKS(text, storePassword)
	if err != nil {
		return nil, err
	}
	for _, alias := range ks.Aliases() {
		if !ks.IsPrivateKeyEntry(alias) {
			continue
		}
		e, err := ks.GetPrivateKeyEntry(alias, []byte(keyPassword))
		if err != nil {
			return nil, fmt.Errorf("cannot open the key %s: ssl.key.password is wrong", alias)
		}
		key, err := x509.ParsePKCS8PrivateKey(e.PrivateKey)
		if err != nil {
			return nil, fmt.Errorf("cannot read the key %s: %w", alias, err)
		}
		var chain [][]byte
		for _, c := range e.CertificateChain {
			chain = append(chain, c.Content)
		}
		return pair(chain, key)
	}
	return nil, errors.New("it holds no private key")
}

// pair puts certificate and key together, and checks that they belong together.
func pair(chain [][]byte, key any) (*tls.Certificate, error) {
	if len(chain) == 0 {
		return nil, errors.New("the key has no certificate")
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, fmt.Errorf("cannot read the certificate: %w", err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, errors.New("the key is of a kind that cannot sign")
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(leaf.PublicKey) {
		return nil, errors.New("the key does not belong to the certificate")
	}
	return &tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf}, nil
}
