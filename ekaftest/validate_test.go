package ekaftest_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The order of a broker's checks shows in batches with two faults.
func TestValidation(t *testing.T) {
	now := time.Now()
	custom := func(change func(*kmsg.RecordBatch)) []byte { return customBatch([]string{"a", "b"}, now, change) }
	broken := func(raw []byte) []byte { raw[len(raw)-1]++; return raw }
	big := batch(strings.Repeat("x", 300))
	for _, test := range []struct {
		name    string
		version int16
		records []byte
		code    int16
	}{
		{"fine", 9, batch("a", "b"), 0},
		{"nothing", 9, nil, 87},
		{"cut short", 9, batch("a")[:40], 2},
		{"length too long", 9, append(batch("a")[:11:11], append([]byte{255}, batch("a")[12:]...)...), 2},
		{"two batches", 9, append(batch("a"), batch("b")...), 87},
		{"magic 1", 9, func() []byte { b := batch("a"); b[16] = 1; return b }(), 87},
		{"CRC", 9, broken(batch("a")), 2},
		{"too large", 9, big, 10},
		{"too large comes before CRC", 9, broken(bytes.Clone(big)), 10},
		{"base offset", 9, custom(func(b *kmsg.RecordBatch) { b.FirstOffset = 5 }), 87},
		{"control", 9, custom(func(b *kmsg.RecordBatch) { b.Attributes = 0x20 }), 87},
		{"LogAppendTime", 9, custom(func(b *kmsg.RecordBatch) { b.Attributes = 0x08 }), 32},
		{"codec 7", 9, custom(func(b *kmsg.RecordBatch) { b.Attributes = 7 }), 2},
		{"zstd below version 7", 6, custom(func(b *kmsg.RecordBatch) { b.Attributes = 4 }), 76},
		{"gzip that is none", 9, custom(func(b *kmsg.RecordBatch) { b.Attributes = 1 }), 2},
		{"count too high", 9, custom(func(b *kmsg.RecordBatch) { b.NumRecords, b.LastOffsetDelta = 3, 2 }), 2},
		{"count and delta differ", 9, custom(func(b *kmsg.RecordBatch) { b.NumRecords = 1 }), 87},
		{"no records", 9, custom(func(b *kmsg.RecordBatch) { b.NumRecords, b.LastOffsetDelta, b.Records = 0, -1, nil }), 87},
		{"id without sequence", 9, custom(func(b *kmsg.RecordBatch) { b.ProducerID = 7 }), 87},
		{"two hours ahead", 9, customBatch([]string{"a"}, now.Add(2*time.Hour), func(*kmsg.RecordBatch) {}), 32},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.MaxMessageBytes(250), ekaftest.Topic("events", 1))
			got := produceRaw(t, client(t, c), test.version, test.records)
			if got.ErrorCode != test.code {
				t.Errorf("got %v, want %v", kerr.ErrorForCode(got.ErrorCode), kerr.ErrorForCode(test.code))
			}
			want := 0
			if test.code == 0 {
				want = 2
			}
			if seen, err := c.Consume("events"); err != nil || len(seen) != want {
				t.Errorf("%d messages are there (%v), want %d", len(seen), err, want)
			}
		})
	}
}

func TestRejectRecords(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1))
	c.RejectRecords("events", func(m ekaftest.Message) error {
		if strings.HasPrefix(string(m.Value), "bad") {
			return fmt.Errorf("%s is not welcome", m.Value)
		}
		return nil
	})
	cl := client(t, c)
	got := produceRaw(t, cl, 9, batch("good", "bad1", "fine", "bad2"))
	var named []string
	for _, r := range got.ErrorRecords {
		named = append(named, fmt.Sprintf("%d %s", r.RelativeOffset, *r.ErrorMessage))
	}
	if want := "[1 bad1 is not welcome 3 bad2 is not welcome]"; got.ErrorCode != 87 || fmt.Sprint(named) != want {
		t.Errorf("got code %d and %v, want 87 and %s", got.ErrorCode, named, want)
	}
	if got := produceRaw(t, cl, 7, batch("bad")); got.ErrorCode != 87 || got.ErrorRecords != nil {
		t.Errorf("version 7 got %+v, want 87 and no records", got)
	}
	c.RejectRecords("events", func(ekaftest.Message) error { return fmt.Errorf("late: %w", kerr.InvalidTimestamp) })
	if got := produceRaw(t, cl, 9, batch("good")); got.ErrorCode != 32 || len(got.ErrorRecords) != 1 {
		t.Errorf("got %+v, want 32 naming one record", got)
	}
	c.RejectRecords("events", nil)
	if got := produceRaw(t, cl, 9, batch("bad")); got.ErrorCode != 0 {
		t.Errorf("got code %d after the end of rejecting", got.ErrorCode)
	}
}

