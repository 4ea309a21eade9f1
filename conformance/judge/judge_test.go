package judge

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const topic = "events"

func startFake(t *testing.T, partitions int32, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append(opts, kfake.NumBrokers(1), kfake.SeedTopics(partitions, topic))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// record puts a message into a partition; keyed says whether Kafka's key is set.
func record(partition int32, m Message) *kgo.Record {
	return &kgo.Record{Topic: topic, Partition: partition, Key: []byte(m.Key), Value: AppendValue(nil, m, 40)}
}

func produce(t *testing.T, c *kfake.Cluster, records []*kgo.Record, opts ...kgo.Opt) {
	t.Helper()
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(c.ListenAddrs()...), kgo.RecordPartitioner(kgo.ManualPartitioner()))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func consume(t *testing.T, c *kfake.Cluster, opts ...kgo.Opt) *Log {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	log, err := Consume(ctx, c.ListenAddrs(), topic, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func TestVerdicts(t *testing.T) {
	a := func(sequence int64) Message { return Message{Producer: 1, Key: "a", Sequence: sequence} }
	at := func(partition int32, sequences ...int64) (list []*kgo.Record) {
		for _, s := range sequences {
			list = append(list, record(partition, a(s)))
		}
		return list
	}
	cases := []struct {
		name    string
		records []*kgo.Record
		acked   []int64
		maybe   []int64
		order   Order
		want    Report
		sample  string
	}{
		{name: "all well", records: at(0, 0, 1, 2), acked: []int64{0, 1, 2}, want: Report{Acked: 3, Read: 3}},
		{name: "nothing at all", want: Report{}},
		{name: "lost", records: at(0, 0, 2), acked: []int64{0, 1, 2}, want: Report{Acked: 3, Read: 2, Lost: 1}, sample: "lost: 1:1:a"},
		{name: "lost with an empty topic", acked: []int64{0, 70}, want: Report{Acked: 2, Lost: 2}, sample: "lost: 1:70:a"},
		{name: "duplicated", records: at(0, 0, 1, 2, 1, 1), acked: []int64{0, 1, 2},
			want: Report{Acked: 3, Read: 5, Duplicated: 2}, sample: "duplicated: 1:1:a at partition 0 offset 3"},
		{name: "duplicated in another partition", records: append(at(0, 0), at(1, 0)...), acked: []int64{0},
			want: Report{Acked: 1, Read: 2, Duplicated: 1}, sample: "partition 1 offset 0"},
		{name: "reordered", records: at(0, 0, 3, 1, 2), acked: []int64{0, 1, 2, 3},
			want: Report{Acked: 4, Read: 4, Reordered: 2}, sample: "reordered: 1:1:a at partition 0 offset 2 comes after sequence 3"},
		{name: "unordered", records: at(0, 1, 0), acked: []int64{0, 1}, order: Unordered, want: Report{Acked: 2, Read: 2}},
		{name: "moved", records: append(at(0, 0, 2), at(1, 1, 3)...), acked: []int64{0, 1, 2, 3},
			want: Report{Acked: 4, Read: 4, Moved: 1}, sample: "moved: 1:1:a is in partition 1"},
		{name: "spread as asked", records: append(at(0, 0, 2), at(1, 1, 3)...), acked: []int64{0, 1, 2, 3}, order: PerPartition,
			want: Report{Acked: 4, Read: 4}},
		{name: "left open and there", records: at(0, 0, 1), acked: []int64{0}, maybe: []int64{1}, want: Report{Acked: 1, Read: 2, Maybe: 1}},
		{name: "left open and not there", records: at(0, 0), acked: []int64{0}, maybe: []int64{1}, want: Report{Acked: 1, Read: 1}},
		{name: "unexpected", records: at(0, 0, 1), acked: []int64{0}, want: Report{Acked: 1, Read: 2, Unexpected: 1}, sample: "unexpected: 1:1:a"},
		{name: "foreign", records: []*kgo.Record{{Topic: topic, Value: []byte("hello")}}, want: Report{Foreign: 1}, sample: `"hello"`},
		{name: "wrong key", records: []*kgo.Record{{Topic: topic, Key: []byte("b"), Value: AppendValue(nil, a(0), 0)}}, acked: []int64{0},
			want: Report{Acked: 1, Read: 1, WrongKey: 1}, sample: `key "b" holds the value of "a"`},
		{name: "no key", records: []*kgo.Record{{Topic: topic, Value: AppendValue(nil, a(0), 0)}}, acked: []int64{0}, want: Report{Acked: 1, Read: 1}},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			c := startFake(t, 2)
			produce(t, c, test.records)
			e := &Expectation{Order: test.order}
			for _, s := range test.acked {
				e.Acked(a(s))
			}
			for _, s := range test.maybe {
				e.Maybe(a(s))
			}
			got := Verify(consume(t, c), e)
			samples := strings.Join(got.Samples, "\n")
			if (got.Err() != nil) != (test.sample != "") || !strings.Contains(samples, test.sample) {
				t.Errorf("got the verdict %v, want one with %q", got.Err(), test.sample)
			}
			got.Samples = nil
			if got.String() != test.want.String() {
				t.Errorf("got  %v\nwant %v", got, test.want)
			}
		})
	}
}

// Two producers interleave in one partition: each lane is in order, the
// partition as a whole is not.
func TestLanesAreToldByProducerID(t *testing.T) {
	c := startFake(t, 1)
	e := &Expectation{Order: PerLane}
	for _, sequences := range [][]int64{{0, 2, 4}, {1, 3, 5}} {
		var records []*kgo.Record
		for _, s := range sequences {
			m := Message{Producer: 9, Key: "k", Sequence: s}
			e.Acked(m)
			records = append(records, record(0, m))
		}
		produce(t, c, records) // a client of its own: a producer id of its own
	}
	log := consume(t, c)
	if err := Verify(log, e).Err(); err != nil {
		t.Error(err)
	}
	e.Order = PerPartition
	if got := Verify(log, e).Reordered; got != 2 {
		t.Errorf("by partition %d are reordered, want 2", got)
	}
	ids := map[int64]bool{}
	for position := range log.Messages {
		ids[position.ProducerID] = true
	}
	if len(ids) != 2 {
		t.Errorf("the log tells of producer ids %v, want two", ids)
	}
}

func TestConsumeStopsAtTheHighWatermark(t *testing.T) {
	c := startFake(t, 3)
	var records []*kgo.Record
	for i := range int64(500) {
		records = append(records, record(int32(i%3), Message{Producer: int(i % 3), Key: "k", Sequence: i}))
	}
	produce(t, c, records)
	if got := consume(t, c).Records(); got != 500 {
		t.Errorf("read %d records, want 500", got)
	}
}

func TestConsumePassesSecurityOptions(t *testing.T) {
	c := startFake(t, 1, kfake.EnableSASL(), kfake.Superuser("PLAIN", "alice", "secret"))
	auth := kgo.SASL(plain.Auth{User: "alice", Pass: "secret"}.AsMechanism())
	produce(t, c, []*kgo.Record{record(0, Message{Key: "k"})}, auth)
	if got := consume(t, c, auth).Records(); got != 1 {
		t.Errorf("read %d records, want 1", got)
	}
	// Without the TLS the server does not speak, nothing may hang for ever.
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := Consume(ctx, c.ListenAddrs(), topic, kgo.DialTLSConfig(&tls.Config{MinVersion: tls.VersionTLS12})); err == nil {
		t.Error("consuming with the wrong security succeeded")
	}
}

func TestConsumeSaysWhatItCannotRead(t *testing.T) {
	c := startFake(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := Consume(ctx, c.ListenAddrs(), "absent"); err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("got %v, want an error that names the topic", err)
	}
}

func TestExpectationIsSafeForCallbacks(t *testing.T) {
	var e Expectation
	var group sync.WaitGroup
	for producer := range 4 {
		group.Go(func() { e.AckedAll(producer, "k", 1000) })
	}
	group.Wait()
	if got := Verify(&Log{streams: map[stream]uint32{}}, &e); got.Acked != 4000 || got.Lost != 4000 || len(got.Samples) != maxSamples {
		t.Errorf("got %v with %d samples, want 4000 acked and lost, %d samples", got, len(got.Samples), maxSamples)
	}
}

func TestValues(t *testing.T) {
	for _, m := range []Message{
		{}, {Producer: 7, Key: "user-9", Sequence: 42}, {Key: "with|bar:and:colons"}, {Key: "x|xx"}, {Sequence: MaxSequence - 1},
	} {
		for _, size := range []int{0, 10, 100} {
			value := AppendValue([]byte("before"), m, size)[len("before"):]
			if len(value) < size {
				t.Errorf("the value of %v has %d bytes, want %d", m, len(value), size)
			}
			if got, err := ParseValue(value); err != nil || got != m {
				t.Errorf("ParseValue(%q) = %v, %v; want %v", value, got, err, m)
			}
		}
	}
	for _, bad := range []string{"", "|", "1:2:k", "1:2|", "-1:2:k|", "1:-2:k|", "1:2:k|xxy", fmt.Sprintf("1:%d:k|", MaxSequence), "a:1:k|x"} {
		if got, err := ParseValue([]byte(bad)); err == nil {
			t.Errorf("ParseValue(%q) = %v, want an error", bad, got)
		}
	}
}

func FuzzParseValue(f *testing.F) {
	f.Add([]byte("7:42:user-9|xxxx"))
	f.Add([]byte("0:0:|"))
	f.Add([]byte("1:2:a|b|"))
	f.Fuzz(func(t *testing.T, value []byte) {
		m, err := ParseValue(value)
		if err != nil {
			return
		}
		if again, err := ParseValue(AppendValue(nil, m, len(value))); err != nil || again != m {
			t.Errorf("%q is %v, which written again is %v, %v", value, m, again, err)
		}
	})
}

// A million records must be judged without a million small allocations.
func BenchmarkVerify(b *testing.B) {
	log := &Log{streams: map[stream]uint32{}}
	var e Expectation
	value := []byte(nil)
	for i := range int64(100_000) {
		m := Message{Producer: 0, Key: "key-" + string(rune('a'+i%20)), Sequence: i / 20}
		value = AppendValue(value[:0], m, 100)
		log.add(&kgo.Record{Value: value, Offset: i})
		e.Acked(m)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := Verify(log, &e).Err(); err != nil {
			b.Fatal(err)
		}
	}
}
