package ekaf

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// OptionInfo describes an option: what the README, --help and String print.
type OptionInfo struct {
	Name     string // of the function
	Default  string
	PerTopic bool   // may be given in Topic
	Property string // Kafka's own name for it, where there is one
	Doc      string
	value    func(*settings) string
}

// OptionTable lists all options. It is the one source of their documentation.
func OptionTable() []OptionInfo {
	table := append([]OptionInfo(nil), optionTable...)
	defaults := defaultSettings()
	for i := range table {
		table[i].Default = table[i].value(defaults)
	}
	return table
}

var optionTable = []OptionInfo{
	{Name: "Brokers", Property: "bootstrap.servers", Doc: "bootstrap brokers, host:port each; at least one", value: func(s *settings) string { return strings.Join(s.brokers, ",") }},
	{Name: "ClientID", Property: "client.id", Doc: "name by which brokers log and throttle", value: func(s *settings) string { return s.clientID }},
	{Name: "TLS", Property: "security.protocol", Doc: "TLS to all brokers", value: func(s *settings) string { return onOff(s.tls != nil) }},
	{Name: "TLSFiles", Property: "ssl.ca.location", Doc: "TLS from PEM files, read again when they change", value: func(s *settings) string { return onOff(s.tlsFiles) }},
	{Name: "SASL", Property: "sasl.mechanism", Doc: "authentication", value: func(s *settings) string { return orNone(s.sasl.String()) }},
	{Name: "Dialer", Doc: "how connections are made", value: func(s *settings) string { return standardOr(s.dial != nil) }},
	{Name: "Logger", Doc: "where the producer logs", value: func(s *settings) string { return onOff(s.logger != nil) }},
	{Name: "BufferBytes", Property: "buffer.memory", Doc: "memory of all waiting messages, bytes", value: func(s *settings) string { return size(s.bufferBytes) }},
	{Name: "BufferMessages", Property: "queue.buffering.max.messages", Doc: "number of all waiting messages", value: func(s *settings) string { return limit(s.bufferMessages) }},
	{Name: "DialTimeout", Property: "socket.connection.setup.timeout.ms", Doc: "one attempt to connect, TLS and SASL included", value: func(s *settings) string { return s.dialTimeout.String() }},
	{Name: "RequestTimeout", Property: "request.timeout.ms", Doc: "wait for an answer", value: func(s *settings) string { return s.requestTimeout.String() }},
	{Name: "MetadataRefresh", Property: "metadata.max.age.ms", Doc: "age of metadata", value: func(s *settings) string { return s.metadataRefresh.String() }},
	{Name: "Backoff", Property: "retry.backoff.ms", Doc: "pause between attempts: least, doubling to most, with jitter", value: func(s *settings) string { return s.backoffMin.String() + " to " + s.backoffMax.String() }},
	{Name: "IdleTimeout", Property: "connections.max.idle.ms", Doc: "closes a connection that carries nothing", value: func(s *settings) string { return timeout(s.idleTimeout) }},
	{Name: "ConnectionsPer", Doc: "a connection for each broker, or each worker", value: func(s *settings) string { return s.connectionsPer.String() }},
	{Name: "AutoCreateTopics", Property: "allow.auto.create.topics", Doc: "lets brokers create a topic at its first message", value: func(s *settings) string { return strconv.FormatBool(s.autoCreate) }},
	{Name: "BrokerVersion", Property: "broker.version.fallback", Doc: "release of brokers before 0.10, which cannot say what they speak", value: func(s *settings) string { return orNone(s.brokerVersion) }},
	{Name: "BootstrapTopics", Doc: "topics prepared at the start", value: func(s *settings) string { return orNone(strings.Join(s.bootstrapTopics, ",")) }},
	{Name: "StatsD", Doc: "host:port to which the workers' sockets push metrics", value: func(s *settings) string { return orNone(s.statsd) }},
	{Name: "Topic", Doc: "options for one topic", value: func(s *settings) string { return strconv.Itoa(len(s.topics)) + " topics" }},
	{Name: "Acks", Property: "acks", PerTopic: true, Doc: "when a message counts as acked: all, 1 or 0", value: topicValue(func(t *topicSettings) string { return t.acks.String() })},
	{Name: "Idempotence", Property: "enable.idempotence", PerTopic: true, Doc: "retries neither double nor reorder; needs acks=all", value: topicValue(func(t *topicSettings) string { return strconv.FormatBool(t.idempotence && t.acks == AcksAll) })},
	{Name: "Linger", Property: "linger.ms", PerTopic: true, Doc: "how long batched verbs wait for more", value: topicValue(func(t *topicSettings) string { return t.linger.String() })},
	{Name: "BatchRecords", Property: "batch.num.messages", PerTopic: true, Doc: "messages in a batch", value: topicValue(func(t *topicSettings) string { return limit(int64(t.batchRecords)) })},
	{Name: "BatchBytes", Property: "max.request.size", PerTopic: true, Doc: "bytes of a batch, before compression, and so of a message", value: topicValue(func(t *topicSettings) string { return strconv.Itoa(t.batchBytes) })},
	{Name: "PartitionBufferBytes", PerTopic: true, Doc: "memory of a partition's waiting messages, bytes", value: topicValue(func(t *topicSettings) string { return size(t.partitionBytes) })},
	{Name: "PartitionBufferMessages", PerTopic: true, Doc: "number of a partition's waiting messages", value: topicValue(func(t *topicSettings) string { return limit(t.partitionMessages) })},
	{Name: "TopicBufferBytes", PerTopic: true, Doc: "memory of a topic's waiting messages, bytes", value: topicValue(func(t *topicSettings) string { return size(t.topicBytes) })},
	{Name: "TopicBufferMessages", PerTopic: true, Doc: "number of a topic's waiting messages", value: topicValue(func(t *topicSettings) string { return limit(t.topicMessages) })},
	{Name: "WhenFullAsync", PerTopic: true, Doc: "async verbs at a limit: error, block, drop-oldest, drop-newest (WhenFull sets both)", value: topicValue(func(t *topicSettings) string { return t.whenFullAsync.String() })},
	{Name: "WhenFullSync", PerTopic: true, Doc: "sync verbs at a limit", value: topicValue(func(t *topicSettings) string { return t.whenFullSync.String() })},
	{Name: "DeliveryTimeout", Property: "delivery.timeout.ms", PerTopic: true, Doc: "from the call to the outcome", value: topicValue(func(t *topicSettings) string { return timeout(t.deliveryTimeout) })},
	{Name: "UnknownTopicTimeout", Property: "topic.metadata.propagation.max.ms", PerTopic: true, Doc: "wait for a topic that does not exist", value: topicValue(func(t *topicSettings) string { return timeout(t.unknownTopicTimeout) })},
	{Name: "Compression", Property: "compression.type", PerTopic: true, Doc: "none, gzip, snappy, lz4, zstd (CompressionLevel sets a level too)", value: topicValue(func(t *topicSettings) string { return t.codec.String() })},
	{Name: "Workers", PerTopic: true, Doc: "workers of each partition", value: topicValue(func(t *topicSettings) string { return strconv.Itoa(t.workers) })},
	{Name: "WorkersMax", PerTopic: true, Doc: "to how many they may grow under load", value: topicValue(func(t *topicSettings) string { return strconv.Itoa(max(t.workers, t.workersMax)) })},
	{Name: "Strategy", Property: "partitioner.class", PerTopic: true, Doc: "ByKey, Phash2, Custom; Adaptive, Random, StickyRoundRobin, StrictRoundRobin", value: topicValue(func(t *topicSettings) string { return "keyed: " + t.keyed.name + ", unkeyed: " + t.unkeyed.name })},
	{Name: "OnEvent", PerTopic: true, Doc: "handler of events", value: topicValue(func(t *topicSettings) string { return onOff(t.onEvent != nil) })},
	{Name: "MassageBuffer", PerTopic: true, Doc: "hook that rewrites a closed batch's messages", value: topicValue(func(t *topicSettings) string { return onOff(t.massage != nil) })},
	{Name: "OnUndecidable", PerTopic: true, Doc: "a batch of which Kafka cannot tell whether it was written: hold or resend", value: topicValue(func(t *topicSettings) string { return t.undecidable.String() })},
}

func topicValue(of func(*topicSettings) string) func(*settings) string {
	return func(s *settings) string { return of(&s.topic) }
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func standardOr(custom bool) string {
	if custom {
		return "custom"
	}
	return "net.Dialer"
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

func limit(n int64) string {
	if n == 0 {
		return "no limit"
	}
	return strconv.FormatInt(n, 10)
}

func timeout(d time.Duration) string {
	if d == 0 {
		return "none"
	}
	return d.String()
}

func size(n int64) string {
	switch {
	case n == 0:
		return "no limit"
	case n%(1<<20) == 0:
		return strconv.FormatInt(n>>20, 10) + " MiB"
	default:
		return strconv.FormatInt(n, 10)
	}
}

// String prints the options in force, one a line, without secrets.
func (p *Producer) String() string {
	var b strings.Builder
	b.WriteString("ekaf " + Version + "\n")
	for _, o := range optionTable {
		fmt.Fprintf(&b, "  %-24s %s\n", o.Name, o.value(p.settings))
	}
	return b.String()
}
