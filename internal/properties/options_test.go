package properties

import (
	"context"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/ekaf-go/ekaf"
)

// inForce makes a producer of properties and gives its options by name.
func inForce(t *testing.T, arguments ...string) map[string]string {
	t.Helper()
	c, err := configOf(append([]string{"bootstrap.servers=a:1"}, arguments...)...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := ekaf.New(c.Options...)
	if err != nil {
		t.Fatal(err)
	}
	text := p.String()
	ended, stop := context.WithCancel(t.Context())
	stop()
	_ = p.Close(ended) // nothing was accepted
	options := map[string]string{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		options[strings.TrimSuffix(name, ":")] = strings.TrimSpace(value)
	}
	return options
}

var effects = []struct{ arguments, option, want string }{
	{"client.id=me", "ClientID", "me"},
	{"acks=-1", "Acks", "all"},
	{"acks=1", "Acks", "1"},
	{"request.required.acks=0", "Acks", "0"},
	{"acks=1", "Idempotence", "false"},
	{"enable.idempotence=false", "Idempotence", "false"},
	{"linger.ms=5", "Linger", "5ms"},
	{"queue.buffering.max.ms=0.5", "Linger", "500µs"},
	{"max.request.size=2000000", "BatchBytes", "2000000"},
	{"message.max.bytes=2000000 batch.size=16384", "BatchBytes", "2000000"},
	{"batch.size=16384", "BatchBytes", "1000000"},
	{"batch.size=3000000", "BatchBytes", "3000000"},
	{"batch.num.messages=100", "BatchRecords", "100"},
	{"buffer.memory=33554432", "BufferBytes", "32 MiB"},
	{"queue.buffering.max.kbytes=65536", "BufferBytes", "64 MiB"},
	{"queue.buffering.max.messages=1000", "BufferMessages", "1000"},
	{"compression.type=zstd compression.zstd.level=5", "Compression", "zstd"},
	{"compression.codec=gzip compression.level=9", "Compression", "gzip"},
	{"compression.type=lz4 compression.gzip.level=7", "Compression", "lz4"},
	{"delivery.timeout.ms=120000", "DeliveryTimeout", "2m0s"},
	{"message.timeout.ms=0", "DeliveryTimeout", "none"},
	{"delivery.timeout.ms=2147483647", "DeliveryTimeout", "none"},
	{"request.timeout.ms=20000 socket.timeout.ms=60000", "RequestTimeout", "20s"},
	{"socket.timeout.ms=60000", "RequestTimeout", "1m0s"},
	{"socket.connection.setup.timeout.ms=3000", "DialTimeout", "3s"},
	{"metadata.max.age.ms=300000", "MetadataRefresh", "5m0s"},
	{"topic.metadata.refresh.interval.ms=1000", "MetadataRefresh", "1s"},
	{"topic.metadata.propagation.max.ms=5000", "UnknownTopicTimeout", "5s"},
	{"retry.backoff.ms=100", "Backoff", "100ms to 1s"},
	{"retry.backoff.ms=2000", "Backoff", "2s to 2s"},
	{"retry.backoff.ms=2000 retry.backoff.max.ms=500", "Backoff", "500ms to 500ms"},
	{"reconnect.backoff.ms=70 reconnect.backoff.max.ms=10000", "Backoff", "70ms to 10s"},
	{"retry.backoff.ms=0", "Backoff", "1ms to 1s"},
	{"connections.max.idle.ms=540000", "IdleTimeout", "9m0s"},
	{"connections.max.idle.ms=-1", "IdleTimeout", "none"},
	{"allow.auto.create.topics=false", "AutoCreateTopics", "false"},
	{"api.version.request=false broker.version.fallback=0.8.2.2 enable.idempotence=false", "BrokerVersion", "0.8.2.2"},
	{"broker.version.fallback=0.8.2", "BrokerVersion", "none"},
	{"api.version.request=true broker.version.fallback=0.9.0", "BrokerVersion", "none"},
	{"partitioner.class=org.apache.kafka.clients.producer.RoundRobinPartitioner", "Strategy", "StrictRoundRobin"},
	{"partitioner.class=org.apache.kafka.clients.producer.UniformStickyPartitioner", "Strategy", "Adaptive"},
	{"partitioner=murmur2_random", "Strategy", "ByKey"},
	{"partitioner=random", "Strategy", "Random"},
	{"partitioner=murmur2", "Strategy", "ByKey"},
	{"partitioner=consistent", "Strategy", "Custom"},
	{"partitioner=consistent_random", "Strategy", "Custom"},
	{"partitioner=fnv1a", "Strategy", "Custom"},
	{"partitioner=fnv1a_random", "Strategy", "Custom"},
	{"partitioner.ignore.keys=true", "Strategy", "Adaptive"},
	{"security.protocol=SSL", "TLS", "on"},
	{"security.protocol=SASL_PLAINTEXT sasl.mechanism=PLAIN sasl.username=u sasl.password=hunter2", "SASL", "PLAIN"},
}

func TestPropertiesBecomeOptions(t *testing.T) {
	for _, c := range effects {
		t.Run(c.arguments, func(t *testing.T) {
			options := inForce(t, strings.Fields(c.arguments)...)
			if got := options[c.option]; !strings.Contains(got, c.want) {
				t.Errorf("%s is %q, want %q", c.option, got, c.want)
			}
			for name, value := range options {
				if strings.Contains(value, "hunter2") {
					t.Errorf("a secret is in %s", name)
				}
			}
		})
	}
}

// TestHashesOfLibrdkafka has the values of librdkafka's own unit tests (rdfnv1a.c).
func TestHashesOfLibrdkafka(t *testing.T) {
	for key, want := range map[string]uint32{
		"kafka": 0xd33c4e1, "giberish123456789": 0x77a58295, "1234": 0x23bdd03, "234": 0x2dea3cd2, "34": 0x740fa83e, "4": 0x310ca263,
		"PreAmbleWillBeRemoved,ThePrePartThatIs": 0x65cbd69c, "": 0x7ee3623b,
	} {
		if got := fnv1a([]byte(key)); got != want {
			t.Errorf("fnv1a(%q) = %#x, librdkafka gives %#x", key, got, want)
		}
	}
}

// TestPartitionersOfLibrdkafka has what kcat chose among 7 partitions.
func TestPartitionersOfLibrdkafka(t *testing.T) {
	for name, want := range map[string]int{"key1": 1, "key10": 4, "key11": 1, "key13": 6, "key15": 0, "key19": 5, "key20": 2, "key23": 3} {
		if got := hashing(crc32.ChecksumIEEE, true)("t", []byte(name), nil, 7); got != want {
			t.Errorf("%s goes to %d, want %d", name, got, want)
		}
	}
	for _, c := range []struct {
		key    []byte
		random bool
		any    bool
	}{{nil, true, true}, {nil, false, true}, {[]byte{}, true, true}, {[]byte{}, false, false}} {
		if got := hashing(crc32.ChecksumIEEE, c.random)("t", c.key, nil, 7); (got == ekaf.AnyPartition) != c.any {
			t.Errorf("%+v goes to %d", c, got)
		}
	}
}

func TestOptionTableNamesKnownProperties(t *testing.T) {
	for _, o := range ekaf.OptionTable() {
		if k, known := names[o.Property]; o.Property != "" && (!known || k.use != used) {
			t.Errorf("the option %s names the property %s, which is not read", o.Name, o.Property)
		}
	}
}
