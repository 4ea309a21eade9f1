// Callbacks: one for a single message, or one for a whole call. Each runs
// exactly once for what was accepted, one after another on the producer's
// callback goroutine.
package main

import (
	"cmp"
	"context"
	"errors"
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

	login := ekaf.KeyValue("user1", "login").Then(func(ack ekaf.Ack, err error) {
		if err != nil {
			report(err)
			return
		}
		log.Printf("%s[%d] at offset %d", ack.Topic, ack.Partition, ack.Offset)
	})
	if err := p.ProduceAsync(ctx, "events", login); err != nil {
		log.Print("not accepted: ", err)
	}

	all := func(acked ekaf.Acked, err error) {
		if err == nil {
			log.Printf("all %d are in Kafka", acked.Len())
			return
		}
		for i, ack := range acked.All() {
			if ack.Err != nil {
				log.Print("message ", i, " of the call:")
				report(ack.Err)
			}
		}
	}
	if err := p.ProduceAsyncFunc(ctx, "events", all, ekaf.Values("a", "b", "c")...); err != nil {
		log.Print("not accepted: ", err)
	}

	end, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := p.Close(end); err != nil { // waits for the callbacks
		log.Fatal(err)
	}
}

// report shows what a failure tells: whether to produce the message again.
func report(err error) {
	failure, ok := errors.AsType[*ekaf.DeliveryError](err)
	switch {
	case !ok:
		log.Print(err)
	case failure.MaybeWritten:
		log.Print(err, ": produced again, it may be in Kafka twice")
	case failure.Retriable:
		log.Print(err, ": produced again, it may well succeed")
	default:
		log.Print(err, ": produced again, it will fail again")
	}
}
