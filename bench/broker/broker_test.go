package broker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
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

func TestEachProduceVersionIsAnsweredAndCounted(t *testing.T) {
	b, err := New(Config{Topics: map[string]int{"t": 3}, Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	w := pipe(t, b)
	var records int64
	for v := int16(3); v <= 13; v++ {
		offset, code := w.produce(v, "t", 2, batch(7, 0, int32(records), "one", "two"))
		if offset != records || code != 0 {
			t.Fatalf("v%d: answered %d, code %d; want %d", v, offset, code, records)
		}
		records += 2
	}
	got := b.Counters()
	if got.Records != records || got.Batches != 11 || got.Requests != 11 || got.VerifiedRecords != records || got.Faults() != 0 {
		t.Errorf("counted %+v", got)
	}
	if want := 11 * (ValueSum([]byte("one")) + ValueSum([]byte("two"))); got.ValueSum != want {
		t.Errorf("value sum is %d, want %d", got.ValueSum, want)
	}
}

func TestSequencesAreJudgedAsKafkaDoes(t *testing.T) {
	b, err := New(Config{Topics: map[string]int{"t": 1}})
	if err != nil {
		t.Fatal(err)
	}
	w := pipe(t, b)
	for i, step := range []struct {
		what   string
		b      []byte
		offset int64
		code   int16
	}{
		{"a new producer may start anywhere", batch(1, 0, 10, "a", "b"), 0, 0},
		{"the next in sequence", batch(1, 0, 12, "c"), 2, 0},
		{"a repeat of the last", batch(1, 0, 12, "c"), 2, 0},
		{"a repeat of the one before", batch(1, 0, 10, "a", "b"), 0, 0},
		{"a repeat with other bounds", batch(1, 0, 10, "a"), -1, errOutOfOrder},
		{"a gap", batch(1, 0, 14, "d"), -1, errOutOfOrder},
		{"another producer", batch(2, 0, 0, "e"), 3, 0},
		{"no producer id", batch(-1, -1, -1, "f"), 4, 0},
		{"a new epoch not from 0", batch(1, 1, 13, "g"), -1, errOutOfOrder},
		{"a new epoch", batch(1, 1, 0, "g"), 5, 0},
		{"the old epoch", batch(1, 0, 13, "h"), -1, errInvalidProducerEpoch},
		{"up to the last number", batch(3, 0, 1<<31-1, "i"), 6, 0},
		{"and round to 0", batch(3, 0, 0, "j"), 7, 0},
	} {
		offset, code := w.produce(9, "t", 0, step.b)
		if offset != step.offset || code != step.code {
			t.Errorf("step %d, %s: answered %d, code %d; want %d, code %d", i, step.what, offset, code, step.offset, step.code)
		}
	}
	if got := b.Counters(); got.Records != 8 || got.Duplicates != 2 || got.OutOfOrder != 4 {
		t.Errorf("counted %+v", got)
	}
}

func TestOnlyTheLastFiveBatchesAreRemembered(t *testing.T) {
	var p partition
	for s := range int32(7) {
		p.append(&batchHeader{producerID: 1, baseSequence: s, records: 1})
	}
	for s := range int32(7) {
		offset, _, duplicate := p.append(&batchHeader{producerID: 1, baseSequence: s, records: 1})
		if remembered := s >= 2; duplicate != remembered || remembered && offset != int64(s) {
			t.Errorf("sequence %d: duplicate %t at %d", s, duplicate, offset)
		}
	}
	for pid := range int64(3 * maxProducers) {
		p.append(&batchHeader{producerID: pid, records: 1})
	}
	if len(p.producers) != maxProducers {
		t.Errorf("%d producers are remembered, want %d", len(p.producers), maxProducers)
	}
}

func TestBadBatchesAreRefused(t *testing.T) {
	mangle := func(at int, b []byte) []byte { b[at] ^= 1; return b }
	for _, c := range []struct {
		what    string
		topic   string
		b       []byte
		version int16
		code    int16
	}{
		{"a CRC which does not match", "t", mangle(17, batch(1, 0, 0, "v")), 9, errCorruptMessage},
		{"a value changed", "t", mangle(70, batch(1, 0, 0, "vvvvvvvv")), 9, errCorruptMessage},
		{"a wrong magic", "t", mangle(16, batch(1, 0, 0, "v")), 9, errCorruptMessage},
		{"a wrong length", "t", mangle(11, batch(1, 0, 0, "v")), 9, errCorruptMessage},
		{"too few bytes", "t", []byte("short"), 3, errCorruptMessage},
		{"an unknown topic", "nope", batch(1, 0, 0, "v"), 12, errUnknownTopic},
		{"an unknown topic id", "nope", batch(1, 0, 0, "v"), 13, errUnknownTopicID},
	} {
		t.Run(c.what, func(t *testing.T) {
			b, err := New(Config{Topics: map[string]int{"t": 1}, Verify: true})
			if err != nil {
				t.Fatal(err)
			}
			w := pipe(t, b)
			if offset, code := w.produce(c.version, c.topic, 0, c.b); offset != -1 || code != c.code {
				t.Errorf("answered %d, code %d; want code %d", offset, code, c.code)
			}
			if got := b.Counters(); got.Faults() != 1 || got.Records != 0 {
				t.Errorf("counted %+v", got)
			}
			if _, code := w.produce(9, "t", 0, batch(1, 0, 0, "fine")); code != 0 {
				t.Errorf("the next request is answered %d", code)
			}
		})
	}
}

func TestAcksNoneIsNotAnswered(t *testing.T) {
	b, err := New(Config{Topics: map[string]int{"t": 1}})
	if err != nil {
		t.Fatal(err)
	}
	w := pipe(t, b)
	req := produceRequest(9, "t", map[int32][]byte{0: batch(-1, -1, -1, "v")})
	req.Acks = 0
	w.send(req)
	if offset, code := w.produce(9, "t", 0, batch(-1, -1, -1, "v")); offset != 1 || code != 0 {
		t.Errorf("the answer after acks=0 is %d, code %d", offset, code)
	}
}

func TestDelayedAnswersKeepTheirOrder(t *testing.T) {
	b, err := New(Config{Topics: map[string]int{"t": 1}, Delay: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	w := pipe(t, b)
	req := func(i int32) *kmsg.ProduceRequest {
		return produceRequest(9, "t", map[int32][]byte{0: batch(1, 0, i, "v")})
	}
	const n = 3 * maxDelayed
	go func() {
		for i := range int32(n) {
			w.c.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req(i), i))
		}
	}()
	for i := range n {
		p := w.receive(req(0)).(*kmsg.ProduceResponse).Topics[0].Partitions[0]
		if p.BaseOffset != int64(i) {
			t.Fatalf("answer %d has offset %d", i, p.BaseOffset)
		}
	}
}

func TestEachAdminVersionIsAnswered(t *testing.T) {
	b, err := New(Config{Topics: map[string]int{"t": 12}})
	if err != nil {
		t.Fatal(err)
	}
	w := pipe(t, b)
	for v := range int16(5) {
		req := kmsg.NewPtrApiVersionsRequest()
		req.Version = v
		w.send(req)
		if resp := w.receive(req).(*kmsg.ApiVersionsResponse); len(resp.ApiKeys) != len(spoken) {
			t.Errorf("v%d announces %d requests", v, len(resp.ApiKeys))
		}
	}
	for v := range int16(6) {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.Version = v
		w.send(req)
		if resp := w.receive(req).(*kmsg.InitProducerIDResponse); resp.ProducerID != int64(v)+1 {
			t.Errorf("v%d gives producer id %d", v, resp.ProducerID)
		}
	}
	for v := range int16(13) {
		req := kmsg.NewPtrMetadataRequest()
		req.Version = v
		for _, name := range []string{"t", "nope"} {
			mt := kmsg.NewMetadataRequestTopic()
			mt.Topic = kmsg.StringPtr(name)
			req.Topics = append(req.Topics, mt)
		}
		w.send(req)
		resp := w.receive(req).(*kmsg.MetadataResponse)
		if len(resp.Topics) != 2 || len(resp.Topics[0].Partitions) != 12 || resp.Topics[1].ErrorCode != errUnknownTopic {
			t.Errorf("v%d describes %+v", v, resp.Topics)
		}
	}
}

func TestAFutureApiVersionsIsAnsweredWithCode35(t *testing.T) {
	b, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := pipe(t, b)
	if _, err := w.c.Write([]byte{0, 0, 0, 12, 0, 18, 0, 99, 0, 0, 0, 1, 0xff, 0xff, 1, 2}); err != nil {
		t.Fatal(err)
	}
	resp := w.receive(kmsg.NewPtrApiVersionsRequest()).(*kmsg.ApiVersionsResponse)
	if resp.ErrorCode != errUnsupportedVersion || len(resp.ApiKeys) == 0 {
		t.Errorf("answered %+v", resp)
	}
}

func TestAnIndependentClientOverTCP(t *testing.T) {
	for _, codec := range []kgo.CompressionCodec{
		kgo.NoCompression(), kgo.GzipCompression(), kgo.SnappyCompression(), kgo.Lz4Compression(), kgo.ZstdCompression(),
	} {
		for _, most := range []*kversion.Versions{kversion.V2_1_0(), kversion.V4_0_0()} {
			b, addr := listen(t, Config{Topics: map[string]int{"t": 12}, Verify: true})
			cl, err := kgo.NewClient(kgo.SeedBrokers(addr), kgo.ProducerBatchCompression(codec), kgo.MaxVersions(most), kgo.DefaultProduceTopic("t"))
			if err != nil {
				t.Fatal(err)
			}
			var sum uint64
			var records []*kgo.Record
			for i := range 1000 {
				r := kgo.StringRecord(strings.Repeat(fmt.Sprint("value ", i), 10))
				sum += ValueSum(r.Value)
				records = append(records, r)
			}
			if err := cl.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
				t.Fatal(err)
			}
			cl.Close()
			if got := b.Counters(); got.Records != 1000 || got.VerifiedRecords != 1000 || got.ValueSum != sum || got.Faults() != 0 {
				t.Errorf("counted %+v", got)
			}
		}
	}
}

func TestXerialSnappyIsRead(t *testing.T) {
	block := []byte{5, 4 << 2, 'h', 'e', 'l', 'l', 'o'} // length 5, one literal of 5
	framed := append(bytes.Clone(xerial), 0, 0, 0, 1, 0, 0, 0, 1)
	for range 2 {
		framed = binary.BigEndian.AppendUint32(framed, uint32(len(block)))
		framed = append(framed, block...)
	}
	if got, err := inflate(framed, 2); err != nil || string(got) != "hellohello" {
		t.Errorf("inflated to %q, %v", got, err)
	}
	if _, err := inflate(framed[:len(framed)-1], 2); err == nil {
		t.Error("a chunk cut short is taken")
	}
}

func TestControlPort(t *testing.T) {
	b, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	client, server := net.Pipe()
	b.start(server, false, b.control)
	defer func() { client.Close(); b.Close() }()
	lines := bufio.NewReader(client)
	ask := func(line string) string {
		fmt.Fprintln(client, line)
		answer, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(answer)
	}
	for _, line := range []string{"topic t:3", "delay 5ms", "verify on", "topic t:3"} {
		if got := ask(line); got != "ok" {
			t.Errorf("%q is answered %q", line, got)
		}
	}
	for _, line := range []string{"", "topic t:4", "topic t:x", "topic :0", "delay soon", "verify maybe", "stop"} {
		if got := ask(line); !strings.HasPrefix(got, "error: cannot ") {
			t.Errorf("%q is answered %q", line, got)
		}
	}
	b.counters.add(&tally{records: 3, batches: 1})
	var got Counters
	if err := json.Unmarshal([]byte(ask("counters")), &got); err != nil || got.Records != 3 || got.Requests != 1 {
		t.Errorf("counters are %+v, %v", got, err)
	}
	answer, after := ask("reset"), b.Counters()
	if answer != "ok" || after != (Counters{CPU: after.CPU}) {
		t.Errorf("reset is answered %q and leaves %+v", answer, after)
	}
}

func TestMainServesUntilItsInputEnds(t *testing.T) {
	in, stop := io.Pipe()
	out, printed := io.Pipe()
	code := make(chan int)
	go func() {
		code <- Main(flag.NewFlagSet("broker", flag.ContinueOnError), []string{"-topic", "t:2"}, in, printed, io.Discard)
	}()
	var addr, control string
	if _, err := fmt.Fscanf(out, "kafka %s control %s\n", &addr, &control); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, c: c}
	if _, code := w.produce(9, "t", 1, batch(1, 0, 0, "v")); code != 0 {
		t.Errorf("answered code %d", code)
	}
	c.Close()
	stop.Close()
	if got := <-code; got != 0 {
		t.Errorf("ended with %d", got)
	}
	for _, args := range [][]string{{"-topic", "t:many"}, {"-nonsense"}} {
		if got := Main(flag.NewFlagSet("broker", flag.ContinueOnError), args, strings.NewReader(""), io.Discard, io.Discard); got != 2 {
			t.Errorf("%q ended with %d", args, got)
		}
	}
}

