package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	probeTopic = "probe"
	probeEvery = 50 * time.Millisecond
	probeLasts = 2 * time.Second // one attempt
)

// probe tries to produce every 50 ms, each time by a client that knows nothing
// of earlier attempts, and returns at the first ack.
func (r *outageRun) probe(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	acked := make(chan struct{}, 1)
	ticks := time.NewTicker(probeEvery)
	defer ticks.Stop()
	for {
		go func() {
			if r.attempt(ctx) == nil {
				select {
				case acked <- struct{}{}:
				default:
				}
			}
		}()
		select {
		case <-acked:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("the brokers do not come back: %w", ctx.Err())
		case <-ticks.C:
		}
	}
}

func (r *outageRun) attempt(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeLasts)
	defer cancel()
	client, err := kgo.NewClient(append(r.cluster.ClientOpts(), kgo.SeedBrokers(r.cluster.Addrs()...), kgo.DisableIdempotentWrite())...)
	if err != nil {
		return err
	}
	defer client.Close()
	return client.ProduceSync(ctx, &kgo.Record{Topic: probeTopic, Value: []byte("probe")}).FirstErr()
}
