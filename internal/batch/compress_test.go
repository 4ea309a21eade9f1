package batch

import (
	"bytes"
	stdgzip "compress/gzip"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime/debug"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

var codecs = []Codec{None, Gzip, Snappy, LZ4, Zstd}

// events returns about size bytes of JSON as producers send it: lines of some
// 100 bytes, alike but not the same.
func events(size int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	kinds := []string{"view", "click", "purchase", "login", "logout"}
	var out []byte
	for i := 0; len(out) < size; i++ {
		out = fmt.Appendf(out, `{"id":%d,"user":"u-%06d","type":"%s","ts":17%011d,"amount":%d.%02d,"ok":%t}`+"\n",
			i, random.IntN(50000), kinds[random.IntN(len(kinds))], random.Int64N(1e11), random.IntN(900), random.IntN(100), random.IntN(2) == 0)
	}
	return out[:size]
}

func noise(size int) []byte {
	out := make([]byte, size)
	rand.NewChaCha8([32]byte{7}).Read(out)
	return out
}

// split cuts data into chunks of the growing sizes that a batch uses.
func split(data []byte) [][]byte {
	var chunks [][]byte
	for size := 1 << 10; len(data) > 0; size = min(size*4, 64<<10) {
		n := min(size, len(data))
		chunks = append(chunks, data[:n])
		data = data[n:]
	}
	return chunks
}

// independent decompresses with other implementations than Decompress does.
func independent(t *testing.T, codec Codec, packed []byte) map[string][]byte {
	t.Helper()
	got := make(map[string][]byte)
	keep := func(name string, data []byte, err error) {
		if err != nil {
			t.Errorf("%s cannot read our %v: %v", name, codec, err)
			return
		}
		got[name] = data
	}
	var data []byte
	var err error
	if codec != Snappy || len(packed) > len(xerialHeader) { // kgo takes no stream without blocks; Java does
		data, err = kgo.DefaultDecompressor().Decompress(packed, kgo.CompressionCodecType(codec))
		keep("kgo", data, err)
	}
	switch codec {
	case Gzip:
		gz, err := stdgzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		data, err = io.ReadAll(gz)
		keep("compress/gzip", data, err)
	case LZ4:
		data, err = io.ReadAll(lz4.NewReader(bytes.NewReader(packed)))
		keep("pierrec/lz4", data, err)
	case Zstd:
		zr, err := zstd.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		defer zr.Close()
		data, err = io.ReadAll(zr)
		keep("klauspost/zstd", data, err)
	}
	return got
}

func TestOthersReadWhatCompressWrites(t *testing.T) {
	sizes := []int{0, 1, 100, 32<<10 - 1, 32 << 10, 32<<10 + 1, 64 << 10, 64<<10 + 1, 300_000}
	prefix := []byte("what was in dst before")
	for _, codec := range codecs {
		for _, size := range sizes {
			for kind, data := range map[string][]byte{"events": events(size), "noise": noise(size), "zeros": make([]byte, size)} {
				for shape, chunks := range map[string][][]byte{"whole": {data}, "chunks": split(data), "none": nil} {
					if shape == "none" && size > 0 {
						continue
					}
					t.Run(fmt.Sprintf("%v/%d/%s/%s", codec, size, kind, shape), func(t *testing.T) {
						packed, err := Compress(bytes.Clone(prefix), codec, 0, chunks)
						if err != nil {
							t.Fatal(err)
						}
						if !bytes.HasPrefix(packed, prefix) {
							t.Fatal("Compress changed what was in dst")
						}
						checkReadable(t, codec, packed[len(prefix):], data)
					})
				}
			}
		}
	}
}

func checkReadable(t *testing.T, codec Codec, packed, want []byte) {
	t.Helper()
	for name, got := range independent(t, codec, packed) {
		if !bytes.Equal(got, want) {
			t.Errorf("%s reads %d bytes, other than the %d compressed", name, len(got), len(want))
		}
	}
	got, err := Decompress(nil, codec, packed, len(want))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("Decompress gives %d bytes, other than the %d compressed", len(got), len(want))
	}
}

func TestEveryLevelIsReadable(t *testing.T) {
	data := events(80_000)
	for _, codec := range codecs {
		for level := range maxLevels[codec] + 1 {
			packed, err := Compress(nil, codec, level, split(data))
			if err != nil {
				t.Fatalf("%v level %d: %v", codec, level, err)
			}
			checkReadable(t, codec, packed, data)
			if codec != None && len(packed) > len(data)/2 {
				t.Errorf("%v level %d: %d of %d bytes", codec, level, len(packed), len(data))
			}
		}
	}
}

