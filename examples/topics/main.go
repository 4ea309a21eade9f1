// Topics: any option that concerns topics may be given for all of them and again
// for one. A handle of a topic spares hot paths the look-up by name.
package main

import (
	"cmp"
	"context"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/ekaf-go/ekaf"
)

func main() {
	p, err := ekaf.New(
		ekaf.Brokers(cmp.Or(os.Getenv("EKAF_BROKERS"), "localhost:9092")),
		ekaf.Compression(ekaf.LZ4), // for all topics ...
		ekaf.Topic("clicks", // ... and for this one
			ekaf.Acks(ekaf.AcksLeader),
			ekaf.Strategy(ekaf.StickyRoundRobin(1000)),
			ekaf.WhenFull(ekaf.DropOldest),
			ekaf.DeliveryTimeout(time.Minute),
		),
		ekaf.Topic("events",
			ekaf.Compression(ekaf.NoCompression),
			ekaf.TopicBufferMessages(1_000_000),
		),
	)
	if err != nil {
		log.Fatal(err) // every fault of the configuration at once
	}
	fmt.Print(p) // the options in force, without secrets

	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	events, err := p.Topic("events")
	if err != nil {
		log.Fatal(err)
	}
	line := make([]byte, 0, 64)
	for i := range 1000 {
		line = fmt.Appendf(line[:0], "event %d", i) // a verb keeps no slice of yours
		if err := events.ProduceAsync(ctx, ekaf.Value(line)); err != nil {
			log.Print(err)
		}
	}
	if err := p.Close(ctx); err != nil {
		log.Fatal(err)
	}
}
