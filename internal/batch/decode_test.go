package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// plain is a record as a test writes it down.
type plain struct {
	time       int64
	offset     int32
	key, value []byte
	headers    []plainHeader
}

type plainHeader struct {
	key   string
	value []byte
}

// encode uses kmsg, so that the decoder is not judged by an encoder of its own
// package.
func (p plain) encode(dst []byte) []byte {
	r := kmsg.Record{TimestampDelta64: p.time, OffsetDelta: p.offset, Key: p.key, Value: p.value}
	for _, h := range p.headers {
		r.Headers = append(r.Headers, kmsg.Header{Key: h.key, Value: h.value})
	}
	r.Length = int32(len(r.AppendTo(nil)) - 1) // a length of 0 takes one byte
	return r.AppendTo(dst)
}

func encodeAll(records []plain) []byte {
	var out []byte
	for _, r := range records {
		out = r.encode(out)
	}
	return out
}

// encodeBatch wraps records, compressed or not, in a batch with a right CRC.
func encodeBatch(codec Codec, count int, records []byte) []byte {
	b := kmsg.RecordBatch{
		FirstOffset: 40, Length: int32(len(records)) + HeaderSize - lengthEnd, PartitionLeaderEpoch: 3, Magic: 2,
		Attributes: int16(codec), LastOffsetDelta: max(int32(count)-1, 0), FirstTimestamp: 1700000000000,
		MaxTimestamp: 1700000000999, ProducerID: 77, ProducerEpoch: 4, FirstSequence: 1<<31 - 2,
		NumRecords: int32(count), Records: records,
	}
	out := b.AppendTo(nil)
	return withCRC(out)
}

func withCRC(p []byte) []byte {
	binary.BigEndian.PutUint32(p[17:], Sum(0, p[crcEnd:]))
	return p
}

// collect walks c to its end and checks what must hold for any input.
func collect(c Cursor) ([]plain, error) {
	var got []plain
	for c.Next() {
		r := c.Record()
		p := plain{time: r.TimestampDelta, offset: r.OffsetDelta, key: r.Key, value: r.Value}
		for left := r.Headers.Len(); r.Headers.Next(); left-- {
			if r.Headers.Len() != left-1 {
				return nil, fmt.Errorf("%d headers left after %d", r.Headers.Len(), left)
			}
			p.headers = append(p.headers, plainHeader{string(r.Headers.Key()), r.Headers.Value()})
		}
		got = append(got, p)
	}
	if c.Read() != len(got) {
		return nil, fmt.Errorf("Read says %d, but there were %d", c.Read(), len(got))
	}
	if c.Next() {
		return nil, errors.New("Next is true after it was false")
	}
	return got, c.Err()
}

// same compares with nil and empty kept apart.
func same(a, b plain) bool {
	ok := a.time == b.time && a.offset == b.offset && sameBytes(a.key, b.key) && sameBytes(a.value, b.value) && len(a.headers) == len(b.headers)
	for i := range min(len(a.headers), len(b.headers)) {
		ok = ok && a.headers[i].key == b.headers[i].key && sameBytes(a.headers[i].value, b.headers[i].value)
	}
	return ok
}

func sameBytes(a, b []byte) bool { return bytes.Equal(a, b) && (a == nil) == (b == nil) }

var samples = []plain{
	{value: []byte("value")},
	{time: -5, offset: 1, key: []byte("key"), value: nil},
	{time: 1 << 40, offset: 2, key: []byte{}, value: []byte{}},
	{offset: 3, value: []byte("v"), headers: []plainHeader{{"a", []byte("1")}, {"a", nil}, {"", []byte{}}}},
	{offset: 4, key: bytes.Repeat([]byte("k"), 70), value: bytes.Repeat([]byte("v"), 9000)},
}

func checkRecords(t *testing.T, c Cursor, want []plain) {
	t.Helper()
	got, err := collect(c)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d records, want %d", len(got), len(want))
	}
	for i := range want {
		if !same(got[i], want[i]) {
			t.Errorf("record %d is %+v, want %+v", i, got[i], want[i])
		}
	}
}

func TestCursorReadsAcrossChunks(t *testing.T) {
	first, second := encodeAll(samples[:2]), encodeAll(samples[2:])
	checkRecords(t, NewCursor([][]byte{nil, first, {}, second, nil}), samples)
	checkRecords(t, NewCursor(nil), nil)
}