// Any way of cutting the data into chunks must give the same data back, and the
// chunks must be left as they were: they are the batch's own bytes.
func TestChunksAreReadOnlyAndJoined(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		codec := rapid.SampledFrom(codecs).Draw(t, "codec")
		seed := events(rapid.IntRange(0, 150_000).Draw(t, "size"))
		var chunks [][]byte
		for rest := seed; len(rest) > 0; {
			n := min(len(rest), rapid.SampledFrom([]int{0, 1, 17, 1 << 10, 32 << 10, 64 << 10, 1 << 17}).Draw(t, "chunk"))
			chunks, rest = append(chunks, rest[:n]), rest[n:]
		}
		lengths := make([]int, len(chunks))
		for i := range chunks {
			lengths[i] = len(chunks[i])
		}
		want := bytes.Clone(seed)
		packed, err := Compress(nil, codec, 0, chunks)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decompress(nil, codec, packed, len(want))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) || !bytes.Equal(seed, want) {
			t.Fatal("data differs")
		}
		for i := range chunks {
			if len(chunks[i]) != lengths[i] {
				t.Fatalf("chunk %d had %d bytes, now %d", i, lengths[i], len(chunks[i]))
			}
		}
	})
}

func TestLevelsOutsideTheCodecAreRefused(t *testing.T) {
	bad := map[Codec][]int{None: {1, -1}, Gzip: {-1, 10}, Snappy: {1}, LZ4: {-1, 18}, Zstd: {-1, 23}}
	for codec, levels := range bad {
		for _, level := range levels {
			dst := []byte("kept")
			got, err := Compress(dst, codec, level, [][]byte{[]byte("data")})
			if !errors.Is(err, ErrLevel) || string(got) != "kept" {
				t.Errorf("Compress(%v, level %d) = %q, %v", codec, level, got, err)
			}
		}
	}
	for _, codec := range []Codec{-1, 5, 127} {
		if err := CheckLevel(codec, 0); err == nil {
			t.Errorf("CheckLevel takes %v", codec)
		}
		if _, err := Compress(nil, codec, 0, nil); err == nil {
			t.Errorf("Compress takes %v", codec)
		}
		if _, err := Decompress(nil, codec, nil, 10); err == nil {
			t.Errorf("Decompress takes %v", codec)
		}
	}
}

func TestCodecNames(t *testing.T) {
	for _, codec := range codecs {
		got, err := ParseCodec(codec.String())
		if err != nil || got != codec {
			t.Errorf("ParseCodec(%v) = %v, %v", codec, got, err)
		}
	}
	for name, want := range map[string]Codec{"": None, "ZSTD": Zstd, "Lz4": LZ4} {
		if got, err := ParseCodec(name); err != nil || got != want {
			t.Errorf("ParseCodec(%q) = %v, %v", name, got, err)
		}
	}
	if _, err := ParseCodec("brotli"); err == nil {
		t.Error("ParseCodec takes brotli")
	}
	if got := Codec(9).String(); got != "codec(9)" {
		t.Errorf("Codec(9) = %s", got)
	}
}

func TestDecompressStopsAtItsLimit(t *testing.T) {
	data := make([]byte, 3<<20) // zeros: small when compressed, whatever the codec
	for _, codec := range codecs {
		packed, err := Compress(nil, codec, 0, [][]byte{data})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Decompress([]byte("x"), codec, packed, len(data)); err != nil || len(got) != len(data)+1 {
			t.Errorf("%v at its size: %d bytes, %v", codec, len(got), err)
		}
		for _, limit := range []int{-1, 0, 1, 1000, 64 << 10, len(data) - 1} {
			dst := []byte("kept")
			got, err := Decompress(dst, codec, packed, limit)
			if !errors.Is(err, ErrTooLarge) || string(got) != "kept" {
				t.Errorf("%v with limit %d: %d bytes, %v", codec, limit, len(got), err)
			}
			if limit < len(data)/2 && cap(got) > len(data)/2 {
				t.Errorf("%v with limit %d took %d bytes", codec, limit, cap(got))
			}
		}
	}
}

