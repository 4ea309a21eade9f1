package conn

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// CertificateReloader gives a function for tls.Config.GetClientCertificate which reads the PEM files again whenever
// they have changed (time or size, looked at in each handshake), so that renewed certificates need no restart. While
// the new pair is unusable, which is normal between the renewal of the two files, the last good one is served, and
// logger (nil: none) is told once per change. The first pair must be good. The function is safe for concurrent use.
//
// A living connection keeps its certificate: Kafka does not ask for it again.
func CertificateReloader(certFile, keyFile string, logger *slog.Logger) (func(*tls.CertificateRequestInfo) (*tls.Certificate, error), error) {
	if logger == nil {
		logger = slog.New(slog.DiscardHandler)
	}
	r := &certificateFiles{certFile: certFile, keyFile: keyFile, logger: logger}
	stamps, err := r.look()
	if err != nil {
		return nil, err
	}
	if err := r.load(stamps); err != nil {
		return nil, err
	}
	return func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return r.current(), nil }, nil
}

type certificateFiles struct {
	certFile, keyFile string
	logger            *slog.Logger

	mu     sync.Mutex // guards the following, and makes one of many handshakes do the reading
	stamps [2]fileStamp
	lost   bool // the files could not be looked at the last time
	pair   *tls.Certificate
}

type fileStamp struct {
	modified time.Time
	size     int64
}

func (r *certificateFiles) look() (stamps [2]fileStamp, err error) {
	for i, name := range []string{r.certFile, r.keyFile} {
		info, err := os.Stat(name)
		if err != nil {
			return stamps, fmt.Errorf("cannot look at the TLS certificate or key: %w", err)
		}
		stamps[i] = fileStamp{info.ModTime(), info.Size()}
	}
	return stamps, nil
}

// load reads the pair. The stamps were taken before, so that a file replaced while it is read has changed again when
// looked at the next time; they are kept also if the pair is bad, so that it is read, and logged, once.
func (r *certificateFiles) load(stamps [2]fileStamp) error {
	r.stamps = stamps
	pair, err := tls.LoadX509KeyPair(r.certFile, r.keyFile)
	if err != nil {
		return fmt.Errorf("cannot use TLS certificate %s with key %s: %w", r.certFile, r.keyFile, err)
	}
	r.pair = &pair
	return nil
}

func (r *certificateFiles) current() *tls.Certificate {
	r.mu.Lock()
	defer r.mu.Unlock()
	stamps, err := r.look()
	if err != nil {
		if !r.lost {
			r.logger.Warn("keeping the last good TLS certificate", "reason", err)
		}
		r.lost = true
		return r.pair
	}
	r.lost = false
	if stamps == r.stamps {
		return r.pair
	}
	if err := r.load(stamps); err != nil {
		r.logger.Warn("keeping the last good TLS certificate", "reason", err)
	} else {
		r.logger.Info("TLS certificate read again", "file", r.certFile)
	}
	return r.pair
}

// LoadCAPool reads the certificates of authorities from PEM files, for tls.Config.RootCAs. A file without any is an
// error. With system set they are added to the ones the system trusts.
func LoadCAPool(system bool, files ...string) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if system {
		var err error
		if pool, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("cannot read the system's trusted certificates: %w", err)
		}
	}
	for _, name := range files {
		pem, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("cannot read the trusted certificates: %w", err)
		}
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("cannot find a certificate in %s: it must hold PEM blocks of type CERTIFICATE", name)
		}
	}
	return pool, nil
}
