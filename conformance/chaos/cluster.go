package main

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
)

// cluster is Kafka as the faults see it. Its methods are called from several
// goroutines; a broker is touched by one fault at a time.
type cluster interface {
	// Name says what runs.
	Name() string
	// Brokers lists the ids, Addrs the addresses in the same order.
	Brokers() []int
	Addrs() []string
	// ClientOpts is what a kgo client needs besides the addresses.
	ClientOpts() []kgo.Opt
	CreateTopic(ctx context.Context, name string, partitions int) error

	// Kill ends a broker as kill -9 does, Stop in order; Start brings it back.
	Kill(broker int) error
	Stop(broker int) error
	Start(ctx context.Context, broker int) error
	// Pause freezes a broker: connections stay, nothing answers.
	Pause(broker int) error
	Resume(broker int) error
	// Controller is the broker that is the cluster's controller now.
	Controller(ctx context.Context) (int, error)

	MoveLeader(ctx context.Context, topic string, partition, broker int) error
	ElectPreferred(ctx context.Context, topic string, partition int) error
	AddPartitions(ctx context.Context, topic string, total int) error
	// Starve lets a topic have too few replicas in sync, by way of a broker that
	// goes away, until the function answered is called.
	Starve(ctx context.Context, topic string, broker int) (relieve func(context.Context) error, err error)

	Close() error
}
