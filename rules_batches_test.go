package ekaf_test

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// The rules of the engine about batches and requests: numbers, bytes, sizes,
// kinds, and where messages are placed.

// Rule 5: poison records under full load; what is behind them goes on.
func TestRule05PoisonInAFullWindow(t *testing.T) {
	for _, version := range []string{"4.0", "2.0"} { // 2.0 names no record
		t.Run(version, func(t *testing.T) {
			cluster := []ekaftest.Option{ekaftest.Topic("events", 1), ekaftest.KafkaVersion(version)}
			bubble(t, 1, cluster, opts(ekaf.BatchRecords(7)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
				c.RejectRecords("events", func(m ekaftest.Message) error {
					if strings.HasSuffix(string(m.Value), "3") {
						return errors.New("no threes")
					}
					return nil
				})
				s := &stream{}
				c.Network(0).Delay(5 * time.Millisecond)
				s.send(t, p, 200)
				flush(t, p)
				s.expectOnce(t, c)
				failed := s.failed(t)
				for i := range s.n {
					f := failed[i]
					if bad := i%10 == 3; bad != (f != nil) || f != nil && (f.Code != 87 || f.MaybeWritten) {
						t.Fatalf("message %d: %v", i, f)
					}
				}
			})
		})
	}
}

// Rule 7: workers of one partition never share a request; the auditor of each
// bubble looks at that and at the numbers.
func TestRule07WorkersDoNotShareARequest(t *testing.T) {
	cluster := []ekaftest.Option{ekaftest.Topic("events", 3)}
	options := opts(ekaf.Workers(4), ekaf.BatchRecords(3), ekaf.Strategy(ekaf.StrictRoundRobin()))
	bubble(t, 1, cluster, options, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		a := audit(t, c)
		c.Network(0).Delay(3 * time.Millisecond)
		s := &stream{}
		s.send(t, p, 600)
		flush(t, p)
		if failed := s.failed(t); len(failed) != 0 {
			t.Errorf("failed: %v", failed)
		}
		seen, err := c.Consume("events")
		if err != nil || len(seen) != 600 {
			t.Errorf("%d messages, %v", len(seen), err)
		}
		ids := map[int64]bool{}
		for _, m := range seen {
			ids[m.ProducerID] = true
		}
		if len(ids) != 4 {
			t.Errorf("%d ids for 4 workers", len(ids))
		}
		full := 0
		for _, r := range a.seen() {
			full = max(full, len(r.batches))
		}
		if full < 2 {
			t.Error("no request holds batches of two partitions: this tests nothing")
		}
	})
}

// Rule 8: a leader hangs with a request half read, another leader takes the
// batch, and the memory is used again; then the first one wakes up.
func TestRule08BytesOfAHangingRequest(t *testing.T) {
	bubble(t, 2, nil, opts(ekaf.BatchRecords(50), ekaf.RequestTimeout(time.Minute)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		s := &stream{}
		s.send(t, p, 100)
		flush(t, p)
		for round := range 4 {
			from := c.Leader("events", 0)
			c.Network(from).Blackhole()
			s.send(t, p, 100)
			time.Sleep(time.Second)
			if err := c.MoveLeader("events", 0, 1-from); err != nil {
				t.Fatal(err)
			}
			// Metadata comes from the broker that answers, at the latest when the
			// other's connection is given up.
			time.Sleep(3 * time.Minute)
			s.send(t, p, 1000)
			flush(t, p)
			if err := c.Network(from).Heal(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(round) * time.Second)
		}
		s.expectOnce(t, c)
	})
}

// Rule 9: an old broker takes no zstd; the records go raw, in order, once.
func TestRule09ZstdForAnOldBroker(t *testing.T) {
	cluster := []ekaftest.Option{ekaftest.Topic("events", 1), ekaftest.KafkaVersion("1.0")}
	bubble(t, 1, cluster, opts(ekaf.Compression(ekaf.Zstd), ekaf.BatchRecords(20)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		s := &stream{}
		s.send(t, p, 200)
		flush(t, p)
		s.expectOnce(t, c)
		if failed := s.failed(t); len(failed) != 0 {
			t.Errorf("failed: %v", failed)
		}
	})
}

// A broker with a small limit: batches are cut until they fit, compressed ones as well.
func TestRule13TooLargeBatchesAreCut(t *testing.T) {
	for _, codec := range []ekaf.Codec{ekaf.NoCompression, ekaf.Gzip} {
		t.Run(codec.String(), func(t *testing.T) {
			cluster := []ekaftest.Option{ekaftest.Topic("events", 1), ekaftest.MaxMessageBytes(400)}
			bubble(t, 1, cluster, opts(ekaf.Compression(codec)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
				s := &stream{}
				s.send(t, p, 1)
				flush(t, p)
				c.Network(0).Delay(10 * time.Millisecond)
				for range 10 {
					s.send(t, p, 100)
					time.Sleep(time.Millisecond)
				}
				flush(t, p)
				s.expectOnce(t, c)
				if failed := s.failed(t); len(failed) != 0 {
					t.Errorf("failed: %v", failed)
				}
			})
		})
	}
}

