package main

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/ekaf-go/ekaf/conformance/realkafka"
)

// real is Apache Kafka, three replicas and min.insync.replicas=2 where there are
// brokers for it.
type real struct{ *realkafka.Cluster }

func openReal(ctx context.Context, config realkafka.Config) (cluster, error) {
	c, err := realkafka.Start(ctx, config)
	if err != nil {
		return nil, err
	}
	return real{c}, nil
}

func (c real) Name() string { return "Kafka " + c.Version() }

func (c real) Brokers() (ids []int) {
	for _, b := range c.Cluster.Brokers() {
		ids = append(ids, b.ID())
	}
	return ids
}

func (c real) CreateTopic(ctx context.Context, name string, partitions int) error {
	return c.Cluster.CreateTopic(ctx, name, partitions, -1, nil)
}

func (c real) Kill(broker int) error   { return c.Broker(broker).Kill() }
func (c real) Stop(broker int) error   { return c.Broker(broker).Stop() }
func (c real) Pause(broker int) error  { return c.Broker(broker).Pause() }
func (c real) Resume(broker int) error { return c.Broker(broker).Resume() }

// Start tries again: a broker gives up by itself if the others let it wait for
// too long, as they do while they are frozen or starved.
func (c real) Start(ctx context.Context, broker int) error {
	return insist(ctx, func() error { return c.Broker(broker).Start(ctx) })
}

// insist tries until it succeeds or ctx ends.
func insist(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err == nil || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second):
		}
	}
}

// Starve asks for three replicas in sync and takes one away: the leader answers
// NOT_ENOUGH_REPLICAS_AFTER_APPEND while it still counts the missing one, then
// NOT_ENOUGH_REPLICAS.
func (c real) Starve(ctx context.Context, topic string, broker int) (relieve func(context.Context) error, err error) {
	if len(c.Brokers()) < 3 {
		return nil, errors.New("it takes three brokers")
	}
	relieve = func(ctx context.Context) error {
		return errors.Join(c.Start(ctx, broker), insist(ctx, func() error { return c.minInSync(ctx, topic, 2) }))
	}
	// An error does not tell that the setting was not changed.
	if err := c.minInSync(ctx, topic, 3); err != nil {
		return relieve, err
	}
	return relieve, c.Kill(broker)
}

func (c real) minInSync(ctx context.Context, topic string, replicas int) error {
	return c.SetTopicConfig(ctx, topic, "min.insync.replicas", strconv.Itoa(replicas))
}
