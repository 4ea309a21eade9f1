package ekaftest

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Header is a record header.
type Header struct {
	Key   string
	Value []byte
}

// Message is a record as a consumer sees it, and the batch it came in.
type Message struct {
	Partition int32
	Offset    int64
	Timestamp time.Time
	Key       []byte // nil: null
	Value     []byte // nil: null
	Headers   []Header

	ProducerID    int64 // -1: none
	ProducerEpoch int16 // -1: none
	Sequence      int32 // of this record; -1: none

	BatchOffset int64 // the offset of the batch's first record
	BatchLen    int   // records in the batch
	Codec       int8  // how it was compressed: 0 none, 1 gzip, 2 snappy, 3 lz4, 4 zstd
}

// message makes what a consumer sees of one record of the batch.
func (b *batchHeader) message(r *kmsg.Record) Message {
	millis := b.baseTimestamp + r.TimestampDelta64
	if b.attributes&logAppendTimeBit != 0 {
		millis = b.maxTimestamp
	}
	m := Message{
		Offset:    b.baseOffset + int64(r.OffsetDelta),
		Timestamp: time.UnixMilli(millis),
		Key:       r.Key, Value: r.Value,
		ProducerID: b.producerID, ProducerEpoch: b.epoch, Sequence: -1,
		BatchOffset: b.baseOffset, BatchLen: int(b.count), Codec: int8(b.attributes & codecBits),
	}
	if b.producerID >= 0 {
		m.Sequence = addSequence(b.sequence, r.OffsetDelta)
	}
	for _, h := range r.Headers {
		m.Headers = append(m.Headers, Header{h.Key, h.Value})
	}
	return m
}

// Consume answers all a consumer would see of a topic now: partition by
// partition, each in order, uncommitted transactions included. Stopped brokers
// and network faults do not matter.
func (c *Cluster) Consume(topic string) ([]Message, error) {
	infos := c.kafka().partitions(topic)
	if infos == nil {
		return nil, fmt.Errorf("cannot consume topic %q: %w", topic, kerr.UnknownTopicOrPartition)
	}
	var all []Message
	for _, info := range infos {
		var err error
		all, err = c.consumePartition(all, topic, info.Partition, info.LogStartOffset, info.HighWatermark)
		if err != nil {
			return all, fmt.Errorf("cannot consume partition %d of topic %q: %w", info.Partition, topic, err)
		}
	}
	return all, nil
}

func (c *Cluster) consumePartition(all []Message, topic string, partition int32, from, to int64) ([]Message, error) {
	for from < to {
		raw, err := c.fetch(topic, partition, from)
		if err != nil {
			return all, err
		}
		raw = c.restore(topic, partition, raw)
		next := from
		for len(raw) > 0 {
			b, err := parseBatch(raw)
			if err != nil {
				return all, err
			}
			raw = raw[len(b.raw):]
			next = b.baseOffset + int64(b.lastOffsetDelta) + 1
			if b.attributes&controlBit != 0 {
				continue
			}
			records, err := b.records()
			if err != nil {
				return all, err
			}
			for i := range records {
				m := b.message(&records[i])
				m.Partition = partition
				if m.Offset >= from {
					all = append(all, m)
				}
			}
		}
		if next == from {
			return all, nil // emptied by compaction up to the end
		}
		from = next
	}
	return all, nil
}

// fetch reads batches from kfake, past the brokers' doors.
func (c *Cluster) fetch(topic string, partition int32, offset int64) ([]byte, error) {
	info := c.kafka().partition(topic, partition)
	if info == nil {
		return nil, kerr.UnknownTopicOrPartition
	}
	req := kmsg.NewPtrFetchRequest()
	req.Version = 12 // the newest that names topics
	req.MaxBytes, req.MinBytes = 64<<20, 0
	req.SessionEpoch = -1
	t := kmsg.NewFetchRequestTopic()
	t.Topic = topic
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes = partition, offset, 64<<20
	t.Partitions = append(t.Partitions, p)
	req.Topics = append(req.Topics, t)
	req.UnknownTags.Set(internalTag, nil)
	resp, err := c.askBroker(info.Leader, req)
	if err != nil {
		return nil, err
	}
	for _, t := range resp.(*kmsg.FetchResponse).Topics {
		for _, p := range t.Partitions {
			if p.Partition == partition {
				return p.RecordBatches, kerr.ErrorForCode(p.ErrorCode)
			}
		}
	}
	return nil, io.ErrUnexpectedEOF
}

// internalTag marks requests of our own, which injected faults spare.
const internalTag = 0x656b

func isInternal(req kmsg.Request) bool {
	var tags *kmsg.Tags
	switch r := req.(type) {
	case *kmsg.FetchRequest:
		tags = &r.UnknownTags
	case *kmsg.MetadataRequest:
		tags = &r.UnknownTags
	case *kmsg.CreatePartitionsRequest:
		tags = &r.UnknownTags
	default:
		return false
	}
	internal := false
	tags.Each(func(key uint32, _ []byte) { internal = internal || key == internalTag })
	return internal
}

// askBroker sends kfake's broker a request on a connection of its own.
func (c *Cluster) askBroker(broker int32, req kmsg.Request) (kmsg.Response, error) {
	conn, err := c.kafka().ups[broker].dial()
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	return askOn(conn, req)
}

func askOn(conn net.Conn, req kmsg.Request) (kmsg.Response, error) {
	payload, err := roundTrip(conn, appendRequest(req))
	if err != nil {
		return nil, err
	}
	resp := req.ResponseKind()
	return resp, decode(payload, resp)
}

// WaitFor waits until a consumer would see n messages of a topic, and answers
// all it sees then (which may be more). The topic need not exist yet. If ctx
// ends first, it answers what is there and an error.
func (c *Cluster) WaitFor(ctx context.Context, topic string, n int) ([]Message, error) {
	for {
		changed := c.appended.wait()
		var seen []Message
		// Offsets count control records too, so this only saves decoding
		// a log that cannot have enough.
		if c.offsets(topic) >= int64(n) {
			var err error
			if seen, err = c.Consume(topic); err == nil && len(seen) >= n {
				return seen, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			seen, _ = c.Consume(topic)
			return seen, fmt.Errorf("cannot see %d messages of topic %q, there are %d: %w", n, topic, len(seen), ctx.Err())
		}
	}
}

func (c *Cluster) offsets(topic string) int64 {
	var n int64
	for _, info := range c.kafka().partitions(topic) {
		n += info.HighWatermark - info.LogStartOffset
	}
	return n
}

// signal wakes whoever waits for the next append.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
}

func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

func (s *signal) broadcast() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}
