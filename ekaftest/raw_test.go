package ekaftest_test

import (
	"encoding/binary"
	"hash/crc32"
	"io"
	"net"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// batch is a record batch with one record per value and no producer id.
func batch(values ...string) []byte {
	return customBatch(values, time.Now(), func(*kmsg.RecordBatch) {})
}

func customBatch(values []string, at time.Time, change func(*kmsg.RecordBatch)) []byte {
	var records []byte
	for i, v := range values {
		r := kmsg.NewRecord()
		r.OffsetDelta, r.Value = int32(i), []byte(v)
		body := r.AppendTo(nil)[1:]
		records = append(binary.AppendVarint(records, int64(len(body))), body...)
	}
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2,
		LastOffsetDelta: int32(len(values) - 1), NumRecords: int32(len(values)),
		FirstTimestamp: at.UnixMilli(), MaxTimestamp: at.UnixMilli(),
		ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1,
		Records: records,
	}
	change(&b)
	return seal(b.AppendTo(nil))
}

// seal sets the length and the CRC of a batch.
func seal(raw []byte) []byte {
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

// produceRaw sends records to partition 0 of "events" at broker 0.
func produceRaw(t *testing.T, cl *kgo.Client, version int16, records []byte) kmsg.ProduceResponseTopicPartition {
	t.Helper()
	return produceRawTo(t, cl, 0, version, records)
}

// produceRawTo is produceRaw to another partition.
func produceRawTo(t *testing.T, cl *kgo.Client, number int32, version int16, records []byte) kmsg.ProduceResponseTopicPartition {
	t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 5000
	req.Version = version
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = "events"
	partition := kmsg.NewProduceRequestTopicPartition()
	partition.Partition, partition.Records = number, records
	topic.Partitions = append(topic.Partitions, partition)
	req.Topics = append(req.Topics, topic)
	resp, err := cl.Broker(0).Request(within(t, 5*time.Second), pinned{req})
	if err != nil {
		t.Fatal(err)
	}
	return resp.(*kmsg.ProduceResponse).Topics[0].Partitions[0]
}

// pinned keeps kgo from choosing the version.
type pinned struct{ *kmsg.ProduceRequest }

func (p pinned) SetVersion(int16) {}

// produceOn is produceRaw without a client, for synctest.
func produceOn(t *testing.T, c *ekaftest.Cluster, records []byte) {
	t.Helper()
	if err := tryProduceOn(t, c, records); err != nil {
		t.Fatal(err)
	}
}

func tryProduceOn(t *testing.T, c *ekaftest.Cluster, records []byte) error {
	t.Helper()
	conn := dialBroker(t, c, 0)
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks = 3, -1
	topic := kmsg.NewProduceRequestTopic()
	topic.Topic = "events"
	partition := kmsg.NewProduceRequestTopicPartition()
	partition.Records = records
	topic.Partitions = append(topic.Partitions, partition)
	req.Topics = append(req.Topics, topic)
	if _, err := conn.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req, 0)); err != nil {
		t.Fatal(err)
	}
	_, err := answer(conn)
	return err
}

// throttled produces one record and answers what the broker says of throttling.
func throttled(t *testing.T, conn net.Conn) time.Duration {
	t.Helper()
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks = 3, -1
	if _, err := conn.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req, 0)); err != nil {
		t.Fatal(err)
	}
	raw := make([]byte, 16) // length, correlation id, no topics, throttle
	if _, err := io.ReadFull(conn, raw); err != nil {
		t.Fatal(err)
	}
	return time.Duration(binary.BigEndian.Uint32(raw[12:])) * time.Millisecond
}
