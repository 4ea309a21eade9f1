// Secure: TLS with PEM files, and SCRAM. KAFKA_CA names the authority's
// certificate (unset: the system's authorities are trusted), KAFKA_CERT and
// KAFKA_KEY your own if brokers want one; KAFKA_USER and KAFKA_PASSWORD are the
// credentials.
package main

import (
	"cmp"
	"context"
	"log"
	"log/slog"
	"os"
	"time"

	"github.com/ekaf-go/ekaf"
)

func main() {
	p, err := ekaf.New(
		ekaf.Brokers(cmp.Or(os.Getenv("EKAF_BROKERS"), "localhost:9093")),
		ekaf.TLSFiles(os.Getenv("KAFKA_CA"), os.Getenv("KAFKA_CERT"), os.Getenv("KAFKA_KEY")),
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
