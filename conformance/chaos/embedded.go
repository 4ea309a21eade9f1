package main

import (
	"context"
	"sync"

	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// embedded is the cluster of package ekaftest. It has no controller of its own:
// this type moves leaders away from brokers that went.
type embedded struct {
	*ekaftest.Cluster
	brokers int

	mu   sync.Mutex // guards the following
	down map[int]bool
}

func openEmbedded(brokers int) (cluster, error) {
	c, err := ekaftest.New(ekaftest.Brokers(brokers))
	if err != nil {
		return nil, err
	}
	return &embedded{Cluster: c, brokers: brokers, down: map[int]bool{}}, nil
}

func (c *embedded) Name() string          { return "embedded" }
func (c *embedded) ClientOpts() []kgo.Opt { return nil }

func (c *embedded) Brokers() (ids []int) {
	for id := range c.brokers {
		ids = append(ids, id)
	}
	return ids
}

func (c *embedded) CreateTopic(_ context.Context, name string, partitions int) error {
	return c.Cluster.CreateTopic(name, int32(partitions))
}

// Kill leaves the partitions of the last broker where they are.
func (c *embedded) Kill(broker int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down[broker] = true
	if err := c.StopBroker(int32(broker)); err != nil || len(c.down) == c.brokers {
		return err
	}
	return c.FailOver(int32(broker))
}

// Stop hands the leaders over first, as a broker that ends in order does.
func (c *embedded) Stop(broker int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down[broker] = true
	if len(c.down) < c.brokers {
		if err := c.FailOver(int32(broker)); err != nil {
			return err
		}
	}
	return c.StopBroker(int32(broker))
}

func (c *embedded) Start(_ context.Context, broker int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.down, broker)
	return c.StartBroker(int32(broker))
}

// Pause leaves the broker its partitions, as in the seconds before a controller
// notices; a resumed broker finds the requests that were under way.
func (c *embedded) Pause(broker int) error {
	c.Network(int32(broker)).Blackhole()
	return nil
}

func (c *embedded) Resume(broker int) error { return c.Network(int32(broker)).Heal() }

func (c *embedded) Controller(context.Context) (int, error) { return 0, nil }

func (c *embedded) MoveLeader(_ context.Context, topic string, partition, broker int) error {
	return c.Cluster.MoveLeader(topic, int32(partition), int32(broker))
}

// ElectPreferred: partition p was created on broker p modulo their number.
func (c *embedded) ElectPreferred(ctx context.Context, topic string, partition int) error {
	return c.MoveLeader(ctx, topic, partition, partition%c.brokers)
}

func (c *embedded) AddPartitions(_ context.Context, topic string, total int) error {
	return c.Cluster.AddPartitions(topic, int32(total-c.Partitions(topic)))
}

// Starve answers as a leader does whose followers are missing: appended batches
// first, then batches that were not.
func (c *embedded) Starve(_ context.Context, topic string, _ int) (relieve func(context.Context) error, err error) {
	after := c.Inject(ekaftest.Fault{Topic: topic, Code: kerr.NotEnoughReplicasAfterAppend.Code, AfterWrite: true, Times: 5})
	before := c.Inject(ekaftest.Fault{Topic: topic, Code: kerr.NotEnoughReplicas.Code, Times: -1})
	return func(context.Context) error {
		after.Remove()
		before.Remove()
		return nil
	}, nil
}

// Close has nothing to report.
func (c *embedded) Close() error {
	c.Cluster.Close()
	return nil
}
