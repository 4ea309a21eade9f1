package suite

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/conformance/realkafka"
	"github.com/twmb/franz-go/pkg/kgo"
)

// real is Apache Kafka, run by package realkafka.
type real struct {
	*realkafka.Cluster
	brokers int
	can     Capability
}

// versions are those to run on.
func versions() []string {
	if list := os.Getenv("EKAF_KAFKA_VERSIONS"); list != "" {
		return strings.Split(list, ",")
	}
	return []string{realkafka.Newest}
}

func startReal(t *testing.T, config realkafka.Config) real {
	c := realkafka.StartT(t, config)
	can := Restart | Recreate | Grow
	if atLeast(c.Version(), "0.10") {
		can |= Timestamps
	}
	if atLeast(c.Version(), "0.11") {
		can |= RecordBatches
	}
	if atLeast(c.Version(), "2.1") {
		can |= Zstd
	}
	if atLeast(c.Version(), "2.8") {
		can |= SteadyEnd
	}
	if config.Brokers >= 3 && atLeast(c.Version(), "2.4") {
		can |= Leaders
	}
	if !atLeast(c.Version(), "0.11") {
		can &^= Recreate // topics are deleted by a script, some time later
	}
	return real{c, config.Brokers, can}
}

// atLeast compares the first two numbers of versions.
func atLeast(version, least string) bool {
	var have, want [2]int
	for i, part := range strings.SplitN(version, ".", 3)[:2] {
		have[i] = number(part)
	}
	for i, part := range strings.SplitN(least, ".", 2) {
		want[i] = number(part)
	}
	return have[0] > want[0] || have[0] == want[0] && have[1] >= want[1]
}

func number(s string) (n int) {
	for _, digit := range s {
		n = 10*n + int(digit-'0')
	}
	return n
}

func (c real) Options() []ekaf.Option {
	options := []ekaf.Option{ekaf.Brokers(c.Addrs()...)}
	if c.can&RecordBatches == 0 {
		options = append(options, ekaf.Idempotence(false))
	}
	if !atLeast(c.Version(), "0.10") {
		options = append(options, ekaf.BrokerVersion(c.Version()))
	}
	return options
}

func (c real) Consumer() (addrs []string, opts []kgo.Opt) { return c.Addrs(), c.ClientOpts() }

func (c real) Can() Capability { return c.can }

func (c real) Brokers() (ids []int) {
	for _, b := range c.Cluster.Brokers() {
		ids = append(ids, b.ID())
	}
	return ids
}

func (c real) CreateTopic(ctx context.Context, name string, partitions, replication int, configs map[string]string) error {
	if replication == 0 {
		replication = -1
	}
	if err := c.Cluster.CreateTopic(ctx, name, partitions, replication, configs); err != nil {
		return err
	}
	return awaitWritable(ctx, c.Addrs(), c.ClientOpts(), name, partitions)
}

func (c real) AddPartitions(ctx context.Context, name string, total int) error {
	if err := c.Cluster.AddPartitions(ctx, name, total); err != nil {
		return err
	}
	return awaitWritable(ctx, c.Addrs(), c.ClientOpts(), name, total)
}

func (c real) Stop(_ context.Context, broker int, kill bool) error {
	if kill {
		return c.Broker(broker).Kill()
	}
	return c.Broker(broker).Stop()
}

func (c real) Start(ctx context.Context, broker int) error { return c.Broker(broker).Start(ctx) }

// TestOneBroker and TestThreeBrokers run where Java and Maven are, if
// EKAF_REAL_KAFKA is set.
func TestOneBroker(t *testing.T) {
	realkafka.SkipUnlessEnabled(t)
	for _, version := range versions() {
		t.Run(version, func(t *testing.T) {
			c := startReal(t, realkafka.Config{Version: version, Brokers: 1})
			Run(t, Scenarios(), func(*testing.T) Cluster { return c })
		})
	}
}

func TestThreeBrokers(t *testing.T) {
	realkafka.SkipUnlessEnabled(t)
	version := versions()[0] // three of each would take an hour
	t.Run(version, func(t *testing.T) {
		c := startReal(t, realkafka.Config{Version: version, Brokers: 3})
		Run(t, Scenarios(), func(*testing.T) Cluster { return c })
	})
}