// What is cut anywhere must be an error and not a shorter success.
func TestDecompressRefusesTruncatedData(t *testing.T) {
	data := events(3000)
	for _, codec := range []Codec{Gzip, Snappy, LZ4, Zstd} {
		packed, err := Compress(nil, codec, 0, [][]byte{data})
		if err != nil {
			t.Fatal(err)
		}
		for n := range packed {
			got, err := Decompress(nil, codec, packed[:n], 1<<20)
			if codec == Snappy && n == len(xerialHeader) {
				continue // no blocks yet: a whole, empty stream
			}
			if err == nil && !(n == 0 && len(got) == 0) {
				t.Errorf("%v cut at %d of %d: %d bytes, no error", codec, n, len(packed), len(got))
			}
		}
	}
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1)) // a collection empties the pools
	data := events(70_000)                           // more than one block of every codec but zstd
	for _, codec := range codecs {
		for shape, chunks := range map[string][][]byte{"whole": {data}, "chunks": split(data)} {
			dst := make([]byte, 0, 400_000)
			for _, level := range []int{0, min(maxLevels[codec], 6)} {
				run := func() {
					if _, err := Compress(dst, codec, level, chunks); err != nil {
						t.Error(err)
					}
				}
				// An encoder grows its tables over the first few calls. The pools
				// belong to processors, so the warm-up has to run as the measure
				// does, on one.
				testing.AllocsPerRun(5, run)
				most := 0.0
				if codec == Zstd && shape == "chunks" {
					most = 1 // the library's stream puts its frame header, 18 bytes, on the heap
				}
				if n := testing.AllocsPerRun(5, run); n > most && !raceEnabled {
					t.Errorf("%v level %d, %s: %v allocations", codec, level, shape, n)
				}
			}
		}
	}
}

func FuzzDecompress(f *testing.F) {
	for _, codec := range codecs {
		for _, data := range [][]byte{nil, []byte("a"), events(500), noise(300), make([]byte, 100_000)} {
			packed, err := Compress(nil, codec, 0, [][]byte{data})
			if err != nil {
				f.Fatal(err)
			}
			f.Add(int8(codec), packed)
		}
	}
	f.Fuzz(func(t *testing.T, codec int8, src []byte) {
		const limit = 256 << 10
		got, err := Decompress(nil, Codec(codec), src, limit)
		if len(got) > limit || cap(got) > 2*limit {
			t.Errorf("%d bytes in %d", len(got), cap(got))
		}
		if err != nil && len(got) > 0 {
			t.Errorf("%d bytes with error %v", len(got), err)
		}
	})
}

func FuzzCompressRoundTrip(f *testing.F) {
	f.Add(int8(2), 1, []byte("hello"), uint16(2))
	f.Add(int8(4), 3, events(2000), uint16(700))
	f.Fuzz(func(t *testing.T, codec int8, level int, data []byte, cut uint16) {
		n := min(int(cut), len(data))
		packed, err := Compress(nil, Codec(codec), level, [][]byte{data[:n], data[n:]})
		if CheckLevel(Codec(codec), level) != nil {
			if err == nil {
				t.Fatal("no error at a refused level")
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decompress(nil, Codec(codec), packed, len(data))
		if err != nil || !bytes.Equal(got, data) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	})
}

func BenchmarkCompress(b *testing.B) {
	for _, codec := range []Codec{Gzip, Snappy, LZ4, Zstd} {
		for _, size := range []int{64 << 10, 1 << 20} {
			data := events(size)
			for shape, chunks := range map[string][][]byte{"whole": {data}, "chunks": split(data)} {
				b.Run(fmt.Sprintf("%v/%d/%s", codec, size, shape), func(b *testing.B) {
					var dst []byte
					b.SetBytes(int64(size))
					b.ReportAllocs()
					for b.Loop() {
						dst, _ = Compress(dst[:0], codec, 0, chunks)
					}
					b.ReportMetric(float64(size)/float64(len(dst)), "ratio")
				})
			}
		}
	}
}

func BenchmarkDecompress(b *testing.B) {
	data := events(1 << 20)
	for _, codec := range []Codec{Gzip, Snappy, LZ4, Zstd} {
		packed, err := Compress(nil, codec, 0, [][]byte{data})
		if err != nil {
			b.Fatal(err)
		}
		b.Run(codec.String(), func(b *testing.B) {
			var dst []byte
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				dst, _ = Decompress(dst[:0], codec, packed, len(data))
			}
		})
	}
}
