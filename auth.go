package ekaf

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/aws"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/ekaf-go/ekaf/internal/conn"
)

// Auth is how the producer authenticates (SASL). Its String is the mechanism's
// name alone: no secret is ever printed.
type Auth struct {
	name      string
	mechanism func(ctx context.Context) (sasl.Mechanism, error) // nil: there is none, and New says what is missing
	missing   string
}

func (a Auth) String() string { return a.name }

// Plain is SASL PLAIN: user and password in the clear, so use it with TLS.
func Plain(user, password string) Auth {
	return Mechanism(plain.Auth{User: user, Pass: password}.AsMechanism())
}

// ScramSHA256 is SASL SCRAM-SHA-256.
func ScramSHA256(user, password string) Auth {
	return Mechanism(scram.Auth{User: user, Pass: password}.AsSha256Mechanism())
}

// ScramSHA512 is SASL SCRAM-SHA-512.
func ScramSHA512(user, password string) Auth {
	return Mechanism(scram.Auth{User: user, Pass: password}.AsSha512Mechanism())
}

// Token is an OAUTHBEARER token with its SASL extensions.
type Token struct {
	Value      string
	Extensions map[string]string
}

// OAuthBearer is SASL OAUTHBEARER. The callback is asked for a token at every
// connection, and again before a session ends, so that a token may expire. If it
// panics, the connection fails with that as its reason.
func OAuthBearer(token func(ctx context.Context) (Token, error)) Auth {
	if token == nil {
		return Auth{name: "OAUTHBEARER", missing: "OAuthBearer needs a function that gives a token"}
	}
	return Auth{name: "OAUTHBEARER", mechanism: func(ctx context.Context) (sasl.Mechanism, error) {
		t, err := token(ctx)
		if err != nil {
			return nil, err
		}
		if t.Value == "" {
			return nil, errors.New("the token callback gave an empty token")
		}
		return oauth.Auth{Token: t.Value, Extensions: t.Extensions}.AsMechanism(), nil
	}}
}

// AWSCredentials sign in to Amazon MSK.
type AWSCredentials struct {
	AccessKey    string
	SecretKey    string
	SessionToken string
	UserAgent    string
}

// AWSMSKIAM is SASL AWS_MSK_IAM. The callback is asked for credentials at every
// connection, and again before a session ends. If it panics, the connection fails
// with that as its reason.
func AWSMSKIAM(credentials func(ctx context.Context) (AWSCredentials, error)) Auth {
	if credentials == nil {
		return Auth{name: "AWS_MSK_IAM", missing: "AWSMSKIAM needs a function that gives credentials"}
	}
	return Auth{name: "AWS_MSK_IAM", mechanism: func(ctx context.Context) (sasl.Mechanism, error) {
		c, err := credentials(ctx)
		if err != nil {
			return nil, err
		}
		return aws.Auth{
			AccessKey:    c.AccessKey,
			SecretKey:    c.SecretKey,
			SessionToken: c.SessionToken,
			UserAgent:    c.UserAgent,
		}.AsManagedStreamingIAMMechanism(), nil
	}}
}

// Mechanism authenticates with any mechanism of franz-go's sasl packages, such
// as Kerberos (GSSAPI) from github.com/twmb/franz-go/pkg/sasl/kerberos.
func Mechanism(m sasl.Mechanism) Auth {
	if m == nil {
		return Auth{missing: "Mechanism needs a mechanism, not nil"}
	}
	return Auth{name: m.Name(), mechanism: func(context.Context) (sasl.Mechanism, error) { return m, nil }}
}

// TLSFiles speaks TLS with PEM files: caFile holds the authorities to trust
// ("": the system's), certFile and keyFile the client's own certificate for mTLS
// (both or neither). Certificate and key are read again when the files change,
// so that they can be rotated without a restart. It stands instead of TLS: New
// refuses the two together.
func TLSFiles(caFile, certFile, keyFile string) Option {
	return forProducer("TLSFiles", func(s *settings) {
		s.tlsFiles = true
		config, err := tlsFromFiles(caFile, certFile, keyFile, s.logger)
		if err != nil {
			s.fault("TLSFiles: %w", err)
			return
		}
		s.tls = config
	})
}

func tlsFromFiles(caFile, certFile, keyFile string, logger *slog.Logger) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile != "" {
		pool, err := conn.LoadCAPool(false, caFile)
		if err != nil {
			return nil, err
		}
		config.RootCAs = pool
	}
	if certFile == "" && keyFile == "" {
		return config, nil
	}
	if certFile == "" || keyFile == "" {
		return nil, errors.New("a client certificate needs both its file and its key's")
	}
	reload, err := conn.CertificateReloader(certFile, keyFile, logger)
	if err != nil {
		return nil, err
	}
	config.GetClientCertificate = reload
	return config, nil
}