// Rule 18: topics with other acks or timeouts do not share a request; acks=0 is
// done when it is written.
func TestRule18RequestsOfOneKind(t *testing.T) {
	cluster := []ekaftest.Option{ekaftest.Topic("all", 2), ekaftest.Topic("one", 2), ekaftest.Topic("none", 2), ekaftest.KafkaVersion("2.7")}
	options := opts(
		ekaf.Topic("one", ekaf.Acks(ekaf.AcksLeader)), ekaf.Topic("none", ekaf.Acks(ekaf.AcksNone)),
		ekaf.BatchRecords(2), ekaf.Strategy(ekaf.StrictRoundRobin()))
	want := map[string]int16{"all": -1, "one": 1, "none": 0}
	bubble(t, 1, cluster, options, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		a := audit(t, c)
		for i := range 60 {
			for topic := range want {
				ack, err := p.ProduceSync(t.Context(), topic, ekaf.Value(strconv.Itoa(i)))
				if err != nil || (ack.Offset < 0) != (topic == "none") {
					t.Fatalf("%s: %+v, %v", topic, ack, err)
				}
				if err := p.ProduceAsync(t.Context(), topic, ekaf.Value("async")); err != nil {
					t.Fatal(err)
				}
			}
		}
		flush(t, p)
		for _, r := range a.seen() {
			for _, b := range r.batches {
				if r.acks != want[b.topic] {
					t.Errorf("a request with acks %d holds a batch of %s", r.acks, b.topic)
				}
				if numbered := b.header.ProducerID >= 0; numbered != (b.topic == "all") {
					t.Errorf("topic %s: id %d", b.topic, b.header.ProducerID)
				}
			}
		}
		for topic := range want {
			if seen, err := c.WaitFor(t.Context(), topic, 120); err != nil || len(seen) != 120 {
				t.Errorf("%s: %d messages, %v", topic, len(seen), err)
			}
		}
	})
}

// Rule 19: the number of partitions grows, and a lagging broker that tells of
// fewer does not move the keys back.
func TestRule19PartitionsOnlyGrow(t *testing.T) {
	options := opts(ekaf.MetadataRefresh(time.Second))
	bubble(t, 1, []ekaftest.Option{ekaftest.Topic("events", 2)}, options, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		send := func() map[string]int32 {
			at := map[string]int32{}
			for i := range 40 {
				key := fmt.Sprint("key", i)
				ack, err := p.ProduceSync(t.Context(), "events", ekaf.KeyValue(key, "x"))
				if err != nil {
					t.Fatal(err)
				}
				at[key] = ack.Partition
			}
			return at
		}
		send()
		if err := c.AddPartitions("events", 4); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		grown := send()
		c.OnMetadata(func(_ int32, resp *kmsg.MetadataResponse) {
			for i := range resp.Topics {
				if n := len(resp.Topics[i].Partitions); n > 2 {
					resp.Topics[i].Partitions = resp.Topics[i].Partitions[:2]
				}
			}
		})
		time.Sleep(5 * time.Second)
		for key, partition := range send() {
			if grown[key] != partition {
				t.Errorf("%s moved from partition %d to %d", key, grown[key], partition)
			}
		}
		largest := int32(0)
		for _, partition := range grown {
			largest = max(largest, partition)
		}
		if largest < 2 {
			t.Error("no key uses the new partitions")
		}
	})
}

// A topic comes back with fewer partitions. What waited for one that is no more
// fails, and says that it is not written; placed again it would come behind later
// messages of its key, or go where its caller did not send it.
func TestRule19ATopicComesBackSmaller(t *testing.T) {
	cluster := []ekaftest.Option{ekaftest.Topic("events", 4)}
	bubble(t, 1, cluster, nil, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		to := func(partitions int) func(ekaf.Message) ekaf.Message {
			next := 0
			return func(m ekaf.Message) ekaf.Message {
				next++
				return m.OnPartition(int32((next - 1) % partitions))
			}
		}
		s := &stream{}
		s.send(t, p, 8, to(4))
		flush(t, p)
		if err := c.StopBroker(0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		s.send(t, p, 8, to(4))
		if err := c.DeleteTopic("events"); err != nil {
			t.Fatal(err)
		}
		if err := c.CreateTopic("events", 2); err != nil {
			t.Fatal(err)
		}
		if err := c.StartBroker(0); err != nil {
			t.Fatal(err)
		}
		flush(t, p)
		s.send(t, p, 4, to(2))
		flush(t, p)
		failed := s.failed(t)
		for i := range s.n {
			cut := i >= 8 && i < 16 && i%4 >= 2
			f := failed[i]
			if cut != (f != nil) || f != nil && (f.MaybeWritten || !errors.Is(f, ekaf.ErrUnknownPartition)) {
				t.Errorf("message %d: %v", i, f)
			}
		}
		if seen, err := c.Consume("events"); err != nil || len(seen) != 4+4 {
			t.Errorf("%d messages (%v) are in the new topic, want 8", len(seen), err)
		}
	})
}