func TestOpenBatchWithEveryCodec(t *testing.T) {
	raw := encodeAll(samples)
	for _, codec := range codecs {
		packed, err := Compress(nil, codec, 0, [][]byte{raw})
		if err != nil {
			t.Fatal(err)
		}
		p := append(encodeBatch(codec, len(samples), packed), "the next batch"...)
		h, c, err := OpenBatch(p, len(raw))
		if err != nil {
			t.Fatal(err)
		}
		want := Header{BaseOffset: 40, Length: h.Length, LeaderEpoch: 3, Magic: 2, CRC: h.CRC, Attributes: int16(codec),
			LastOffsetDelta: 4, BaseTimestamp: 1700000000000, MaxTimestamp: 1700000000999,
			ProducerID: 77, ProducerEpoch: 4, BaseSequence: 1<<31 - 2, Count: 5}
		if h != want {
			t.Errorf("header %+v, want %+v", h, want)
		}
		if string(p[h.Size():]) != "the next batch" {
			t.Errorf("%v: the batch has %d bytes", codec, h.Size())
		}
		if h.Codec() != codec || h.LastSequence() != 2 {
			t.Errorf("codec %v, last sequence %d", h.Codec(), h.LastSequence())
		}
		checkRecords(t, c, samples)
		if _, _, err := OpenBatch(p, len(raw)-1); codec != None && !errors.Is(err, ErrTooLarge) {
			t.Errorf("%v beyond the limit: %v", codec, err)
		}
	}
}

// Compaction leaves the last batch of a producer id in the log without records,
// with its codec's bits still set.
func TestOpenBatchEmptiedByCompaction(t *testing.T) {
	h, c, err := OpenBatch(encodeBatch(Zstd, 0, nil), 100)
	if err != nil || h.Count != 0 || c.Next() || c.Err() != nil {
		t.Errorf("%+v, %v, %v", h, err, c.Err())
	}
}

func TestLastSequence(t *testing.T) {
	for _, c := range []struct {
		h    Header
		want int32
	}{
		{Header{ProducerID: -1, BaseSequence: -1, LastOffsetDelta: 4}, -1},
		{Header{ProducerID: 1, BaseSequence: 0, LastOffsetDelta: 0}, 0},
		{Header{ProducerID: 1, BaseSequence: 10, LastOffsetDelta: 4}, 14},
		{Header{ProducerID: 1, BaseSequence: 1<<31 - 1, LastOffsetDelta: 0}, 1<<31 - 1},
		{Header{ProducerID: 1, BaseSequence: 1<<31 - 1, LastOffsetDelta: 1}, 0},
		{Header{ProducerID: 1, BaseSequence: 2147483646, LastOffsetDelta: 4}, 2},
	} {
		if got := c.h.LastSequence(); got != c.want {
			t.Errorf("%+v: %d, want %d", c.h, got, c.want)
		}
	}
}

