package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/cmd/ekaf/internal/load"
	"github.com/ekaf-go/ekaf/internal/properties"
)

const benchLong = `Produces messages to a cluster and says how fast they were delivered, and how long
each took from the call to its ack.

Without --brokers it measures the broker embedded in this program: that shows what
the command does, and little about Kafka.

Messages go to --topic, which is created if it does not exist and stays; without
it to a topic of its own, which is created and, in the end, deleted.

Without --rate, messages are handed over as fast as memory and acks allow; their
latency then is mostly the time that they wait in line. With --rate it is counted
from the moment at which a message was due, so that a stall counts for all whom
it made late.

CPU is that of this process, and what the command does for each call is in it: it
takes a message, reads the clock twice and counts. With --per-call 100 little of that
is left, and what the library itself costs a message.

Values look like events in JSON, of which up to 1024 differ. Latency is kept to three
digits. An interrupt ends the run; what was handed over is delivered and counted.`

// bench is `ekaf bench`: the flags.
type bench struct {
	connection  connection
	topic       string
	partitions  int32
	replication int16
	size        int
	keys        int
	records     int64
	duration    time.Duration
	rate        float64
	callers     int
	perCall     int
	verb        string
	compression string
	acks        string
	linger      time.Duration
	bufferBytes int64
	grace       time.Duration
	json        bool
}

func newBench() *cobra.Command {
	b := &bench{}
	cmd := &cobra.Command{
		Use:   "bench [--brokers HOST:PORT[,...]]",
		Short: "Measure what a cluster takes, and how soon it acks",
		Long:  benchLong,
		Example: `  ekaf bench                                             # the embedded broker: what does this command do?
  ekaf bench -b kafka:9092 --records 5000000 --compression zstd
  ekaf bench -b kafka:9092 --rate 20000 --duration 1m    # latency at a rate that you expect
  ekaf bench -b kafka:9092 --verb sync --callers 64 --size 1000
  ekaf bench -b kafka:9092 --topic events --json | jq .latency_ms.p99`,
		Args: cobra.NoArgs,
		RunE: runs(func(cmd *cobra.Command, _ []string) error { return b.run(cmd) }),
	}
	b.flags(cmd)
	return cmd
}

