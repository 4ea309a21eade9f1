package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf/bench/broker"
	"github.com/ekaf-go/ekaf/bench/load"
)

// kafkaCluster is a real cluster. Each sample gets a topic of its own, whose end
// offsets afterwards are the records that it took: duplicates would show there.
type kafkaCluster struct {
	brokers string
	client  *kgo.Client
	topic   string // of the present sample, or empty
	parts   int32
}

func openKafka(ctx context.Context, brokers string) (*kafkaCluster, error) {
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.Split(brokers, ",")...), kgo.ClientID("bench"))
	if err != nil {
		return nil, fmt.Errorf("cannot use brokers %q: %w", brokers, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	if err := client.Ping(ctx); err != nil {
		client.Close()
		return nil, fmt.Errorf("cannot reach any of %s: %w", brokers, err)
	}
	return &kafkaCluster{brokers: brokers, client: client}, nil
}

// prepare creates a topic and waits until all of its partitions have a leader.
func (k *kafkaCluster) prepare(ctx context.Context, row load.Row, _ bool) (place, error) {
	k.drop(ctx)
	k.topic, k.parts = "bench-"+strings.ToLower(rand.Text()[:12]), int32(row.Partitions)
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.Topic, topic.NumPartitions, topic.ReplicationFactor = k.topic, k.parts, -1
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = 30_000
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(ctx, k.client)
	if err != nil {
		return place{}, fmt.Errorf("cannot create a topic: %w", err)
	}
	for _, t := range answer.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return place{}, fmt.Errorf("cannot create a topic: %w", err)
		}
	}
	for range 200 {
		if _, err = k.counted(ctx); err == nil {
			return place{broker: k.brokers, topic: k.topic}, nil
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return place{}, ctx.Err()
		}
	}
	return place{}, fmt.Errorf("cannot use a new topic: %w", err)
}

// counted sums the end offsets of the topic's partitions.
func (k *kafkaCluster) counted(ctx context.Context) (c broker.Counters, err error) {
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = k.topic
	for i := range k.parts {
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Partition, p.Timestamp = i, -1 // the end
		topic.Partitions = append(topic.Partitions, p)
	}
	request := kmsg.NewPtrListOffsetsRequest()
	request.Topics = append(request.Topics, topic)
	var errs []error
	seen := int32(0)
	for _, shard := range k.client.RequestSharded(ctx, request) {
		errs = append(errs, shard.Err)
		answer, ok := shard.Resp.(*kmsg.ListOffsetsResponse)
		if !ok || shard.Err != nil {
			continue
		}
		for _, t := range answer.Topics {
			for _, p := range t.Partitions {
				errs = append(errs, kerr.ErrorForCode(p.ErrorCode))
				c.Records += p.Offset
				seen++
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		return c, fmt.Errorf("cannot read the ends of %s: %w", k.topic, err)
	}
	if seen != k.parts {
		return c, fmt.Errorf("cannot read the ends of %s: %d partitions answered of %d", k.topic, seen, k.parts)
	}
	return c, nil
}

// drop deletes the topic of the sample before. If that fails the topic stays:
// the next sample does not need its name.
func (k *kafkaCluster) drop(ctx context.Context) {
	if k.topic == "" {
		return
	}
	topic := kmsg.NewDeleteTopicsRequestTopic()
	topic.Topic = kmsg.StringPtr(k.topic)
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TimeoutMillis = 30_000
	request.TopicNames = []string{k.topic}
	request.Topics = append(request.Topics, topic)
	_, _ = request.RequestWith(ctx, k.client) // see above
	k.topic = ""
}

func (k *kafkaCluster) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	k.drop(ctx)
	k.client.Close()
}