func TestCompactedTopicNeedsKeys(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1, map[string]string{"cleanup.policy": "compact"}))
	got := produceRaw(t, client(t, c), 9, batch("a"))
	if got.ErrorCode != 87 || len(got.ErrorRecords) != 1 {
		t.Errorf("got %+v, want 87 naming one record", got)
	}
}

func TestTimestampLimits(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.TimestampLimits(time.Minute, -1), ekaftest.Topic("events", 1))
	cl := client(t, c)
	for ahead, want := range map[time.Duration]int16{-time.Hour: 32, 0: 0, 100 * time.Hour: 0} {
		got := produceRaw(t, cl, 9, customBatch([]string{"a"}, time.Now().Add(ahead), func(*kmsg.RecordBatch) {}))
		if got.ErrorCode != want {
			t.Errorf("%v ahead: got %d, want %d", ahead, got.ErrorCode, want)
		}
	}
}

// A limit lowered between the first and the second attempt hits a batch that is
// in the log: 32 does not prove that it is not.
func TestTimestampsAreCheckedBeforeDeduplication(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1))
	cl := client(t, c)
	old := customBatch([]string{"a"}, time.Now().Add(-time.Hour), func(b *kmsg.RecordBatch) {
		b.ProducerID, b.ProducerEpoch, b.FirstSequence = 7, 0, 0
	})
	if got := produceRaw(t, cl, 9, old); got.ErrorCode != 0 {
		t.Fatalf("got %d", got.ErrorCode)
	}
	c.LimitTimestamps(time.Minute, time.Hour)
	if got := produceRaw(t, cl, 9, old); got.ErrorCode != 32 {
		t.Errorf("got %d, want 32", got.ErrorCode)
	}
	c.LimitTimestamps(-1, time.Hour)
	if got := produceRaw(t, cl, 9, old); got.ErrorCode != 0 || got.BaseOffset != 0 {
		t.Errorf("got %d at %d, want the original offset", got.ErrorCode, got.BaseOffset)
	}
}

func TestLogAppendTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.BrokerConfig("log.message.timestamp.type", "LogAppendTime"), ekaftest.Topic("events", 1))
		now := time.Now()
		produceOn(t, c, customBatch([]string{"a", "b"}, now.Add(-72*time.Hour), func(*kmsg.RecordBatch) {}))
		seen, err := c.Consume("events")
		if err != nil || len(seen) != 2 {
			t.Fatalf("%d messages, %v", len(seen), err)
		}
		for _, m := range seen {
			if !m.Timestamp.Equal(now) {
				t.Errorf("%s has timestamp %v, want the broker's %v", m.Value, m.Timestamp, now)
			}
		}
	})
}

func TestCodecs(t *testing.T) {
	for number, codec := range map[int8]kgo.CompressionCodec{
		1: kgo.GzipCompression(), 2: kgo.SnappyCompression(), 3: kgo.Lz4Compression(), 4: kgo.ZstdCompression(),
	} {
		c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1))
		cl := client(t, c, kgo.ProducerBatchCompression(codec))
		value := strings.Repeat("compressible ", 2000)
		if err := cl.ProduceSync(within(t, 5*time.Second), &kgo.Record{Topic: "events", Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		seen, err := c.Consume("events")
		if err != nil || len(seen) != 1 || string(seen[0].Value) != value || seen[0].Codec != number {
			t.Errorf("codec %d: %d messages, %v", number, len(seen), err)
		}
	}
}
