package batch

import (
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// The check value of CRC-32C for "123456789" is published (RFC 3720's CRC).
func TestSumIsCastagnoli(t *testing.T) {
	if got := Sum(0, []byte("123456789")); got != 0xe3069283 {
		t.Errorf("Sum = %#x, want 0xe3069283", got)
	}
	if got := Sum(Sum(0, []byte("1234")), []byte("56789")); got != 0xe3069283 {
		t.Errorf("Sum in pieces = %#x, want 0xe3069283", got)
	}
}

func TestCombineEqualsDirectSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "a")
		b := rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "b")
		want := crc32.Checksum(append(a[:len(a):len(a)], b...), crc32.MakeTable(crc32.Castagnoli))
		if got := Combine(Sum(0, a), Sum(0, b), int64(len(b))); got != want {
			t.Fatalf("Combine = %#x, want %#x", got, want)
		}
	})
}

// Every length up to several times 256, then lengths around each power of two,
// so that each row of the operator table and each carry between rows is used.
func TestCombineAtEveryLength(t *testing.T) {
	data := make([]byte, 1<<20+9)
	fill := rand.NewChaCha8([32]byte{1})
	fill.Read(data)
	head := Sum(0, []byte("forty bytes of a header, or thereabouts."))
	check := func(n int) {
		t.Helper()
		if got, want := Combine(head, Sum(0, data[:n]), int64(n)), Sum(head, data[:n]); got != want {
			t.Fatalf("length %d: %#x, want %#x", n, got, want)
		}
	}
	for n := range 1100 {
		check(n)
	}
	for shift := 10; shift <= 20; shift++ {
		for d := -2; d <= 2; d++ {
			check(1<<shift + d)
		}
	}
}

// Lengths beyond what a test can hold in memory follow from smaller ones:
// (A||B)||C must equal A||(B||C).
func TestCombineIsAssociativeForHugeLengths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := rapid.Uint32().Draw(t, "a"), rapid.Uint32().Draw(t, "b"), rapid.Uint32().Draw(t, "c")
		lenB := rapid.Int64Range(0, 1<<62-1).Draw(t, "lenB")
		lenC := rapid.Int64Range(0, 1<<62-1).Draw(t, "lenC")
		left := Combine(Combine(a, b, lenB), c, lenC)
		right := Combine(a, Combine(b, c, lenC), lenB+lenC)
		if left != right {
			t.Fatalf("(A||B)||C = %#x, A||(B||C) = %#x", left, right)
		}
	})
}

func TestCombineDoesNotAllocate(t *testing.T) {
	Combine(1, 2, 3)
	if n := testing.AllocsPerRun(100, func() { Combine(1, 2, 1<<40) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkCombine(b *testing.B) {
	for b.Loop() {
		Combine(0x12345678, 0x9abcdef0, 987_654)
	}
}

func BenchmarkSum(b *testing.B) {
	data := make([]byte, 1<<20)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		Sum(0, data)
	}
}
