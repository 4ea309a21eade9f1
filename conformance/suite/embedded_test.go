package suite

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// embedded is the cluster of package ekaftest.
type embedded struct {
	*ekaftest.Cluster
	brokers int
	running *atomic.Int32
}

func openEmbedded(t *testing.T) Cluster { return startEmbedded(t) }

func startEmbedded(t *testing.T, options ...ekaftest.Option) embedded {
	c := embedded{ekaftest.Start(t, append(options, ekaftest.Brokers(3))...), 3, new(atomic.Int32)}
	c.running.Store(3)
	return c
}

func (c embedded) Options() []ekaf.Option                     { return []ekaf.Option{ekaf.Brokers(c.Addrs()...)} }
func (c embedded) Consumer() (addrs []string, opts []kgo.Opt) { return c.Addrs(), nil }
func (c embedded) Can() Capability                            { return ^Capability(0) }

func (c embedded) Brokers() (ids []int) {
	for id := range c.brokers {
		ids = append(ids, id)
	}
	return ids
}

func (c embedded) CreateTopic(_ context.Context, name string, partitions, _ int, configs map[string]string) error {
	return c.Cluster.CreateTopic(name, int32(partitions), configs)
}

func (c embedded) DeleteTopic(_ context.Context, name string) error {
	topics, err := c.Topics()
	if err != nil || !slices.Contains(topics, name) {
		return err
	}
	return c.Cluster.DeleteTopic(name)
}

func (c embedded) AddPartitions(_ context.Context, name string, total int) error {
	return c.Cluster.AddPartitions(name, int32(total-c.Partitions(name)))
}

func (c embedded) Leader(_ context.Context, name string, partition int) (int, error) {
	return int(c.Cluster.Leader(name, int32(partition))), nil
}

func (c embedded) MoveLeader(_ context.Context, name string, partition, broker int) error {
	return c.Cluster.MoveLeader(name, int32(partition), int32(broker))
}

// Stop has no orderly way: an embedded broker keeps nothing that a kill could lose.
func (c embedded) Stop(_ context.Context, broker int, _ bool) error {
	if err := c.StopBroker(int32(broker)); err != nil || c.running.Add(-1) == 0 {
		return err
	}
	return c.FailOver(int32(broker))
}

func (c embedded) Start(_ context.Context, broker int) error {
	c.running.Add(1)
	return c.StartBroker(int32(broker))
}

func TestEmbedded(t *testing.T) { Run(t, Scenarios(), openEmbedded) }
