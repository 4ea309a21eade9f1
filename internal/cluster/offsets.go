package cluster

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The two timestamps ListOffsets takes for names.
const (
	latest   = -1
	earliest = -2
)

// LogEnd is the offset the next committed record of a partition will get (ListOffsets, latest, read
// uncommitted: the high watermark). It needs DESCRIBE on the topic. An error that Is ErrCannotAsk is final;
// all else is asked again until ctx ends. Right after a leader change Kafka answers OFFSET_NOT_AVAILABLE
// until the new leader's high watermark has caught up, so what was committed before is below the answer.
func (c *Cluster) LogEnd(ctx context.Context, topic string, partition int32) (int64, error) {
	return c.offset(ctx, topic, partition, latest)
}

func (c *Cluster) offset(ctx context.Context, topic string, partition int32, which int64) (int64, error) {
	what := fmt.Sprintf("learn where the log of %s-%d ends", topic, partition)
	if which == earliest {
		what = fmt.Sprintf("learn where the log of %s-%d starts", topic, partition)
	}
	return until(ctx, c, what, func(n int) (int64, error) {
		resp, err := c.atLeader(ctx, n, leaderQuestion{topic: topic, partition: partition, highest: -1, build: func(epoch int32) kmsg.Request {
			return listOffsets(topic, partition, epoch, which)
		}})
		if err != nil {
			return 0, err
		}
		return c.offsetOf(resp, topic, partition)
	})
}

func listOffsets(topic string, partition, epoch int32, which int64) kmsg.Request {
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = topic
	rp := kmsg.NewListOffsetsRequestTopicPartition()
	rp.Partition, rp.CurrentLeaderEpoch, rp.Timestamp, rp.MaxNumOffsets = partition, epoch, which, 1
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

func (c *Cluster) offsetOf(resp kmsg.Response, topic string, partition int32) (int64, error) {
	r, ok := resp.(*kmsg.ListOffsetsResponse)
	if !ok {
		return 0, fmt.Errorf("cannot read the offsets of %s-%d: the answer is a %T", topic, partition, resp)
	}
	for i := range r.Topics {
		for _, p := range r.Topics[i].Partitions {
			if r.Topics[i].Topic != topic || p.Partition != partition {
				continue
			}
			if err := c.judge(fmt.Sprintf("for the offsets of %s-%d", topic, partition), p.ErrorCode); err != nil {
				return 0, err
			}
			offset := p.Offset
			if r.Version == 0 && len(p.OldStyleOffsets) > 0 {
				offset = p.OldStyleOffsets[0]
			}
			if offset < 0 {
				return 0, fmt.Errorf("cannot read the offsets of %s-%d: the answer is %d", topic, partition, offset)
			}
			return offset, nil
		}
	}
	return 0, fmt.Errorf("cannot read the offsets of %s-%d: the answer leaves it out", topic, partition)
}
