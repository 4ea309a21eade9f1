package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/ekaf-go/ekaf/ekaftest"
)

type mock struct {
	listen  string
	topics  []string
	expect  int
	timeout time.Duration
}

func newMock() *cobra.Command {
	m := &mock{}
	cmd := &cobra.Command{
		Use:   "mock --topic NAME:PARTITIONS",
		Short: "Run an embedded broker and print what a consumer gets",
		Long: `Runs a Kafka broker inside this process, without Java and without a disk, and
prints the messages that a consumer of its topics would get, as they come: the
values as a list, then partition and offsets. It ends at SIGINT, or with
--expect when so many messages came, and then serves on while clients are
connected, for at most 5s, so that they get their acks and can read back.`,
		Example: `  ekaf mock --listen 127.0.0.1:9092 --topic events:3
  ekaf mock --listen 127.0.0.1:9092 --topic ekaf:1 --expect 20     # the consumer of the two-terminal demo`,
		Args: cobra.NoArgs,
		RunE: runs(func(cmd *cobra.Command, _ []string) error { return m.run(cmd) }),
	}
	flags := cmd.Flags()
	flags.StringVar(&m.listen, "listen", "127.0.0.1:9092", "address to listen on, `HOST:PORT`; port 0 takes a free one")
	flags.StringArrayVarP(&m.topics, "topic", "t", []string{"ekaf:1"}, "topic to create, `NAME:PARTITIONS`; may be repeated")
	flags.IntVar(&m.expect, "expect", 0, "end with exit code 0 when `N` messages came, all topics together; 0: run until interrupted")
	flags.DurationVar(&m.timeout, "timeout", 0, "with --expect: give up after this `TIME`, with exit code 1; 0: never")
	return cmd
}

func (m *mock) run(cmd *cobra.Command) error {
	options, topics, err := brokerOptions("--listen", m.listen, m.topics)
	if err != nil {
		return err
	}
	if m.expect < 0 || m.timeout < 0 {
		return misused("--expect and --timeout must be 0 or more")
	}
	broker, err := startBroker(m.listen, options)
	if err != nil {
		return err
	}
	defer broker.Close()
	fmt.Fprintf(cmd.ErrOrStderr(), "broker on %s, topics %s\n", strings.Join(broker.Addrs(), ","), strings.Join(m.topics, " "))
	ctx := cmd.Context()
	if m.timeout > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, m.timeout)
		defer stop()
	}
	view := consumerView{broker: broker, topics: topics, out: cmd.OutOrStdout(), seen: map[lane]int64{}}
	count, err := view.follow(ctx, m.expect)
	if err == nil {
		linger(ctx, broker)
	}
	if err == nil || m.expect == 0 && errors.Is(err, context.Canceled) {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("only %d of %d messages came", count, m.expect)
	}
	return err
}

const (
	lingerQuiet = 500 * time.Millisecond
	lingerMost  = 5 * time.Second
)

