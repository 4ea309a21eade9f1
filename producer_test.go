package ekaf_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

func newProducer(t *testing.T, c *ekaftest.Cluster, options ...ekaf.Option) *ekaf.Producer {
	t.Helper()
	p, err := ekaf.New(append([]ekaf.Option{ekaf.Brokers(c.Addrs()...)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = p.Close(ctx)
	})
	return p
}

func TestProduceSync(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 3))
	p := newProducer(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for i := range 20 {
		ack, err := p.ProduceSync(ctx, "events", ekaf.KeyValue(fmt.Sprint("k", i), fmt.Sprint("v", i)))
		if err != nil {
			t.Fatal(err)
		}
		if ack.Topic != "events" || ack.Offset < 0 {
			t.Fatalf("ack %+v", ack)
		}
	}
	acked, err := p.ProduceSync(ctx, "events", ekaf.Value("a"), ekaf.KeyValue("k", "b"), ekaf.Value("c"))
	if err != nil || acked.Len() != 3 {
		t.Fatal(acked, err)
	}
	seen, err := c.WaitFor(ctx, "events", 23)
	if err != nil || len(seen) != 23 {
		t.Fatal(len(seen), err)
	}
	for i := range 1000 {
		if _, err := p.ProduceAsyncBatched(ctx, "events", ekaf.KeyValue(fmt.Sprint(i), "x")); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	if seen, err = c.WaitFor(ctx, "events", 1023); err != nil || len(seen) != 1023 {
		t.Fatal(len(seen), err)
	}
}
