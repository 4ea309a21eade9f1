package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ekaf-go/ekaf/ekaftest"
)

const devLong = `Runs an embedded broker and the gateway in front of it, dashboard included: all
that a program needs which is to publish, on one machine, without Kafka, Java or
a disk. Topics are created as they are named. Nothing is kept after the end.

It prints where everything is and three lines of curl to begin with. With --print
it also prints what a consumer of all topics would get, as it comes. SIGINT or
SIGTERM ends it in order: requests under way are answered, what they brought is
delivered.`

type dev struct {
	listen     string
	kafka      string
	topics     []string
	partitions int
	print      bool
}

func newDev() *cobra.Command {
	d := &dev{}
	cmd := &cobra.Command{
		Use:   "dev [--listen HOST:PORT] [--kafka-listen HOST:PORT]",
		Short: "Run an embedded broker, the gateway and its dashboard",
		Long:  devLong,
		Example: `  ekaf dev                                   # broker on localhost:9092, gateway and dashboard on localhost:8080
  ekaf dev --print                           # and see what a consumer would get
  ekaf dev --listen localhost:0 --kafka-listen localhost:0 --topic orders:6
  curl -d '{"hello":"world"}' localhost:8080/sync/events
  kcat -b localhost:9092 -t events -C        # any Kafka client can use the broker`,
		Args: cobra.NoArgs,
		RunE: runs(func(cmd *cobra.Command, _ []string) error { return d.run(cmd) }),
	}
	flags := cmd.Flags()
	flags.StringVarP(&d.listen, "listen", "l", "localhost:8080", "`HOST:PORT` of the gateway; port 0 takes a free one")
	flags.StringVar(&d.kafka, "kafka-listen", "localhost:9092", "`HOST:PORT` of the broker; port 0 takes a free one")
	flags.StringArrayVarP(&d.topics, "topic", "t", []string{"events:1"}, "topic to create, `NAME:PARTITIONS`; may be repeated")
	flags.IntVar(&d.partitions, "partitions", 1, "topics that are created as they are named have `N` partitions")
	flags.BoolVar(&d.print, "print", false, "print what a consumer of all topics would get")
	return cmd
}

func (d *dev) run(cmd *cobra.Command) (err error) {
	options, topics, err := brokerOptions("--kafka-listen", d.kafka, d.topics)
	if err != nil {
		return err
	}
	if d.partitions < 1 || d.partitions > maxPartitions {
		return misused("--partitions is from 1 to %d", maxPartitions)
	}
	broker, err := startBroker(d.kafka, append(options, ekaftest.AutoCreate(d.partitions)))
	if err != nil {
		return err
	}
	defer broker.Close()
	if d.print {
		watching, stop := context.WithCancel(context.WithoutCancel(cmd.Context()))
		seen := d.watch(watching, broker, cmd.OutOrStdout())
		defer func() { // the gateway has ended, and what it accepted is in the broker
			stop()
			if fault := <-seen; err == nil {
				err = fault
			}
		}()
	}
	gate, inner := newServeCommand()
	gate.listening = func(base string) { d.tell(cmd.OutOrStdout(), base, broker.Addrs(), topics) }
	inner.SetContext(cmd.Context())
	inner.SetErr(cmd.ErrOrStderr())
	for flag, value := range map[string]string{"brokers": strings.Join(broker.Addrs(), ","), "listen": d.listen} {
		if err := inner.Flags().Set(flag, value); err != nil {
			return misused("--%s: %w", flag, err)
		}
	}
	return gate.run(inner, nil)
}

// watch prints what comes until ctx ends, and then what is left.
func (d *dev) watch(ctx context.Context, broker *ekaftest.Cluster, out io.Writer) <-chan error {
	ended := make(chan error, 1)
	go func() {
		view := consumerView{broker: broker, out: out, seen: map[lane]int64{}}
		if _, err := view.follow(ctx, 0); ctx.Err() == nil {
			ended <- err
			return
		}
		ended <- view.print()
	}()
	return ended
}

// tell prints where everything is, and what to try.
func (d *dev) tell(out io.Writer, base string, brokers, topics []string) {
	topic := url.PathEscape(topics[0])
	fmt.Fprintf(out, `gateway    %[1]s
dashboard  %[1]s/
metrics    %[1]s/metrics
routes     %[1]s/openapi.json
kafka      %[2]s, topics %[3]s; others are created as they are named

try:
  curl -d '{"hello":"world"}' %[1]s/async/%[4]s
  curl -d '{"hello":"world"}' %[1]s/sync/%[4]s
  curl --data-binary 'any bytes' '%[1]s/v1/topics/%[4]s?ack=kafka&key=alice'

`, base, strings.Join(brokers, ","), strings.Join(topics, " "), topic)
}

// reachable is a URL under which this machine reaches what listens on an address.
func reachable(scheme string, addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return scheme + "://" + addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && (ip.IsUnspecified() || ip.IsLoopback() && ip.To4() == nil) {
		host = "localhost" // every address of the machine; and brackets need quotes in a shell
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}
