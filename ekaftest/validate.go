package ekaftest

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// timestampLimits is message.timestamp.before.max.ms and after.max.ms;
// negative: no limit.
type timestampLimits struct{ before, after time.Duration }

// refusal is why a broker does not append a batch.
type refusal struct {
	code    int16
	message string
	records []badRecord // the records to blame, if it is about records
}

type badRecord struct {
	index  int32
	reason string
}

func refuse(e *kerr.Error, format string, args ...any) *refusal {
	return &refusal{code: e.Code, message: fmt.Sprintf(format, args...)}
}

// topicRules is what a topic's configuration means for validation.
type topicRules struct {
	maxBytes      int
	logAppendTime bool
	compacted     bool
	limits        timestampLimits
}

// rules reads a topic's configuration, and the brokers' where it is silent.
func (c *Cluster) rules(t *kfake.TopicInfo) topicRules {
	value := func(topicName, brokerName string) string {
		if v := t.Configs[topicName]; v != nil {
			return *v
		}
		return c.cfg.brokerConfigs[brokerName]
	}
	r := topicRules{
		maxBytes:      1048588,
		logAppendTime: value("message.timestamp.type", "log.message.timestamp.type") == "LogAppendTime",
		compacted:     value("cleanup.policy", "log.cleanup.policy") == "compact",
		limits:        c.timestampLimits(),
	}
	if n, err := strconv.Atoi(value("max.message.bytes", "message.max.bytes")); err == nil {
		r.maxBytes = n
	}
	if n, err := strconv.ParseInt(value("message.timestamp.before.max.ms", ""), 10, 64); err == nil {
		r.limits.before = millisLimit(n)
	}
	if n, err := strconv.ParseInt(value("message.timestamp.after.max.ms", ""), 10, 64); err == nil {
		r.limits.after = millisLimit(n)
	}
	return r
}

// LimitTimestamps changes what [TimestampLimits] set, for topics whose configs
// do not say otherwise.
func (c *Cluster) LimitTimestamps(before, after time.Duration) {
	c.settingsMu.Lock()
	defer c.settingsMu.Unlock()
	c.limits = timestampLimits{before, after}
}

func (c *Cluster) timestampLimits() timestampLimits {
	c.settingsMu.Lock()
	defer c.settingsMu.Unlock()
	return c.limits
}

// millisLimit maps Kafka's "no limit", the largest long, to ours.
func millisLimit(n int64) time.Duration {
	if n > int64(1<<63-1)/int64(time.Millisecond) {
		return -1
	}
	return time.Duration(n) * time.Millisecond
}

// validate checks one partition's records in the order a broker does. All of
// it comes before deduplication: a batch written before may be refused when it
// is sent again, if a limit was lowered meanwhile.
func (c *Cluster) validate(version int16, t *kfake.TopicInfo, raw []byte, now time.Time) (batchHeader, *refusal) {
	rules := c.rules(t)
	b, no := validateShape(version, raw, rules.maxBytes)
	if no != nil {
		return b, no
	}
	records, err := b.records()
	if err != nil {
		return b, refuse(kerr.CorruptMessage, "%v", err)
	}
	for i, r := range records {
		if int64(r.OffsetDelta) != int64(i) {
			return b, refuse(kerr.InvalidRecord, "record %d has offset delta %d", i, r.OffsetDelta)
		}
	}
	if rules.compacted {
		if bad := blame(records, func(r *kmsg.Record) string {
			if r.Key == nil {
				return "Compacted topic cannot accept message without key"
			}
			return ""
		}); bad != nil {
			return b, &refusal{code: kerr.InvalidRecord.Code, message: "One or more records have been rejected", records: bad}
		}
	}
	if !rules.logAppendTime {
		if bad := blame(records, func(r *kmsg.Record) string {
			return rules.limits.check(b.baseTimestamp+r.TimestampDelta64, now)
		}); bad != nil {
			return b, &refusal{code: kerr.InvalidTimestamp.Code, message: "One or more records have been rejected due to invalid timestamp", records: bad}
		}
	}
	return b, c.rejected(t.Topic, &b, records)
}

