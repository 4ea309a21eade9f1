// Sync: wait for the ack of one message, or of many. The wait ends at the
// context; what was not on the wire by then is withdrawn and never sent.
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
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	defer p.Close(ctx)

	ack, err := p.ProduceSync(ctx, "events", ekaf.KeyValue("user1", "login"))
	switch {
	case errors.Is(err, ekaf.ErrWithdrawn):
		log.Fatal("no broker in time; the message was taken back: ", err)
	case err != nil:
		log.Fatal(err)
	}
	log.Printf("partition %d, worker %d, offset %d, %v", ack.Partition, ack.Worker, ack.Offset, ack.Timestamp)

	acked, err := p.ProduceSync(ctx, "events",
		ekaf.Value("a"),
		ekaf.KeyValue("user2", "b").WithHeader("source", []byte("example")),
		ekaf.Value("c").OnPartition(0).At(time.Now().Add(-time.Hour)),
	)
	if err != nil {
		log.Print("at least one failed: ", err)
	}
	for i, ack := range acked.All() {
		log.Println(i, ack.Partition, ack.Offset, ack.Err)
	}
}
