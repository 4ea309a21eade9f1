package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/internal/properties"
)

const produceLong = `Reads one message a line, from standard input or from the files named, and
delivers all of them. It exits 0 when all are acknowledged.

Input is read only as fast as the buffer allows. While no broker can be reached
it waits, however long, and says so. SIGINT or SIGTERM ends the reading; what was
read is delivered within --grace, and a second signal ends that too.

A line ends at \n; a \r before it belongs to the message, an empty line is an
empty message (kcat leaves those out), and a last line without \n counts. Lines are numbered from 1,
through all files. A line too long for the broker is reported by its number and
counted as failed; the others go on.

The last line on standard error is one JSON object:
  {"acked":N,"failed":N,"seconds":S,"read":N,"bytes":N,"errors":{"REASON":N},"maybe_written":N}
where read and bytes count the lines read and their bytes, without \n, and
maybe_written those of failed which the broker may hold all the same.`

type produce struct {
	connection  connection
	topic       string
	keyDelim    string
	null        string
	nullGiven   bool
	compression string
	acks        string
	ackLog      string
	partition   int32
	headers     []string
	timestamp   string
	linger      time.Duration
	lingerGiven bool
	workers     int
	strategy    string
	bufferBytes int64
	maxLine     int
	grace       time.Duration
}

func newProduce() *cobra.Command {
	p := &produce{}
	cmd := &cobra.Command{
		Use:   "produce --brokers HOST:PORT[,...] --topic TOPIC [FILE...]",
		Short: "Deliver lines from standard input or files",
		Long:  produceLong + "\n\n" + optionDefaults(),
		Example: `  tail -F app.log | ekaf produce --brokers kafka:9092 --topic logs
  ekaf produce -b kafka:9092 -t users --key-delim : --compression zstd users.txt
  ekaf produce -t events --config client.properties -X linger.ms=20 < events.ndjson
  ekaf help options                                     # every option, its default and its property`,
		RunE: runs(func(cmd *cobra.Command, args []string) error {
			p.nullGiven, p.lingerGiven = cmd.Flags().Changed("null"), cmd.Flags().Changed("linger")
			return p.run(cmd, args)
		}),
	}
	p.flags(cmd)
	return cmd
}