// validateShape checks the batch without its records.
func validateShape(version int16, raw []byte, maxBytes int) (batchHeader, *refusal) {
	if len(raw) == 0 {
		return batchHeader{}, refuse(kerr.InvalidRecord, "Produce requests must have at least one batch per partition")
	}
	b, err := parseBatch(raw)
	if len(raw) > atMagic && raw[atMagic] != 2 {
		return b, refuse(kerr.InvalidRecord, "Produce requests are only allowed to contain record batches with magic version 2")
	}
	if err != nil {
		return b, refuse(kerr.CorruptMessage, "%v", err)
	}
	switch {
	case len(b.raw) < len(raw):
		return b, refuse(kerr.InvalidRecord, "Produce requests are only allowed to contain exactly one record batch per partition")
	case b.attributes&codecBits == 4 && version < 7:
		return b, refuse(kerr.UnsupportedCompressionType, "zstd needs Produce version 7 or later")
	case b.baseOffset != 0:
		return b, refuse(kerr.InvalidRecord, "the base offset of the batch must be 0, but it is %d", b.baseOffset)
	case len(raw) > maxBytes:
		return b, refuse(kerr.MessageTooLarge, "the batch takes %d bytes, more than max.message.bytes = %d", len(raw), maxBytes)
	case !b.crcMatches():
		return b, refuse(kerr.CorruptMessage, "the CRC of the batch does not match")
	case b.attributes&codecBits > 4:
		return b, refuse(kerr.CorruptMessage, "unknown compression codec %d", b.attributes&codecBits)
	case b.attributes&controlBit != 0:
		return b, refuse(kerr.InvalidRecord, "clients may not write control batches")
	case b.count <= 0 || b.lastOffsetDelta != b.count-1:
		return b, refuse(kerr.InvalidRecord, "the batch counts %d records and ends at offset delta %d", b.count, b.lastOffsetDelta)
	case b.producerID >= 0 && (b.epoch < 0 || b.sequence < 0):
		return b, refuse(kerr.InvalidRecord, "producer epoch %d and sequence %d must not be negative", b.epoch, b.sequence)
	case b.attributes&logAppendTimeBit != 0:
		return b, refuse(kerr.InvalidTimestamp, "producers may not set the timestamp type LogAppendTime")
	}
	return b, nil
}

func (l timestampLimits) check(millis int64, now time.Time) string {
	if millis < 0 {
		return "" // no timestamp
	}
	at := time.UnixMilli(millis)
	if l.after >= 0 && at.Sub(now) > l.after || l.before >= 0 && now.Sub(at) > l.before {
		return fmt.Sprintf("Timestamp %d of message is out of range", millis)
	}
	return ""
}

// blame names the records for which why answers a reason.
func blame(records []kmsg.Record, why func(*kmsg.Record) string) []badRecord {
	var bad []badRecord
	for i := range records {
		if reason := why(&records[i]); reason != "" {
			bad = append(bad, badRecord{int32(i), reason})
		}
	}
	return bad
}

// RejectRecords has the brokers refuse each batch of the topic in which check
// answers an error for any record: INVALID_RECORD (87), or the code of a
// *kerr.Error in the error's chain, naming the bad records and their errors as
// Produce version 8 and later do (KIP-467). check is called from several
// connections at once; nil ends it. Offsets and batch bounds of the messages it
// sees are those inside the request.
func (c *Cluster) RejectRecords(topic string, check func(Message) error) {
	c.settingsMu.Lock()
	defer c.settingsMu.Unlock()
	if check == nil {
		delete(c.rejects, topic)
		return
	}
	c.rejects[topic] = check
}

func (c *Cluster) rejected(topic string, b *batchHeader, records []kmsg.Record) *refusal {
	c.settingsMu.Lock()
	check := c.rejects[topic]
	c.settingsMu.Unlock()
	if check == nil {
		return nil
	}
	no := &refusal{code: kerr.InvalidRecord.Code, message: "One or more records have been rejected"}
	no.records = blame(records, func(r *kmsg.Record) string {
		err := check(b.message(r))
		if err == nil {
			return ""
		}
		if e, ok := errors.AsType[*kerr.Error](err); ok {
			no.code = e.Code
		}
		return err.Error()
	})
	if no.records == nil {
		return nil
	}
	return no
}