func (b *bench) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	b.connection.flags(flags)
	flags.StringVarP(&b.topic, "topic", "t", "", "`TOPIC` to write to (default: one of its own, deleted afterwards)")
	flags.Int32Var(&b.partitions, "partitions", 12, "`PARTITIONS` of a topic that is created")
	flags.Int16Var(&b.replication, "replication-factor", -1, "`REPLICAS` of a topic that is created; -1: the cluster's default")
	flags.IntVar(&b.size, "size", 100, "size of a value in `BYTES`")
	flags.IntVar(&b.keys, "keys", 0, "`N` different keys, of 16 bytes; 0: no key")
	flags.Int64VarP(&b.records, "records", "n", 0, "`N` messages in all (default 1,000,000, without --duration)")
	flags.DurationVarP(&b.duration, "duration", "d", 0, "produce for this `TIME`, or until --records are done")
	flags.Float64VarP(&b.rate, "rate", "r", 0, "`MESSAGES` a second, of all callers together; 0: as fast as possible")
	flags.IntVar(&b.callers, "callers", 1, "`N` goroutines that produce")
	flags.IntVar(&b.perCall, "per-call", 1, "`N` messages in each call")
	flags.StringVar(&b.verb, "verb", string(load.AsyncBatched), "`VERB`: async-batched, sync-batched, async or sync")
	flags.StringVarP(&b.compression, "compression", "z", "", "`CODEC`: none, gzip, snappy, lz4 or zstd (default none)")
	flags.StringVar(&b.acks, "acks", "", "`ACKS`: all, 1 or 0 (default all)")
	flags.DurationVar(&b.linger, "linger", 10*time.Millisecond, "how long the batched verbs wait for more, `TIME`")
	flags.Int64Var(&b.bufferBytes, "buffer-bytes", 256<<20, "memory for messages that wait for Kafka, in `BYTES`")
	flags.DurationVar(&b.grace, "grace", 30*time.Second, "after the last call, wait at most this `TIME` for acks")
	flags.BoolVar(&b.json, "json", false, "print the result as one JSON object")
	for flag, values := range map[string][]string{
		"compression": {"none", "gzip", "snappy", "lz4", "zstd"},
		"acks":        {"all", "1", "0"},
		"verb":        load.Verbs(),
		"property":    properties.Names(),
	} {
		complete(cmd, flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	complete(cmd, "topic", completeTopics(&b.connection))
}

// check finds faults of usage before anything is connected.
func (b *bench) check(cmd *cobra.Command) error {
	switch {
	case b.records == 0 && b.duration == 0 && cmd.Flags().Changed("records"):
		return misused("--records must be 1 or more, without --duration")
	case b.size < 0 || b.keys < 0 || b.records < 0 || b.duration < 0 || b.rate < 0 || b.grace < 0:
		return misused("--size, --keys, --records, --duration, --rate and --grace must be 0 or more")
	case b.callers < 1 || b.perCall < 1 || b.partitions < 1:
		return misused("--callers, --per-call and --partitions must be 1 or more")
	case b.replication == 0 || b.replication < -1:
		return misused("--replication-factor must be 1 or more, or -1 for the cluster's default")
	}
	if !slices.Contains(load.Verbs(), b.verb) {
		return misused("--verb must be one of %s, not %q", strings.Join(load.Verbs(), ", "), b.verb)
	}
	if b.records == 0 && b.duration == 0 {
		b.records = 1_000_000
	}
	return nil
}

func (b *bench) run(cmd *cobra.Command) error {
	if err := b.check(cmd); err != nil {
		return err
	}
	config, err := b.connection.settle(cmd, b.properties(cmd))
	if err != nil {
		return err
	}
	screen := newConsole(cmd.ErrOrStderr())
	ground, err := b.ground(cmd.Context(), config, screen)
	if err != nil {
		return err
	}
	defer ground.close()
	watch := &watch{screen: screen}
	options := append(config.Options, ekaf.WhenFull(ekaf.Block), ekaf.OnEvent(watch.event))
	producer, err := ekaf.New(append(options, ekaf.Brokers(ground.brokers...))...)
	if err != nil {
		return misuse{err}
	}
	result, err := b.measure(cmd, producer, ground, screen, watch)
	if err != nil {
		closeNow(producer)
		return err
	}
	return b.tell(cmd, result)
}

// properties adds what the command's own flags say.
func (b *bench) properties(cmd *cobra.Command) *properties.Set {
	return fromFlags(cmd, b.connection.properties(), deliveryFlags{b.compression, b.acks, b.linger, b.bufferBytes})
}

// measure prepares the topic, so that no message pays for connecting, and runs
// the callers to their end.
func (b *bench) measure(cmd *cobra.Command, producer *ekaf.Producer, g *ground, screen *console, w *watch) (*load.Result, error) {
	soft, hard := cmd.Context(), quitNow(cmd.Context())
	prepare, stop := context.WithTimeout(soft, 30*time.Second)
	err := producer.Prepare(prepare, g.topic)
	stop()
	if err != nil {
		return nil, fmt.Errorf("cannot reach %s: %w", g.topic, err)
	}
	topic, err := producer.Topic(g.topic)
	if err != nil {
		return nil, misuse{err}
	}
	d := load.New(b.load(), topic)
	if !b.json {
		b.introduce(cmd, g)
	}
	hide := screen.showProgress(b.total(), func() (int64, string) {
		acked, text := d.Live()
		return acked, text + w.away()
	})
	d.Do(soft, hard)
	end, stop := context.WithTimeout(hard, b.grace)
	defer stop()
	flushed := producer.Flush(end)
	ended := time.Now()
	_ = producer.Close(end) // what it did not deliver has its outcome, which is counted
	hide()
	if flushed != nil {
		screen.say("not all was acked within %v: %v", b.grace, flushed)
	}
	r := d.Result(ended)
	r.Topic, r.Embedded, r.Partitions = g.topic, g.embedded, g.partitions
	r.Compression, r.Acks = cmp.Or(b.compression, "none"), cmp.Or(b.acks, "all")
	return r, nil
}

func (b *bench) load() load.Config {
	return load.Config{
		Verb: load.Verb(b.verb), Size: b.size, Keys: b.keys, Records: b.records, Duration: b.duration, Rate: b.rate,
		Callers: b.callers, PerCall: b.perCall, Grace: b.grace, Reason: reasonOf,
	}
}

// introduce says before the run what is measured.
func (b *bench) introduce(cmd *cobra.Command, g *ground) {
	out := cmd.OutOrStdout()
	if g.embedded {
		fmt.Fprintln(out, "No broker is named: this measures the broker embedded in this program, on this machine, which")
		fmt.Fprintln(out, "stores in memory and shares the CPUs. For your cluster, give --brokers HOST:PORT.")
	}
	fmt.Fprintf(out, "topic %s, %d partitions; %d bytes, %s, %d callers, %d a call, compression %s, acks %s\n", g.topic, g.partitions,
		b.size, b.verb, b.callers, b.perCall, cmp.Or(b.compression, "none"), cmp.Or(b.acks, "all"))
}

// total is the number of messages that the live view counts up to; -1: unknown.
func (b *bench) total() int64 {
	if b.records == 0 {
		return -1
	}
	return b.records
}

// tell prints the result, and gives the exit code by its failures.
func (b *bench) tell(cmd *cobra.Command, r *load.Result) error {
	if b.json {
		if err := json.NewEncoder(cmd.OutOrStdout()).Encode(r); err != nil {
			return fmt.Errorf("cannot print the result: %w", err)
		}
	} else {
		r.Print(cmd.OutOrStdout())
	}
	if r.Failed > 0 {
		return ended(exitSome)
	}
	return nil
}
