package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// producerID is what InitProducerId gives.
type producerID struct {
	id    int64
	epoch int16
}

// ProducerID asks for a new producer id (InitProducerId with a null transactional id, KIP-98), which any
// broker can give. What may pass is asked again, with back-off, until ctx ends; the error then wraps ctx's
// cause and the last failure. An error that Is ErrCannotAsk is final: the principal is not allowed to write
// idempotently, or the brokers are older than Kafka 0.11.
//
// Asked before the cluster has been reached, it shares the first connection with the first Metadata
// request, and costs no round trip of its own.
func (c *Cluster) ProducerID(ctx context.Context) (id int64, epoch int16, err error) {
	p, err := until(ctx, c, "get a producer id", func(n int) (producerID, error) {
		l, err := c.producerIDLink(ctx, n)
		if err != nil {
			return producerID{}, err
		}
		defer c.release(l)
		return c.askProducerID(ctx, l, n)
	})
	return p.id, p.epoch, err
}

// producerIDLink picks whom to ask: the control connection's broker, but every second time after the second
// failure some other one, as a broker that has lost the controller has no ids to give.
func (c *Cluster) producerIDLink(ctx context.Context, n int) (*link, error) {
	if n > 2 && n%2 == 1 {
		for id := range c.Snapshot().Brokers { // in random order
			bounded, cancel := context.WithTimeout(ctx, c.patience(n))
			l, err := c.to(bounded, id)
			cancel()
			return l, err
		}
	}
	return c.anyLink(ctx)
}

func (c *Cluster) askProducerID(ctx context.Context, l *link, n int) (producerID, error) {
	req := kmsg.NewPtrInitProducerIDRequest()
	req.TransactionalID = nil
	req.ProducerID, req.ProducerEpoch = -1, -1
	resp, err := c.question(ctx, l, req, -1, n)
	if err != nil {
		return producerID{}, err
	}
	r, ok := resp.(*kmsg.InitProducerIDResponse)
	if !ok {
		return producerID{}, fmt.Errorf("cannot get a producer id: %s answered with a %T", l.addr, resp)
	}
	if err := c.judge("for a producer id", r.ErrorCode); err != nil {
		return producerID{}, err
	}
	if r.ProducerID < 0 || r.ProducerEpoch < 0 {
		return producerID{}, fmt.Errorf("cannot use the producer id %d, epoch %d, of %s", r.ProducerID, r.ProducerEpoch, l.addr)
	}
	return producerID{r.ProducerID, r.ProducerEpoch}, nil
}

// ProducerState is what the leader of a partition remembers of one producer id.
type ProducerState struct {
	Epoch         int16
	LastSequence  int32     // of the last batch in the leader's log, which need not be committed yet
	LastTimestamp time.Time // the highest timestamp of that batch; from it the broker counts the id's expiry
}

// LastProducer asks the leader of a partition what it remembers of a producer id (DescribeProducers,
// KIP-664; Kafka 2.8 and later). False: the leader does not know the id, which does not mean that it never
// wrote: its state may have expired. It needs READ on the topic; an error that Is ErrCannotAsk says that it
// is not allowed, or not offered. All else is asked again until ctx ends.
func (c *Cluster) LastProducer(ctx context.Context, topic string, partition int32, pid int64) (ProducerState, bool, error) {
	what := fmt.Sprintf("learn what the leader of %s-%d knows of producer id %d", topic, partition, pid)
	state, err := until(ctx, c, what, func(n int) (*ProducerState, error) {
		resp, err := c.atLeader(ctx, n, leaderQuestion{topic: topic, partition: partition, highest: -1, build: func(int32) kmsg.Request {
			req := kmsg.NewPtrDescribeProducersRequest()
			rt := kmsg.NewDescribeProducersRequestTopic()
			rt.Topic, rt.Partitions = topic, []int32{partition}
			req.Topics = append(req.Topics, rt)
			return req
		}})
		if err != nil {
			return nil, err
		}
		return c.producerState(resp, topic, partition, pid)
	})
	if err != nil || state == nil {
		return ProducerState{}, false, err
	}
	return *state, true, nil
}

// producerState finds the id in a DescribeProducers answer; nil: it is not there.
func (c *Cluster) producerState(resp kmsg.Response, topic string, partition int32, pid int64) (*ProducerState, error) {
	r, ok := resp.(*kmsg.DescribeProducersResponse)
	if !ok {
		return nil, fmt.Errorf("cannot read the producer states of %s-%d: the answer is a %T", topic, partition, resp)
	}
	for i := range r.Topics {
		if r.Topics[i].Topic != topic {
			continue
		}
		for _, p := range r.Topics[i].Partitions {
			if p.Partition != partition {
				continue
			}
			if err := c.judge(fmt.Sprintf("for the producers of %s-%d", topic, partition), p.ErrorCode); err != nil {
				return nil, err
			}
			for _, a := range p.ActiveProducers {
				if a.ProducerID == pid {
					return &ProducerState{Epoch: int16(a.ProducerEpoch), LastSequence: a.LastSequence, LastTimestamp: time.UnixMilli(a.LastTimestamp)}, nil
				}
			}
			return nil, nil
		}
	}
	return nil, fmt.Errorf("cannot read the producer states of %s-%d: the answer leaves it out", topic, partition)
}
