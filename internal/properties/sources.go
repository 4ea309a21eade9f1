package properties

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// maxStoreBytes bounds a key or trust store; the largest CA bundles are well below 1 MiB.
const maxStoreBytes = 16 << 20

// material is PEM text or a store, in a file or inline.
type material struct {
	file     string
	inline   string
	kind     string // PEM, PKCS12, JKS; "" is found out
	password string
}

func (m material) given() bool { return m.file != "" || m.inline != "" }

func (m material) read() ([]byte, error) {
	if m.inline != "" {
		// librdkafka's and Java's inline PEM comes with \n written out in some files
		return []byte(strings.ReplaceAll(m.inline, `\n`, "\n")), nil
	}
	if info, err := os.Stat(m.file); err == nil && info.IsDir() {
		return readDirectory(m.file)
	}
	return readBounded(m.file, maxStoreBytes)
}

// readDirectory joins the PEM files of a directory, which ssl.ca.location may be.
func readDirectory(dir string) ([]byte, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("cannot read a directory of certificates: %w", err)
	}
	var all []byte
	for _, f := range files {
		path := filepath.Join(dir, f.Name())
		if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
			continue
		}
		text, err := readBounded(path, maxStoreBytes-int64(len(all)))
		if err != nil {
			return nil, err
		}
		all = append(append(all, text...), '\n')
	}
	return all, nil
}

// keySource is where the client's certificate and key come from.
type keySource struct {
	entry       entry
	store       material // both in one, or
	certificate material // PEM, with
	key         material // PEM
	keyPassword string
}

func (k keySource) files() []string {
	return presentFiles(k.store, k.certificate, k.key)
}

func presentFiles(list ...material) (files []string) {
	for _, m := range list {
		if m.file != "" && m.inline == "" {
			files = append(files, m.file)
		}
	}
	return files
}

func (k keySource) load() (*tls.Certificate, error) {
	if k.store.given() {
		text, err := k.store.read()
		if err != nil {
			return nil, err
		}
		return keyFromStore(text, k.store, k.keyPassword)
	}
	chain, err := k.certificate.read()
	if err != nil {
		return nil, err
	}
	key, err := k.key.read()
	if err != nil {
		return nil, err
	}
	return keyFromPEM(chain, key, k.keyPassword)
}

// keySource finds the one way in which a client certificate was given.
func (v *values) keySource() (keySource, bool) {
	k := keySource{keyPassword: v.text("ssl.key.password")}
	var ways []entry
	if e, ok := v.take("ssl.keystore.location"); ok {
		ways = append(ways, e)
		k.store = material{file: e.value, kind: v.storeKind("ssl.keystore.type"), password: v.text("ssl.keystore.password")}
	}
	pairs := [][2]string{
		{"ssl.keystore.certificate.chain", "ssl.keystore.key"},
		{"ssl.certificate.location", "ssl.key.location"},
		{"ssl.certificate.pem", "ssl.key.pem"},
	}
	for _, p := range pairs {
		certificate, hasCertificate := v.take(p[0])
		key, hasKey := v.take(p[1])
		switch {
		case hasCertificate && hasKey:
			ways = append(ways, certificate)
			inline := p[0] != "ssl.certificate.location"
			k.certificate, k.key = pemMaterial(certificate.value, inline), pemMaterial(key.value, inline)
		case hasCertificate:
			v.fault(certificate, "the certificate needs its key: give %s", p[1])
		case hasKey:
			v.fault(key, "the key needs its certificate: give %s", p[0])
		}
	}
	if len(ways) == 0 {
		return k, false
	}
	if len(ways) > 1 {
		v.fault(ways[1], "a client certificate is given already by %s (%s): keep one of them", ways[0].name, ways[0].where)
	}
	k.entry = ways[0]
	return k, len(ways) == 1
}

func pemMaterial(value string, inline bool) material {
	if inline {
		return material{inline: value, kind: "PEM"}
	}
	return material{file: value, kind: "PEM"}
}

func (v *values) storeKind(name string) string {
	e, ok := v.take(name)
	if !ok {
		return ""
	}
	switch kind := strings.ToUpper(e.value); kind {
	case "PEM", "PKCS12", "JKS":
		return kind
	}
	v.fault(e, "it must be PEM, PKCS12 or JKS")
	return ""
}

// trustSource is where the authorities come from.
type trustSource struct {
	entry entry
	material
}

func (t trustSource) files() []string { return presentFiles(t.material) }

func (t trustSource) load() (*x509.CertPool, error) {
	text, err := t.read()
	if err != nil {
		return nil, err
	}
	certificates, err := certificatesFrom(text, t.material)
	if err != nil {
		return nil, err
	}
	if len(certificates) == 0 {
		return nil, errors.New("it holds no certificate of an authority")
	}
	pool := x509.NewCertPool()
	for _, c := range certificates {
		pool.AddCert(c)
	}
	return pool, nil
}

func (v *values) trustSource() (trustSource, bool) {
	var ways []trustSource
	if e, ok := v.take("ssl.truststore.location"); ok {
		ways = append(ways, trustSource{e, material{
			file: e.value, kind: v.storeKind("ssl.truststore.type"), password: v.text("ssl.truststore.password")}})
	}
	if e, ok := v.take("ssl.ca.location"); ok && e.value != "probe" {
		ways = append(ways, trustSource{e, pemMaterial(e.value, false)})
	}
	for _, name := range []string{"ssl.truststore.certificates", "ssl.ca.pem"} {
		if e, ok := v.take(name); ok {
			ways = append(ways, trustSource{e, pemMaterial(e.value, true)})
		}
	}
	if len(ways) == 0 {
		return trustSource{}, false
	}
	if len(ways) > 1 {
		v.fault(ways[1].entry, "authorities are given already by %s (%s): keep one of them", ways[0].entry.name, ways[0].entry.where)
		return trustSource{}, false
	}
	return ways[0], true
}
