package batch

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"
)

// setMessage is a message of either magic, as package kmsg reads it.
type setMessage struct {
	offset     int64
	crc        int32
	magic      int8
	attributes int8
	time       int64 // -1 in magic 0
	key, value []byte
}

// readSet takes a message set apart with kmsg, so that the writer is not judged
// by a reader of its own package, and checks sizes and CRCs.
func readSet(set []byte, magic int8) (list []setMessage, err error) {
	for len(set) > 0 {
		var m setMessage
		var size int32
		if magic == 0 {
			var v kmsg.MessageV0
			if err = v.ReadFrom(set); err != nil {
				return nil, err
			}
			size, m = v.MessageSize, setMessage{v.Offset, v.CRC, v.Magic, v.Attributes, -1, v.Key, v.Value}
		} else {
			var v kmsg.MessageV1
			if err = v.ReadFrom(set); err != nil {
				return nil, err
			}
			size, m = v.MessageSize, setMessage{v.Offset, v.CRC, v.Magic, v.Attributes, v.Timestamp, v.Key, v.Value}
		}
		if m.magic != magic {
			return nil, fmt.Errorf("magic %d, want %d", m.magic, magic)
		}
		if sum := crc32.ChecksumIEEE(set[16 : 12+size]); sum != uint32(m.crc) {
			return nil, fmt.Errorf("CRC %08x, computed %08x", uint32(m.crc), sum)
		}
		list = append(list, m)
		set = set[12+size:]
	}
	return list, nil
}

func sameSet(a, b []setMessage) bool {
	return slices.EqualFunc(a, b, func(x, y setMessage) bool {
		return x.offset == y.offset && x.attributes == y.attributes && x.time == y.time &&
			bytes.Equal(x.key, y.key) && (x.key == nil) == (y.key == nil) &&
			bytes.Equal(x.value, y.value) && (x.value == nil) == (y.value == nil)
	})
}

// packedBatch is a closed batch of these messages.
func packedBatch(t testing.TB, codec Codec, messages []Message) *Batch {
	t.Helper()
	b := New(time.UnixMilli(1700000000000))
	for i := range messages {
		b.Add(&messages[i])
	}
	if codec != None {
		if err := b.Pack(codec, 0); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

func javaMessages(n int) (list []Message) {
	for _, r := range javaRecords(n) {
		list = append(list, Message{Key: r.key, Value: r.value, Time: 1700000000000 + r.time})
	}
	return list
}

// TestMessageSetsAreJavas: plain sets are byte by byte what Kafka 0.10's own client
// writes of the same messages; compressed ones are its wrapper around the same set.
func TestMessageSetsAreJavas(t *testing.T) {
	for _, codec := range []Codec{None, Gzip, Snappy, LZ4} {
		for magic := range int8(2) {
			t.Run(fmt.Sprintf("%v v%d", codec, magic), func(t *testing.T) {
				java, err := os.ReadFile(filepath.Join("testdata", fmt.Sprintf("java10_%v_v%d.set", codec, magic)))
				if err != nil {
					t.Fatal(err)
				}
				ours := packedBatch(t, codec, javaMessages(40)).AppendMessageSet([]byte("before"), magic, 0)
				if !bytes.HasPrefix(ours, []byte("before")) {
					t.Fatal("what was there before is gone")
				}
				compareWithJava(t, codec, magic, ours[len("before"):], java)
			})
		}
	}
}

func compareWithJava(t *testing.T, codec Codec, magic int8, ours, java []byte) {
	t.Helper()
	if codec == None {
		if !bytes.Equal(ours, java) {
			t.Errorf("we write\n%x, Java\n%x", ours, java)
		}
		return
	}
	var sets [2][]setMessage
	var plain [2][]byte
	for i, set := range [][]byte{ours, java} {
		list, err := readSet(set, magic)
		if err != nil || len(list) != 1 {
			t.Fatalf("%d messages, %v", len(list), err)
		}
		if codec == LZ4 && !bytes.Equal(list[0].value[:7], []byte(map[int8]string{0: "\x04\x22\x4d\x18\x60\x40\x1a", 1: lz4Small.header}[magic])) {
			t.Errorf("the lz4 frame starts with %x", list[0].value[:7])
		}
		if plain[i], err = Decompress(nil, codec, list[0].value, 1<<20); err != nil {
			t.Fatal(err)
		}
		list[0].value = nil // the codecs' own bytes may differ
		sets[i] = list
	}
	if !sameSet(sets[0], sets[1]) {
		t.Errorf("our wrapper is %+v, Java's %+v", sets[0], sets[1])
	}
	if !bytes.Equal(plain[0], plain[1]) {
		t.Errorf("our wrapper holds\n%x, Java's\n%x", plain[0], plain[1])
	}
}

// TestMessageSetHoldsTheBatch: any messages of any chunks come out as they went
// in, under each codec; the bound holds, and so does the batch.
func TestMessageSetHoldsTheBatch(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		codec := rapid.SampledFrom(codecs).Draw(rt, "codec")
		magic := int8(rapid.IntRange(0, 1).Draw(rt, "magic"))
		var messages []Message
		var want []setMessage
		var headed []int32
		for i := range rapid.IntRange(1, 40).Draw(rt, "count") {
			m := drawMessage(rt, 1700000000000)
			messages = append(messages, m)
			w := setMessage{offset: int64(i), time: m.Time, key: m.Key, value: m.Value}
			if magic == 0 {
				w.time = -1
			}
			want = append(want, w)
			if len(m.Headers) > 0 {
				headed = append(headed, int32(i))
			}
		}
		b := packedBatch(t, codec, messages)
		if got := b.WithHeaders(); !slices.Equal(got, headed) {
			rt.Errorf("headers in %v, want %v", got, headed)
		}
		wire := bytes.Join(b.Wire(nil), nil)
		set := b.AppendMessageSet(nil, magic, 0)
		if int64(len(set)) > b.MessageSetBound(magic) {
			rt.Errorf("a set of %d bytes, bound %d", len(set), b.MessageSetBound(magic))
		}
		if !bytes.Equal(wire, bytes.Join(b.Wire(nil), nil)) {
			rt.Error("the batch is not what it was")
		}
		if got := openSet(rt, set, magic, codec); !sameSet(got, want) {
			rt.Errorf("%v v%d: got %+v, want %+v", codec, magic, got, want)
		}
		b.FreeBytes()
		b.Recycle()
	})
}

