package properties

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/internal/conn"
)

// maxRequestBytes is the largest message.max.bytes of any client.
const maxRequestBytes = 1_000_000_000

// defaultMessageBytes is the default of ekaf.BatchBytes.
const defaultMessageBytes = 1_000_000

func (c *Config) add(options ...ekaf.Option) { c.Options = append(c.Options, options...) }

// basics: who is asked, under what name, and what an ack means.
func (v *values) basics(c *Config) {
	if e, ok := v.take("bootstrap.servers"); ok {
		for addr := range strings.SplitSeq(e.value, ",") {
			if addr = bareAddress(addr); addr != "" {
				c.Brokers = append(c.Brokers, addr)
			}
		}
		if len(c.Brokers) == 0 {
			v.fault(e, "it names no broker: give host:port, several separated by commas")
		} else {
			c.add(ekaf.Brokers(c.Brokers...))
		}
	}
	if e, ok := v.take("client.id"); ok {
		c.ClientID = e.value
		c.add(ekaf.ClientID(e.value))
	}
	if on, _, ok := v.boolean("allow.auto.create.topics"); ok {
		c.add(ekaf.AutoCreateTopics(on))
	}
	v.brokerVersion(c)
	v.acks(c)
	if e, n, ok := v.number("max.in.flight.requests.per.connection", 1, math.MaxInt32); ok {
		if n > 5 {
			v.fault(e, "it must be 1 to 5, as more could not be put in order again: leave it out, ekaf keeps up to 5 in flight")
		} else {
			v.note(e, "ignored: ekaf keeps order with up to 5 in flight")
		}
	}
}

// brokerVersion: librdkafka takes its fallback for brokers that hang up when they
// are asked. Here it is taken where brokers are not to be asked at all, so that a
// name left in an old file does not make new brokers speak as the old ones did.
func (v *values) brokerVersion(c *Config) {
	ask, asked, given := v.boolean("api.version.request")
	e, ok := v.take("broker.version.fallback")
	switch {
	case ok && given && !ask:
		if _, err := conn.Assumed(e.value); err != nil {
			v.fault(e, "%v", err)
			return
		}
		c.BrokerVersion = e.value
		c.add(ekaf.BrokerVersion(e.value))
	case ok:
		v.note(e, "ignored: ekaf asks each broker what it speaks; brokers before 0.10 cannot say, for these add api.version.request=false")
	case given && !ask:
		v.note(asked, "ignored: ekaf asks each broker what it speaks; for brokers before 0.10 name their release with broker.version.fallback")
	}
}

// bareAddress drops the PROTOCOL:// that librdkafka allows before a broker.
func bareAddress(addr string) string {
	addr = strings.TrimSpace(addr)
	if _, rest, found := strings.Cut(addr, "://"); found {
		return rest
	}
	return addr
}

func (v *values) acks(c *Config) {
	wanted, idempotence, given := v.boolean("enable.idempotence")
	if given {
		c.add(ekaf.Idempotence(wanted))
	}
	e, ok := v.take("acks")
	if !ok {
		return
	}
	acks := ekaf.AcksAll
	switch strings.ToLower(e.value) {
	case "all", "-1":
	case "1":
		acks = ekaf.AcksLeader
	case "0":
		acks = ekaf.AcksNone
	default:
		v.fault(e, "it must be all, 1 or 0")
		return
	}
	c.add(ekaf.Acks(acks))
	if given && wanted && acks != ekaf.AcksAll {
		v.fault(idempotence, "it needs acks=all, but acks=%s is given: drop one of the two", acks)
	}
}

func (v *values) batching(c *Config) {
	limit, limited := int64(0), false
	if _, n, ok := v.number("max.request.size", 1000, maxRequestBytes); ok {
		limit, limited = n, true
		c.MaxMessageBytes = int(n)
		c.add(ekaf.BatchBytes(int(n)))
	}
	if e, n, ok := v.number("batch.size", 0, maxRequestBytes); ok {
		v.batchSize(c, e, n, limit, limited)
	}
	if _, n, ok := v.number("batch.num.messages", 1, 1_000_000); ok {
		c.add(ekaf.BatchRecords(int(n)))
	}
	if e, n, ok := v.number("buffer.memory", 1, math.MaxInt64); ok {
		c.add(ekaf.BufferBytes(n))
		if kb, ok := v.take("queue.buffering.max.kbytes"); ok {
			v.fault(kb, "it contradicts %s (%s), which bounds the same: keep one of them", e.name, e.where)
		}
	} else if _, n, ok := v.number("queue.buffering.max.kbytes", 1, math.MaxInt64>>10); ok {
		c.add(ekaf.BufferBytes(n << 10))
	}
	if _, n, ok := v.number("queue.buffering.max.messages", 0, math.MaxInt64); ok {
		c.add(ekaf.BufferMessages(n))
	}
	v.compression(c)
}

// batchSize: in Kafka's clients a message larger than batch.size gets a batch of
// its own, while ekaf's BatchBytes bounds messages too. A small batch.size must
// not make ekaf refuse messages that those clients would send.
func (v *values) batchSize(c *Config, e entry, n, limit int64, limited bool) {
	switch {
	case !limited && n > defaultMessageBytes:
		c.MaxMessageBytes = int(n)
		c.add(ekaf.BatchBytes(int(n)))
	case n < limit || !limited:
		v.note(e, "ignored: ekaf's batches grow by themselves under load, and its own limit would bound single messages too: max.request.size sets that one")
	}
}

var codecs = map[string]ekaf.Codec{
	"none": ekaf.NoCompression, "gzip": ekaf.Gzip, "snappy": ekaf.Snappy, "lz4": ekaf.LZ4, "zstd": ekaf.Zstd,
}

