// StatsD: events as metrics. Each worker owns a UDP socket, so that no client of
// statsd becomes a bottleneck; the handler chooses what to push. STATSD_ADDR
// names the server.
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
		ekaf.StatsD(cmp.Or(os.Getenv("STATSD_ADDR"), "127.0.0.1:8125")),
		ekaf.OnEvent(push),
	)
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for range 20 {
		if _, err := p.ProduceSync(ctx, "events", ekaf.Value("hello")); err != nil {
			log.Print(err)
		}
	}
	if err := p.Close(ctx); err != nil {
		log.Fatal(err)
	}
}

// push runs on the producer's event goroutine, in the order of the events; were
// it slow, later events would wait, and no message.
func push(e ekaf.Event) {
	name := fmt.Sprintf("%s.%v.broker%d.%d", e.Topic, e.Kind, e.Broker, e.Partition)
	switch e.Kind {
	case ekaf.EventFlush:
		e.StatsD().Gauge(name, int64(e.Messages))
	case ekaf.EventFlushedReplied:
		e.StatsD().Timing(name+".diff", e.Took)
	case ekaf.EventWorkerUp, ekaf.EventWorkerDown, ekaf.EventWorkerStillDown, ekaf.EventRetry:
		e.StatsD().Count(name, 1)
	case ekaf.EventDowntimeSaved, ekaf.EventDowntimeReplayed, ekaf.EventDropped:
		e.StatsD().Count(name, int64(e.Messages))
	case ekaf.EventTimeDown:
		e.StatsD().Timing(name, e.Took)
	case ekaf.EventDataLoss, ekaf.EventUndecidable:
		log.Print(e.Kind, " ", e.Topic, ": ", e.Err) // somebody should know
	}
}
