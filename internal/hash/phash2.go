package hash

import "encoding/binary"

// hconst is the golden ratio in 32 bits, from which Erlang's hash derives a
// separate start value for each kind of term. Binaries use the 13th multiple.
const (
	hconst       = 0x9e3779b9
	hconstBinary = hconst * 13 & 0xffffffff
)

// phash2Range is the number of values of erlang:phash2/1. It is 2^27, not 2^32,
// for the sake of old emulators whose small integers had 28 bits.
const phash2Range = 1 << 27

// Phash2 returns erlang:phash2(Key) for a key that is an Erlang binary: a value
// in 0..2^27-1.
//
// The Erlang ekaf picked the partition as erlang:phash2(Key) rem N, which is
// [Phash2Partition]. That is not erlang:phash2(Key, N): the latter divides all
// 32 bits of the hash (see [Phash2N]), and the two agree only when N is a power
// of two up to 2^27.
//
// Erlang hashes a binary and a string (a list of integers) of the same
// characters differently, and so does it an atom. Keys that were not binaries
// in Erlang do not keep their partition.
func Phash2(key []byte) uint32 { return phash2(key) & (phash2Range - 1) }

// Phash2N returns erlang:phash2(Key, N) for a key that is an Erlang binary: a
// value in 0..n-1. With n = 0, which Erlang refuses, it returns the whole 32-bit
// hash, as Erlang does for a range of 2^32.
func Phash2N(key []byte, n uint32) uint32 {
	if n == 0 {
		return phash2(key)
	}
	return phash2(key) % n
}

// Phash2Partition returns the partition, in 0..n-1, to which the Erlang ekaf
// sent key when the topic had n partitions: erlang:phash2(Key) rem N. It returns
// 0 when n is not positive.
func Phash2Partition(key []byte, n int32) int32 {
	if n <= 0 {
		return 0
	}
	return int32(Phash2(key)) % n
}

// phash2 is Erlang's portable hash, version 2, of a binary: Bob Jenkins' 1996
// hash (lookup2) over the bytes, started from the constant for binaries. An
// empty binary is not hashed at all; the start value is its hash.
func phash2(key []byte) uint32 {
	if len(key) == 0 {
		return hconstBinary
	}
	a, b, c := uint32(hconst), uint32(hconst), uint32(hconstBinary)
	n := uint32(len(key))
	for len(key) >= 12 {
		a += binary.LittleEndian.Uint32(key)
		b += binary.LittleEndian.Uint32(key[4:])
		c += binary.LittleEndian.Uint32(key[8:])
		a, b, c = jenkinsMix(a, b, c)
		key = key[12:]
	}
	// The rest, at most 11 bytes, goes through the same three words. The lowest
	// byte of c is kept free for the length, so the rest moves up by one there.
	var tail [12]byte
	copy(tail[:8], key)
	if len(key) > 8 {
		copy(tail[9:], key[8:])
	}
	a += binary.LittleEndian.Uint32(tail[:])
	b += binary.LittleEndian.Uint32(tail[4:])
	c += binary.LittleEndian.Uint32(tail[8:]) + n
	_, _, c = jenkinsMix(a, b, c)
	return c
}

// jenkinsMix is the reversible mixing step of lookup2: every bit of the three
// words affects every bit of c.
func jenkinsMix(a, b, c uint32) (uint32, uint32, uint32) {
	a = (a - b - c) ^ c>>13
	b = (b - c - a) ^ a<<8
	c = (c - a - b) ^ b>>13
	a = (a - b - c) ^ c>>12
	b = (b - c - a) ^ a<<16
	c = (c - a - b) ^ b>>5
	a = (a - b - c) ^ c>>3
	b = (b - c - a) ^ a<<10
	c = (c - a - b) ^ b>>15
	return a, b, c
}