// linger serves on after the last message: its producer may not have the ack yet,
// or want to read back, as ekaf demo does. It ends when no client has been
// connected for a moment, in which one might come back.
func linger(ctx context.Context, broker *ekaftest.Cluster) {
	look := time.NewTicker(lingerQuiet / 10)
	defer look.Stop()
	began, quiet := time.Now(), time.Now()
	for time.Since(quiet) < lingerQuiet && time.Since(began) < lingerMost {
		if _, open := broker.Connections(0); open > 0 {
			quiet = time.Now()
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// startBroker starts an embedded broker. A topic's name that it does not take was given.
func startBroker(listen string, options []ekaftest.Option) (*ekaftest.Cluster, error) {
	broker, err := ekaftest.New(options...)
	switch {
	case errors.Is(err, kerr.InvalidTopicException):
		return nil, misuse{err}
	case err != nil:
		return nil, fmt.Errorf("cannot start the broker on %s: %w", listen, err)
	}
	return broker, nil
}

// brokerOptions are those of an embedded broker, from what the flags say; the
// flag is the one that says where it listens.
func brokerOptions(flag, listen string, given []string) ([]ekaftest.Option, []string, error) {
	host, portText, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, nil, misused("%s must be HOST:PORT, for example 127.0.0.1:9092", flag)
	}
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return nil, nil, misused("%s must end in a port from 0 to 65535", flag)
	}
	var options []ekaftest.Option
	if host != "" {
		options = append(options, ekaftest.Host(host))
	}
	if port != 0 {
		options = append(options, ekaftest.Ports(int(port)))
	}
	var topics []string
	for _, t := range given {
		name, partitions, err := topicAndPartitions(t)
		if err != nil {
			return nil, nil, err
		}
		topics = append(topics, name)
		options = append(options, ekaftest.Topic(name, partitions))
	}
	return options, topics, nil
}

// maxPartitions is the most that a topic of the embedded broker gets.
const maxPartitions = 10_000

// topicAndPartitions reads NAME:PARTITIONS; a name alone has one partition.
func topicAndPartitions(text string) (string, int32, error) {
	name, count, found := strings.Cut(text, ":")
	n := uint64(1)
	if found {
		var err error
		if n, err = strconv.ParseUint(count, 10, 31); err != nil {
			n = 0
		}
	}
	if name == "" || n == 0 || n > maxPartitions {
		return "", 0, misused("--topic must be NAME:PARTITIONS, with 1 to 10000 partitions, not %q", text)
	}
	return name, int32(n), nil
}

type lane struct {
	topic     string
	partition int32
}

// consumerView prints each message once, as a consumer gets them.
type consumerView struct {
	broker *ekaftest.Cluster
	topics []string // nil: all that there are
	out    io.Writer
	seen   map[lane]int64 // the next offset not printed yet
	count  int
}

// follow prints until n messages came (n > 0) or the context ends. It looks at
// the whole log each time, and so the pause grows with the time that takes.
func (v *consumerView) follow(ctx context.Context, n int) (int, error) {
	for {
		began := time.Now()
		if err := v.print(); err != nil {
			return v.count, err
		}
		if n > 0 && v.count >= n {
			return v.count, nil
		}
		select {
		case <-ctx.Done():
			return v.count, ctx.Err()
		case <-time.After(max(20*time.Millisecond, 10*time.Since(began))):
		}
	}
}

// print shows what is new, a line for each run of messages of one partition.
func (v *consumerView) print() error {
	topics := v.topics
	if topics == nil {
		var err error
		if topics, err = v.broker.Topics(); err != nil {
			return fmt.Errorf("cannot list the topics: %w", err)
		}
	}
	for _, topic := range topics {
		messages, err := v.broker.Consume(topic)
		if err != nil {
			return fmt.Errorf("cannot read %s back: %w", topic, err)
		}
		for len(messages) > 0 {
			run := messages
			for i, m := range messages {
				if m.Partition != messages[0].Partition {
					run = messages[:i]
					break
				}
			}
			messages = messages[len(run):]
			if err := v.printRun(topic, run); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *consumerView) printRun(topic string, run []ekaftest.Message) error {
	at := lane{topic, run[0].Partition}
	for len(run) > 0 && run[0].Offset < v.seen[at] {
		run = run[1:]
	}
	if len(run) == 0 {
		return nil
	}
	values := make([]string, len(run))
	for i, m := range run {
		values[i] = shown(m.Key, m.Value)
	}
	first, last := run[0].Offset, run[len(run)-1].Offset
	v.seen[at] = last + 1
	v.count += len(run)
	_, err := fmt.Fprintf(v.out, "kafka_consumer_loop INCOMING [%s] topic %s partition %d offsets %d..%d\n",
		strings.Join(values, ","), topic, at.partition, first, last)
	return err
}

// shown writes a message as the original's consumer did, as far as Go's quoting
// goes: "value", {"key","value"}, and null for what is absent.
func shown(key, value []byte) string {
	text := "null"
	if value != nil {
		text = strconv.Quote(string(value))
	}
	if key == nil {
		return text
	}
	return "{" + strconv.Quote(string(key)) + "," + text + "}"
}
