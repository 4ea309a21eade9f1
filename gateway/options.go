package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ekaf-go/ekaf"
)

// Option sets one thing of a Handler.
type Option func(*settings)

type settings struct {
	ack         Ack
	syncTimeout time.Duration
	maxBody     int
	bodyMemory  int64
	maxPending  int
	maxWaiting  int
	safe        limit
	window      time.Duration
	windowKeys  int
	streams     streamLimits
	origins     []string
	rewrite     func(*Event) error
	trace       bool
	through     func(*ekaf.TopicProducer) Verbs
	guard       func(*Access) error
	ready       func() []string
	mounts      []*route
	drains      []func()
}

// limit is what admission control allows.
type limit struct {
	running int           // requests at once
	queue   int           // requests that wait for their turn
	wait    time.Duration // ... and for how long
}

func defaults() *settings {
	return &settings{
		ack: Buffered, syncTimeout: 10 * time.Second,
		maxBody: 10 << 20, bodyMemory: 256 << 20,
		maxPending: 1000, maxWaiting: 10_000,
		safe:   limit{running: 256, queue: 1024, wait: 100 * time.Millisecond},
		window: 10 * time.Minute, windowKeys: 100_000,
		streams: streamLimits{atOnce: 1000, idle: 5 * time.Minute, longest: 24 * time.Hour, record: recordTime},
	}
}

// Ack is what the answer to a raw request claims.
type Ack uint8

const (
	// Buffered: the producer accepted the messages (202). The default.
	Buffered Ack = iota
	// Durable: the messages are on disk (202). It needs a spool, and is answered
	// with 501 without one.
	Durable
	// Kafka: the brokers acknowledged the messages (200, with partition and offset).
	Kafka
)

var ackNames = [...]string{"buffered", "durable", "kafka"}

func (a Ack) String() string {
	if int(a) < len(ackNames) {
		return ackNames[a]
	}
	return fmt.Sprintf("Ack(%d)", uint8(a))
}

// ParseAck reads buffered, durable or kafka.
func ParseAck(text string) (Ack, error) {
	if i := slices.Index(ackNames[:], text); i >= 0 {
		return Ack(i), nil
	}
	return 0, fmt.Errorf("ack is %s, not %q", strings.Join(ackNames[:], ", "), text)
}

// DefaultAck is what a raw request without ?ack= waits for. Default Buffered.
func DefaultAck(a Ack) Option { return func(s *settings) { s.ack = a } }

// SyncTimeout bounds the wait for Kafka of a sync request (/sync, /batch/sync,
// ack=kafka). A request may ask for less with ?timeout=. Default 10 s.
func SyncTimeout(d time.Duration) Option { return func(s *settings) { s.syncTimeout = d } }

// MaxBody bounds a request's body in bytes, after decompression. A larger one is
// answered with 413. A single message is bounded by the producer's BatchBytes as
// well. Default 10 MiB.
func MaxBody(bytes int) Option { return func(s *settings) { s.maxBody = bytes } }

// BodyMemory bounds the memory of all bodies being read or handled, in bytes;
// beyond it a request is answered with 503. Default 256 MiB.
func BodyMemory(bytes int64) Option { return func(s *settings) { s.bodyMemory = bytes } }

// MaxPendingTopics bounds the number of topic names that were asked for and are
// not known to exist: names come from the network, and each is remembered. A new
// name beyond it is answered with 503, unless the brokers, who are asked once a
// second then, know such a topic. Default 1,000.
func MaxPendingTopics(n int) Option { return func(s *settings) { s.maxPending = n } }

// MaxWaiting bounds the requests that wait for Kafka at once; beyond it sync
// requests are answered with 503. Default 10,000.
func MaxWaiting(n int) Option { return func(s *settings) { s.maxWaiting = n } }

// Safe sets the admission control of the routes under /safe/: how many requests
// run at once, how many more may queue, and for how long. Beyond any of them the
// answer is 503 at once. Default 256, 1,024 and 100 ms.
func Safe(running, queue int, wait time.Duration) Option {
	return func(s *settings) { s.safe = limit{running, queue, wait} }
}

// IdempotencyWindow is how long a request's Idempotency-Key and answer are
// remembered, from the answer on, and how many at most: beyond that number, and for
// one principal beyond nine times what is left free, requests with another key are
// answered with 503. Default 10 minutes and 100,000; 0 remembers nothing.
func IdempotencyWindow(d time.Duration, keys int) Option {
	return func(s *settings) { s.window, s.windowKeys = d, keys }
}

// recordTime is what a record of a stream may take to arrive, and an answer to be taken.
const recordTime = 30 * time.Second

// Streams bounds the streams of records (/v3/.../records): how many are open at
// once, how long each may be silent between two records, and how long it may go
// on in all. Beyond the number the answer is 503; a stream whose time is over ends
// with an error_code of 408. Default 1,000, 5 minutes and 24 hours.
func Streams(atOnce int, idle, longest time.Duration) Option {
	return func(s *settings) { s.streams = streamLimits{atOnce, idle, longest, min(recordTime, idle)} }
}

// AllowOrigins lists the origins of web pages that may produce from a browser, such
// as https://shop.example; "*" allows all. On the raw routes and the beacon they see
// the answers too (CORS). Default: none.
func AllowOrigins(origins ...string) Option {
	return func(s *settings) { s.origins = slices.Clone(origins) }
}

// Event is a message on its way from a request to the producer, as a Rewrite
// hook sees it.
type Event struct {
	// Request is the request; its body was read.
	Request *http.Request
	// Topic is that of the path, and may be changed.
	Topic string
	// Message may be changed in any way, save for its Callback. Its bytes are the
	// hook's to change in place until it returns.
	Message ekaf.Message
}

