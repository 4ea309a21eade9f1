package suite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ekaf-go/ekaf"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// named is a cluster that somebody else runs, without TLS or SASL. Its topics are
// created by the protocol; its brokers are left alone.
type named struct {
	addrs   []string
	brokers []int
}

// TestNamedCluster runs the suite on the cluster that EKAF_TEST_BROKERS names, a
// list of host:port. Topics are called ekaf-..., and deleted afterwards.
func TestNamedCluster(t *testing.T) {
	list := os.Getenv("EKAF_TEST_BROKERS")
	if list == "" {
		t.Skip("runs on the cluster that EKAF_TEST_BROKERS names")
	}
	c := named{addrs: strings.Split(list, ",")}
	err := withAdmin(c.addrs, nil, func(admin *kadm.Client) error {
		brokers, err := admin.ListBrokers(t.Context())
		for _, b := range brokers {
			c.brokers = append(c.brokers, int(b.NodeID))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	Run(t, Scenarios(), func(*testing.T) Cluster { return c })
}

func (c named) Options() []ekaf.Option                     { return []ekaf.Option{ekaf.Brokers(c.addrs...)} }
func (c named) Consumer() (addrs []string, opts []kgo.Opt) { return c.addrs, nil }
func (c named) Brokers() []int                             { return c.brokers }

func (c named) Can() Capability {
	can := RecordBatches | Timestamps | Zstd | Grow
	if len(c.brokers) > 1 {
		can |= Leaders
	}
	return can
}

func (c named) CreateTopic(ctx context.Context, name string, partitions, replication int, configs map[string]string) error {
	if replication == 0 {
		replication = min(3, len(c.brokers))
	}
	values := map[string]*string{}
	for key, value := range configs {
		values[key] = new(value)
	}
	err := withAdmin(c.addrs, nil, func(admin *kadm.Client) error {
		_, err := admin.CreateTopic(ctx, int32(partitions), int16(replication), values, name)
		return err
	})
	return errors.Join(err, awaitWritable(ctx, c.addrs, nil, name, partitions))
}

func (c named) DeleteTopic(ctx context.Context, name string) error {
	return withAdmin(c.addrs, nil, func(admin *kadm.Client) error {
		answer, err := admin.DeleteTopic(ctx, name)
		return errors.Join(err, answer.Err)
	})
}

func (c named) AddPartitions(ctx context.Context, name string, total int) error {
	err := withAdmin(c.addrs, nil, func(admin *kadm.Client) error {
		answers, err := admin.UpdatePartitions(ctx, total, name)
		return errors.Join(err, answers.Error())
	})
	return errors.Join(err, awaitWritable(ctx, c.addrs, nil, name, total))
}

// partition is what metadata says of one.
func (c named) partition(ctx context.Context, name string, partition int) (found kadm.PartitionDetail, err error) {
	err = withAdmin(c.addrs, nil, func(admin *kadm.Client) error {
		topics, err := admin.ListTopics(ctx, name)
		found = topics[name].Partitions[int32(partition)]
		return err
	})
	return found, err
}

func (c named) Leader(ctx context.Context, name string, partition int) (int, error) {
	found, err := c.partition(ctx, name, partition)
	return int(found.Leader), err
}

// MoveLeader makes the broker the first replica and has the preferred one elected.
func (c named) MoveLeader(ctx context.Context, name string, partition, broker int) error {
	found, err := c.partition(ctx, name, partition)
	if err != nil {
		return err
	}
	rest := slices.DeleteFunc(slices.Clone(found.Replicas), func(id int32) bool { return int(id) == broker })
	var request kadm.AlterPartitionAssignmentsReq
	request.Assign(name, int32(partition), append([]int32{int32(broker)}, rest[:len(found.Replicas)-1]...))
	var set kadm.TopicsSet
	set.Add(name, int32(partition))
	return withAdmin(c.addrs, nil, func(admin *kadm.Client) error {
		answers, err := admin.AlterPartitionAssignments(ctx, request)
		if err = errors.Join(err, answers.Error()); err != nil {
			return err
		}
		// It may still be copying, or lead already: that is the cluster's affair.
		_, err = admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, set)
		return err
	})
}

func (c named) Stop(context.Context, int, bool) error {
	return fmt.Errorf("cannot stop a broker of somebody else's cluster")
}

func (c named) Start(context.Context, int) error {
	return fmt.Errorf("cannot start a broker of somebody else's cluster")
}