var levelMax = map[ekaf.Codec]int64{ekaf.Gzip: 9, ekaf.LZ4: 12, ekaf.Zstd: 22}

// Codec finds a compression by its Kafka name.
func Codec(name string) (ekaf.Codec, bool) {
	c, ok := codecs[strings.ToLower(name)]
	return c, ok
}

func (v *values) compression(c *Config) {
	e, ok := v.take("compression.type")
	codec := ekaf.NoCompression
	if ok {
		if codec, ok = Codec(e.value); !ok {
			v.fault(e, "it must be none, gzip, snappy, lz4 or zstd")
			return
		}
		c.add(ekaf.Compression(codec))
	}
	for _, name := range []string{"compression.level", "compression." + codec.String() + ".level"} {
		e, n, ok := v.number(name, math.MinInt32, math.MaxInt32)
		if !ok || n == -1 {
			continue // -1 is the codec's own default
		}
		if highest := levelMax[codec]; highest == 0 {
			v.note(e, "ignored: %s has no levels", codec)
		} else if n < 1 || n > highest {
			v.fault(e, "the levels of %s go from 1 to %d; -1 is its default", codec, highest)
		} else {
			c.add(ekaf.CompressionLevel(codec, int(n)))
		}
	}
}

func (v *values) timing(c *Config) {
	if d, _, ok := v.millis("linger.ms"); ok {
		c.Linger = true
		c.add(ekaf.Linger(d))
	}
	if d, _, ok := v.millis("delivery.timeout.ms"); ok {
		if d >= math.MaxInt32*time.Millisecond {
			d = 0 // how Kafka's clients say "none"
		}
		c.add(ekaf.DeliveryTimeout(d))
	}
	if d, _, ok := v.firstMillis("request.timeout.ms", "socket.timeout.ms"); ok {
		c.RequestTimeout = d
		c.add(ekaf.RequestTimeout(d))
	}
	if d, _, ok := v.millis("socket.connection.setup.timeout.ms"); ok {
		c.DialTimeout = d
		c.add(ekaf.DialTimeout(d))
	}
	if d, _, ok := v.firstMillis("topic.metadata.refresh.interval.ms", "metadata.max.age.ms"); ok {
		c.add(ekaf.MetadataRefresh(d))
	}
	if d, _, ok := v.millis("topic.metadata.propagation.max.ms"); ok {
		c.add(ekaf.UnknownTopicTimeout(d))
	}
	if e, ok := v.take("connections.max.idle.ms"); ok && e.value == "-1" {
		c.add(ekaf.IdleTimeout(0))
	} else if d, _, ok := v.millis("connections.max.idle.ms"); ok {
		c.add(ekaf.IdleTimeout(d))
	}
	v.backoff(c)
}

// backoff: ekaf has one back-off for requests and connections alike. A minimum
// above the maximum makes both the maximum, as in Kafka (KIP-580).
func (v *values) backoff(c *Config) {
	least, most := 50*time.Millisecond, time.Second
	first, _, givenFirst := v.firstMillis("retry.backoff.ms", "reconnect.backoff.ms")
	last, _, givenLast := v.firstMillis("retry.backoff.max.ms", "reconnect.backoff.max.ms")
	if !givenFirst && !givenLast {
		return
	}
	if givenFirst {
		least = max(first, time.Millisecond) // 0 would spin on a dead broker
	}
	if givenLast {
		most = max(last, time.Millisecond)
	} else {
		most = max(most, least)
	}
	c.add(ekaf.Backoff(min(least, most), most))
}

// firstMillis takes the first of two properties that ekaf does not tell apart,
// and notes the other as ignored.
func (v *values) firstMillis(first, second string) (time.Duration, entry, bool) {
	d, e, ok := v.millis(first)
	other, otherEntry, otherOK := v.millis(second)
	switch {
	case ok && otherOK && d != other:
		v.note(otherEntry, "ignored: ekaf does not tell it from %s, which is given too", e.name)
	case !ok:
		return other, otherEntry, otherOK
	}
	return d, e, ok
}

// millis reads a time in milliseconds; librdkafka allows fractions.
func (v *values) millis(name string) (time.Duration, entry, bool) {
	e, ok := v.take(name)
	if !ok {
		return 0, e, false
	}
	f, err := strconv.ParseFloat(e.value, 64)
	if err != nil || math.IsNaN(f) || f < 0 {
		v.fault(e, "it must be a number of milliseconds, 0 or more")
		return 0, e, false
	}
	const ceiling = float64(math.MaxInt64 / int64(time.Millisecond))
	if f >= ceiling {
		return math.MaxInt64, e, true // Long.MAX_VALUE stands for "never"
	}
	return time.Duration(f * float64(time.Millisecond)), e, true
}

func (v *values) number(name string, least, most int64) (entry, int64, bool) {
	e, ok := v.take(name)
	if !ok {
		return e, 0, false
	}
	n, err := strconv.ParseInt(e.value, 10, 64)
	if err != nil || n < least || n > most {
		switch most {
		case math.MaxInt64, math.MaxInt64 >> 10, math.MaxInt32:
			v.fault(e, "it must be a whole number of at least %d", least)
		default:
			v.fault(e, "it must be a whole number from %d to %d", least, most)
		}
		return e, 0, false
	}
	return e, n, true
}

func (v *values) boolean(name string) (on bool, e entry, ok bool) {
	if e, ok = v.take(name); !ok {
		return false, e, false
	}
	switch strings.ToLower(e.value) {
	case "true", "t", "1":
		return true, e, true
	case "false", "f", "0":
		return false, e, true
	}
	v.fault(e, "it must be true or false")
	return false, e, false
}
