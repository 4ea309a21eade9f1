package ekaf

import (
	"context"

	"github.com/ekaf-go/ekaf/internal/cluster"
)

// ClusterMetadata is what a broker says of the cluster.
type ClusterMetadata struct {
	ClusterID  string // empty before Kafka 0.10.1
	Controller int32  // node id, -1: none
	Brokers    []BrokerMetadata
	Topics     []TopicMetadata // by name
}

// BrokerMetadata is a broker's.
type BrokerMetadata struct {
	Broker int32 // node id
	Addr   string
	Rack   string
}

// Describe asks a broker about the cluster and the topics named, or about all
// topics if none is, and waits for the answer until ctx ends. Unlike Metadata it
// begins with no topic, creates none, and keeps nothing: names may come from
// anywhere. A topic that does not exist is among the answer's with its Err.
func (p *Producer) Describe(ctx context.Context, topics ...string) (ClusterMetadata, error) {
	if p.refusing.Load() {
		return ClusterMetadata{}, ErrClosed
	}
	for _, name := range topics {
		if err := checkTopicName(name); err != nil {
			return ClusterMetadata{}, err
		}
	}
	d, err := p.cluster.Describe(ctx, topics)
	if err != nil {
		return ClusterMetadata{}, err
	}
	out := ClusterMetadata{ClusterID: d.ClusterID, Controller: d.Controller}
	addrs := map[int32]string{}
	for _, b := range d.Brokers {
		addrs[b.ID] = b.Addr()
		out.Brokers = append(out.Brokers, BrokerMetadata{Broker: b.ID, Addr: b.Addr(), Rack: b.Rack})
	}
	for i := range d.Topics {
		out.Topics = append(out.Topics, describedTopic(&d.Topics[i], addrs))
	}
	return out, nil
}

func describedTopic(d *cluster.TopicDescription, addrs map[int32]string) TopicMetadata {
	t := TopicMetadata{Topic: d.Name, ID: d.ID, Internal: d.Internal}
	if d.Err != nil {
		t.Err = topicFault(d.Err)
	}
	for _, k := range d.Partitions {
		t.Partitions = append(t.Partitions, PartitionMetadata{
			Partition: k.ID, Leader: k.Leader, LeaderEpoch: k.LeaderEpoch, LeaderAddr: addrs[k.Leader],
			Replicas: k.Replicas, InSync: k.InSync,
		})
	}
	return t
}
