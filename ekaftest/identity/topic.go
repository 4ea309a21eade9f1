package identity

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// connect answers a connection to the partition's leader, once it serves it.
// Until then it waits: after a start or an election brokers answer 3, 5, 6 or
// nothing for a while.
func (r *run) connect(ctx context.Context) (wire, error) {
	if r.leader.Conn != nil {
		return r.leader, nil
	}
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		w, err := r.tryConnect(ctx)
		if err == nil {
			r.leader = w
			return w, nil
		}
		if pause(ctx, wait) != nil {
			return wire{}, err
		}
	}
}

func (r *run) tryConnect(ctx context.Context) (wire, error) {
	leader, err := r.findLeader(ctx)
	if err != nil {
		return wire{}, err
	}
	w, err := dial(ctx, r.Target, leader)
	if err != nil {
		return wire{}, err
	}
	if _, _, err := r.bounds(w); err != nil && !r.deleted() {
		w.Close()
		return wire{}, err
	}
	return w, nil
}

// deleted is when no broker leads the topic any more: any broker will do.
func (r *run) deleted() bool { return r.topicID == deletedID }

var deletedID = [16]byte{0xde, 0xad}

func (r *run) findLeader(ctx context.Context) (int32, error) {
	if r.deleted() {
		return -1, nil
	}
	w, err := dial(ctx, r.Target, -1)
	if err != nil {
		return 0, err
	}
	defer w.Close()
	req := kmsg.NewPtrMetadataRequest()
	req.Version = r.metadataVersion()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(r.topic)
	req.Topics = append(req.Topics, t)
	resp, err := ask[*kmsg.MetadataResponse](w, req)
	if err != nil {
		return 0, err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if t.ErrorCode == 0 && p.ErrorCode == 0 && p.Leader >= 0 {
				r.topicID = t.TopicID
				return p.Leader, nil
			}
		}
	}
	return 0, fmt.Errorf("cannot find the leader of %s: none yet", r.topic)
}

// metadataVersion is the lowest that does: 12 tells topic ids (KIP-516).
func (r *run) metadataVersion() int16 {
	if r.Needs.API == kmsg.Produce && r.Needs.Version >= 13 {
		return 12
	}
	return 4
}

// controller asks the controller, which topics are created and deleted by.
func (r *run) controller(ctx context.Context) (wire, error) {
	w, err := dial(ctx, r.Target, -1)
	if err != nil {
		return wire{}, err
	}
	defer w.Close()
	req := kmsg.NewPtrMetadataRequest()
	req.Version, req.Topics = 4, []kmsg.MetadataRequestTopic{}
	resp, err := ask[*kmsg.MetadataResponse](w, req)
	if err != nil {
		return wire{}, err
	}
	return dial(ctx, r.Target, resp.ControllerID)
}

func (r *run) createTopic(ctx context.Context) error {
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions, t.ReplicationFactor = r.topic, 1, int16(min(r.Brokers(), 3))
	for name, value := range r.Configs {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = name, new(value)
		t.Configs = append(t.Configs, c)
	}
	// A topic just deleted may be in the way for a moment.
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		w, err := r.controller(ctx)
		if err != nil {
			return err
		}
		req := kmsg.NewPtrCreateTopicsRequest()
		req.Version, req.TimeoutMillis = 2, 30_000
		req.Topics = append(req.Topics, t)
		resp, err := ask[*kmsg.CreateTopicsResponse](w, req)
		w.Close()
		if err != nil {
			return err
		}
		err = fmt.Errorf("cannot create the topic: %w", kerr.UnknownServerError)
		if len(resp.Topics) == 1 {
			if resp.Topics[0].ErrorCode == 0 {
				r.topicID = [16]byte{}
				_, err := r.connect(ctx)
				return err
			}
			err = fmt.Errorf("cannot create the topic: %w", kerr.ErrorForCode(resp.Topics[0].ErrorCode))
		}
		if pause(ctx, wait) != nil {
			return err
		}
	}
}

func (r *run) deleteTopic(ctx context.Context) error {
	w, err := r.controller(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.Version, req.TimeoutMillis, req.TopicNames = 1, 30_000, []string{r.topic}
	resp, err := ask[*kmsg.DeleteTopicsResponse](w, req)
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		if t.ErrorCode != 0 {
			return fmt.Errorf("cannot delete the topic: %w", kerr.ErrorForCode(t.ErrorCode))
		}
	}
	r.hangUp()
	r.oldID, r.topicID = r.topicID, deletedID
	return pause(ctx, time.Second) // brokers learn of it one by one
}