// Rewrite is called for each message before it is produced (kafboy's edit_json).
// It may change the message, choose another topic, or return an error, which
// refuses the message: a *StatusError with its own status, any other with 422.
// A topic that it chooses is not put to the guard.
func Rewrite(hook func(*Event) error) Option { return func(s *settings) { s.rewrite = hook } }

// TraceContext carries the trace context of a request, by its headers traceparent,
// tracestate and baggage (W3C), into the headers of the records that it brings,
// before Rewrite sees them. What is malformed or longer than W3C demands to be kept
// is left out. A message that has a traceparent or baggage of its own keeps it.
// Brokers before Kafka 0.11 refuse records with headers. Not needed with Through
// and package ekafotel, which sends the context of its own span. Default: not carried.
func TraceContext() Option { return func(s *settings) { s.trace = true } }

// Verbs are those that the gateway hands messages over with. An
// *ekaf.TopicProducer has them, and so has what is wrapped around one.
type Verbs interface {
	ProduceSync(ctx context.Context, msgs ...ekaf.Message) (ekaf.Acked, error)
	ProduceAsync(ctx context.Context, msgs ...ekaf.Message) error
	ProduceSyncBatched(ctx context.Context, msgs ...ekaf.Message) (ekaf.Receipt, error)
	ProduceAsyncBatched(ctx context.Context, msgs ...ekaf.Message) (ekaf.Receipt, error)
}

// Through has messages handed over by what wrap makes of a topic's handle, such
// as one that traces (ekafotel.Producer.Around). It is called once for each topic.
// The verbs get a context with the values of the request's, also of those that no
// longer end with it; they must hand the call on, and answer as the handle does.
// Default: the handle itself.
func Through(wrap func(*ekaf.TopicProducer) Verbs) Option {
	return func(s *settings) { s.through = wrap }
}

// Access is a request that asks to be let in.
type Access struct {
	Request *http.Request
	// Route is the pattern of the route, such as /async/{topic}.
	Route string
	// Topic is that of the path; "" for a route that concerns none.
	Topic string
	// Foreign: a page of another origin, also one that AllowOrigins lists, has a
	// browser send the request, which is to produce. Credentials that browsers send
	// by themselves are not to be believed then (CSRF), whatever the method.
	Foreign bool
	// Principal is set by the guard: who is asking. Idempotency keys of different
	// principals do not meet.
	Principal string
}

// Guard is asked about each request of a guarded route before its body is read.
// An error refuses it: a *StatusError with its own status, any other with 403.
// About a stream of records it is asked again as records are taken from it, while
// more of the body is read: records wait up to two seconds for a 429's RetryAfter,
// and what is refused with anything else than 429 and 503 ends the stream.
// Routes for probes (/healthz, /readyz) are not guarded. Default: all are let in.
func Guard(hook func(*Access) error) Option { return func(s *settings) { s.guard = hook } }

// Mount serves GET of a path with a handler of another package. The path is one,
// such as /metrics, or has {name} in the place of segments, such as
// /pages/{file}: the handler finds those with PathValue. It is guarded if the
// gateway has a guard. Paths of the gateway's own stay its own.
func Mount(path, summary string, handler http.Handler) Option {
	return func(s *settings) {
		s.mounts = append(s.mounts, &route{
			method: http.MethodGet, path: path, guarded: true,
			serve: func(x *exchange) { x.pass(handler) },
			doc:   doc{tag: "mounted", summary: summary, answers: map[int]string{http.StatusOK: summary}},
		})
	}
}

// OnDrain is called by Drain. What is mounted ends there what has no end of its
// own, such as a stream of events, which would hold up the server's Shutdown.
func OnDrain(hook func()) Option {
	return func(s *settings) { s.drains = append(s.drains, hook) }
}

// ReadyCheck adds to what /readyz finds: it names what keeps the program from
// accepting requests, if anything.
func ReadyCheck(check func() []string) Option { return func(s *settings) { s.ready = check } }

// check lists all faults at once.
func (s *settings) check() error {
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(s.ack > Kafka, "DefaultAck: there is no such ack")
	fault(s.syncTimeout <= 0, "SyncTimeout: %v is not a time to wait", s.syncTimeout)
	fault(s.maxBody <= 0, "MaxBody: %d is not a number of bytes to accept", s.maxBody)
	fault(s.bodyMemory < int64(s.maxBody), "BodyMemory: %d is smaller than MaxBody, %d", s.bodyMemory, s.maxBody)
	fault(s.maxPending <= 0, "MaxPendingTopics: %d lets no topic in", s.maxPending)
	fault(s.maxWaiting <= 0, "MaxWaiting: %d lets no sync request in", s.maxWaiting)
	fault(s.safe.running <= 0 || s.safe.queue < 0 || s.safe.wait < 0, "Safe: needs 1 or more requests at once, and neither a negative queue nor a negative wait")
	fault(s.window < 0 || s.windowKeys < 0, "IdempotencyWindow: neither the time nor the number is negative (0: off)")
	fault(s.streams.atOnce <= 0 || s.streams.idle <= 0 || s.streams.longest <= 0, "Streams: needs 1 or more streams at once, and times above 0")
	for _, m := range s.mounts {
		fault(!isPattern(m.path), "Mount: %q is not a path such as /metrics or /pages/{file}", m.path)
	}
	for _, o := range s.origins {
		fault(o != "*" && !isOrigin(o), "AllowOrigins: %q is not an origin, such as https://shop.example", o)
	}
	if len(faults) > 0 {
		return fmt.Errorf("the gateway's options have faults: %w", errors.Join(faults...))
	}
	return nil
}
