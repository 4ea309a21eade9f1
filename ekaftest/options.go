package ekaftest

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kversion"
)

// Option configures a cluster made by [New] or [Start].
type Option func(*config)

type topicSpec struct {
	name       string
	partitions int32
	configs    map[string]string
}

type config struct {
	brokers        int
	ports          []int
	host           string
	inMemory       bool
	topics         []topicSpec
	autoCreate     bool
	autoPartitions int
	brokerConfigs  map[string]string
	versions       *kversion.Versions
	expiry         expiry
	limits         timestampLimits
	sasl           saslConfig
	tls            tlsMode
	errs           []error
}

func newConfig(opts []Option) (config, error) {
	cfg := config{
		brokers:        1,
		host:           "127.0.0.1",
		autoPartitions: 1,
		brokerConfigs:  make(map[string]string),
		expiry:         expiry{after: 24 * time.Hour, check: 10 * time.Minute},
		limits:         timestampLimits{before: -1, after: time.Hour},
	}
	for _, opt := range opts {
		opt(&cfg)
	}
	if len(cfg.ports) > cfg.brokers {
		cfg.brokers = len(cfg.ports)
	}
	return cfg, errors.Join(cfg.errs...)
}

func (cfg *config) fail(format string, args ...any) {
	cfg.errs = append(cfg.errs, fmt.Errorf(format, args...))
}

// Brokers sets the number of brokers, default 1. Their ids are 0, 1, 2 ...
// Every broker is an in-sync replica of every partition while it runs.
func Brokers(n int) Option {
	return func(cfg *config) {
		if n < 1 || n > 100 {
			cfg.fail("cannot start %d brokers: choose 1 to 100", n)
			return
		}
		cfg.brokers = n
	}
}

// Ports fixes the port of broker 0, 1, 2 ..., and raises the number of
// brokers to the number of ports. A port of 0, and each broker without a port,
// gets a free one. Brokers keep their ports when they are restarted.
func Ports(ports ...int) Option {
	return func(cfg *config) {
		for _, p := range ports {
			if p < 0 || p > 65535 {
				cfg.fail("cannot listen on port %d: choose 0 to 65535", p)
			}
		}
		cfg.ports = ports
	}
}

// Host sets the address to listen on, default 127.0.0.1. It is advertised
// unless [Cluster.Advertise] says otherwise.
func Host(host string) Option { return func(cfg *config) { cfg.host = host } }

// InMemory replaces TCP by in-memory connections. Clients reach the brokers
// through [Cluster.Dialer]; nothing listens on the machine. A cluster started
// inside a testing/synctest bubble must use it. Connections have no buffer: a
// write ends when the broker has read it.
func InMemory() Option { return func(cfg *config) { cfg.inMemory = true } }

// Topic creates a topic when the cluster starts (and again at
// [Cluster.RestartEmpty]). Partition p is led by broker p modulo the number of
// brokers. The optional configs are topic configs by their Kafka names:
// cleanup.policy, compression.type, max.message.bytes, message.timestamp.type,
// min.insync.replicas, retention.bytes, retention.ms, segment.bytes.
func Topic(name string, partitions int32, configs ...map[string]string) Option {
	return func(cfg *config) {
		if partitions < 1 {
			cfg.fail("cannot create topic %q with %d partitions: give 1 or more", name, partitions)
			return
		}
		if err := checkTopicName(name); err != nil {
			cfg.errs = append(cfg.errs, err)
			return
		}
		merged := make(map[string]string)
		for _, m := range configs {
			for k, v := range m {
				merged[k] = v
			}
		}
		cfg.topics = append(cfg.topics, topicSpec{name, partitions, merged})
	}
}

// checkTopicName refuses what brokers refuse with INVALID_TOPIC_EXCEPTION, which
// the error wraps.
func checkTopicName(name string) error {
	allowed := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '_' || r == '-'
	}
	outside := func(r rune) bool { return !allowed(r) }
	if name != "" && name != "." && name != ".." && len(name) <= 249 && !strings.ContainsFunc(name, outside) {
		return nil
	}
	return fmt.Errorf("cannot create topic %q: %w: a name has 1 to 249 letters, digits, dots, underscores and hyphens, and is neither \".\" nor \"..\" itself",
		name, kerr.InvalidTopicException)
}

// AutoCreate lets a Metadata request create the topics it names, each with the
// given number of partitions (auto.create.topics.enable, num.partitions). Off
// by default.
func AutoCreate(partitions int) Option {
	return func(cfg *config) {
		if partitions < 1 {
			cfg.fail("cannot create topics with %d partitions: choose 1 or more", partitions)
			return
		}
		cfg.autoCreate, cfg.autoPartitions = true, partitions
	}
}

// BrokerConfig sets a broker config by its Kafka name, for example
// message.max.bytes or log.message.timestamp.type.
func BrokerConfig(name, value string) Option {
	return func(cfg *config) { cfg.brokerConfigs[name] = value }
}

// MaxMessageBytes sets message.max.bytes, the largest batch a broker takes,
// default 1048588.
func MaxMessageBytes(n int) Option {
	return BrokerConfig("message.max.bytes", strconv.Itoa(n))
}

// KafkaVersion makes the cluster announce, and accept, only the API versions
// of that release ("2.8", "0.11", ...), and keep producer state by its rules.
// Releases before 0.11 are announced as they were, but Produce versions 0 to 2
// (message sets) are not served. Default: the newest.
func KafkaVersion(release string) Option {
	return func(cfg *config) {
		v := kversion.FromString(release)
		if v == nil {
			cfg.fail("cannot emulate Kafka %q: name a release such as \"2.8\" or \"0.11\"", release)
			return
		}
		cfg.versions = v
	}
}

// ProducerExpiry sets how long a partition remembers a producer id
// (producer.id.expiration.ms, default 24 h), counted from the largest record
// timestamp of its last batch, and how often brokers look for expired ones
// (producer.id.expiration.check.interval.ms, default 10 min).
func ProducerExpiry(expiration, checkInterval time.Duration) Option {
	return func(cfg *config) {
		if expiration <= 0 || checkInterval <= 0 {
			cfg.fail("cannot expire producers after %v, checked every %v: choose positive durations", expiration, checkInterval)
			return
		}
		cfg.expiry = expiry{after: expiration, check: checkInterval}
	}
}

// TimestampLimits sets how far a record's CreateTime may lie before and after
// the broker's clock (message.timestamp.before.max.ms and after.max.ms); a
// record outside is refused with INVALID_TIMESTAMP (32). A negative duration
// means no limit. Default, as Kafka 4: none before, one hour after.
func TimestampLimits(before, after time.Duration) Option {
	return func(cfg *config) { cfg.limits = timestampLimits{before: before, after: after} }
}
