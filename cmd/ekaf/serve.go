package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/gateway"
	"github.com/ekaf-go/ekaf/gateway/access"
	"github.com/ekaf-go/ekaf/internal/gatefile"
	"github.com/ekaf-go/ekaf/internal/listen"
	"github.com/ekaf-go/ekaf/internal/properties"
)

const serveLong = `Opens an HTTP door to Kafka. Brokers may be away at the start and at any time
after: what the answer "accepted" was given for waits in memory, within
--buffer-bytes, and is delivered when they are back.

  POST /async/TOPIC, /sync/TOPIC, /batch/async/TOPIC, /batch/sync/TOPIC
                                    kafboy's routes, each also under /safe/
  POST /v1/topics/TOPIC?ack=buffered|kafka
                                    any body as it is; NDJSON one message a line
  GET  /                            the dashboard, a live page
  GET  /healthz, /readyz, /metrics, /openapi.json

SIGINT or SIGTERM ends it in order, within --grace: /readyz says no, requests
under way are answered, what they brought is delivered. Exit code 0 if all was.

--config FILE.yaml holds any of these flags by name, and the sections properties
(Kafka's names), producer and topics (the library's options), and principals (who
may do what). SIGHUP reads credentials, principals and certificates again.`

type serve struct {
	connection  connection
	listen      string
	debugListen string
	ack         string
	acks        string
	compression string
	linger      time.Duration
	bufferBytes int64
	workers     int
	syncTimeout time.Duration
	maxBody     int
	safeRunning int
	safeQueue   int
	safeWait    time.Duration
	origins     []string
	window      time.Duration
	windowKeys  int
	grace       time.Duration
	drainDelay  time.Duration
	noDashboard bool
	topicLabels int // of /metrics
	trace       bool
	tls         listen.TLS
	access      access.Config
	principal   string // the name of client certificates
	limits      limits
	listening   func(url string) // told when requests are taken; nil: nobody is
}

// limits of connections: a client that sends or reads slower is not served, so
// that idle ones do not add up.
type limits struct {
	connections int
	header      int
	headerTime  time.Duration
	bodyTime    time.Duration
	idleTime    time.Duration
	writeTime   time.Duration
}

func newServe() *cobra.Command {
	_, cmd := newServeCommand()
	return cmd
}

func newServeCommand() (*serve, *cobra.Command) {
	s := &serve{}
	cmd := &cobra.Command{
		Use:   "serve --brokers HOST:PORT[,...] [--listen HOST:PORT]",
		Short: "Serve the HTTP gateway",
		Long:  serveLong + "\n\n" + optionDefaults(),
		Example: `  ekaf serve --brokers kafka:9092 --listen :8080
  curl -d '{"hello":"world"}' localhost:8080/async/events
  curl --data-binary @photo.jpg 'localhost:8080/v1/topics/photos?ack=kafka&key=user1'`,
		Args: cobra.NoArgs,
		RunE: runs(s.run),
	}
	s.flags(cmd)
	s.guardFlags(cmd.Flags())
	return s, cmd
}

