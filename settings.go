package ekaf

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// settings is what the options fill: the producer's own part, the topics'
// defaults, and the options given for single topics.
type settings struct {
	brokers         []string
	clientID        string
	tls             *tls.Config
	tlsGiven        bool // by TLS, also if it was nil
	tlsFiles        bool // tls, if it is not given, is of TLSFiles
	sasl            Auth
	saslGiven       bool
	dial            func(ctx context.Context, network, addr string) (net.Conn, error)
	logger          *slog.Logger
	bufferBytes     int64
	bufferMessages  int64
	dialTimeout     time.Duration
	requestTimeout  time.Duration
	metadataRefresh time.Duration
	backoffMin      time.Duration
	backoffMax      time.Duration
	idleTimeout     time.Duration
	connectionsPer  ConnectionMode
	autoCreate      bool
	brokerVersion   string
	bootstrapTopics []string
	statsd          string

	topic  topicSettings
	topics map[string][]Option

	faults []error
}

// topicSettings is what may differ from topic to topic.
type topicSettings struct {
	acks                RequiredAcks
	idempotence         bool
	idempotenceAsked    bool // by the option, in the same place as acks
	linger              time.Duration
	batchRecords        int
	batchBytes          int
	partitionBytes      int64
	partitionMessages   int64
	topicBytes          int64
	topicMessages       int64
	whenFullAsync       FullPolicy
	whenFullSync        FullPolicy
	deliveryTimeout     time.Duration
	unknownTopicTimeout time.Duration
	codec               batch.Codec
	level               int
	workers             int
	workersMax          int
	keyed               Selector
	unkeyed             Selector
	onEvent             func(Event)
	massage             func(topic string, messages []Message) []Message
	undecidable         UndecidablePolicy
}

func defaultSettings() *settings {
	return &settings{
		clientID:        "ekaf",
		bufferBytes:     256 << 20,
		dialTimeout:     10 * time.Second,
		requestTimeout:  30 * time.Second,
		metadataRefresh: 60 * time.Second,
		backoffMin:      50 * time.Millisecond,
		backoffMax:      time.Second,
		idleTimeout:     3 * time.Minute,
		autoCreate:      true,
		topics:          map[string][]Option{},
		topic: topicSettings{
			acks:                AcksAll,
			idempotence:         true,
			linger:              10 * time.Millisecond,
			batchBytes:          1_000_000,
			partitionBytes:      64 << 20,
			whenFullAsync:       Error,
			whenFullSync:        Block,
			unknownTopicTimeout: 30 * time.Second,
			workers:             1,
			keyed:               ByKey(),
			unkeyed:             Adaptive(),
		},
	}
}
