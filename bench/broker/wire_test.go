package broker

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"io"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// batch builds a record batch of plain records with the given values.
func batch(pid int64, epoch int16, sequence int32, values ...string) []byte {
	var records []byte
	for i, v := range values {
		var body []byte
		body = append(body, 0)
		body = binary.AppendVarint(body, 0)
		body = binary.AppendVarint(body, int64(i))
		body = binary.AppendVarint(body, -1)
		body = binary.AppendVarint(body, int64(len(v)))
		body = append(body, v...)
		body = binary.AppendVarint(body, 0)
		records = binary.AppendVarint(records, int64(len(body)))
		records = append(records, body...)
	}
	rb := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, Magic: 2, LastOffsetDelta: int32(len(values) - 1),
		ProducerID: pid, ProducerEpoch: epoch, FirstSequence: sequence,
		NumRecords: int32(len(values)), Records: records,
	}
	b := rb.AppendTo(nil)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
	return b
}

// listen starts a broker on loopback which ends with the test.
func listen(t testing.TB, cfg Config) (*Broker, string) {
	t.Helper()
	b, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- b.Serve(l) }()
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return b, l.Addr().String()
}

// wire is a client of one connection which speaks kmsg.
type wire struct {
	t testing.TB
	c net.Conn
	n int32
}

// pipe connects to b in memory.
func pipe(t testing.TB, b *Broker) *wire {
	t.Helper()
	client, server := net.Pipe()
	if !b.start(server, true, func(c net.Conn) { newConn(b, c).serve() }) {
		t.Fatal("broker is closed")
	}
	t.Cleanup(func() { client.Close(); b.Close() })
	return &wire{t: t, c: client}
}

func (w *wire) send(req kmsg.Request) {
	w.t.Helper()
	w.n++
	if _, err := w.c.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req, w.n)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *wire) receive(req kmsg.Request) kmsg.Response {
	w.t.Helper()
	head := make([]byte, 8)
	if _, err := io.ReadFull(w.c, head); err != nil {
		w.t.Fatal(err)
	}
	body := make([]byte, binary.BigEndian.Uint32(head)-4)
	if _, err := io.ReadFull(w.c, body); err != nil {
		w.t.Fatal(err)
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if resp.IsFlexible() && req.Key() != int16(kmsg.ApiVersions) {
		body = body[1:]
	}
	if err := resp.ReadFrom(body); err != nil {
		w.t.Fatalf("%s v%d: %v", kmsg.NameForKey(req.Key()), req.GetVersion(), err)
	}
	if again := resp.AppendTo(nil); !bytes.Equal(again, body) {
		w.t.Fatalf("%s v%d: answer reads back as other bytes\n%x\n%x", kmsg.NameForKey(req.Key()), req.GetVersion(), body, again)
	}
	return resp
}

func produceRequest(version int16, topic string, batches map[int32][]byte) *kmsg.ProduceRequest {
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.Acks = version, -1
	pt := kmsg.NewProduceRequestTopic()
	pt.Topic, pt.TopicID = topic, newTopic(topic, 1).id
	for i := range int32(100) {
		if b, ok := batches[i]; ok {
			p := kmsg.NewProduceRequestTopicPartition()
			p.Partition, p.Records = i, b
			pt.Partitions = append(pt.Partitions, p)
		}
	}
	req.Topics = append(req.Topics, pt)
	return req
}

func (w *wire) produce(version int16, topic string, partition int32, b []byte) (int64, int16) {
	w.t.Helper()
	req := produceRequest(version, topic, map[int32][]byte{partition: b})
	w.send(req)
	p := w.receive(req).(*kmsg.ProduceResponse).Topics[0].Partitions[0]
	if p.Partition != partition {
		w.t.Fatalf("answered partition %d, asked %d", p.Partition, partition)
	}
	return p.BaseOffset, p.ErrorCode
}
