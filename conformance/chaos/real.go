package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/ekaf-go/ekaf/conformance/realkafka"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
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

func (c real) Start(ctx context.Context, broker int) error { return c.Broker(broker).Start(ctx) }

// Controller asks for the leader of KRaft's quorum (KIP-595). Metadata would not
// do: it names any broker, so that clients spread what the controller is to do.
func (c real) Controller(ctx context.Context) (broker int, err error) {
	err = c.ask(func(client *kgo.Client) error {
		request := kmsg.NewPtrDescribeQuorumRequest()
		topic := kmsg.NewDescribeQuorumRequestTopic()
		topic.Topic = "__cluster_metadata"
		topic.Partitions = append(topic.Partitions, kmsg.NewDescribeQuorumRequestTopicPartition())
		request.Topics = append(request.Topics, topic)
		answer, err := request.RequestWith(ctx, client)
		if err != nil {
			return err
		}
		if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
			return err
		}
		for _, t := range answer.Topics {
			for _, p := range t.Partitions {
				broker = int(p.LeaderID)
				return kerr.ErrorForCode(p.ErrorCode)
			}
		}
		return errors.New("the answer names no quorum")
	})
	if err == nil && broker < 1 {
		err = errors.New("the quorum has no leader")
	}
	if err != nil {
		return 0, fmt.Errorf("cannot find the controller: %w", err)
	}
	return broker, nil
}

// Starve asks for three replicas in sync and takes one away: the leader answers
// NOT_ENOUGH_REPLICAS_AFTER_APPEND while it still counts the missing one, then
// NOT_ENOUGH_REPLICAS.
func (c real) Starve(ctx context.Context, topic string, broker int) (relieve func(context.Context) error, err error) {
	if len(c.Brokers()) < 3 {
		return nil, errors.New("it takes three brokers")
	}
	relieve = func(ctx context.Context) error {
		return errors.Join(c.Start(ctx, broker), c.minInSync(ctx, topic, 2))
	}
	// An error does not tell that the setting was not changed.
	if err := c.minInSync(ctx, topic, 3); err != nil {
		return relieve, err
	}
	return relieve, c.Kill(broker)
}

func (c real) minInSync(ctx context.Context, topic string, replicas int) error {
	err := c.ask(func(client *kgo.Client) error {
		change := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "min.insync.replicas", Value: new(strconv.Itoa(replicas))}}
		answers, err := kadm.NewClient(client).AlterTopicConfigs(ctx, change, topic)
		for _, answer := range answers {
			err = errors.Join(err, answer.Err)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot set min.insync.replicas=%d of topic %s: %w", replicas, topic, err)
	}
	return nil
}

// ask asks the cluster by an independent client.
func (c real) ask(question func(*kgo.Client) error) error {
	client, err := kgo.NewClient(c.ClientOpts()...)
	if err != nil {
		return fmt.Errorf("cannot make a client: %w", err)
	}
	defer client.Close()
	return question(client)
}
