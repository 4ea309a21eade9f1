package realkafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

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
