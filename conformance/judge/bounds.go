package judge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The timestamps by which ListOffsets is asked for the ends of a log.
const (
	earliest = -2
	latest   = -1 // with read_uncommitted: the high watermark
)

// bounds are the first offset and the high watermark of every partition. While
// leaders move it asks again, until ctx ends: judges come when brokers die.
func bounds(ctx context.Context, brokers []string, topic string, opts []kgo.Opt) (starts, ends map[int32]int64, err error) {
	client, err := kgo.NewClient(slices.Concat(opts, []kgo.Opt{kgo.SeedBrokers(brokers...)})...)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot make a client: %w", err)
	}
	defer client.Close()
	for {
		starts, ends, err = ask(ctx, client, topic)
		if !kerr.IsRetriable(err) || errors.Is(err, kerr.UnknownTopicOrPartition) {
			return starts, ends, err
		}
		select {
		case <-ctx.Done():
			return nil, nil, errors.Join(err, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func ask(ctx context.Context, client *kgo.Client, topic string) (starts, ends map[int32]int64, err error) {
	partitions, err := partitionsOf(ctx, client, topic)
	if err != nil {
		return nil, nil, err
	}
	if starts, err = offsets(ctx, client, topic, partitions, earliest); err != nil {
		return nil, nil, err
	}
	ends, err = offsets(ctx, client, topic, partitions, latest)
	return starts, ends, err
}

func partitionsOf(ctx context.Context, client *kgo.Client, topic string) ([]int32, error) {
	request := kmsg.NewPtrMetadataRequest()
	ofTopic := kmsg.NewMetadataRequestTopic()
	ofTopic.Topic = &topic
	request.Topics = append(request.Topics, ofTopic)
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	var list []int32
	for _, t := range answer.Topics {
		if err := kerr.ErrorForCode(t.ErrorCode); err != nil {
			return nil, err
		}
		for _, p := range t.Partitions {
			list = append(list, p.Partition)
		}
	}
	if len(list) == 0 {
		return nil, errors.New("it has no partitions")
	}
	return list, nil
}

// offsets asks every partition's leader for the offset at a timestamp. kgo
// splits the request by leader and joins the answers.
func offsets(ctx context.Context, client *kgo.Client, topic string, partitions []int32, timestamp int64) (map[int32]int64, error) {
	request := kmsg.NewPtrListOffsetsRequest()
	ofTopic := kmsg.NewListOffsetsRequestTopic()
	ofTopic.Topic = topic
	for _, partition := range partitions {
		ofPartition := kmsg.NewListOffsetsRequestTopicPartition()
		ofPartition.Partition, ofPartition.Timestamp, ofPartition.MaxNumOffsets = partition, timestamp, 1
		ofTopic.Partitions = append(ofTopic.Partitions, ofPartition)
	}
	request.Topics = append(request.Topics, ofTopic)
	answer, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	found := map[int32]int64{}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return nil, err
			}
			found[p.Partition] = p.Offset
			// Version 0, before Kafka 0.10.1, answers a list instead.
			if answer.Version == 0 && len(p.OldStyleOffsets) > 0 {
				found[p.Partition] = p.OldStyleOffsets[0]
			}
		}
	}
	if len(found) != len(partitions) {
		return nil, fmt.Errorf("brokers told the offsets of %d of %d partitions", len(found), len(partitions))
	}
	return found, nil
}
