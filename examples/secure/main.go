// Secure: TLS with an authority of your own, and SCRAM. KAFKA_CA names a PEM
// file; KAFKA_USER and KAFKA_PASSWORD are the credentials.
package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log"
	"log/slog"
	"os"
	"time"

	"github.com/ekaf-go/ekaf"
)

func main() {
	authorities, err := trusted(os.Getenv("KAFKA_CA"))
	if err != nil {
		log.Fatal(err)
	}
	p, err := ekaf.New(
		ekaf.Brokers(cmp.Or(os.Getenv("EKAF_BROKERS"), "localhost:9093")),
		ekaf.TLS(&tls.Config{RootCAs: authorities}),
		ekaf.SASL(ekaf.ScramSHA512(os.Getenv("KAFKA_USER"), os.Getenv("KAFKA_PASSWORD"))),
		ekaf.Logger(slog.Default()), // says in words what is wrong with a connection
	)
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	defer p.Close(ctx)
	ack, err := p.ProduceSync(ctx, "events", ekaf.Value("hello"))
	if err != nil {
		log.Fatal(err)
	}
	log.Printf("offset %d", ack.Offset)
}

// trusted is the system's authorities, and those in the file.
func trusted(file string) (*x509.CertPool, error) {
	pool, err := x509.SystemCertPool()
	if err != nil || file == "" {
		return pool, err
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}
