// Batch: lists of messages through the batched verbs, which wait for more until
// BatchRecords, BatchBytes or Linger closes a batch. The receipt tells where the
// messages wait, as the original ekaf's {buffered, Partition, Size} did.
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
		ekaf.Linger(100*time.Millisecond),
		ekaf.Compression(ekaf.Zstd), // large batches compress well
	)
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	for page := range 10 {
		list := make([]ekaf.Message, 100)
		for i := range list {
			list[i] = ekaf.KeyValue(fmt.Sprint("user", i%7), fmt.Sprint("event ", page*len(list)+i))
		}
		receipt, err := p.ProduceSyncBatched(ctx, "events", list...) // waits for room, not for acks
		if err != nil {
			log.Fatal(err)
		}
		for b := range receipt.All() { // a keyed list is split by key
			log.Printf("partition %d, worker %d: %d messages wait", b.Partition, b.Worker, b.Messages)
		}
	}
	if err := p.Flush(ctx); err != nil { // all outcomes are known
		log.Print(err)
	}
	s := p.Stats()
	log.Printf("%d acked, in %d batches of %.0f on average", s.Acked, s.Batches, s.BatchMessages())
	if err := p.Close(ctx); err != nil {
		log.Fatal(err)
	}
}
