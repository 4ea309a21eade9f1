package properties

import (
	"hash/crc32"
	"math/rand/v2"
	"strings"

	"github.com/ekaf-go/ekaf"
)

// strategy maps Kafka's partitioner.class and librdkafka's partitioner, so that
// the keys of a program that moves here stay in their partitions.
func (v *values) strategy(c *Config) {
	class, hasClass := v.take("partitioner.class")
	rdkafka, hasRdkafka := v.take("partitioner")
	ignoreKeys, keysEntry, hasKeys := v.boolean("partitioner.ignore.keys")
	switch {
	case hasClass && hasRdkafka:
		v.fault(rdkafka, "it contradicts %s (%s): keep one of them", class.name, class.where)
		return
	case hasClass:
		v.partitionerClass(c, class)
	case hasRdkafka:
		v.partitioner(c, rdkafka)
	}
	if !hasKeys || !ignoreKeys {
		return
	}
	if hasClass || hasRdkafka {
		v.note(keysEntry, "ignored: a partitioner is named, and it decides")
		return
	}
	c.add(ekaf.Strategy(ekaf.Adaptive()))
}

func (v *values) partitionerClass(c *Config, e entry) {
	switch e.value[strings.LastIndexByte(e.value, '.')+1:] {
	case "RoundRobinPartitioner":
		c.add(ekaf.Strategy(ekaf.StrictRoundRobin()))
	case "UniformStickyPartitioner":
		c.add(ekaf.Strategy(ekaf.Adaptive()))
	case "DefaultPartitioner", "BuiltInPartitioner":
		c.add(ekaf.Strategy(ekaf.ByKey()))
	default:
		v.fault(e, "Java classes cannot be loaded here: known are DefaultPartitioner, RoundRobinPartitioner and UniformStickyPartitioner")
	}
}

func (v *values) partitioner(c *Config, e entry) {
	switch e.value {
	case "murmur2_random":
		c.add(ekaf.Strategy(ekaf.ByKey()))
	case "murmur2":
		v.note(e, "messages without a key are spread, where librdkafka sends them all to one partition")
		c.add(ekaf.Strategy(ekaf.ByKey()))
	case "random":
		c.add(ekaf.Strategy(ekaf.Random()))
	case "consistent":
		c.add(hashStrategy(crc32.ChecksumIEEE, unkeyedTogether))
	case "consistent_random":
		c.add(hashStrategy(crc32.ChecksumIEEE, emptyAtRandom))
	case "fnv1a":
		c.add(hashStrategy(fnv1a, unkeyedTogether))
	case "fnv1a_random":
		c.add(hashStrategy(fnv1a, unkeyedAnywhere))
	default:
		v.fault(e, "it must be one of random, consistent, consistent_random, murmur2, murmur2_random, fnv1a, fnv1a_random")
	}
}

// unkeyed says where librdkafka's partitioners send messages without a key.
type unkeyed uint8

const (
	unkeyedTogether unkeyed = iota // as if the key were empty
	unkeyedAnywhere                // to any partition
	emptyAtRandom                  // to any partition, and so with an empty key
)

// hashStrategy names the picker twice where it shall also place messages without a key.
func hashStrategy(hash func([]byte) uint32, without unkeyed) ekaf.Option {
	picker := ekaf.Custom(hashing(hash, without))
	if without == unkeyedTogether {
		return ekaf.Strategy(picker, picker)
	}
	return ekaf.Strategy(picker)
}

func hashing(hash func([]byte) uint32, without unkeyed) ekaf.Picker {
	return func(_ string, key, _ []byte, partitions int) int {
		switch {
		case key == nil && without != unkeyedTogether:
			return ekaf.AnyPartition
		case len(key) == 0 && without == emptyAtRandom:
			return rand.IntN(partitions)
		}
		return int(hash(key) % uint32(partitions))
	}
}

// fnv1a is FNV-1a made non-negative as sarama and librdkafka make it: by the
// absolute value of the signed hash, not by its low bits.
func fnv1a(key []byte) uint32 {
	const offset, prime = 2166136261, 16777619
	h := uint32(offset)
	for _, b := range key {
		h = (h ^ uint32(b)) * prime
	}
	if signed := int32(h); signed < 0 {
		return uint32(-signed)
	}
	return h
}
