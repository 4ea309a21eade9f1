// HTTP: a server that publishes what is posted to it, and shuts down in order:
// first no new requests, then what was accepted goes to Kafka. LISTEN names the
// address.
//
//	curl -d login localhost:8080/events
package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/ekaf-go/ekaf"
)

func main() {
	p, err := ekaf.New(ekaf.Brokers(cmp.Or(os.Getenv("EKAF_BROKERS"), "localhost:9092")))
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{topic}", publish(p))
	server := &http.Server{Addr: cmp.Or(os.Getenv("LISTEN"), "localhost:8080"), Handler: mux, ReadHeaderTimeout: 10 * time.Second}

	stop, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	select {
	case err := <-failed:
		log.Print(err)
	case <-stop.Done():
	}

	end, cancelEnd := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancelEnd()
	if err := server.Shutdown(end); err != nil { // requests under way are answered
		log.Print(err)
	}
	if err := p.Close(end); err != nil { // and what they brought is delivered
		log.Fatal(err)
	}
}

// maxBody is Kafka's own usual limit of a message.
const maxBody = 1_000_000

func publish(p *ekaf.Producer) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
			return
		}
		err = p.ProduceAsync(r.Context(), r.PathValue("topic"), ekaf.Value(body))
		switch {
		case err == nil:
			w.WriteHeader(http.StatusAccepted) // in the buffer, not yet in Kafka
		case errors.Is(err, ekaf.ErrFull), errors.Is(err, ekaf.ErrClosed):
			w.Header().Set("Retry-After", "1")
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		case errors.Is(err, ekaf.ErrTooLarge):
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		default:
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	}
}
