package properties

import (
	"hash/crc32"
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
	case "murmur2", "consistent", "fnv1a":
		v.note(e, "messages without a key are spread, where librdkafka sends them all to one partition")
	}
	switch e.value {
	case "murmur2", "murmur2_random":
		c.add(ekaf.Strategy(ekaf.ByKey()))
	case "random":
		c.add(ekaf.Strategy(ekaf.Random()))
	case "consistent":
		c.add(ekaf.Strategy(ekaf.Custom(hashing(crc32.ChecksumIEEE, false))))
	case "consistent_random":
		c.add(ekaf.Strategy(ekaf.Custom(hashing(crc32.ChecksumIEEE, true))))
	case "fnv1a", "fnv1a_random":
		c.add(ekaf.Strategy(ekaf.Custom(hashing(fnv1a, false))))
	default:
		v.fault(e, "it must be one of random, consistent, consistent_random, murmur2, murmur2_random, fnv1a, fnv1a_random")
	}
}

// hashing picks partitions as librdkafka does. With emptyAtRandom an empty key
// counts as none.
func hashing(hash func([]byte) uint32, emptyAtRandom bool) ekaf.Picker {
	return func(_ string, key, _ []byte, partitions int) int {
		if key == nil || emptyAtRandom && len(key) == 0 {
			return ekaf.AnyPartition
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
