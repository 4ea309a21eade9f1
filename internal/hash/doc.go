// Package hash owns the hash functions that map a message key to a partition.
//
// A key keeps its order only as long as every producer of a topic agrees on its
// partition. Both functions here therefore exist to agree, bit for bit, with
// somebody else: Murmur2 with Kafka's Java client, Phash2 with Erlang's
// erlang:phash2, which the Erlang ekaf used. Their test vectors were made by
// those two programs; the sources that made them lie in testdata.
//
//	key ──► Murmur2 ──► & 0x7fffffff ──► % partitions ──► partition   (ByKey)
//	key ──► Phash2  ────────────────────► % partitions ──► partition   (Erlang ekaf)
//
// Neither function is safe against an attacker who chooses keys in order to
// load one partition. All functions are pure, allocate nothing and may be
// called from any goroutine.
package hash
