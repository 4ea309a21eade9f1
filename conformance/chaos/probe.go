package main

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	probeTopic = "probe"
	probeEvery = 50 * time.Millisecond // in an outage run
	probeLasts = 2 * time.Second       // one attempt
	roundEvery = time.Second           // in a chaos run
	// patientRounds is for how many rounds in a row the cluster may serve an
	// independent client while no producer gets an ack.
	patientRounds = 5
)

// attempt produces one record to each of the first partitions of the probe's
// topic, by an independent client that knows nothing of earlier attempts.
func attempt(ctx context.Context, c cluster, partitions int) error {
	ctx, cancel := context.WithTimeout(ctx, probeLasts)
	defer cancel()
	client, err := kgo.NewClient(append(c.ClientOpts(), kgo.SeedBrokers(c.Addrs()...),
		kgo.DisableIdempotentWrite(), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		return err
	}
	defer client.Close()
	var records []*kgo.Record
	for partition := range partitions {
		records = append(records, &kgo.Record{Topic: probeTopic, Partition: int32(partition), Value: []byte("probe")})
	}
	return client.ProduceSync(ctx, records...).FirstErr()
}

// probe tries every 50 ms, and returns at the first ack.
func (r *outageRun) probe(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	acked := make(chan struct{}, 1)
	ticks := time.NewTicker(probeEvery)
	defer ticks.Stop()
	for {
		go func() {
			if attempt(ctx, r.cluster, 1) == nil {
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

// probe asks every second whether the cluster serves, so that a producer that
// stalls can be told from a cluster that does. It says when the cluster goes and
// comes, and counts the rounds in which it served and the producers got no ack
// for longer than a back-off or two explains.
func (r *chaosRun) probe(ctx context.Context) {
	ticks := time.NewTicker(roundEvery)
	defer ticks.Stop()
	served, quiet, before := true, 0, r.ledger.totals()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		err := attempt(ctx, r.cluster, r.settings.brokers)
		if ctx.Err() != nil {
			return
		}
		if serves := err == nil; serves != served {
			served = serves
			r.line.say("an independent client finds that the cluster serves: %v", serves)
		}
		now := r.ledger.totals()
		if served && now[open] > 0 && now[acked] == before[acked] {
			quiet++
		} else {
			quiet = 0
		}
		before = now
		if quiet >= patientRounds {
			r.mu.Lock()
			r.stalled++
			r.mu.Unlock()
			r.line.say("the cluster serves, and for %d rounds nothing was acked; %d messages are under way", quiet, now[open])
		}
	}
}
