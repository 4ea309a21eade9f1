// Fire and forget: hand messages over and go on. The network is never waited
// for; Close delivers what is left, for as long as its context allows.
package main

import (
	"cmp"
	"context"
	"log"
	"os"
	"time"

	"github.com/ekaf-go/ekaf"
)

func main() {
	p, err := ekaf.New(ekaf.Brokers(cmp.Or(os.Getenv("EKAF_BROKERS"), "localhost:9092")))
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	for range 100 {
		if err := p.ProduceAsync(ctx, "events", ekaf.Value("hello")); err != nil {
			log.Print("not accepted: ", err) // the buffer is full: the message is yours again
		}
	}
	end, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := p.Close(end); err != nil {
		log.Fatal(err) // how many messages were not delivered, and why
	}
}
