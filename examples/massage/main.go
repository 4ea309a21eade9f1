// Massage: a hook that sees each closed batch and may rewrite it, N messages to
// M. This one makes one large JSON message of a batch, as the original's
// encode_messages_as_one_large_json did.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"log"
	"os"
	"time"

	"github.com/ekaf-go/ekaf"
)

func main() {
	p, err := ekaf.New(
		ekaf.Brokers(cmp.Or(os.Getenv("EKAF_BROKERS"), "localhost:9092")),
		ekaf.Topic("events", ekaf.MassageBuffer(oneLargeJSON), ekaf.BatchRecords(50), ekaf.Linger(time.Second)),
	)
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for range 200 {
		if _, err := p.ProduceAsyncBatched(ctx, "events", ekaf.Value(`{"event":"click"}`)); err != nil {
			log.Print(err)
		}
	}
	if err := p.Close(ctx); err != nil {
		log.Fatal(err)
	}
}

// oneLargeJSON may not keep the messages or their bytes: they are the hook's
// only until it returns.
func oneLargeJSON(topic string, messages []ekaf.Message) []ekaf.Message {
	list := make([]json.RawMessage, 0, len(messages))
	for _, m := range messages {
		if json.Valid(m.Value) {
			list = append(list, m.Value)
		}
	}
	joined, err := json.Marshal(list)
	if err != nil {
		log.Print(err)
		return messages
	}
	return []ekaf.Message{ekaf.Value(joined)}
}
