// Keyed: messages of one key share a partition and, inside it, a worker, so their
// order holds, also with several workers for each partition.
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
		ekaf.Workers(3),
		// ByKey places keys as the Java client does. Phash2 is the Erlang ekaf's
		// picker, Custom your own. The second strategy is for messages without a key.
		ekaf.Strategy(ekaf.ByKey(), ekaf.StrictRoundRobin()),
	)
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	for step := range 100 {
		for _, user := range []string{"ada", "grace", "joan", "lin"} {
			m := ekaf.KeyValue(user, fmt.Sprintf("%s %d", user, step))
			if step == 99 {
				m = m.Then(func(ack ekaf.Ack, err error) {
					log.Printf("%s: partition %d, worker %d, %v", user, ack.Partition, ack.Worker, err)
				})
			}
			if err := p.ProduceAsync(ctx, "events", m); err != nil {
				log.Print(err)
			}
		}
	}
	if err := p.Close(ctx); err != nil {
		log.Fatal(err)
	}
}