func (s *serve) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	s.connection.flags(flags)
	flags.Lookup("config").Usage = "`FILE` named *.yaml: any of these flags, properties, options, topics and principals; or, with another name, Kafka client properties, as for ekaf produce. May be repeated"
	flags.StringVarP(&s.listen, "listen", "l", "localhost:8080", "`HOST:PORT` to listen on; :8080 is every address of the machine, port 0 a free one")
	flags.StringVar(&s.ack, "ack", "buffered", "what a raw request without ?ack= waits for: `ACK` is buffered or kafka")
	flags.StringVar(&s.acks, "acks", "", "`ACKS` of Kafka: all, 1 or 0 (default all)")
	flags.StringVarP(&s.compression, "compression", "z", "", "`CODEC`: none, gzip, snappy, lz4 or zstd (default none)")
	flags.DurationVar(&s.linger, "linger", 0, "the /batch/ routes wait this `TIME` for more (default 10ms)")
	flags.IntVar(&s.workers, "workers", 1, "lanes of each partition, `N`; order holds in each of them")
	flags.Int64Var(&s.bufferBytes, "buffer-bytes", 256<<20, "memory for messages that wait for Kafka, in `BYTES`")
	flags.DurationVar(&s.syncTimeout, "sync-timeout", 10*time.Second, "a request that waits for Kafka waits at most this `TIME`")
	flags.IntVar(&s.maxBody, "max-body", 10<<20, "largest body of a request, decompressed, in `BYTES`")
	flags.IntVar(&s.safeRunning, "safe-running", 256, "under /safe/, `N` requests run at once")
	flags.IntVar(&s.safeQueue, "safe-queue", 1024, "under /safe/, `N` more wait for their turn")
	flags.DurationVar(&s.safeWait, "safe-wait", 100*time.Millisecond, "under /safe/, a request waits at most this `TIME` for its turn")
	flags.StringArrayVar(&s.origins, "allow-origin", nil, "pages of this `ORIGIN`, such as https://shop.example, may use the raw routes (CORS); may be repeated")
	flags.BoolVar(&s.trace, "trace-context", false, "carry the headers traceparent, tracestate and baggage (W3C) of a request into its records")
	flags.DurationVar(&s.window, "idempotency-window", 10*time.Minute, "an Idempotency-Key is remembered for this `TIME`")
	flags.IntVar(&s.windowKeys, "idempotency-keys", 100_000, "`N` Idempotency-Keys are remembered at once; beyond that, requests with another are answered with 503")
	flags.IntVar(&s.topicLabels, "metric-topics", 100, "/metrics tells `N` topics apart, and counts the others together")
	flags.DurationVar(&s.grace, "grace", 10*time.Second, "after SIGINT or SIGTERM, end within this `TIME`")
	flags.DurationVar(&s.drainDelay, "drain-delay", 0, "after SIGINT or SIGTERM, serve on for this `TIME` while /readyz says no, so that load balancers notice")
	flags.BoolVar(&s.noDashboard, "no-dashboard", false, "serve no dashboard at /")
	for flag, values := range map[string][]string{
		"ack":         {"buffered", "kafka"},
		"acks":        {"all", "1", "0"},
		"compression": {"none", "gzip", "snappy", "lz4", "zstd"},
		"property":    properties.Names(),
		"listen":      nil, "allow-origin": nil,
	} {
		complete(cmd, flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
}

// properties adds what the file and the command's own flags say.
func (s *serve) properties(cmd *cobra.Command, file *gatefile.File) *properties.Set {
	set := s.connection.properties()
	for _, p := range file.Properties {
		set.Add(properties.FromFile, fmt.Sprintf("%s:%d", file.Name, p.Line), p.Name, strings.Join(p.Values, ","))
	}
	for flag, p := range map[string][2]string{
		"compression":  {"compression.type", s.compression},
		"acks":         {"acks", s.acks},
		"linger":       {"linger.ms", strconv.FormatFloat(s.linger.Seconds()*1000, 'f', -1, 64)},
		"buffer-bytes": {"buffer.memory", strconv.FormatInt(s.bufferBytes, 10)},
	} {
		if cmd.Flags().Changed(flag) {
			set.Add(properties.FromCommand, "--"+flag, p[0], p[1])
		}
	}
	return set
}

// options are those of the gateway.
func (s *serve) options() ([]gateway.Option, error) {
	ack, wrong := gateway.ParseAck(s.ack)
	switch {
	case wrong != nil:
		wrong = fmt.Errorf("--ack: %w", wrong)
	case ack == gateway.Durable:
		ack, wrong = gateway.Buffered, errors.New("--ack durable needs a spool on disk, which this version does not have: use kafka")
	}
	options := []gateway.Option{
		gateway.DefaultAck(ack), gateway.SyncTimeout(s.syncTimeout), gateway.MaxBody(s.maxBody),
		gateway.BodyMemory(max(int64(s.maxBody), 256<<20)),
		gateway.Safe(s.safeRunning, s.safeQueue, s.safeWait),
		gateway.AllowOrigins(s.origins...), gateway.IdempotencyWindow(s.window, s.windowKeys),
	}
	if s.trace {
		options = append(options, gateway.TraceContext())
	}
	// Unwrapped: each of its faults stands for itself.
	return options, errors.Join(wrong, errors.Unwrap(gateway.Check(options...)))
}

// newServer makes the server of a handler that answers within patience once it
// has the body: net/http's limit for reading goes on while a handler waits, and
// would end its request.
func newServer(handler http.Handler, l limits, patience time.Duration, screen *console) *http.Server {
	return &http.Server{
		Handler: handler, ReadHeaderTimeout: l.headerTime, ReadTimeout: l.bodyTime + patience, IdleTimeout: l.idleTime,
		MaxHeaderBytes: l.header,
		ErrorLog:       log.New(serverLog{screen}, "", 0),
	}
}

// serverLog takes what net/http says of panics and broken connections.
type serverLog struct{ screen *console }

func (l serverLog) Write(p []byte) (int, error) {
	l.screen.say("%s", strings.TrimSpace(string(p)))
	return len(p), nil
}

// door is a server with the producer behind it, which end together.
type door struct {
	server   *http.Server
	producer *ekaf.Producer
	drain    func() // has /readyz say no
	delay    time.Duration
	grace    time.Duration
	screen   *console
	notify   *listen.Notify
}

// serve serves until ctx ends, then ends in order: no more connections, the
// requests under way, the messages that they brought.
func (d *door) serve(ctx context.Context, listener net.Listener) error {
	failed := make(chan error, 1)
	go func() {
		if d.server.TLSConfig != nil {
			failed <- d.server.ServeTLS(listener, "", "")
			return
		}
		failed <- d.server.Serve(listener)
	}()
	var broken error
	select {
	case broken = <-failed:
		broken = fmt.Errorf("cannot serve any longer: %w", broken)
	case <-ctx.Done():
	}
	d.drain()
	if broken == nil { // said once /readyz says no
		d.screen.say("ending: requests under way are answered and their messages delivered, within %v (interrupt again to quit now)", d.grace)
	}
	d.tell(d.notify.Stopping(d.delay + d.grace + time.Second))
	hard := quitNow(ctx)
	if broken == nil && d.delay > 0 {
		select {
		case <-time.After(d.delay):
		case <-hard.Done():
		}
	}
	end, stop := context.WithTimeout(hard, d.grace)
	defer stop()
	// Half of the time is kept for what was accepted.
	soon, stopSoon := context.WithTimeout(hard, d.grace/2)
	defer stopSoon()
	shut := d.server.Shutdown(soon)
	if shut != nil {
		shut = fmt.Errorf("some requests were cut off: %w", shut)
		_ = d.server.Close() // what is left is cut off
	}
	return errors.Join(broken, shut, d.producer.Close(end))
}

// tell says that systemd could not be told: the program goes on without.
func (d *door) tell(err error) {
	if err != nil {
		d.screen.say("cannot notify systemd: %v", err)
	}
}
