package cluster

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Description is what one broker answered about the cluster, as it said it: nothing is kept or believed.
type Description struct {
	ClusterID  string // empty where the cluster has none (before Metadata v2)
	Controller int32  // broker id, -1: none
	Brokers    []Broker
	Topics     []TopicDescription
}

// TopicDescription is a topic's, ordered by partition.
type TopicDescription struct {
	Name       string
	ID         [16]byte
	Internal   bool
	Partitions []PartitionDescription
	Err        error // a *kerr.Error
}

// PartitionDescription is a partition's.
type PartitionDescription struct {
	Partition
	Replicas, InSync []int32
}

// Describe asks a broker for the topics named, or for all if names is nil, once. It creates none, and
// leaves alone what is wanted.
func (c *Cluster) Describe(ctx context.Context, names []string) (Description, error) {
	request := kmsg.NewPtrMetadataRequest()
	request.AllowAutoTopicCreation = false
	if names != nil {
		request.Topics = []kmsg.MetadataRequestTopic{}
	}
	for _, name := range names {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(name)
		request.Topics = append(request.Topics, topic)
	}
	answer, err := c.Do(ctx, AnyBroker, request)
	if err != nil {
		if last := c.LastError(); last != nil && ctx.Err() != nil {
			err = fmt.Errorf("%w (%w)", ctx.Err(), last)
		}
		return Description{}, cannotAsk("Metadata", err)
	}
	resp, ok := answer.(*kmsg.MetadataResponse)
	if !ok {
		return Description{}, cannotAsk("Metadata", fmt.Errorf("the answer is a %T", answer))
	}
	return describe(resp), nil
}

func describe(resp *kmsg.MetadataResponse) Description {
	d := Description{Controller: resp.ControllerID}
	if resp.ClusterID != nil {
		d.ClusterID = *resp.ClusterID
	}
	for _, b := range resp.Brokers {
		broker := Broker{ID: b.NodeID, Host: b.Host, Port: b.Port}
		if b.Rack != nil {
			broker.Rack = *b.Rack
		}
		d.Brokers = append(d.Brokers, broker)
	}
	slices.SortFunc(d.Brokers, func(a, b Broker) int { return cmp.Compare(a.ID, b.ID) })
	for i := range resp.Topics {
		d.Topics = append(d.Topics, describeTopic(&resp.Topics[i]))
	}
	slices.SortFunc(d.Topics, func(a, b TopicDescription) int { return cmp.Compare(a.Name, b.Name) })
	return d
}

func describeTopic(t *kmsg.MetadataResponseTopic) TopicDescription {
	out := TopicDescription{ID: t.TopicID, Internal: t.IsInternal, Err: kerr.ErrorForCode(t.ErrorCode)}
	if t.Topic != nil {
		out.Name = *t.Topic
	}
	for _, p := range t.Partitions {
		out.Partitions = append(out.Partitions, PartitionDescription{
			Partition: Partition{ID: p.Partition, Leader: p.Leader, LeaderEpoch: p.LeaderEpoch, Err: kerr.ErrorForCode(p.ErrorCode)},
			Replicas:  p.Replicas, InSync: p.ISR,
		})
	}
	slices.SortFunc(out.Partitions, func(a, b PartitionDescription) int { return cmp.Compare(a.ID, b.ID) })
	return out
}
