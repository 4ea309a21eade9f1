// Command realkafka starts a real Kafka cluster on this machine, for trying a
// client by hand, and stops it on Ctrl-C.
//
//	go run ./conformance/realkafka/cmd/realkafka --help
//
// It is flags around package realkafka:
//
//	flags ──► run ──► realkafka.Start ──► Cluster ──► topics ──► addresses, on stdout
//	                                        │
//	            Ctrl-C, SIGTERM ──► Close ──┘
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/ekaf-go/ekaf/conformance/realkafka"
)

const usage = `realkafka starts a real Apache Kafka cluster on the loopback interface and stops
it on Ctrl-C. It needs a JDK (17 or newer) and, for a version's first start, Maven.

Usage: realkafka [flags]

Examples:
  realkafka                                          one broker of Kafka %s
  realkafka --brokers 3 --topic events:12            three, and a topic of 12 partitions
  realkafka --version 2.8.2                          with ZooKeeper
  realkafka --security SASL_SSL                      users ekaf / ekaf-secret
  realkafka --security SSL --client-auth             mTLS
  realkafka --set message.max.bytes=2000000          any broker property

Versions it is tested with: %s

Flags:
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "realkafka:", err)
		os.Exit(1)
	}
}

// errUsage says that the flag package has told what is wrong.
var errUsage = errors.New("wrong usage")

// run is main without the process around it. It serves until ctx ends.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	config := realkafka.Config{Properties: map[string]string{}, Progress: stderr}
	var topics, mechanisms []string
	flags := flag.NewFlagSet("realkafka", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintf(stderr, usage, realkafka.Newest, strings.Join(realkafka.Versions, ", "))
		flags.PrintDefaults()
	}
	flags.StringVar(&config.Version, "version", realkafka.Newest, "Kafka `version`")
	flags.IntVar(&config.Brokers, "brokers", 1, "`number` of brokers, 1 to 9")
	flags.IntVar(&config.HeapMB, "heap", 256, "Java heap of a broker, in `MiB`")
	flags.StringVar((*string)(&config.Security.Protocol), "security", "", "`protocol` of a second listener: SSL, SASL_SSL or SASL_PLAINTEXT")
	flags.BoolVar(&config.Security.ClientAuth, "client-auth", false, "demand client certificates (mTLS)")
	flags.BoolVar(&config.Security.ACLs, "acls", false, "deny all that is not allowed, on the second listener")
	flags.Func("mechanism", "SASL `mechanism`; repeatable (default PLAIN, SCRAM-SHA-256, SCRAM-SHA-512)", appendTo(&mechanisms))
	flags.Func("topic", "create a topic, `NAME:PARTITIONS`; repeatable", appendTo(&topics))
	flags.Func("set", "broker property, `NAME=VALUE`; repeatable", func(value string) error {
		name, setting, found := strings.Cut(value, "=")
		if !found {
			return errors.New("want NAME=VALUE")
		}
		config.Properties[name] = setting
		return nil
	})
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return errUsage
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "realkafka: unexpected argument %q\n", flags.Arg(0))
		return errUsage
	}
	config.Security.Mechanisms = mechanisms
	return serve(ctx, config, topics, stdout)
}

func appendTo(list *[]string) func(string) error {
	return func(value string) error {
		*list = append(*list, value)
		return nil
	}
}

func serve(ctx context.Context, config realkafka.Config, topics []string, stdout io.Writer) (err error) {
	cluster, err := realkafka.Start(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cluster.Close()) }()
	for _, topic := range topics {
		name, count, _ := strings.Cut(topic, ":")
		partitions, err := strconv.Atoi(count)
		if err != nil {
			return fmt.Errorf("cannot read topic %q: want NAME:PARTITIONS", topic)
		}
		if err := cluster.CreateTopic(ctx, name, partitions, -1, nil); err != nil {
			return err
		}
	}
	announce(stdout, cluster, config.Security)
	<-ctx.Done()
	return nil
}

// announce prints shell assignments, so that the output can be sourced.
func announce(w io.Writer, cluster *realkafka.Cluster, security realkafka.Security) {
	fmt.Fprintf(w, "# Kafka %s is up; Ctrl-C stops it.\n", cluster.Version())
	fmt.Fprintf(w, "export EKAF_TEST_BROKERS=%s\n", strings.Join(cluster.Addrs(), ","))
	if security.Protocol == "" {
		return
	}
	fmt.Fprintf(w, "# The %s listener:\n", security.Protocol)
	fmt.Fprintf(w, "export KAFKA_SECURE_BROKERS=%s\n", strings.Join(cluster.SecureAddrs(), ","))
	files := cluster.Files()
	for _, line := range [][2]string{{"KAFKA_SSL_CA", files.CA}, {"KAFKA_SSL_CERTIFICATE", files.ClientCert}, {"KAFKA_SSL_KEY", files.ClientKey}} {
		if line[1] != "" {
			fmt.Fprintf(w, "export %s=%s\n", line[0], line[1])
		}
	}
	if slices.Contains([]realkafka.Protocol{realkafka.SASLSSL, realkafka.SASLPlaintext}, security.Protocol) {
		fmt.Fprintf(w, "export KAFKA_SASL_USERNAME=%s KAFKA_SASL_PASSWORD=%s # a test cluster's, made up here\n",
			realkafka.DefaultUser, realkafka.DefaultPassword)
	}
}
