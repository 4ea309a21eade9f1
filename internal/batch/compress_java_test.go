package batch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pierrec/lz4/v4"
)

// javaRecords are the records in testdata/java_*.batch, by the same rules as in
// JavaBatches.java.txt, which wrote these files.
func javaRecords(n int) []plain {
	var out []plain
	for i := range n {
		p := plain{time: int64(3*i - i%2), offset: int32(i)}
		if i%3 != 0 {
			p.key = fmt.Appendf(nil, "key-%d", i%17)
		}
		switch i % 7 {
		case 0:
		case 1:
			p.value = []byte{}
		default:
			p.value = fmt.Appendf(nil, `{"id":%d,"text":"%s"}`, i, strings.Repeat("0123456789", 15))
		}
		if i%5 == 0 {
			p.headers = []plainHeader{{"trace", fmt.Appendf(nil, "t%d", i)}, {"none", nil}}
		}
		out = append(out, p)
	}
	return out
}

func TestBatchesWrittenByJava(t *testing.T) {
	for _, codec := range codecs {
		raw, err := os.ReadFile(filepath.Join("testdata", "java_"+codec.String()+".batch"))
		if err != nil {
			t.Fatal(err)
		}
		h, c, err := OpenBatch(raw, 1<<20)
		if err != nil {
			t.Fatalf("%v: %v", codec, err)
		}
		if h.Codec() != codec || h.BaseOffset != 40 || h.ProducerID != 77 || h.ProducerEpoch != 4 || h.BaseSequence != 100 ||
			h.BaseTimestamp != 1700000000000 || h.LastSequence() != 99+h.Count || h.Size() != len(raw) {
			t.Errorf("%v: header %+v", codec, h)
		}
		checkRecords(t, c, javaRecords(int(h.Count)))
	}
}

// Java's client fixes the framings: for one and the same block ours must start
// with the very bytes that Java writes.
func TestFramesStartLikeJavas(t *testing.T) {
	for codec, framing := range map[Codec]string{Snappy: xerialHeader, LZ4: lz4Small.header} {
		raw, err := os.ReadFile(filepath.Join("testdata", "java_"+codec.String()+".batch"))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(raw[HeaderSize : HeaderSize+len(framing)]); got != framing {
			t.Errorf("%v: Java writes %x, we %x", codec, got, framing)
		}
	}
	raw, err := os.ReadFile("testdata/java_lz4_v0.set")
	if err != nil {
		t.Fatal(err)
	}
	frame, err := Compress(nil, LZ4, 0, [][]byte{[]byte("data")})
	if err != nil {
		t.Fatal(err)
	}
	SetLZ4Magic0(frame)
	if !bytes.Contains(raw, frame[:lz4HeaderSize]) {
		t.Errorf("Java's message set of magic 0 has no header %x", frame[:lz4HeaderSize])
	}
	if got, err := Decompress(nil, LZ4, frame, 10); err != nil || string(got) != "data" {
		t.Errorf("magic 0: %q, %v", got, err)
	}
	other := []byte("something else")
	SetLZ4Magic0(other)
	SetLZ4Magic0(nil)
	if string(other) != "something else" {
		t.Error("SetLZ4Magic0 changed what is no frame of ours")
	}
}

// A frame of much data says how large its blocks are, in both forms of the header;
// other readers check its checksum, and find the data.
func TestLZ4FramesOfMuchData(t *testing.T) {
	data := bytes.Repeat([]byte("so many words, and yet the same ones "), 20_000)
	frame, err := Compress(nil, LZ4, 0, [][]byte{data[:100_000], data[100_000:]})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(lz4.NewReader(bytes.NewReader(frame))); err != nil || !bytes.Equal(got, data) {
		t.Errorf("another reader reads %d bytes of %d, %v", len(got), len(data), err)
	}
	if blocks, want := countLZ4Blocks(frame), (len(data)+lz4LargeBlock-1)/lz4LargeBlock; blocks != want {
		t.Errorf("%d blocks, want %d", blocks, want)
	}
	SetLZ4Magic0(frame)
	if frame[lz4HeaderSize-1] == lz4Large.header[lz4HeaderSize-1] {
		t.Error("magic 0: the header is as before")
	}
	if got, err := Decompress(nil, LZ4, frame, len(data)); err != nil || !bytes.Equal(got, data) {
		t.Errorf("magic 0: %d bytes of %d, %v", len(got), len(data), err)
	}
}

func countLZ4Blocks(frame []byte) (n int) {
	for at := lz4HeaderSize; ; n++ {
		size := binary.LittleEndian.Uint32(frame[at:]) &^ lz4Stored
		if size == 0 {
			return n
		}
		at += 4 + int(size)
	}
}

// TestJavaReadsOurBatches runs Kafka's own reader over batches of every codec
// and level. EKAF_TEST_KAFKA_CLIENTS names a directory with kafka-clients.jar
// and its dependencies; java must be in PATH.
func TestJavaReadsOurBatches(t *testing.T) {
	libs := os.Getenv("EKAF_TEST_KAFKA_CLIENTS")
	if libs == "" {
		t.Skip("EKAF_TEST_KAFKA_CLIENTS names no directory with Kafka's Java client")
	}
	dir := t.TempDir()
	source, err := os.ReadFile("testdata/JavaBatches.java.txt")
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "JavaBatches.java")
	if err := os.WriteFile(program, source, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"-cp", filepath.Join(libs, "*"), program, "read"}
	var want []string
	for _, codec := range codecs {
		for level := range maxLevels[codec] + 1 {
			for _, records := range [][]plain{javaRecords(1), javaRecords(3000)} {
				name := fmt.Sprintf("%v-%d-%d", codec, level, len(records))
				packed, err := Compress(nil, codec, level, split(encodeAll(records)))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), encodeBatch(codec, len(records), packed), 0o600); err != nil {
					t.Fatal(err)
				}
				args = append(args, filepath.Join(dir, name))
				want = append(want, fmt.Sprintf("%s %d %d", name, len(records), contentSum(records)))
			}
		}
	}
	out, err := exec.CommandContext(t.Context(), "java", args...).Output()
	if err != nil {
		t.Fatalf("java: %v\n%s", err, out)
	}
	if got := strings.TrimSpace(string(out)); got != strings.Join(want, "\n") {
		t.Errorf("Java read\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// contentSum is the CRC-32C of all keys and values one after the other.
func contentSum(records []plain) uint32 {
	var crc uint32
	for _, r := range records {
		crc = Sum(Sum(crc, r.key), r.value)
	}
	return crc
}