func (r *run) deleteRecords(ctx context.Context, offset int64) error {
	w, err := r.connect(ctx)
	if err != nil {
		return err
	}
	req := kmsg.NewPtrDeleteRecordsRequest()
	req.TimeoutMillis = 30_000
	t := kmsg.NewDeleteRecordsRequestTopic()
	t.Topic = r.topic
	p := kmsg.NewDeleteRecordsRequestTopicPartition()
	p.Offset = offset
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := ask[*kmsg.DeleteRecordsResponse](w, req)
	if err != nil {
		return err
	}
	for _, t := range resp.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode != 0 {
				return fmt.Errorf("cannot delete records: %w", kerr.ErrorForCode(p.ErrorCode))
			}
		}
	}
	return nil
}

func (r *run) configure(ctx context.Context, name, value string) error {
	w, err := r.controller(ctx)
	if err != nil {
		return err
	}
	defer w.Close()
	req := kmsg.NewPtrIncrementalAlterConfigsRequest()
	res := kmsg.NewIncrementalAlterConfigsRequestResource()
	res.ResourceType, res.ResourceName = kmsg.ConfigResourceTypeTopic, r.topic
	c := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
	c.Name, c.Value = name, new(value)
	res.Configs = append(res.Configs, c)
	req.Resources = append(req.Resources, res)
	resp, err := ask[*kmsg.IncrementalAlterConfigsResponse](w, req)
	if err != nil {
		return err
	}
	for _, res := range resp.Resources {
		if res.ErrorCode != 0 {
			return fmt.Errorf("cannot set %s: %w", name, kerr.ErrorForCode(res.ErrorCode))
		}
	}
	return pause(ctx, time.Second) // brokers learn of it one by one
}

// producer answers the id a name stands for, a fresh one the first time.
func (r *run) producer(ctx context.Context, name string) (int64, error) {
	if id, ok := r.producers[name]; ok {
		return id, nil
	}
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		w, err := dial(ctx, r.Target, -1)
		if err != nil {
			return 0, err
		}
		resp, err := ask[*kmsg.InitProducerIDResponse](w, kmsg.NewPtrInitProducerIDRequest())
		w.Close()
		if err == nil {
			if err = kerr.ErrorForCode(resp.ErrorCode); err == nil {
				r.producers[name] = resp.ProducerID
				return resp.ProducerID, nil
			}
		}
		if pause(ctx, wait) != nil {
			return 0, fmt.Errorf("cannot get a producer id: %w", err)
		}
	}
}

// bounds answers the log's first offset and the one after its last.
func (r *run) bounds(w wire) (from, to int64, err error) {
	var offsets [2]int64
	for i, timestamp := range []int64{-2, -1} {
		req := kmsg.NewPtrListOffsetsRequest()
		req.Version = 1
		t := kmsg.NewListOffsetsRequestTopic()
		t.Topic = r.topic
		p := kmsg.NewListOffsetsRequestTopicPartition()
		p.Timestamp = timestamp
		t.Partitions = append(t.Partitions, p)
		req.Topics = append(req.Topics, t)
		resp, err := ask[*kmsg.ListOffsetsResponse](w, req)
		if err != nil {
			return 0, 0, err
		}
		if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
			return 0, 0, fmt.Errorf("cannot list offsets: %w", kerr.UnknownServerError)
		}
		if got := resp.Topics[0].Partitions[0]; got.ErrorCode != 0 {
			return 0, 0, fmt.Errorf("cannot list offsets: %w", kerr.ErrorForCode(got.ErrorCode))
		} else {
			offsets[i] = got.Offset
		}
	}
	return offsets[0], offsets[1], nil
}

func (r *run) fetch(w wire, from int64) ([]header, error) {
	req := kmsg.NewPtrFetchRequest()
	req.Version, req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 4, 1000, 1, 1<<20
	t := kmsg.NewFetchRequestTopic()
	t.Topic = r.topic
	p := kmsg.NewFetchRequestTopicPartition()
	p.FetchOffset, p.PartitionMaxBytes = from, 1<<20
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	resp, err := ask[*kmsg.FetchResponse](w, req)
	if err != nil {
		return nil, err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return nil, fmt.Errorf("cannot fetch: %w", kerr.UnknownServerError)
	}
	got := resp.Topics[0].Partitions[0]
	return headers(got.RecordBatches), kerr.ErrorForCode(got.ErrorCode)
}
