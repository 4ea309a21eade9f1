// Workers: Pick chooses a worker as the topic's strategy would, and what is
// produced through it goes to it.
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
	p, err := ekaf.New(
		ekaf.Brokers(cmp.Or(os.Getenv("EKAF_BROKERS"), "localhost:9092")),
		ekaf.Workers(2),
		ekaf.WorkersMax(4), // while there is a backlog
		ekaf.Strategy(ekaf.StrictRoundRobin()),
		ekaf.ConnectionsPer(ekaf.PerWorker), // as the original; PerBroker is cheaper
	)
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	if _, err := p.Pick("events", nil); errors.Is(err, ekaf.ErrTryAgain) {
		log.Print("partitions are not known yet: prepare, or pick without waiting")
	}
	picked := make(chan struct{})
	p.PickAsync(ctx, "events", nil, func(w ekaf.Worker, err error) {
		defer close(picked)
		if err != nil {
			log.Print(err)
			return
		}
		log.Printf("partition %d, worker %d, led by broker %d", w.Partition(), w.Index(), w.Broker())
	})
	<-picked

	if err := p.Prepare(ctx, "events"); err != nil { // metadata and connections
		log.Fatal(err)
	}
	for range 6 {
		w, err := p.Pick("events", nil)
		if err != nil {
			log.Fatal(err)
		}
		if err := w.Produce(ctx, ekaf.Value("straight to a worker")); err != nil {
			log.Print(err)
		}
	}
	if err := p.Flush(ctx); err != nil {
		log.Print(err)
	}
	info := p.Info("events")
	log.Printf("%s is %v, %d messages wait", info.Topic, info.State, info.Waiting)
	for _, w := range info.Workers {
		log.Printf("  partition %d, worker %d: %s at broker %d", w.Partition, w.Worker, w.State, w.Broker)
	}
	if err := p.Close(ctx); err != nil {
		log.Fatal(err)
	}
}
