package realkafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreateTopic creates a topic and waits until every running broker names a
// leader for each of its partitions: for a moment after creation brokers answer
// NOT_LEADER_OR_FOLLOWER. replication -1 means the cluster's default. Configs are
// topic settings such as "retention.ms"; nil is none.
func (c *Cluster) CreateTopic(ctx context.Context, name string, partitions, replication int, configs map[string]string) error {
	if replication < 0 {
		replication = min(3, c.config.Brokers)
	}
	err := c.createTopic(ctx, name, partitions, replication, configs)
	if err == nil {
		err = c.awaitLeaders(ctx, name, partitions)
	}
	if err != nil {
		return fmt.Errorf("cannot create topic %s: %w", name, err)
	}
	return nil
}

func (c *Cluster) createTopic(ctx context.Context, name string, partitions, replication int, configs map[string]string) error {
	if !c.release.topicsByProtocol() {
		args := []string{"--create", "--topic", name, "--partitions", strconv.Itoa(partitions),
			"--replication-factor", strconv.Itoa(replication)}
		for _, key := range slices.Sorted(maps.Keys(configs)) {
			args = append(args, "--config", key+"="+configs[key])
		}
		_, err := c.topicCommand(ctx, args...)
		return err
	}
	values := map[string]*string{}
	for key, value := range configs {
		values[key] = new(value)
	}
	return c.withAdmin(func(admin *kadm.Client) error {
		_, err := admin.CreateTopic(ctx, int32(partitions), int16(replication), values, name)
		return err
	})
}

// topicCommand runs Kafka's own script class against ZooKeeper, which is how
// topics were managed before KIP-4.
func (c *Cluster) topicCommand(ctx context.Context, args ...string) (string, error) {
	classes, err := c.store.classPath()
	if err != nil {
		return "", err
	}
	return run(ctx, c.dir, c.store.java.path, append([]string{"-XX:TieredStopAtLevel=1", "-cp", classes,
		"kafka.admin.TopicCommand", "--zookeeper", address(c.zookeeperPort)}, args...)...)
}

// DeleteTopic deletes a topic and waits until no running broker knows it and it
// can be created again.
func (c *Cluster) DeleteTopic(ctx context.Context, name string) error {
	err := c.deleteTopic(ctx, name)
	if err == nil {
		err = c.awaitTopic(ctx, name, func(topic kmsg.MetadataResponseTopic) error {
			if len(topic.Partitions) > 0 {
				return errors.New("it is still there")
			}
			return nil
		})
	}
	if err == nil && !c.release.kraft() {
		err = c.awaitNameFree(ctx, name)
	}
	if err != nil {
		return fmt.Errorf("cannot delete topic %s: %w", name, err)
	}
	return nil
}

func (c *Cluster) deleteTopic(ctx context.Context, name string) error {
	if !c.release.topicsByProtocol() {
		_, err := c.topicCommand(ctx, "--delete", "--topic", name)
		return err
	}
	return c.withAdmin(func(admin *kadm.Client) error {
		answer, err := admin.DeleteTopic(ctx, name)
		return errors.Join(err, answer.Err)
	})
}

