package ekaf

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// Option sets one thing of a producer. Options that concern topics may be given
// to New, for all topics, and again inside Topic, for one. The table of all
// options with their defaults and units is in the README; String of a Producer
// prints the values in force. The zero Option sets nothing.
type Option struct {
	name string
	// one of the two is set
	producer func(*settings)
	topic    func(*topicSettings)
}

// RequiredAcks says when a message counts as acked.
type RequiredAcks int16

// AcksAll waits for all in-sync replicas; it is the default. AcksLeader waits
// for the leader alone and AcksNone for nothing: both switch idempotence off,
// and an acked message may then be lost with its broker.
const (
	AcksAll    RequiredAcks = -1
	AcksNone   RequiredAcks = 0
	AcksLeader RequiredAcks = 1
)

func (a RequiredAcks) String() string {
	switch a {
	case AcksAll:
		return "all"
	case AcksNone:
		return "0"
	case AcksLeader:
		return "1"
	}
	return fmt.Sprintf("RequiredAcks(%d)", int16(a))
}

// FullPolicy says what a call does when the buffer's limit is reached.
type FullPolicy uint8

const (
	// Error refuses the call with ErrFull; the default of the async verbs.
	Error FullPolicy = iota
	// Block waits for room until the call's context ends; the default of the sync verbs.
	Block
	// DropOldest gives up the oldest batch that was never sent, of the same
	// worker or else of the largest backlog in downtime. If there is none it
	// acts as Error. Nothing that may be on the wire is ever dropped.
	DropOldest
	// DropNewest gives up the messages of the call itself: they are accepted and
	// at once fail with ErrDropped.
	DropNewest
)

var policyNames = [...]string{"error", "block", "drop-oldest", "drop-newest"}

func (p FullPolicy) String() string {
	if int(p) < len(policyNames) {
		return policyNames[p]
	}
	return fmt.Sprintf("FullPolicy(%d)", uint8(p))
}

// ConnectionMode says who shares a connection.
type ConnectionMode uint8

const (
	// PerBroker: one connection to each broker, shared by its workers; the default.
	PerBroker ConnectionMode = iota
	// PerWorker: a connection for each worker, as the original ekaf had.
	PerWorker
)

func (m ConnectionMode) String() string {
	switch m {
	case PerBroker:
		return "broker"
	case PerWorker:
		return "worker"
	}
	return fmt.Sprintf("ConnectionMode(%d)", uint8(m))
}

// UndecidablePolicy says what becomes of a batch of which Kafka can no longer
// tell whether it was written (see docs/guarantees.md).
type UndecidablePolicy uint8

const (
	// Hold fails the batch with ErrUndecidable and MaybeWritten, and goes on with newer ones; the default.
	Hold UndecidablePolicy = iota
	// Resend sends it again under a new identity: it may then be in Kafka twice.
	Resend
)

func (u UndecidablePolicy) String() string {
	switch u {
	case Hold:
		return "hold"
	case Resend:
		return "resend"
	}
	return fmt.Sprintf("UndecidablePolicy(%d)", uint8(u))
}

// Codec is a compression of Kafka's.
type Codec int8

// Kafka's compressions.
const (
	NoCompression Codec = iota
	Gzip
	Snappy
	LZ4
	Zstd
)

func (c Codec) String() string { return batch.Codec(c).String() }

func forProducer(name string, set func(*settings)) Option {
	return Option{name: name, producer: set}
}

func forTopic(name string, set func(*topicSettings)) Option {
	return Option{name: name, topic: set}
}

// Brokers names the bootstrap brokers, each host:port (or host, for port 9092);
// space around one is cut off.
// At least one is needed. They are asked for the cluster's metadata, one after
// another, and again whenever all brokers known from it are gone (KIP-899).
func Brokers(addrs ...string) Option {
	return forProducer("Brokers", func(s *settings) { s.brokers = append([]string(nil), addrs...) })
}

// ClientID is the name by which brokers log and throttle this producer. Default "ekaf".
func ClientID(id string) Option {
	return forProducer("ClientID", func(s *settings) { s.clientID = id })
}

// TLS speaks TLS to all brokers. Certificates are verified unless the
// configuration says otherwise. New refuses nil: for plaintext leave the option
// out. See TLSFiles for files that are read again when they change.
func TLS(config *tls.Config) Option {
	return forProducer("TLS", func(s *settings) { s.tls, s.tlsGiven = config, true })
}

// SASL authenticates every connection, and again before the broker's session ends (KIP-368).
func SASL(auth Auth) Option {
	return forProducer("SASL", func(s *settings) { s.sasl, s.saslGiven = auth, true })
}

// Dialer replaces the way connections are made: a proxy, or an in-memory network in a test.
func Dialer(dial func(ctx context.Context, network, addr string) (net.Conn, error)) Option {
	return forProducer("Dialer", func(s *settings) { s.dial = dial })
}

// Logger gets the producer's log: state changes and failures, never payloads or
// secrets, and nothing per message. Default: nothing is logged.
func Logger(logger *slog.Logger) Option {
	return forProducer("Logger", func(s *settings) { s.logger = logger })
}

