package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/ekaf-go/ekaf"
)

// codec is a compression by the name a flag gives it.
type codec struct {
	name  string
	codec ekaf.Codec
}

func (c codec) title() string { return c.name }

func codecs() []codec {
	return []codec{{"none", ekaf.NoCompression}, {"gzip", ekaf.Gzip}, {"snappy", ekaf.Snappy}, {"lz4", ekaf.LZ4}, {"zstd", ekaf.Zstd}}
}

// strategy is a way to choose workers. keyed ones keep the order of a key.
type strategy struct {
	name  string
	keyed bool
	make  func() []ekaf.Selector
}

func (s strategy) title() string { return s.name }

func strategies() []strategy {
	one := func(selector func() ekaf.Selector) func() []ekaf.Selector {
		return func() []ekaf.Selector { return []ekaf.Selector{selector()} }
	}
	return []strategy{
		{"ByKey", true, one(ekaf.ByKey)},
		{"Phash2", true, func() []ekaf.Selector { return []ekaf.Selector{ekaf.Phash2(), ekaf.StrictRoundRobin()} }},
		{"Custom", true, func() []ekaf.Selector { return []ekaf.Selector{ekaf.Custom(byLength), ekaf.Random()} }},
		{"Adaptive", false, one(ekaf.Adaptive)},
		{"Random", false, one(ekaf.Random)},
		{"StickyRoundRobin", false, one(func() ekaf.Selector { return ekaf.StickyRoundRobin(7) })},
		{"StrictRoundRobin", false, one(ekaf.StrictRoundRobin)},
	}
}

// byLength is a picker as users write them.
func byLength(_ string, key, _ []byte, partitions int) int {
	if key == nil {
		return ekaf.AnyPartition
	}
	sum := len(key)
	for _, b := range key {
		sum += int(b)
	}
	return sum % partitions
}

// choice collects the options drawn for a producer, and their description.
type choice struct {
	random  *rand.Rand
	options []ekaf.Option
	about   []string
	keyed   bool // keys stay in order
}

func (c *choice) add(about string, options ...ekaf.Option) {
	c.about = append(c.about, about)
	c.options = append(c.options, options...)
}

// oneOf adds one value of an option. A value given several times is likelier.
func oneOf[T any](c *choice, name string, option func(T) ekaf.Option, values ...T) {
	value := values[c.random.IntN(len(values))]
	c.add(fmt.Sprintf("%s %v", name, value), option(value))
}

// draw chooses a producer's options, all from the seed.
func (s settings) draw(number int) *choice {
	c := &choice{random: s.random("producer", number)}
	strategies := pick(strategies(), s.strategies)
	codecs := pick(codecs(), s.codecs)
	// The first producers have one strategy each, so that a small run has several.
	chosen := strategies[number%len(strategies)]
	c.keyed = chosen.keyed
	c.add(chosen.name, ekaf.Strategy(chosen.make()...))
	compression := codecs[c.random.IntN(len(codecs))]
	c.add(compression.name, ekaf.Compression(compression.codec))
	s.drawWorkers(c)
	oneOf(c, "linger", ekaf.Linger, 0, time.Millisecond, 10*time.Millisecond, 100*time.Millisecond)
	oneOf(c, "batch records", ekaf.BatchRecords, 0, 0, 5, 100)
	oneOf(c, "batch bytes", ekaf.BatchBytes, 1_000_000, 1_000_000, 200_000)
	oneOf(c, "request timeout", ekaf.RequestTimeout, 2*time.Second, 5*time.Second, 10*time.Second, 30*time.Second)
	oneOf(c, "dial timeout", ekaf.DialTimeout, time.Second, 10*time.Second)
	oneOf(c, "connections", ekaf.ConnectionsPer, ekaf.PerBroker, ekaf.PerBroker, ekaf.PerWorker)
	oneOf(c, "refresh", ekaf.MetadataRefresh, time.Second, 60*time.Second)
	oneOf(c, "idle", ekaf.IdleTimeout, time.Second, 3*time.Minute)
	s.drawLosses(c)
	if c.random.IntN(6) == 0 {
		c.add("massaged", ekaf.MassageBuffer(func(_ string, msgs []ekaf.Message) []ekaf.Message { return msgs }))
	}
	return c
}

func (s settings) drawWorkers(c *choice) {
	switch {
	case s.workers > 0:
		c.add(fmt.Sprint("workers ", s.workers), ekaf.Workers(s.workers))
	case c.random.IntN(4) == 0:
		c.add("workers 1 to 4", ekaf.Workers(1), ekaf.WorkersMax(4))
	default:
		oneOf(c, "workers", ekaf.Workers, 1, 2, 3)
	}
}

// drawLosses chooses what lets messages fail: nothing in half of the cases.
func (s settings) drawLosses(c *choice) {
	switch c.random.IntN(6) {
	case 0:
		oneOf(c, "delivery timeout", ekaf.DeliveryTimeout, time.Second, 5*time.Second, 20*time.Second)
	case 1:
		oneOf(c, "partition limit", ekaf.PartitionBufferMessages, 50, 500)
		oneOf(c, "when full", ekaf.WhenFull, ekaf.Error, ekaf.Block, ekaf.DropOldest, ekaf.DropNewest)
	case 2:
		oneOf(c, "limit", ekaf.BufferBytes, 1<<20, 4<<20)
		oneOf(c, "when full", ekaf.WhenFullAsync, ekaf.Error, ekaf.DropOldest, ekaf.DropNewest)
	}
}

func (c *choice) String() string { return strings.Join(c.about, ", ") }
