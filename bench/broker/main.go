package broker

import (
	"flag"
	"fmt"
	"io"
	"net"
)

// Main runs a broker as a process of its own: it parses args with fs, prints
// "kafka ADDRESS control ADDRESS" on out, and serves until in ends. It returns
// the exit code. The harness starts itself this way, so that a broker's work
// is never counted as a client's.
func Main(fs *flag.FlagSet, args []string, in io.Reader, out, errs io.Writer) int {
	cfg := Config{Topics: map[string]int{}}
	listen := fs.String("listen", "127.0.0.1:0", "address for Kafka clients")
	control := fs.String("control", "127.0.0.1:0", "address of the line protocol")
	fs.DurationVar(&cfg.Delay, "delay", 0, "least time before a Produce request is answered")
	fs.BoolVar(&cfg.Verify, "verify", false, "check every CRC and decode every record")
	fs.Func("topic", "`name:partitions` to serve; may be repeated", func(s string) error {
		name, partitions, err := ParseTopic(s)
		cfg.Topics[name] = partitions
		return err
	})
	fs.SetOutput(errs)
	if err := fs.Parse(args); err != nil {
		return 2
	}
	if err := run(cfg, *listen, *control, in, out); err != nil {
		fmt.Fprintln(errs, err)
		return 1
	}
	return 0
}

func run(cfg Config, listen, control string, in io.Reader, out io.Writer) error {
	b, err := New(cfg)
	if err != nil {
		return err
	}
	defer b.Close()
	k, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("cannot serve Kafka clients: %w", err)
	}
	c, err := net.Listen("tcp", control)
	if err != nil {
		k.Close()
		return fmt.Errorf("cannot serve the line protocol: %w", err)
	}
	failed := make(chan error, 3)
	go func() { failed <- b.Serve(k) }()
	go func() { failed <- b.ServeControl(c) }()
	fmt.Fprintf(out, "kafka %s control %s\n", k.Addr(), c.Addr())
	go func() {
		_, err := io.Copy(io.Discard, in)
		failed <- err
	}()
	return <-failed
}