func (p *produce) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	p.connection.flags(flags)
	flags.StringVarP(&p.topic, "topic", "t", "", "`TOPIC` to write to")
	flags.StringVarP(&p.keyDelim, "key-delim", "K", "", "the first `SEP` of a line parts key and value; a line without it has no key")
	flags.StringVar(&p.null, "null", "", "a value that is exactly `TEXT` is sent as null, a tombstone; --null '' makes empty values null")
	flags.StringVarP(&p.compression, "compression", "z", "", "`CODEC`: none, gzip, snappy, lz4 or zstd (default none)")
	flags.StringVar(&p.acks, "acks", "", "`ACKS`: all, 1 or 0 (default all)")
	flags.StringVar(&p.ackLog, "ack-log", "", "append each line's number to `FILE` when it is acknowledged, in the order of the acks")
	flags.Int32VarP(&p.partition, "partition", "p", -1, "send everything to this `PARTITION`; -1: the strategy decides")
	flags.StringArrayVarP(&p.headers, "header", "H", nil, "a record header for all messages, `NAME=VALUE`; may be repeated")
	flags.StringVar(&p.timestamp, "timestamp", "", "create `TIME` of all messages, milliseconds since 1970 or RFC 3339 (default: now)")
	flags.DurationVar(&p.linger, "linger", 0, "wait this `TIME` for more lines before a batch is sent (default: send at once, batches grow under load)")
	flags.IntVar(&p.workers, "workers", 1, "lanes of each partition, `N`; order holds in each of them")
	flags.StringVar(&p.strategy, "strategy", "", "`STRATEGY`: by-key, adaptive, random, sticky[:N], strict or phash2 (default: by-key, without a key adaptive)")
	flags.Int64Var(&p.bufferBytes, "buffer-bytes", 256<<20, "memory for messages that wait for Kafka, in `BYTES`")
	flags.IntVar(&p.maxLine, "max-line", 0, "longest line in `BYTES`; 0: what a batch takes, 1,000,000 unless max.request.size says otherwise")
	flags.DurationVar(&p.grace, "grace", 5*time.Second, "after SIGINT or SIGTERM, deliver what was read for at most this `TIME`")
	for flag, values := range map[string][]string{
		"compression": {"none", "gzip", "snappy", "lz4", "zstd"},
		"acks":        {"all", "1", "0"},
		"strategy":    {"by-key", "adaptive", "random", "sticky", "strict", "phash2"},
		"property":    properties.Names(),
		"partition":   nil, "header": nil, "key-delim": nil,
	} {
		complete(cmd, flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	complete(cmd, "topic", completeTopics(&p.connection))
}

// complete registers a completion. It fails only for a flag that does not exist,
// which the first run of any test would show.
func complete(cmd *cobra.Command, flag string, f cobra.CompletionFunc) {
	if err := cmd.RegisterFlagCompletionFunc(flag, f); err != nil {
		panic(err)
	}
}

// run opens everything before the first message is read, so that faults of
// usage cost nothing.
func (p *produce) run(cmd *cobra.Command, files []string) error {
	screen := newConsole(cmd.ErrOrStderr())
	report := newReport(screen)
	watch := &watch{screen: screen}
	producer, form, config, err := p.plan(cmd, files, watch)
	if err != nil {
		return err
	}
	if p.maxLine == 0 {
		p.maxLine = config.MaxMessageBytes
	}
	if p.ackLog != "" {
		if report.log, err = openAckLog(p.ackLog); err != nil {
			closeNow(producer)
			return err
		}
	}
	stopProgress := screen.showProgress(-1, func() (int64, string) { return report.progress(watch) })
	f := &feed{producer: producer, topic: p.topic, form: form, report: report, batched: p.lingerGiven || config.Linger, maxLine: p.maxLine}
	err = p.deliver(cmd, producer, f, inputs(files, cmd.InOrStdin()))
	stopProgress()
	if err != nil { // said before the summary, which is the last line
		screen.say("ekaf: %v", err)
	}
	delivered := report.finish()
	switch {
	case isMisuse(err):
		return ended(exitUsage)
	case err != nil || !delivered:
		return ended(exitSome)
	}
	return nil
}

// plan checks the usage as a whole. The error lists every fault.
func (p *produce) plan(cmd *cobra.Command, files []string, watch *watch) (*ekaf.Producer, form, *properties.Config, error) {
	faults := &faultList{}
	config, err := p.connection.resolve(cmd, p.properties(cmd))
	if faults.keep(err); err != nil {
		config = unsettled()
	}
	form, err := p.form()
	faults.keep(err)
	strategy, err := p.strategyOption()
	faults.keep(err)
	faults.keep(readable(files))
	options := append(config.Options, ekaf.WhenFull(ekaf.Block), ekaf.Workers(p.workers), ekaf.OnEvent(watch.event))
	producer, err := ekaf.New(append(options, strategy...)...)
	faults.keep(err)
	faults.keep(p.checkTopic(producer))
	if err := faults.misuse(); err != nil {
		if producer != nil {
			closeNow(producer)
		}
		return nil, form, nil, err
	}
	return producer, form, config, nil
}

// checkTopic asks the producer, or if there is none another, whether there can be such a topic.
func (p *produce) checkTopic(producer *ekaf.Producer) error {
	if p.topic == "" {
		return errors.New("no topic is named: give --topic TOPIC")
	}
	if producer == nil {
		var err error
		if producer, err = ekaf.New(unsettled().Options...); err != nil {
			return err
		}
		defer closeNow(producer)
	}
	if _, err := producer.Topic(p.topic); err != nil {
		return fmt.Errorf("--topic %q: %w", p.topic, err)
	}
	return nil
}

// deliver runs the feed, then waits until all is delivered or time is over.
func (p *produce) deliver(cmd *cobra.Command, producer *ekaf.Producer, f *feed, in []input) error {
	soft, hard := cmd.Context(), quitNow(cmd.Context())
	err := f.runUntil(soft, in)
	if err == nil {
		err = producer.Flush(soft)
	}
	if soft.Err() != nil {
		err = nil // interrupted: the report says what came of it
		if left := f.report.pending(); left > 0 {
			f.report.screen.say("interrupted: delivering %d messages, for at most %v (interrupt again to quit now)", left, p.grace)
		}
	}
	end, stop := context.WithTimeout(hard, p.grace)
	defer stop()
	closing := producer.Close(end)
	f.report.settle()
	if f.report.failures() == 0 && err == nil && closing != nil {
		err = closing
	}
	if f.cutShort() && err == nil {
		err = errors.New("interrupted before the input was read to its end")
	}
	return err
}

// closeNow gives a producer back that was never used.
func closeNow(producer *ekaf.Producer) {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	_ = producer.Close(ctx) // nothing was accepted, so there is nothing to report
}

// properties adds what the command's own flags say.
func (p *produce) properties(cmd *cobra.Command) *properties.Set {
	return fromFlags(cmd, p.connection.properties(), deliveryFlags{p.compression, p.acks, p.linger, p.bufferBytes})
}

// deliveryFlags are flags that stand for client properties.
type deliveryFlags struct {
	compression, acks string
	linger            time.Duration
	bufferBytes       int64
}

// fromFlags adds those of the flags that were given.
func fromFlags(cmd *cobra.Command, set *properties.Set, f deliveryFlags) *properties.Set {
	add := func(flag, name, value string) {
		if cmd.Flags().Changed(flag) {
			set.Add(properties.FromCommand, "--"+flag, name, value)
		}
	}
	add("compression", "compression.type", f.compression)
	add("acks", "acks", f.acks)
	add("linger", "linger.ms", strconv.FormatFloat(f.linger.Seconds()*1000, 'f', -1, 64))
	add("buffer-bytes", "buffer.memory", strconv.FormatInt(f.bufferBytes, 10))
	return set
}

func (p *produce) strategyOption() ([]ekaf.Option, error) {
	name, count, counted := strings.Cut(strings.ToLower(p.strategy), ":")
	n := 0
	if counted {
		var err error
		if n, err = strconv.Atoi(count); err != nil || n < 1 || name != "sticky" {
			return nil, misused("--strategy takes a number only as sticky:N, with N of 1 or more")
		}
	}
	switch name {
	case "":
		return nil, nil
	case "by-key":
		return []ekaf.Option{ekaf.Strategy(ekaf.ByKey())}, nil
	case "adaptive":
		return []ekaf.Option{ekaf.Strategy(ekaf.Adaptive())}, nil
	case "random":
		return []ekaf.Option{ekaf.Strategy(ekaf.Random())}, nil
	case "sticky":
		return []ekaf.Option{ekaf.Strategy(ekaf.StickyRoundRobin(n))}, nil
	case "strict":
		return []ekaf.Option{ekaf.Strategy(ekaf.StrictRoundRobin())}, nil
	case "phash2":
		return []ekaf.Option{ekaf.Strategy(ekaf.Phash2())}, nil
	}
	return nil, misused("--strategy must be by-key, adaptive, random, sticky, sticky:N, strict or phash2, not %q", p.strategy)
}

// input is one source of lines, opened when its turn comes.
type input struct {
	name string
	open func() (io.ReadCloser, error)
}

func inputs(files []string, stdin io.Reader) []input {
	if len(files) == 0 {
		files = []string{"-"}
	}
	var list []input
	for _, name := range files {
		open := func() (io.ReadCloser, error) { return os.Open(name) }
		if name == "-" {
			open = func() (io.ReadCloser, error) { return standardInput{stdin}, nil }
		}
		list = append(list, input{name, open})
	}
	return list
}

// standardInput is left open: it is not ours.
type standardInput struct{ io.Reader }

func (standardInput) Close() error { return nil }

// readable finds a mistyped file name before anything is sent.
func readable(files []string) error {
	for _, name := range slices.DeleteFunc(slices.Clone(files), func(name string) bool { return name == "-" }) {
		f, err := os.Open(name)
		if err != nil {
			return misused("cannot read the input: %w", err)
		}
		f.Close()
	}
	return nil
}

// form is how a line becomes a message.
type form struct {
	delim     []byte
	null      []byte // nil: no value stands for null
	partition int32
	headers   []ekaf.Header
	timestamp time.Time
}

func (p *produce) form() (form, error) {
	f := form{delim: []byte(p.keyDelim), partition: p.partition}
	if p.partition < -1 {
		return f, misused("--partition must be 0 or more")
	}
	if p.maxLine < 0 {
		return f, misused("--max-line must be 0 or more")
	}
	if p.nullGiven {
		f.null = append([]byte{}, p.null...)
	}
	for _, h := range p.headers {
		name, value, found := strings.Cut(h, "=")
		if !found || name == "" {
			return f, misused("--header must be NAME=VALUE, not %q", h)
		}
		f.headers = append(f.headers, ekaf.Header{Key: name, Value: []byte(value)})
	}
	if p.timestamp != "" {
		t, err := parseTime(p.timestamp)
		if err != nil {
			return f, err
		}
		f.timestamp = t
	}
	return f, nil
}

func parseTime(text string) (time.Time, error) {
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms >= 0 {
		return time.UnixMilli(ms), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, misused("--timestamp must be milliseconds since 1970 or RFC 3339, such as 2026-01-31T12:00:00Z, not %q", text)
	}
	return t, nil
}
