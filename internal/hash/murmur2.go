package hash

import "encoding/binary"

// Murmur2 returns the 32-bit MurmurHash2 of key with the seed and the byte
// order of Kafka's Java client (org.apache.kafka.common.utils.Utils.murmur2).
//
// A nil and an empty key hash alike; callers treat a nil key as "no key" before
// they come here. Use [Murmur2Partition] for the partition: Java masks the sign
// bit off rather than taking the absolute value, and other clients have got that
// wrong.
func Murmur2(key []byte) uint32 {
	const (
		seed = 0x9747b28c
		m    = 0x5bd1e995
		r    = 24
	)
	h := uint32(seed) ^ uint32(len(key))
	for len(key) >= 4 {
		k := binary.LittleEndian.Uint32(key) * m
		k ^= k >> r
		h = h*m ^ k*m
		key = key[4:]
	}
	switch len(key) {
	case 3:
		h ^= uint32(key[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(key[1]) << 8
		fallthrough
	case 1:
		h ^= uint32(key[0])
		h *= m
	}
	h ^= h >> 13
	h *= m
	return h ^ h>>15
}

// Murmur2Partition returns the partition, in 0..n-1, to which Kafka's Java
// client sends key when the topic has n partitions:
// toPositive(murmur2(key)) % n. It returns 0 when n is not positive.
func Murmur2Partition(key []byte, n int32) int32 {
	if n <= 0 {
		return 0
	}
	return int32(Murmur2(key)&0x7fffffff) % n
}
