package main

import (
	"context"
	"net"
	"testing"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/bench/broker"
	"github.com/ekaf-go/ekaf/bench/usage"
)

// BenchmarkDelivery is a call of a hundred messages and its share of what follows, to
// the ack: by a producer whose life was calm, by one that lived through outages (what
// these set in motion must be over), by one that reports its events, and by one without
// ids and sequence numbers. Compare them, one round after the other, with
//
//	for i in $(seq 10); do go test -run '^$' -bench Delivery .; done | benchstat -col /life -
func BenchmarkDelivery(b *testing.B) {
	newDelivery(b).calls(b, 20_000) // the first one in a process pays for a cold start
	for _, life := range []struct {
		name    string
		outages int
		options []ekaf.Option
	}{
		{name: "calm"},
		{name: "outages", outages: 20},
		{name: "events", options: []ekaf.Option{ekaf.OnEvent(func(ekaf.Event) {})}},
		{name: "no-ids", options: []ekaf.Option{ekaf.Idempotence(false)}},
	} {
		b.Run("life="+life.name, func(b *testing.B) {
			d := newDelivery(b, life.options...)
			d.calls(b, 2000)
			for range life.outages {
				d.broker.SetAway(true)
				d.hand(b, 20)
				d.broker.SetAway(false)
				d.calls(b, 20)
			}
			b.ReportAllocs()
			b.ResetTimer()
			before, _ := usage.Read()
			d.calls(b, b.N)
			after, _ := usage.Read()
			b.ReportMetric(float64(after-before)/float64(b.N), "cpu-ns/op") // the broker's too
		})
	}
}

// delivery is a producer beside a broker in the same process.
type delivery struct {
	broker   *broker.Broker
	producer *ekaf.Producer
	messages []ekaf.Message
}

func newDelivery(b *testing.B, options ...ekaf.Option) *delivery {
	b.Helper()
	d := &delivery{}
	var err error
	if d.broker, err = broker.New(broker.Config{Topics: map[string]int{"events": 4}}); err != nil {
		b.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- d.broker.Serve(listener) }()
	b.Cleanup(func() {
		if err := d.broker.Close(); err != nil {
			b.Error(err)
		}
		if err := <-served; err != nil {
			b.Error(err)
		}
	})
	d.producer, err = ekaf.New(append(options, ekaf.Brokers(listener.Addr().String()), ekaf.WhenFull(ekaf.Block))...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := d.producer.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	value := make([]byte, 100)
	for range 100 {
		d.messages = append(d.messages, ekaf.Message{Value: value})
	}
	return d
}

// hand hands over n calls.
func (d *delivery) hand(b *testing.B, n int) {
	b.Helper()
	for range n {
		if err := d.producer.ProduceAsyncFunc(context.Background(), "events", nobody, d.messages...); err != nil {
			b.Fatal(err)
		}
	}
}

// calls hands over n calls, and waits for their acks.
func (d *delivery) calls(b *testing.B, n int) {
	b.Helper()
	failed := d.producer.Stats().Failed
	d.hand(b, n)
	if err := d.producer.Flush(context.Background()); err != nil {
		b.Fatal(err)
	}
	if failed != d.producer.Stats().Failed {
		b.Fatal("messages failed")
	}
}

func nobody(ekaf.Acked, error) {}
