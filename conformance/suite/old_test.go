package suite

import (
	"context"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// TestBrokerTooOld: a broker that offers no version of Produce we can write gets
// nothing and ends nothing; callers are told by their own contexts.
func TestBrokerTooOld(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.KafkaVersion("0.10.2"), ekaftest.Brokers(2), ekaftest.Topic("events", 4))
	p, err := ekaf.New(ekaf.Brokers(c.Addrs()...), ekaf.Acks(ekaf.AcksLeader),
		ekaf.Workers(3), ekaf.ConnectionsPer(ekaf.PerWorker), ekaf.Strategy(ekaf.StrictRoundRobin()),
		ekaf.Backoff(time.Millisecond, time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	for range 12 { // a message and a connection for each worker
		if err := p.ProduceAsync(ctx, "events", ekaf.Value("v")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.ProduceSync(ctx, "events", ekaf.Value("v")); err == nil {
		t.Error("a broker of Kafka 0.10 took a record batch")
	}
	_ = p.Close(ctx) // nothing is left to deliver, or the context is over
	if seen, err := c.Consume("events"); err != nil || len(seen) != 0 {
		t.Errorf("the topic holds %d messages, %v", len(seen), err)
	}
}