// BufferBytes bounds the memory of all messages that wait for Kafka, in bytes. Default 256 MiB.
func BufferBytes(n int64) Option {
	return forProducer("BufferBytes", func(s *settings) { s.bufferBytes = n })
}

// BufferMessages bounds the number of all messages that wait for Kafka. Default 0: no limit but that in bytes.
func BufferMessages(n int64) Option {
	return forProducer("BufferMessages", func(s *settings) { s.bufferMessages = n })
}

// DialTimeout bounds one attempt to connect, TLS and SASL included. Default 10 s.
func DialTimeout(d time.Duration) Option {
	return forProducer("DialTimeout", func(s *settings) { s.dialTimeout = d })
}

// RequestTimeout bounds the wait for an answer; a connection that gives none is
// closed and its batches are sent again. Brokers get it as the time in which
// replicas must confirm. Default 30 s.
func RequestTimeout(d time.Duration) Option {
	return forProducer("RequestTimeout", func(s *settings) { s.requestTimeout = d })
}

// MetadataRefresh is how often metadata is asked for when nothing went wrong. Default 60 s.
func MetadataRefresh(d time.Duration) Option {
	return forProducer("MetadataRefresh", func(s *settings) { s.metadataRefresh = d })
}

// Backoff is the pause between attempts: min, doubling up to max, with jitter. Default 50 ms and 1 s.
func Backoff(min, max time.Duration) Option {
	return forProducer("Backoff", func(s *settings) { s.backoffMin, s.backoffMax = min, max })
}

// IdleTimeout closes connections that carried nothing for this long, before a
// load balancer drops them silently. Default 3 minutes; 0: never.
func IdleTimeout(d time.Duration) Option {
	return forProducer("IdleTimeout", func(s *settings) { s.idleTimeout = d })
}

// ConnectionsPer chooses between a connection for each broker, the default, and one for each worker.
func ConnectionsPer(mode ConnectionMode) Option {
	return forProducer("ConnectionsPer", func(s *settings) { s.connectionsPer = mode })
}

// AutoCreateTopics lets brokers that are configured to do so create a topic at
// its first message. Default true. Brokers before 0.11 cannot be told not to.
func AutoCreateTopics(allow bool) Option {
	return forProducer("AutoCreateTopics", func(s *settings) { s.autoCreate = allow })
}

// BrokerVersion names the Kafka release of brokers that are too old to say what they
// speak: 0.8.0, 0.8.1, 0.8.2 or 0.9.0, and what comes behind these numbers. All brokers
// are then taken to be of that release, and none is asked. Default none: brokers are
// asked (ApiVersions, KIP-35), which those of 0.10 and newer answer and older ones
// answer by hanging up. Such brokers have no idempotence: New wants Idempotence(false) too.
func BrokerVersion(release string) Option {
	return forProducer("BrokerVersion", func(s *settings) { s.brokerVersion = release })
}

// BootstrapTopics are prepared at the start; other topics at their first message.
func BootstrapTopics(topics ...string) Option {
	return forProducer("BootstrapTopics", func(s *settings) { s.bootstrapTopics = append([]string(nil), topics...) })
}

// StatsD gives each worker a UDP socket of its own to this host:port, for the
// metrics that an event handler pushes through Event.StatsD. Default: none.
func StatsD(addr string) Option {
	return forProducer("StatsD", func(s *settings) { s.statsd = addr })
}

// Topic gives options for one topic. They override those given for all.
func Topic(name string, options ...Option) Option {
	return forProducer("Topic", func(s *settings) {
		s.topics[name] = append(s.topics[name], options...)
	})
}

// Acks says when a message counts as acked. Default AcksAll.
func Acks(a RequiredAcks) Option {
	return forTopic("Acks", func(t *topicSettings) { t.acks = a })
}

// Idempotence keeps retries from doubling or reordering messages. Default true;
// it needs AcksAll, and is off with any other, unless it was asked for beside
// them: then New refuses the two. Brokers before 0.11 have none: there messages
// fail with ErrIdempotenceUnsupported until it is switched off.
func Idempotence(on bool) Option {
	return forTopic("Idempotence", func(t *topicSettings) { t.idempotence, t.idempotenceAsked = on, on })
}

// Linger is how long the batched verbs wait for more messages before a batch is sent. Default 10 ms.
func Linger(d time.Duration) Option {
	return forTopic("Linger", func(t *topicSettings) { t.linger = d })
}

// BatchRecords closes a batch at this many messages. Default 0: no limit but that in bytes.
func BatchRecords(n int) Option {
	return forTopic("BatchRecords", func(t *topicSettings) { t.batchRecords = n })
}

// BatchBytes bounds a batch, before compression, and so a message. Default
// 1,000,000, a little below what brokers take by default (message.max.bytes).
func BatchBytes(n int) Option {
	return forTopic("BatchBytes", func(t *topicSettings) { t.batchBytes = n })
}

// PartitionBufferBytes bounds the memory of one partition's waiting messages. Default 64 MiB.
func PartitionBufferBytes(n int64) Option {
	return forTopic("PartitionBufferBytes", func(t *topicSettings) { t.partitionBytes = n })
}