// openSet reads a set, out of its wrapper if it has one.
func openSet(t *rapid.T, set []byte, magic int8, codec Codec) []setMessage {
	list, err := readSet(set, magic)
	if err != nil {
		t.Fatal(err)
	}
	if list[0].attributes == 0 {
		return list
	}
	if len(list) != 1 || Codec(list[0].attributes) != codec || codec == Zstd {
		t.Fatalf("%d messages, the first with attributes %d, compressed with %v", len(list), list[0].attributes, codec)
	}
	plain, err := Decompress(nil, codec, list[0].value, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	inner, err := readSet(plain, magic)
	if err != nil {
		t.Fatal(err)
	}
	last := int64(-1 << 62)
	for _, m := range inner {
		last = max(last, m.time)
	}
	if list[0].offset != int64(len(inner)-1) || list[0].time != last || list[0].key != nil {
		t.Fatalf("the wrapper of %d messages up to time %d is %+v", len(inner), last, list[0])
	}
	return inner
}

// TestMessageSetThatDoesNotCompress goes plain: noise, of which the batch itself
// was packed for the sake of a key that repeats.
func TestMessageSetThatDoesNotCompress(t *testing.T) {
	b := packedBatch(t, Gzip, []Message{{Value: noise(2000), Time: 1700000000000}})
	b.codec, b.compressed = Gzip, []byte{0} // as if it had become smaller
	list, err := readSet(b.AppendMessageSet(nil, 1, 0), 1)
	if err != nil || len(list) != 1 || list[0].attributes != 0 || !bytes.Equal(list[0].value, noise(2000)) {
		t.Errorf("%d messages (%v), the first with attributes %d", len(list), err, list[0].attributes)
	}
}

func BenchmarkAppendMessageSet(b *testing.B) {
	for _, codec := range []Codec{None, LZ4} {
		b.Run(codec.String(), func(b *testing.B) {
			var messages []Message
			for range 5000 {
				messages = append(messages, Message{Value: events(100), Time: 1700000000000})
			}
			made := packedBatch(b, codec, messages)
			var set []byte
			b.ReportAllocs()
			for b.Loop() {
				set = made.AppendMessageSet(set[:0], 1, 0)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/5000, "ns/record")
		})
	}
}
