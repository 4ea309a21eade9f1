package listen

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"github.com/ekaf-go/ekaf/internal/conn"
)

// TLS names the files of a server's TLS, all PEM.
type TLS struct {
	Certificate string // of the server, with its chain
	Key         string
	// Authorities are those whose client certificates are taken (mTLS). "": clients
	// are not asked for one.
	Authorities string
	// Required: clients without a certificate are not let in at all. Otherwise they
	// may show who they are in another way.
	Required bool
}

// On reports whether there is to be TLS.
func (t TLS) On() bool { return t.Certificate != "" || t.Key != "" }

// Check reports what keeps the files from being used.
func (t TLS) Check() error {
	if !t.On() && t.Authorities == "" && !t.Required {
		return nil
	}
	_, err := t.load(nil)
	return err
}

func (t TLS) check() error {
	switch {
	case t.Certificate == "" || t.Key == "":
		return errors.New("TLS needs a certificate and its key: give --tls-certificate and --tls-key")
	case t.Required && t.Authorities == "":
		return errors.New("--tls-client-required: client certificates cannot be required without the authorities that sign them")
	}
	return nil
}

// Secure is a TLS configuration whose files may be replaced. Certificate and key
// are read again whenever they have changed; the authorities when Replace is
// called. Safe for concurrent use.
type Secure struct {
	logger *slog.Logger
	now    atomic.Pointer[tls.Config]
}

// NewSecure reads the files. logger is told when files that have changed cannot
// be used, and so the old ones serve; nil: nobody is.
func NewSecure(t TLS, logger *slog.Logger) (*Secure, error) {
	s := &Secure{logger: logger}
	return s, s.Replace(t)
}

// Replace reads all files again. If they are not good, the old ones stay.
func (s *Secure) Replace(t TLS) error {
	config, err := t.load(s.logger)
	if err == nil {
		s.now.Store(config)
	}
	return err
}

func (t TLS) load(logger *slog.Logger) (*tls.Config, error) {
	if err := t.check(); err != nil {
		return nil, err
	}
	reload, err := conn.CertificateReloader(t.Certificate, t.Key, logger)
	if err != nil {
		return nil, fmt.Errorf("--tls-certificate and --tls-key: %w", err)
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return reload(nil) },
	}
	if t.Authorities == "" {
		return config, nil
	}
	text, err := os.ReadFile(t.Authorities)
	if err != nil {
		return nil, fmt.Errorf("--tls-client-authorities: %w", err)
	}
	config.ClientCAs, config.ClientAuth = x509.NewCertPool(), tls.VerifyClientCertIfGiven
	if !config.ClientCAs.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("--tls-client-authorities: %s holds no certificate of an authority (PEM)", t.Authorities)
	}
	if t.Required {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	return config, nil
}

// Config is for a server: each handshake is done with the files as they are then.
func (s *Secure) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return s.now.Load(), nil },
	}
}
