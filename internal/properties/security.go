package properties

import (
	"crypto/tls"
	"slices"
	"strings"

	"github.com/ekaf-go/ekaf"
)

// security reads security.protocol and what it calls for. Credentials or
// certificates that the protocol would leave unused are a fault: whoever gave
// them believes that they protect something.
func (v *values) security(c *Config) {
	protocol, useTLS, useSASL := v.protocol()
	if useTLS {
		v.tls(c)
	} else {
		v.unusedFor(protocol, "SSL or SASL_SSL", tlsNames)
	}
	if useSASL {
		v.sasl(c)
	} else {
		v.unusedFor(protocol, "SASL_SSL or SASL_PLAINTEXT", saslNames)
	}
}

func (v *values) protocol() (name string, useTLS, useSASL bool) {
	e, ok := v.take("security.protocol")
	if !ok {
		return "PLAINTEXT, Kafka's default", false, false
	}
	switch name = strings.ToUpper(e.value); name {
	case "PLAINTEXT":
		return name, false, false
	case "SSL":
		return name, true, false
	case "SASL_PLAINTEXT":
		return name, false, true
	case "SASL_SSL":
		return name, true, true
	}
	v.fault(e, "it must be PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")
	return name, true, true // so that the rest is checked, and not called unused
}

var tlsNames = []string{
	"ssl.ca.location", "ssl.ca.pem", "ssl.certificate.location", "ssl.certificate.pem", "ssl.key.location", "ssl.key.pem",
	"ssl.keystore.location", "ssl.keystore.certificate.chain", "ssl.keystore.key", "ssl.truststore.location", "ssl.truststore.certificates",
}

var saslNames = []string{
	"sasl.mechanism", "sasl.jaas.config", "sasl.username", "sasl.password", "sasl.oauthbearer.token",
	"sasl.oauthbearer.token.endpoint.url", "sasl.oauthbearer.client.id", "sasl.oauthbearer.client.secret", "sasl.kerberos.keytab",
}

func (v *values) unusedFor(protocol, wanted string, list []string) {
	for _, name := range list {
		if e, ok := v.take(name); ok {
			v.fault(e, "it would not be used, because security.protocol is %s: set security.protocol to %s", protocol, wanted)
			return
		}
	}
}

// tls builds the configuration. The files are read now, to find faults, and
// again whenever they have changed.
func (v *values) tls(c *Config) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	v.tlsVersions(config)
	v.cipherSuites(config)
	if key, ok := v.keySource(); ok {
		pair := newWatched(key.files(), key.load)
		if _, err := pair.get(); err != nil {
			v.fault(key.entry, "%w", err)
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return pair.get() }
	}
	check := checking{chain: true, name: true}
	if on, e, ok := v.boolean("enable.ssl.certificate.verification"); ok && !on {
		check = checking{}
		v.note(e, "certificates are not verified: whoever sits in between can read and change everything")
	}
	if e, there := v.by["ssl.endpoint.identification.algorithm"]; there && check.chain {
		switch strings.ToLower(e.value) {
		case "https":
		case "", "none":
			check.name = false
			v.note(e, "the brokers' names are not checked against their certificates")
		default:
			v.fault(e, "it must be https, or none")
		}
	}
	v.trust(config, check)
	c.TLS = config
	c.add(ekaf.TLS(config))
}

func (v *values) trust(config *tls.Config, check checking) {
	trust, own := v.trustSource()
	if own {
		pool := newWatched(trust.files(), trust.load)
		if _, err := pool.get(); err != nil {
			v.fault(trust.entry, "%w", err)
		}
		check.roots = pool
	}
	if own || !check.name {
		check.install(config)
	}
}

var tlsVersionNames = map[string]uint16{"TLSV1.2": tls.VersionTLS12, "TLSV1.3": tls.VersionTLS13}

func (v *values) tlsVersions(config *tls.Config) {
	e, ok := v.take("ssl.enabled.protocols")
	if !ok {
		return
	}
	var versions []uint16
	for name := range strings.SplitSeq(e.value, ",") {
		if version, ok := tlsVersionNames[strings.ToUpper(strings.TrimSpace(name))]; ok {
			versions = append(versions, version)
		} else {
			v.note(e, "only TLSv1.2 and TLSv1.3 are spoken; others in the list are left out")
		}
	}
	if len(versions) == 0 {
		v.fault(e, "it must name TLSv1.2 or TLSv1.3")
		return
	}
	config.MinVersion, config.MaxVersion = slices.Min(versions), slices.Max(versions)
}

// cipherSuites takes Java's names, which are those of the standards. TLS 1.3
// suites are always on in Go; naming them is accepted.
func (v *values) cipherSuites(config *tls.Config) {
	e, ok := v.take("ssl.cipher.suites")
	if !ok {
		return
	}
	byName := map[string]uint16{}
	for _, suite := range tls.CipherSuites() {
		byName[suite.Name] = suite.ID
	}
	for name := range strings.FieldsFuncSeq(e.value, func(r rune) bool { return strings.ContainsRune(",: ", r) }) {
		id, ok := byName[name]
		if !ok {
			v.fault(e, "%q is not a cipher suite that Go offers: use names such as TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", name)
			continue
		}
		config.CipherSuites = append(config.CipherSuites, id)
	}
}