// PartitionBufferMessages bounds the number of one partition's waiting messages. Default 0: no limit.
func PartitionBufferMessages(n int64) Option {
	return forTopic("PartitionBufferMessages", func(t *topicSettings) { t.partitionMessages = n })
}

// TopicBufferBytes bounds the memory of one topic's waiting messages. Default 0: no limit of its own.
func TopicBufferBytes(n int64) Option {
	return forTopic("TopicBufferBytes", func(t *topicSettings) { t.topicBytes = n })
}

// TopicBufferMessages bounds the number of one topic's waiting messages (the
// original's max_downtime_buffer_size). Default 0: no limit.
func TopicBufferMessages(n int64) Option {
	return forTopic("TopicBufferMessages", func(t *topicSettings) { t.topicMessages = n })
}

// WhenFull says what the verbs do when a limit is reached, async and sync alike.
// Default: Error for the async verbs, Block for the sync ones.
func WhenFull(p FullPolicy) Option {
	return forTopic("WhenFull", func(t *topicSettings) { t.whenFullAsync, t.whenFullSync = p, p })
}

// WhenFullAsync is WhenFull for the async verbs alone.
func WhenFullAsync(p FullPolicy) Option {
	return forTopic("WhenFullAsync", func(t *topicSettings) { t.whenFullAsync = p })
}

// WhenFullSync is WhenFull for the sync verbs alone.
func WhenFullSync(p FullPolicy) Option {
	return forTopic("WhenFullSync", func(t *topicSettings) { t.whenFullSync = p })
}

// DeliveryTimeout bounds the time from the call to the outcome. A message whose
// time ends before it was sent is given up; one that may be on the wire fails
// with MaybeWritten. Messages of one batch end with its first: those that came last
// by a twentieth of the timeout too early, or a tenth of a second, or their Linger.
// Default 0: none, the buffer bounds it.
func DeliveryTimeout(d time.Duration) Option {
	return forTopic("DeliveryTimeout", func(t *topicSettings) { t.deliveryTimeout = d })
}

// UnknownTopicTimeout is how long messages wait for a topic that does not exist
// before they fail with ErrUnknownTopic. The time counts only while brokers
// answer. Default 30 s; 0: for ever.
func UnknownTopicTimeout(d time.Duration) Option {
	return forTopic("UnknownTopicTimeout", func(t *topicSettings) { t.unknownTopicTimeout = d })
}

// Compression compresses batches, at the codec's own default level.
func Compression(c Codec) Option {
	return forTopic("Compression", func(t *topicSettings) { t.codec, t.level = batch.Codec(c), 0 })
}

// CompressionLevel compresses batches at a level: gzip 1 to 9, lz4 1 to 12,
// zstd 1 to 22; 0 is the codec's default. Snappy has none.
func CompressionLevel(c Codec, level int) Option {
	return forTopic("CompressionLevel", func(t *topicSettings) { t.codec, t.level = batch.Codec(c), level })
}

// Workers is the number of workers of each partition, each with order, batches
// and sequence numbers of its own. Default 1.
func Workers(n int) Option {
	return forTopic("Workers", func(t *topicSettings) { t.workers = n })
}

// WorkersMax lets the number of a partition's workers grow to n while its
// workers are backlogged, and shrink to Workers when it is idle. Default 0: it does not grow.
// A key moves only after its old worker has drained. Of a list that is produced at
// that very moment, messages of different keys may change places; those of one key never do.
func WorkersMax(n int) Option {
	return forTopic("WorkersMax", func(t *topicSettings) { t.workersMax = n })
}

// Strategy chooses partitions and workers. ByKey, Phash2 and Custom look at keys;
// messages without one then follow Adaptive, or a second strategy given here.
// Any other strategy given alone serves all messages, with a key or without.
// Default: ByKey, and Adaptive for messages without a key.
func Strategy(s ...Selector) Option {
	return forTopic("Strategy", func(t *topicSettings) { t.setStrategies(s) })
}

// OnEvent gets the events of all topics, or of one. It runs on the producer's
// event goroutine, in order; a slow handler delays later events, never a
// message, and where very many wait, some become one. See Event.
func OnEvent(handler func(Event)) Option {
	return forTopic("OnEvent", func(t *topicSettings) { t.onEvent = handler })
}

// MassageBuffer may rewrite the messages of a batch when it is closed, N to M:
// drop some, merge all into one, change keys. If their number changed, all
// messages of the batch share the outcome of its first. The messages and their
// bytes are the hook's only until it returns. Topics with it keep and decode
// their messages and pay for that; all others pay nothing.
func MassageBuffer(hook func(topic string, messages []Message) []Message) Option {
	return forTopic("MassageBuffer", func(t *topicSettings) { t.massage = hook })
}

// OnUndecidable says what becomes of a batch of which Kafka can no longer tell
// whether it was written. Default Hold.
func OnUndecidable(p UndecidablePolicy) Option {
	return forTopic("OnUndecidable", func(t *topicSettings) { t.undecidable = p })
}
