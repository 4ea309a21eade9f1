package suite

import (
	"context"
	"strings"

	"github.com/ekaf-go/ekaf"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Cluster is a Kafka cluster as scenarios see it.
type Cluster interface {
	// Options are what a producer needs to reach the cluster: addresses, TLS, SASL.
	Options() []ekaf.Option
	// Consumer is the same for the judge, which is a kgo client.
	Consumer() (addrs []string, opts []kgo.Opt)
	// Can says what the cluster is able to do.
	Can() Capability
	// Brokers lists the node ids.
	Brokers() []int
	// CreateTopic creates a topic and waits until it can be written to.
	// replication 0 means the most the cluster has brokers for, at most 3.
	CreateTopic(ctx context.Context, name string, partitions, replication int, configs map[string]string) error
	DeleteTopic(ctx context.Context, name string) error
	// AddPartitions grows a topic to total partitions.
	AddPartitions(ctx context.Context, name string, total int) error
	Leader(ctx context.Context, name string, partition int) (int, error)
	MoveLeader(ctx context.Context, name string, partition, broker int) error
	// Stop stops a broker in order, or as kill -9 does.
	Stop(ctx context.Context, broker int, kill bool) error
	Start(ctx context.Context, broker int) error
}

// Capability is a set of things a cluster can do.
type Capability uint16

const (
	// RecordBatches: Kafka 0.11 and later; headers, idempotence.
	RecordBatches Capability = 1 << iota
	// Timestamps: Kafka 0.10 and later.
	Timestamps
	// Zstd: Kafka 2.1 and later.
	Zstd
	// Restart: brokers can be stopped and started.
	Restart
	// Leaders: there are several brokers, and leaders can be moved.
	Leaders
	// Grow: partitions can be added.
	Grow
	// Recreate: a topic can be deleted and created again at once.
	Recreate
	// SteadyEnd: what consumers see as the end of a log never goes back. In old
	// releases it does when two requests for a partition are handled at once.
	SteadyEnd
)

var capabilityNames = []string{"record batches", "timestamps", "zstd", "restart", "leaders", "grow", "recreate", "steady end"}

func (c Capability) String() string {
	var names []string
	for i, name := range capabilityNames {
		if c&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}
