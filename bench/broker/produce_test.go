package broker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

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