// awaitNameFree waits until ZooKeeper has forgotten a deleted topic: the
// controller removes it there last, after the brokers have dropped it.
func (c *Cluster) awaitNameFree(ctx context.Context, name string) error {
	for {
		taken, err := c.nameTaken(ctx, name)
		if err != nil || !taken {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it is marked for deletion but still there: %w", ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (c *Cluster) nameTaken(ctx context.Context, name string) (bool, error) {
	if !c.release.topicsByProtocol() {
		list, err := c.topicCommand(ctx, "--list", "--topic", name)
		return strings.Contains(list, name), err
	}
	taken := false
	err := c.withAdmin(func(admin *kadm.Client) error {
		answers, err := admin.ValidateCreateTopics(ctx, 1, 1, nil, name)
		taken = errors.Is(answers[name].Err, kerr.TopicAlreadyExists)
		return err
	})
	return taken, err
}

// AddPartitions grows a topic to total partitions and waits for their leaders.
func (c *Cluster) AddPartitions(ctx context.Context, name string, total int) error {
	err := c.addPartitions(ctx, name, total)
	if err == nil {
		err = c.awaitLeaders(ctx, name, total)
	}
	if err != nil {
		return fmt.Errorf("cannot add partitions to topic %s: %w", name, err)
	}
	return nil
}

func (c *Cluster) addPartitions(ctx context.Context, name string, total int) error {
	if !c.release.atLeast(1, 0) { // CreatePartitions: KIP-195
		_, err := c.topicCommand(ctx, "--alter", "--topic", name, "--partitions", strconv.Itoa(total))
		return err
	}
	return c.withAdmin(func(admin *kadm.Client) error {
		answers, err := admin.UpdatePartitions(ctx, total, name)
		return errors.Join(err, answers.Error())
	})
}

// Reassign gives a partition these replicas, the preferred leader first, and
// waits until they hold it. Needs Kafka 2.4 (KIP-455).
func (c *Cluster) Reassign(ctx context.Context, name string, partition int, replicas ...int) error {
	var ids []int32
	for _, id := range replicas {
		ids = append(ids, int32(id))
	}
	var request kadm.AlterPartitionAssignmentsReq
	request.Assign(name, int32(partition), ids)
	err := c.withAdmin(func(admin *kadm.Client) error {
		answers, err := admin.AlterPartitionAssignments(ctx, request)
		return errors.Join(err, answers.Error())
	})
	if err == nil {
		err = c.awaitPartition(ctx, name, partition, func(p kmsg.MetadataResponseTopicPartition) error {
			if !slices.Equal(p.Replicas, ids) {
				return fmt.Errorf("replicas are %v", p.Replicas)
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("cannot reassign %s-%d to %v: %w", name, partition, replicas, err)
	}
	return nil
}

// ElectPreferred makes the first replica of a partition its leader, if it is in
// sync. Needs Kafka 2.4 (KIP-460).
func (c *Cluster) ElectPreferred(ctx context.Context, name string, partition int) error {
	var set kadm.TopicsSet
	set.Add(name, int32(partition))
	err := c.withAdmin(func(admin *kadm.Client) error {
		answers, err := admin.ElectLeaders(ctx, kadm.ElectPreferredReplica, set)
		if err != nil {
			return err
		}
		// ELECTION_NOT_NEEDED says the preferred replica leads already.
		if result := answers[name][int32(partition)]; result.Err != nil && !errors.Is(result.Err, kerr.ElectionNotNeeded) {
			return result.Err
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot elect the preferred leader of %s-%d: %w", name, partition, err)
	}
	return nil
}

// ElectUnclean gives a partition without a leader one that is not in sync, which
// loses what only the old leader had, and waits until every running broker says
// so. The topic must allow it (unclean.leader.election.enable). Needs Kafka 2.4.
func (c *Cluster) ElectUnclean(ctx context.Context, name string, partition int) error {
	var set kadm.TopicsSet
	set.Add(name, int32(partition))
	err := c.withAdmin(func(admin *kadm.Client) error {
		answers, err := admin.ElectLeaders(ctx, kadm.ElectLiveReplica, set)
		if err != nil {
			return err
		}
		// ELECTION_NOT_NEEDED: the controller was first.
		if result := answers[name][int32(partition)]; result.Err != nil && !errors.Is(result.Err, kerr.ElectionNotNeeded) {
			return result.Err
		}
		return nil
	})
	if err == nil {
		_, err = c.Leader(ctx, name, partition)
	}
	if err != nil {
		return fmt.Errorf("cannot elect a leader of %s-%d that is not in sync: %w", name, partition, err)
	}
	return nil
}

// AwaitISR waits until just these replicas of a partition are in sync.
func (c *Cluster) AwaitISR(ctx context.Context, name string, partition int, brokers ...int) error {
	err := c.awaitPartition(ctx, name, partition, func(p kmsg.MetadataResponseTopicPartition) error {
		if len(p.ISR) != len(brokers) {
			return fmt.Errorf("in sync are %v", p.ISR)
		}
		for _, broker := range brokers {
			if !slices.Contains(p.ISR, int32(broker)) {
				return fmt.Errorf("in sync are %v", p.ISR)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot see %v alone in sync for %s-%d: %w", brokers, name, partition, err)
	}
	return nil
}

// MoveLeader makes a broker the leader of a partition and waits until every
// running broker says so. The broker becomes the first replica; if it had none,
// it takes the place of the last one. Needs Kafka 2.4.
func (c *Cluster) MoveLeader(ctx context.Context, name string, partition, broker int) error {
	var replicas []int
	err := c.awaitPartition(ctx, name, partition, func(p kmsg.MetadataResponseTopicPartition) error {
		replicas = []int{broker}
		for _, id := range p.Replicas {
			if int(id) != broker && len(replicas) < len(p.Replicas) {
				replicas = append(replicas, int(id))
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot move the leader of %s-%d: %w", name, partition, err)
	}
	if err := c.Reassign(ctx, name, partition, replicas...); err != nil {
		return err
	}
	if err := c.ElectPreferred(ctx, name, partition); err != nil {
		return err
	}
	return c.awaitPartition(ctx, name, partition, func(p kmsg.MetadataResponseTopicPartition) error {
		if int(p.Leader) != broker {
			return fmt.Errorf("the leader is %d", p.Leader)
		}
		return nil
	})
}

// Leader is the broker that leads a partition now, as a running broker tells it.
func (c *Cluster) Leader(ctx context.Context, name string, partition int) (int, error) {
	leader := 0
	err := c.awaitPartition(ctx, name, partition, func(p kmsg.MetadataResponseTopicPartition) error {
		if p.Leader < 0 {
			return errors.New("it has no leader")
		}
		leader = int(p.Leader)
		return nil
	})
	return leader, err
}

// Allow lets a principal ("User:alice", "User:CN=ekaf-client") do operations on a
// topic, from anywhere; clusters with Security.ACLs deny all else.
func (c *Cluster) Allow(ctx context.Context, principal, topic string, operations ...kadm.ACLOperation) error {
	err := c.withAdmin(func(admin *kadm.Client) error {
		answers, err := admin.CreateACLs(ctx, kadm.NewACLs().Allow(principal).AllowHosts().
			Topics(topic).ResourcePatternType(kadm.ACLPatternLiteral).Operations(operations...))
		for _, answer := range answers {
			err = errors.Join(err, answer.Err)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot allow %s on topic %s: %w", principal, topic, err)
	}
	return nil
}

// Controller is the broker that leads KRaft's quorum (KIP-595). Metadata would not
// tell: it names any broker, so that clients spread what the controller is to do.
// Needs KRaft.
func (c *Cluster) Controller(ctx context.Context) (broker int, err error) {
	client, err := kgo.NewClient(c.ClientOpts()...)
	if err != nil {
		return 0, fmt.Errorf("cannot make a client: %w", err)
	}
	defer client.Close()
	request := kmsg.NewPtrDescribeQuorumRequest()
	topic := kmsg.NewDescribeQuorumRequestTopic()
	topic.Topic = "__cluster_metadata"
	topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, client)
	if err == nil {
		broker, err = quorumLeader(answer)
	}
	if err != nil {
		return 0, fmt.Errorf("cannot find the controller: %w", err)
	}
	return broker, nil
}

func quorumLeader(answer *kmsg.DescribeQuorumResponse) (broker int, err error) {
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return 0, err
	}
	if len(answer.Topics) != 1 || len(answer.Topics[0].Partitions) != 1 {
		return 0, errors.New("the answer names no quorum")
	}
	p := answer.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
		return 0, err
	}
	if p.LeaderID < 1 {
		return 0, errors.New("the quorum has no leader")
	}
	return int(p.LeaderID), nil
}

// SetTopicConfig changes one setting of a topic, such as min.insync.replicas. Needs
// Kafka 2.3 (KIP-339).
func (c *Cluster) SetTopicConfig(ctx context.Context, topic, name, value string) error {
	err := c.withAdmin(func(admin *kadm.Client) error {
		answers, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: name, Value: &value}}, topic)
		for _, answer := range answers {
			err = errors.Join(err, answer.Err)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot set %s=%s of topic %s: %w", name, value, topic, err)
	}
	return nil
}

func (c *Cluster) awaitLeaders(ctx context.Context, name string, partitions int) error {
	return c.awaitTopic(ctx, name, func(topic kmsg.MetadataResponseTopic) error {
		led := 0
		for _, p := range topic.Partitions {
			if p.Leader >= 0 && p.ErrorCode == 0 {
				led++
			}
		}
		if led < partitions {
			return fmt.Errorf("%d of %d partitions have a leader", led, partitions)
		}
		return nil
	})
}

func (c *Cluster) awaitPartition(ctx context.Context, name string, partition int, check func(kmsg.MetadataResponseTopicPartition) error) error {
	return c.awaitTopic(ctx, name, onePartition(partition, check))
}

// onePartition is a check of a topic which checks one partition of it.
func onePartition(partition int, check func(kmsg.MetadataResponseTopicPartition) error) func(kmsg.MetadataResponseTopic) error {
	return func(topic kmsg.MetadataResponseTopic) error {
		for _, p := range topic.Partitions {
			if int(p.Partition) == partition {
				return check(p)
			}
		}
		return fmt.Errorf("there is no partition %d", partition)
	}
}

// awaitTopic waits until every running broker's own view of a topic passes
// check. Brokers learn of changes one after the other, and a client may ask any.
func (c *Cluster) awaitTopic(ctx context.Context, name string, check func(kmsg.MetadataResponseTopic) error) error {
	for _, b := range c.brokers {
		if !b.serving() {
			continue
		}
		client, err := kgo.NewClient(c.clientOpts(b.Addr())...)
		if err != nil {
			return fmt.Errorf("cannot make a client for broker %d: %w", b.id, err)
		}
		err = b.pollTopic(ctx, client, name, check)
		client.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *Broker) pollTopic(ctx context.Context, client *kgo.Client, name string, check func(kmsg.MetadataResponseTopic) error) error {
	request := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = &name
	request.Topics = append(request.Topics, topic)
	for {
		answer, err := client.SeedBrokers()[0].Request(ctx, request)
		if metadata, ok := answer.(*kmsg.MetadataResponse); err == nil && ok && len(metadata.Topics) == 1 {
			if err = check(metadata.Topics[0]); err == nil {
				return nil
			}
		}
		if !b.serving() {
			return nil // it went away meanwhile: it has no view any more
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("broker %d does not agree (%w): %w", b.id, err, ctx.Err())
		case <-time.After(30 * time.Millisecond):
		}
	}
}

// serving reports whether the broker can be asked: running and not paused.
func (b *Broker) serving() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.process != nil && b.process.alive() && !b.paused
}

// produce writes one record with an independent client and waits for its ack.
func (c *Cluster) produce(ctx context.Context, topic string) error {
	client, err := kgo.NewClient(append(c.ClientOpts(), kgo.DisableIdempotentWrite())...)
	if err != nil {
		return fmt.Errorf("cannot make a client: %w", err)
	}
	defer client.Close()
	record := &kgo.Record{Topic: topic, Key: []byte("key"), Value: []byte("value")}
	return client.ProduceSync(ctx, record).FirstErr()
}
