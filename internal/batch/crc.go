package batch

import (
	"hash/crc32"
	"sync"
)

// castagnoli is the polynomial of CRC-32C, which record batches v2 carry
// (Kafka protocol guide, "Record Batch"). The standard library computes it with
// the CPU's own instruction where there is one.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Sum returns the CRC-32C of the bytes that gave crc followed by p. The CRC of
// no bytes is 0, so Sum(0, p) is the CRC of p, and a long value can be summed
// piece by piece.
func Sum(crc uint32, p []byte) uint32 { return crc32.Update(crc, castagnoli, p) }

// Combine returns the CRC-32C of A||B from the CRC of A, the CRC of B and the
// length of B in bytes. It neither reads the data nor allocates, so the CRC of a
// batch's records is taken once and joined with that of its header each time the
// header is patched. A negative length counts as 0.
func Combine(crcA, crcB uint32, lenB int64) uint32 {
	// Appending B multiplies A's polynomial by x^(8*lenB) and adds B's. The
	// inversions at both ends of a CRC cancel out, as B's CRC contains the same
	// two as A||B has on top of A's.
	zeros := zeroOperators()
	for i := 0; lenB > 0; i++ {
		if n := lenB & 0xff; n != 0 {
			crcA = multiplyModP(zeros[i][n], crcA)
		}
		lenB >>= 8
	}
	return crcA ^ crcB
}

// castagnoliReflected is the generator P without its x^32 term, in the bit order
// of a reflected CRC: the highest bit is x^0, the lowest x^31.
const castagnoliReflected = crc32.Castagnoli

// multiplyModP returns a*b mod P. It runs through all 32 bits without a branch,
// because the bits of a CRC are as good as random and every second branch would
// be predicted wrongly.
func multiplyModP(a, b uint32) uint32 {
	var product uint32
	for range 32 {
		product ^= b & -(a >> 31)
		a <<= 1
		b = b>>1 ^ castagnoliReflected&-(b&1)
	}
	return product
}

// zeroOperators holds, at [i][n], x^(8 * n * 256^i) mod P: what appending
// n*256^i bytes multiplies a CRC by. One multiplication for each byte of the
// length (three for a batch of 1 MB) is then enough. The table is 8 KiB and made
// on first use, as that takes some 50 µs, which a program that never compresses
// or sends should not pay at start.
var zeroOperators = sync.OnceValue(func() *[8][256]uint32 {
	table := new([8][256]uint32)
	step := uint32(1) << (31 - 8) // x^8: one byte
	for i := range table {
		table[i][0] = 1 << 31 // x^0: nothing appended
		for n := 1; n < 256; n++ {
			table[i][n] = multiplyModP(table[i][n-1], step)
		}
		step = multiplyModP(table[i][255], step)
	}
	return table
})
