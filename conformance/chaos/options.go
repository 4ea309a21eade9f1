package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
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
	keyed   bool    // keys stay in order
	allowed []error // why messages may fail
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
		c.allowed = []error{ekaf.ErrTimeout}
	case 1:
		oneOf(c, "partition limit", ekaf.PartitionBufferMessages, 50, 500)
		oneOf(c, "when full", ekaf.WhenFull, ekaf.Error, ekaf.Block, ekaf.DropOldest, ekaf.DropNewest)
		c.allowed = []error{ekaf.ErrFull, ekaf.ErrDropped}
	case 2:
		oneOf(c, "limit", ekaf.BufferBytes, 1<<20, 4<<20)
		oneOf(c, "when full", ekaf.WhenFullAsync, ekaf.Error, ekaf.DropOldest, ekaf.DropNewest)
		c.allowed = []error{ekaf.ErrFull, ekaf.ErrDropped}
	}
}

// excuses tells whether a message of the producer may fail so: by its options, by
// its call's context, or because Kafka itself can no longer tell.
func (c *choice) excuses(err error) bool {
	always := []error{context.Canceled, context.DeadlineExceeded, ekaf.ErrWithdrawn, ekaf.ErrUndecidable}
	is := func(cause error) bool { return errors.Is(err, cause) }
	return slices.ContainsFunc(always, is) || slices.ContainsFunc(c.allowed, is)
}

// causeOf is the general cause of a failure, for counting.
func causeOf(err error) string {
	for _, cause := range []error{
		ekaf.ErrTimeout, ekaf.ErrFull, ekaf.ErrDropped, ekaf.ErrUndecidable, ekaf.ErrClosed, ekaf.ErrTooLarge,
		ekaf.ErrUnknownTopic, ekaf.ErrUnknownPartition, ekaf.ErrWithdrawn, context.DeadlineExceeded, context.Canceled,
	} {
		if errors.Is(err, cause) {
			return cause.Error()
		}
	}
	if delivery, ok := errors.AsType[*ekaf.DeliveryError](err); ok && delivery.Code != 0 {
		return fmt.Sprint("error code ", delivery.Code)
	}
	return err.Error()
}

func (c *choice) String() string { return strings.Join(c.about, ", ") }
