package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ekaf-go/ekaf/conformance/realkafka"
)

// settings are the flags.
type settings struct {
	seed     uint64
	embedded bool
	kafka    string
	brokers  int

	time    time.Duration
	faults  int
	overlap int
	longest time.Duration
	only    []string
	without []string

	topics     int
	partitions int
	producers  int
	callers    int
	workers    int
	rate       int
	verbs      []string
	codecs     []string
	strategies []string

	drain   time.Duration
	outage  time.Duration
	verbose bool
}

const usage = `chaos sends messages through many producers while brokers and networks fail at
random, then lets an independent consumer judge: nothing acked is lost, nothing is
there twice or out of order, every message has one outcome, and what failed for
sure is absent. The last line is JSON; exit code 1 means a violation.

Examples:
  chaos -embedded -time 10s               in this process, with Go alone
  chaos -time 60s -faults 20              three real brokers (needs a JDK and Maven)
  chaos -time 30m -faults 150 -workers 3  a long one
  chaos -seed 7 -only kill,pause          the faults of a seed, narrowed
  chaos -outage 60s -rate 100000          one outage, and how the backlog drains

Flags:
`

// parse reads the flags; all faults are told at once.
func parse(args []string, stderr io.Writer) (settings, error) {
	var s settings
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
		fmt.Fprint(stderr, "\nKinds of faults:\n")
		for _, k := range kinds() {
			fmt.Fprintf(stderr, "  %-14s %s\n", k.name, k.about)
		}
	}
	s.register(flags)
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return s, err
		}
		return s, errors.New("cannot read the flags: see -help")
	}
	if flags.NArg() > 0 {
		return s, fmt.Errorf("cannot use the argument %q: see -help", flags.Arg(0))
	}
	return s, s.complete()
}

func (s *settings) register(flags *flag.FlagSet) {
	flags.Uint64Var(&s.seed, "seed", 0, "the run's `seed`; 0 takes a random one")
	flags.BoolVar(&s.embedded, "embedded", false, "use the embedded brokers instead of Apache Kafka")
	flags.StringVar(&s.kafka, "kafka", realkafka.Newest, "`version` of Apache Kafka")
	flags.IntVar(&s.brokers, "brokers", 3, "how many brokers")
	flags.DurationVar(&s.time, "time", time.Minute, "how long messages are sent")
	flags.IntVar(&s.faults, "faults", 20, "how many faults in that time")
	flags.IntVar(&s.overlap, "overlap", 2, "how many faults at once, at most")
	flags.DurationVar(&s.longest, "longest", 40*time.Second, "the longest a fault lasts; never more than a quarter of -time")
	list(flags, &s.only, "only", "these `kinds` of faults alone, separated by commas")
	list(flags, &s.without, "without", "not these `kinds`")
	flags.IntVar(&s.topics, "topics", 2, "how many topics")
	flags.IntVar(&s.partitions, "partitions", 6, "how many partitions each has at first")
	flags.IntVar(&s.producers, "producers", 6, "how many producers, each with options of its own")
	flags.IntVar(&s.callers, "callers", 4, "how many goroutines call each producer")
	flags.IntVar(&s.workers, "workers", 0, "workers of each partition; 0: 1 to 3, and growing ones")
	flags.IntVar(&s.rate, "rate", 3000, "messages a second, of all producers together")
	list(flags, &s.verbs, "verbs", "these `verbs` alone, separated by commas")
	list(flags, &s.codecs, "codecs", "these `codecs` alone: none, gzip, snappy, lz4, zstd")
	list(flags, &s.strategies, "strategies", "these `strategies` alone: ByKey, Phash2, Custom, Adaptive, Random, StickyRoundRobin, StrictRoundRobin")
	flags.DurationVar(&s.drain, "drain", 3*time.Minute, "how long the rest may take to be delivered when the faults are over")
	flags.DurationVar(&s.outage, "outage", 0, "instead: take all brokers away for this `time`, at -rate messages a second, and measure")
	flags.BoolVar(&s.verbose, "v", false, "print the producers' own events too")
}

func list(flags *flag.FlagSet, to *[]string, name, about string) {
	flags.Func(name, about, func(value string) error {
		*to = append(*to, strings.Split(value, ",")...)
		return nil
	})
}

// complete chooses a seed if none was given, and refuses what makes no sense.
func (s *settings) complete() error {
	if s.seed == 0 {
		s.seed = rand.Uint64() >> 32 // short enough to type
	}
	var faults []error
	least := func(name string, value, least int) {
		if value < least {
			faults = append(faults, fmt.Errorf("cannot use -%s %d: give at least %d", name, value, least))
		}
	}
	least("brokers", s.brokers, 1)
	least("faults", s.faults, 0)
	least("overlap", s.overlap, 1)
	least("topics", s.topics, 1)
	least("partitions", s.partitions, 1)
	least("producers", s.producers, 1)
	least("callers", s.callers, 1)
	least("workers", s.workers, 0)
	least("rate", s.rate, 1)
	if s.time <= 0 {
		faults = append(faults, fmt.Errorf("cannot run for %v: give -time a positive duration", s.time))
	}
	var names []string
	for _, k := range kinds() {
		names = append(names, k.name)
	}
	faults = append(faults, known("fault", names, s.only), known("fault", names, s.without),
		known("verb", namesOf(verbs()), s.verbs), known("codec", namesOf(codecs()), s.codecs),
		known("strategy", namesOf(strategies()), s.strategies))
	return errors.Join(faults...)
}

func known(what string, all, chosen []string) error {
	for _, name := range chosen {
		if !slices.Contains(all, name) {
			return fmt.Errorf("cannot use %s %q: choose of %s", what, name, strings.Join(all, ", "))
		}
	}
	return nil
}

// pick keeps the chosen ones of a list; choosing none keeps all.
func pick[T interface{ title() string }](all []T, chosen []string) []T {
	if len(chosen) == 0 {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(one T) bool { return !slices.Contains(chosen, one.title()) })
}

func namesOf[T interface{ title() string }](all []T) (names []string) {
	for _, one := range all {
		names = append(names, one.title())
	}
	return names
}

// open starts the cluster.
func (s settings) open(ctx context.Context, progress io.Writer) (cluster, error) {
	if s.embedded {
		return openEmbedded(s.brokers)
	}
	if err := realkafka.Available(); err != nil {
		return nil, fmt.Errorf("%w; -embedded runs without", err)
	}
	return openReal(ctx, realkafka.Config{Version: s.kafka, Brokers: s.brokers, Progress: os.Stderr})
}

// random is a source of its own for one part of the run, so that parts do not
// take each other's numbers and narrowing one leaves the others as they were.
func (s settings) random(part string, number int) *rand.Rand {
	salt := uint64(14695981039346656037) // FNV-1a
	for _, b := range []byte(part) {
		salt = (salt ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(s.seed, salt+uint64(number)))
}