func TestBatchesThatAreNotRight(t *testing.T) {
	good := encodeBatch(None, len(samples), encodeAll(samples))
	change := func(at int, b byte) []byte {
		p := bytes.Clone(good)
		p[at] = b
		return p
	}
	for n := range good {
		if _, _, err := OpenBatch(good[:n], 0); !errors.Is(err, ErrTruncated) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	for at := crcEnd; at < len(good); at++ {
		if at >= 57 && at < 61 || at == 23 {
			continue // a negative count or delta is refused before the CRC
		}
		if _, _, err := OpenBatch(change(at, good[at]^0x40), 0); !errors.Is(err, ErrCRC) {
			t.Errorf("byte %d changed: %v", at, err)
		}
		if err := VerifyCRC(change(at, good[at]^0x40)); !errors.Is(err, ErrCRC) {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
	for name, p := range map[string][]byte{
		"magic 1": change(16, 1), "negative length": change(8, 0x80), "length 0": append(bytes.Clone(good[:8]), append([]byte{0, 0, 0, 0}, good[12:]...)...),
		"negative count": change(57, 0x80), "negative delta": change(23, 0x80),
	} {
		if _, err := ParseHeader(p); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if err := VerifyCRC(good); err != nil {
		t.Error(err)
	}
}

func TestCountMustMatchTheRecords(t *testing.T) {
	raw := encodeAll(samples)
	for _, count := range []int{1, len(samples) - 1, len(samples) + 1, 1<<31 - 1} {
		_, c, err := OpenBatch(encodeBatch(None, count, raw), 0)
		if err != nil {
			t.Fatal(err)
		}
		got, err := collect(c)
		if err == nil || len(got) > len(samples) {
			t.Errorf("count %d: %d records, %v", count, len(got), err)
		}
	}
}

func TestRecordsThatAreNotRight(t *testing.T) {
	body := func(fields ...int64) []byte { // a record of varints after its attributes
		b := []byte{0}
		for _, f := range fields {
			b = binary.AppendVarint(b, f)
		}
		return append(binary.AppendVarint(nil, int64(len(b))), b...)
	}
	for name, p := range map[string][]byte{
		"length only":              {20},
		"negative length":          binary.AppendVarint(nil, -1),
		"length beyond the data":   binary.AppendVarint(nil, 1<<62),
		"length without end":       bytes.Repeat([]byte{0xff}, 12),
		"no attributes":            {0},
		"nothing after attributes": {2, 0},
		"offset beyond 32 bits":    body(0, 1<<40, -1, -1, 0),
		"key beyond the record":    body(0, 0, 5, -1, 0),
		"key length -2":            body(0, 0, -2, -1, 0),
		"value of 2 GiB":           body(0, 0, -1, 1<<31-1, 0),
		"header count missing":     body(0, 0, -1, -1),
		"negative header count":    body(0, 0, -1, -1, -1),
		"2^31-1 headers":           body(0, 0, -1, -1, 1<<31-1),
		"more headers than fit":    body(0, 0, -1, -1, 2, 0, 0, 0),
		"null header key":          body(0, 0, -1, -1, 1, -1, 0),
		"header value too long":    body(0, 0, -1, -1, 1, 0, 9),
		"bytes after the headers":  body(0, 0, -1, -1, 0, 0),
	} {
		got, err := collect(NewCursor([][]byte{p}))
		if err == nil || !strings.HasPrefix(err.Error(), "cannot read record 0: ") || len(got) != 0 {
			t.Errorf("%s: %d records, %v", name, len(got), err)
		}
	}
	if got, err := collect(NewCursor([][]byte{body(0, 0, -1, -1, 0)})); err != nil || len(got) != 1 {
		t.Errorf("the right one: %v, %v", got, err)
	}
}

func TestCursorDoesNotAllocate(t *testing.T) {
	p := encodeBatch(None, len(samples), encodeAll(samples))
	chunks := [][]byte{encodeAll(samples)}
	n := testing.AllocsPerRun(100, func() {
		_, c, err := OpenBatch(p, 0)
		d := NewCursor(chunks)
		for c.Next() && d.Next() {
			r := c.Record()
			for r.Headers.Next() {
				_ = r.Headers.Value()
			}
		}
		if err != nil || c.Err() != nil || d.Err() != nil {
			t.Error("a fault in the samples")
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestCursorReadsWhatOthersEncode(t *testing.T) {
	slice := rapid.Custom(func(t *rapid.T) []byte {
		if rapid.Bool().Draw(t, "null") {
			return nil
		}
		return append([]byte{}, rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "bytes")...)
	})
	record := rapid.Custom(func(t *rapid.T) plain {
		p := plain{time: rapid.Int64().Draw(t, "time"), offset: rapid.Int32().Draw(t, "offset"), key: slice.Draw(t, "key"), value: slice.Draw(t, "value")}
		for range rapid.IntRange(0, 4).Draw(t, "headers") {
			p.headers = append(p.headers, plainHeader{rapid.String().Draw(t, "key"), slice.Draw(t, "value")})
		}
		return p
	})
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(record, 0, 20).Draw(t, "records")
		got, err := collect(NewCursor([][]byte{encodeAll(want)}))
		if err != nil || len(got) != len(want) {
			t.Fatalf("%d records of %d, %v", len(got), len(want), err)
		}
		for i := range want {
			if !same(got[i], want[i]) {
				t.Fatalf("record %d is %+v, want %+v", i, got[i], want[i])
			}
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add(encodeAll(samples), uint16(3))
	f.Add([]byte{20, 0, 0, 0, 0, 0, 2, 0xff}, uint16(0))
	f.Fuzz(func(t *testing.T, p []byte, cut uint16) {
		n := min(int(cut), len(p))
		got, err := collect(NewCursor([][]byte{p[:n], p[n:]}))
		if err != nil {
			return
		}
		// What was read without a fault must survive being written again.
		again, err := collect(NewCursor([][]byte{encodeAll(got)}))
		if err != nil || len(again) != len(got) {
			t.Fatalf("%d records, then %d, %v", len(got), len(again), err)
		}
		for i := range got {
			if !same(got[i], again[i]) {
				t.Errorf("record %d is %+v, then %+v", i, got[i], again[i])
			}
		}
	})
}

func FuzzOpenBatch(f *testing.F) {
	raw := encodeAll(samples)
	for _, codec := range codecs {
		packed, err := Compress(nil, codec, 0, [][]byte{raw})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encodeBatch(codec, len(samples), packed))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) >= HeaderSize {
			// A right length and CRC, or the fuzzer never gets past them.
			p = bytes.Clone(p)
			binary.BigEndian.PutUint32(p[8:], uint32(len(p)-lengthEnd))
			withCRC(p)
		}
		h, c, err := OpenBatch(p, 1<<20)
		if err != nil {
			return
		}
		if h.Size() != len(p) {
			t.Errorf("size %d of %d", h.Size(), len(p))
		}
		got, err := collect(c)
		if err == nil && len(got) != int(h.Count) {
			t.Errorf("%d records, header says %d", len(got), h.Count)
		}
	})
}

func BenchmarkCursor(b *testing.B) {
	record := plain{key: []byte("user-1234"), value: events(100)}
	chunk := encodeAll([]plain{record})
	for len(chunk) < 64<<10 {
		chunk = record.encode(chunk)
	}
	chunks := [][]byte{chunk}
	b.SetBytes(int64(len(chunk)))
	b.ReportAllocs()
	for b.Loop() {
		c := NewCursor(chunks)
		for c.Next() {
			_ = c.Record()
		}
	}
}
