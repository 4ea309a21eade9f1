package ekaftest

import (
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CreateTopic creates a topic; partition p is led by broker p modulo the
// number of brokers. configs are as for [Topic].
func (c *Cluster) CreateTopic(name string, partitions int32, configs ...map[string]string) error {
	var cfg config
	Topic(name, partitions, configs...)(&cfg)
	if len(cfg.errs) > 0 {
		return cfg.errs[0]
	}
	return c.kafka().createTopic(cfg.topics[0])
}

// DeleteTopic deletes a topic and its data.
func (c *Cluster) DeleteTopic(name string) error {
	err := c.kafka().do(func(f *kfake.Cluster) error { return f.DeleteTopic(name) })
	if err != nil {
		return fmt.Errorf("cannot delete topic %q: %w", name, err)
	}
	return nil
}

// RecreateTopic deletes a topic and creates it again, empty and under a new
// topic id, with as many partitions and the same configs.
func (c *Cluster) RecreateTopic(name string) error {
	info, partitions := c.kafka().topic(name), c.kafka().partitions(name)
	if info == nil {
		return fmt.Errorf("cannot recreate topic %q: %w", name, kerr.UnknownTopicOrPartition)
	}
	if err := c.DeleteTopic(name); err != nil {
		return err
	}
	configs := make(map[string]string)
	for k, v := range info.Configs {
		if v != nil {
			configs[k] = *v
		}
	}
	return c.CreateTopic(name, int32(len(partitions)), configs)
}

// Topics answers the names of all topics, sorted.
func (c *Cluster) Topics() ([]string, error) {
	req := kmsg.NewPtrMetadataRequest()
	req.Version = 9
	req.UnknownTags.Set(internalTag, nil)
	resp, err := c.askBroker(0, req)
	if err != nil {
		return nil, fmt.Errorf("cannot list topics: %w", err)
	}
	var names []string
	for _, t := range resp.(*kmsg.MetadataResponse).Topics {
		if t.Topic != nil {
			names = append(names, *t.Topic)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Partitions answers how many partitions a topic has, 0 if it does not exist.
func (c *Cluster) Partitions(topic string) int { return len(c.kafka().partitions(topic)) }

// AddPartitions gives a topic n more partitions.
func (c *Cluster) AddPartitions(topic string, n int32) error {
	had := int32(c.Partitions(topic))
	req := kmsg.NewPtrCreatePartitionsRequest()
	req.Version = 3
	req.UnknownTags.Set(internalTag, nil)
	t := kmsg.NewCreatePartitionsRequestTopic()
	t.Topic, t.Count = topic, had+n
	req.Topics = append(req.Topics, t)
	resp, err := c.askBroker(int32(len(c.brokers)-1), req) // kfake's controller is its last broker
	if err == nil {
		for _, t := range resp.(*kmsg.CreatePartitionsResponse).Topics {
			err = kerr.ErrorForCode(t.ErrorCode)
		}
	}
	if err == nil {
		err = c.kafka().do(func(f *kfake.Cluster) error {
			return spreadLeaders(f, topic, had, had+n, int32(len(c.brokers)))
		})
	}
	if err != nil {
		return fmt.Errorf("cannot add %d partitions to topic %q: %w", n, topic, err)
	}
	return nil
}

// Leader answers the broker that leads a partition, -1 if none does or the
// partition does not exist.
func (c *Cluster) Leader(topic string, partition int32) int32 {
	info := c.kafka().partition(topic, partition)
	if info == nil {
		return -1
	}
	return c.leaderOf(topic, info)
}

// MoveLeader makes a broker the leader of a partition, in a new leader epoch.
// It ends what [Cluster.RemoveLeader] did.
func (c *Cluster) MoveLeader(topic string, partition, broker int32) error {
	err := c.kafka().do(func(f *kfake.Cluster) error {
		return f.MoveTopicPartition(topic, partition, broker)
	})
	if err != nil {
		return fmt.Errorf("cannot move partition %d of topic %q to broker %d: %w", partition, topic, broker, err)
	}
	c.settingsMu.Lock()
	defer c.settingsMu.Unlock()
	delete(c.leaderless, topicPartition{topic, partition})
	return nil
}

// RemoveLeader takes a partition's leader away: Metadata says
// LEADER_NOT_AVAILABLE (5), brokers answer NOT_LEADER_OR_FOLLOWER (6), until
// [Cluster.MoveLeader].
func (c *Cluster) RemoveLeader(topic string, partition int32) error {
	if c.kafka().partition(topic, partition) == nil {
		return fmt.Errorf("cannot remove the leader of partition %d of topic %q: %w", partition, topic, kerr.UnknownTopicOrPartition)
	}
	c.settingsMu.Lock()
	defer c.settingsMu.Unlock()
	c.leaderless[topicPartition{topic, partition}] = true
	return nil
}

// FailOver moves every partition the broker leads to the next broker that runs,
// as a controller does when a broker is gone. Followers know the last five
// batches of each producer id.
func (c *Cluster) FailOver(broker int32) error {
	if _, err := c.broker(broker); err != nil {
		return err
	}
	next := int32(-1)
	for i := range len(c.brokers) {
		b := c.brokers[(int(broker)+1+i)%len(c.brokers)]
		if b.id != broker && b.isRunning() {
			next = b.id
			break
		}
	}
	if next < 0 {
		return fmt.Errorf("cannot fail over from broker %d: no other broker runs", broker)
	}
	topics, err := c.Topics()
	if err != nil {
		return err
	}
	for _, topic := range topics {
		for _, info := range c.kafka().partitions(topic) {
			if info.Leader != broker {
				continue
			}
			if err := c.MoveLeader(topic, info.Partition, next); err != nil {
				return err
			}
		}
	}
	return nil
}

// DeleteRecords moves the start of a partition's log to an offset; -1 is the
// end.
func (c *Cluster) DeleteRecords(topic string, partition int32, offset int64) error {
	err := c.kafka().do(func(f *kfake.Cluster) error { return f.DeleteRecords(topic, partition, offset) })
	if err != nil {
		return fmt.Errorf("cannot delete records of partition %d of topic %q: %w", partition, topic, err)
	}
	return nil
}
