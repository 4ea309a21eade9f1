package ekaftest

import (
	"bytes"
	"encoding/binary"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Produce, as a broker carries it out:
//
//	request ──► one entry per partition (listed twice: the last one)
//	              │
//	              ▼ for each
//	  exists? leads? ──► validate ──► producer state ──► append to kfake
//	     3, 6, 100         2, 10, 32,    OK@old, 45, 47     anonymously
//	                       76, 87                             │
//	                                                          ▼
//	  answer ◄── injected code, after writing ◄── journal, replicas, waiters

// produceEntry is the records one request has for one partition.
type produceEntry struct {
	topic     string
	topicID   [16]byte
	partition int32
	records   []byte
}

func (s *session) produce(req *kmsg.ProduceRequest, hit hits) (*kmsg.ProduceResponse, error) {
	resp := req.ResponseKind().(*kmsg.ProduceResponse)
	failed := false
	for _, e := range entries(req) {
		sp, err := s.produceEntry(req, e, hit)
		if err != nil {
			return nil, err
		}
		failed = failed || sp.ErrorCode != 0
		addAnswer(resp, e, sp)
		if sp.CurrentLeader.LeaderID >= 0 && resp.Brokers == nil {
			resp.Brokers = s.b.c.endpoints()
		}
	}
	if req.Acks == 0 && failed {
		return nil, errHangUp // all a broker can do without an answer
	}
	return resp, nil
}

// entries lists the partitions of a request once each. A broker puts them into
// a map: of a partition listed twice the first records are lost in silence.
func entries(req *kmsg.ProduceRequest) []produceEntry {
	type key struct {
		topic     string
		topicID   [16]byte
		partition int32
	}
	index := make(map[key]int)
	var list []produceEntry
	for _, t := range req.Topics {
		for _, p := range t.Partitions {
			k := key{t.Topic, t.TopicID, p.Partition}
			e := produceEntry{t.Topic, t.TopicID, p.Partition, p.Records}
			if i, ok := index[k]; ok {
				list[i] = e
				continue
			}
			index[k] = len(list)
			list = append(list, e)
		}
	}
	return list
}

func addAnswer(resp *kmsg.ProduceResponse, e produceEntry, sp kmsg.ProduceResponseTopicPartition) {
	for i := range resp.Topics {
		if t := &resp.Topics[i]; t.Topic == e.topic && t.TopicID == e.topicID {
			t.Partitions = append(t.Partitions, sp)
			return
		}
	}
	t := kmsg.NewProduceResponseTopic()
	t.Topic, t.TopicID = e.topic, e.topicID
	t.Partitions = append(t.Partitions, sp)
	resp.Topics = append(resp.Topics, t)
}

func (s *session) produceEntry(req *kmsg.ProduceRequest, e produceEntry, hit hits) (kmsg.ProduceResponseTopicPartition, error) {
	sp := kmsg.NewProduceResponseTopicPartition()
	sp.Partition = e.partition
	fault := hit.code(e.topic, e.partition)
	if fault == nil || fault.AfterWrite {
		no, err := s.writeEntry(req, e, &sp)
		if err != nil {
			return sp, err
		}
		if no != nil {
			no.fill(&sp)
			return sp, nil
		}
	}
	if fault != nil {
		sp = kmsg.NewProduceResponseTopicPartition()
		sp.Partition = e.partition
		(&refusal{code: fault.Code, message: fault.Message}).fill(&sp)
	}
	return sp, nil
}

func (no *refusal) fill(sp *kmsg.ProduceResponseTopicPartition) {
	sp.ErrorCode, sp.BaseOffset = no.code, -1
	if no.message != "" {
		sp.ErrorMessage = &no.message
	}
	for _, bad := range no.records {
		er := kmsg.NewProduceResponseTopicPartitionErrorRecord()
		er.RelativeOffset, er.ErrorMessage = bad.index, new(bad.reason)
		sp.ErrorRecords = append(sp.ErrorRecords, er)
	}
}

// writeEntry writes one partition's batch, or answers why not.
func (s *session) writeEntry(req *kmsg.ProduceRequest, e produceEntry, sp *kmsg.ProduceResponseTopicPartition) (*refusal, error) {
	c := s.b.c
	if req.Acks < -1 || req.Acks > 1 {
		return refuse(kerr.InvalidRequiredAcks, "acks must be -1, 0 or 1"), nil
	}
	topic, no := c.resolve(req.Version, e)
	if no != nil {
		return no, nil
	}
	l := c.log(topic.Topic, topic.TopicID, e.partition)
	l.mu.Lock()
	defer l.mu.Unlock()
	info := c.kafka().partition(topic.Topic, e.partition)
	if info == nil {
		return refuse(kerr.UnknownTopicOrPartition, ""), nil
	}
	if leader := c.leaderOf(topic.Topic, info); leader != s.b.id {
		if leader >= 0 {
			sp.CurrentLeader.LeaderID, sp.CurrentLeader.LeaderEpoch = leader, info.Epoch
		}
		return refuse(kerr.NotLeaderForPartition, ""), nil
	}
	replica := l.replicas[s.b.id]
	if !replica.up {
		return nil, errHangUp // stopped while the request was under way
	}
	now := time.Now()
	b, no := c.validate(req.Version, topic, e.records, now)
	if no != nil {
		return no, nil
	}
	if b.producerID >= 0 && !b.transactional() {
		replica.expire(now, c.cfg.expiry)
		v := replica.check(&b, c.producerRules)
		if v.err != nil {
			return refuse(v.err, ""), nil
		}
		if v.duplicate != nil {
			sp.BaseOffset, sp.LogAppendTime = v.duplicate.baseOffset, v.duplicate.appendTime
			sp.LogStartOffset = info.LogStartOffset
			return nil, nil
		}
	}
	return s.appendBatch(req, e, topic, l, &b, now, sp)
}

// resolve finds the topic an entry means.
func (c *Cluster) resolve(version int16, e produceEntry) (*kfake.TopicInfo, *refusal) {
	if version >= 13 {
		if t := c.kafka().topicByID(e.topicID); t != nil {
			return t, nil
		}
		return nil, refuse(kerr.UnknownTopicID, "")
	}
	if t := c.kafka().topic(e.topic); t != nil {
		return t, nil
	}
	return nil, refuse(kerr.UnknownTopicOrPartition, "")
}

// appendBatch has kfake append the batch and takes it into the journal. A
// transactional batch goes as it is: kfake keeps its state.
func (s *session) appendBatch(req *kmsg.ProduceRequest, e produceEntry, topic *kfake.TopicInfo, l *partitionLog, b *batchHeader, now time.Time, sp *kmsg.ProduceResponseTopicPartition) (*refusal, error) {
	c := s.b.c
	a := appended{
		identity: b.identity, lastSequence: b.lastSequence(),
		timestamp: b.maxTimestamp, appendTime: -1, at: now,
	}
	raw := bytes.Clone(b.raw)
	if c.rules(topic).logAppendTime {
		a.appendTime, a.timestamp = now.UnixMilli(), now.UnixMilli()
		binary.BigEndian.PutUint64(raw[atMaxTimestamp:], uint64(a.appendTime))
	}
	if !b.transactional() {
		setIdentity(raw, anonymous)
	}
	fixCRC(raw)
	answer, err := s.askProduce(req, e, raw)
	if err != nil {
		return nil, err
	}
	if answer.ErrorCode != 0 {
		*sp = *answer
		return &refusal{code: answer.ErrorCode}, nil
	}
	a.baseOffset = answer.BaseOffset
	if b.transactional() {
		a.identity = anonymous // nothing was taken off
	}
	if a.producerID >= 0 || a.appendTime >= 0 {
		l.record(a, c.producerRules.window)
	}
	sp.BaseOffset, sp.LogAppendTime, sp.LogStartOffset = a.baseOffset, a.appendTime, answer.LogStartOffset
	c.appended.broadcast()
	return nil, nil
}

// askProduce sends one partition to kfake, in the client's own version: it
// decides how a transaction takes up the partition (KIP-890).
func (s *session) askProduce(req *kmsg.ProduceRequest, e produceEntry, raw []byte) (*kmsg.ProduceResponseTopicPartition, error) {
	one := kmsg.NewPtrProduceRequest()
	one.Version = max(req.Version, 3)
	one.TransactionID, one.Acks, one.TimeoutMillis = req.TransactionID, -1, req.TimeoutMillis
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID = e.topic, e.topicID
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = e.partition, raw
	t.Partitions = append(t.Partitions, p)
	one.Topics = append(one.Topics, t)
	resp, err := s.ask(one)
	if err != nil {
		return nil, err
	}
	topics := resp.(*kmsg.ProduceResponse).Topics
	if len(topics) != 1 || len(topics[0].Partitions) != 1 {
		return nil, errHangUp
	}
	return &topics[0].Partitions[0], nil
}
