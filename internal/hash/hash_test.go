package hash

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"os"
	"strconv"
	"strings"
	"testing"
)

// vectors reads one key a line, in hex, and the numbers after it.
func vectors(t *testing.T, file string, numbers int) map[string][]uint64 {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string][]uint64)
	for lines := bufio.NewScanner(bytes.NewReader(raw)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if len(fields) != numbers+1 {
			t.Fatalf("%s: %d fields in %q, want %d", file, len(fields), lines.Text(), numbers+1)
		}
		key, err := hex.DecodeString(strings.TrimPrefix(fields[0], "-"))
		if err != nil {
			t.Fatal(err)
		}
		var values []uint64
		for _, f := range fields[1:] {
			v, err := strconv.ParseUint(f, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			values = append(values, v)
		}
		got[string(key)] = values
	}
	return got
}

func TestMurmur2AgreesWithJava(t *testing.T) {
	all := vectors(t, "testdata/murmur2.txt", 6)
	if len(all) < 300 {
		t.Fatalf("only %d vectors", len(all))
	}
	for key, want := range all {
		if got := Murmur2([]byte(key)); uint64(got) != want[0] {
			t.Errorf("Murmur2(%x) = %d, want %d", key, got, want[0])
		}
		for i, n := range []int32{1, 3, 12, 100, 1000} {
			if got := Murmur2Partition([]byte(key), n); uint64(got) != want[i+1] {
				t.Errorf("Murmur2Partition(%x, %d) = %d, want %d", key, n, got, want[i+1])
			}
		}
	}
}

func TestPhash2AgreesWithErlang(t *testing.T) {
	all := vectors(t, "testdata/phash2.txt", 6)
	if len(all) < 500 {
		t.Fatalf("only %d vectors", len(all))
	}
	for key, want := range all {
		k := []byte(key)
		if got := Phash2(k); uint64(got) != want[0] {
			t.Errorf("Phash2(%x) = %d, want %d", key, got, want[0])
		}
		if got := Phash2N(k, 0); uint64(got) != want[1] {
			t.Errorf("Phash2N(%x, 0) = %d, want %d", key, got, want[1])
		}
		for i, n := range []uint32{3, 12, 100, 1000} {
			if got := Phash2N(k, n); uint64(got) != want[i+2] {
				t.Errorf("Phash2N(%x, %d) = %d, want %d", key, n, got, want[i+2])
			}
			if got := Phash2Partition(k, int32(n)); uint64(got) != want[0]%uint64(n) {
				t.Errorf("Phash2Partition(%x, %d) = %d, want %d", key, n, got, want[0]%uint64(n))
			}
		}
	}
}

// The hashes run before the topic's partition count is known to be sane.
func TestPartitionWithoutPartitions(t *testing.T) {
	for _, n := range []int32{0, -1, -1 << 31} {
		if p := Murmur2Partition([]byte("k"), n); p != 0 {
			t.Errorf("Murmur2Partition(k, %d) = %d", n, p)
		}
		if p := Phash2Partition([]byte("k"), n); p != 0 {
			t.Errorf("Phash2Partition(k, %d) = %d", n, p)
		}
	}
}

func TestHashesDoNotAllocate(t *testing.T) {
	key := []byte("a key of some length, neither short nor long")
	if n := testing.AllocsPerRun(100, func() { Murmur2Partition(key, 12); Phash2Partition(key, 12) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzPartitionInRange(f *testing.F) {
	f.Add([]byte(nil), int32(1))
	f.Add([]byte("user-42"), int32(12))
	f.Add(bytes.Repeat([]byte{0xff}, 23), int32(1<<31-1))
	f.Fuzz(func(t *testing.T, key []byte, n int32) {
		for name, pick := range map[string]func([]byte, int32) int32{"murmur2": Murmur2Partition, "phash2": Phash2Partition} {
			p := pick(key, n)
			if p < 0 || (n > 0 && p >= n) || (n <= 0 && p != 0) {
				t.Errorf("%s(%x, %d) = %d", name, key, n, p)
			}
			if again := pick(bytes.Clone(key), n); again != p {
				t.Errorf("%s(%x, %d) = %d, then %d", name, key, n, p, again)
			}
		}
	})
}

func BenchmarkHashes(b *testing.B) {
	for _, size := range []int{8, 24, 100} {
		key := bytes.Repeat([]byte{'k'}, size)
		b.Run("murmur2/"+strconv.Itoa(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				Murmur2(key)
			}
		})
		b.Run("phash2/"+strconv.Itoa(size), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				Phash2(key)
			}
		})
	}
}