// loop serves the same bytes for ever.
type loop struct {
	bytes []byte
	at    int
}

func (l *loop) Read(b []byte) (int, error) {
	n := copy(b, l.bytes[l.at:])
	l.at = (l.at + n) % len(l.bytes)
	return n, nil
}

func TestServingABatchAllocatesNothing(t *testing.T) {
	for _, version := range []int16{3, 8, 9, 13} {
		b, err := New(Config{Topics: map[string]int{"t": 12}})
		if err != nil {
			t.Fatal(err)
		}
		batches := map[int32][]byte{}
		for i := range int32(12) {
			batches[i] = batch(-1, -1, -1, strings.Repeat("v", 40<<10))
		}
		bytes := kmsg.NewRequestFormatter().AppendRequest(nil, produceRequest(version, "t", batches), 1)
		c := &conn{b: b, f: frame{r: bufio.NewReaderSize(&loop{bytes: bytes}, readBuffer)}}
		serve := func() {
			if err := c.f.next(); err != nil {
				t.Fatal(err)
			}
			h := header{key: c.f.int16(), version: c.f.int16(), correlation: c.f.int32()}
			if answer, err := c.handle(h); err != nil || !answer {
				t.Fatal(answer, err)
			}
		}
		if allocs := testing.AllocsPerRun(100, serve); allocs != 0 {
			t.Errorf("v%d: %v allocations per request", version, allocs)
		}
		if got := b.Counters(); got.Records != got.Requests*12 || got.Faults() != 0 {
			t.Errorf("v%d: counted %+v", version, got)
		}
	}
}
