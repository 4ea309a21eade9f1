package suite

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/internal/hash"
	"github.com/twmb/franz-go/pkg/kgo"
)

// someKeys are short and long keys, text and binary.
func someKeys() (keys [][]byte) {
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 200 {
		keys = append(keys, fmt.Append(nil, "user-", i))
		random := make([]byte, i%70)
		for j := range random {
			random[j] = byte(r.Uint32())
		}
		keys = append(keys, random)
	}
	return keys
}

// placement: keys go where other programs expect them: ByKey where Java's and
// kgo's own partitioner put them, Phash2 where the Erlang ekaf did, Custom where
// the function says. The vectors of both hashes are tested in internal/hash.
func placement(t *Trial) {
	const partitions = 7
	java := kgo.StickyKeyPartitioner(nil).ForTopic("any")
	custom := func(_ string, key, value []byte, n int) int { return (len(key) + len(value)) % n }
	cases := []struct {
		name     string
		strategy ekaf.Selector
		want     func(key []byte) int
	}{
		{"ByKey", ekaf.ByKey(), func(key []byte) int { return java.Partition(&kgo.Record{Key: key}, partitions) }},
		{"Phash2", ekaf.Phash2(), func(key []byte) int { return int(hash.Phash2(key) % partitions) }},
		{"Custom", ekaf.Custom(custom), func(key []byte) int { return custom("", key, []byte("v"), partitions) }},
	}
	for _, c := range cases {
		t.each(c.name, func(t *Trial) {
			topic := t.topic(partitions, nil)
			p := t.producer(ekaf.Strategy(c.strategy))
			want := map[string]int32{}
			for _, key := range someKeys() {
				want[string(key)] = int32(c.want(key))
				_, err := p.ProduceSyncBatched(t.ctx, topic, ekaf.KeyValue(key, "v"))
				t.check(err)
			}
			t.flush(p)
			records := t.read(topic)
			if len(records) != len(someKeys()) {
				t.Errorf("the topic holds %d records, want %d", len(records), len(someKeys()))
			}
			for _, r := range records {
				if r.Partition != want[string(r.Key)] {
					t.Fatalf("key %q is in partition %d, want %d", r.Key, r.Partition, want[string(r.Key)])
				}
			}
		})
	}
}

// explicit: a message goes to the partition it names, with any strategy.
func explicit(t *Trial) {
	topic := t.topic(3, nil)
	p := t.producer()
	for i := range int32(9) {
		ack, err := p.ProduceSync(t.ctx, topic, ekaf.KeyValue("k", fmt.Sprint(i%3)).OnPartition(i%3))
		t.check(err)
		if ack.Partition != i%3 {
			t.Errorf("asked for partition %d, acked from %d", i%3, ack.Partition)
		}
	}
	if _, err := p.ProduceSync(t.ctx, topic, ekaf.Value("v").OnPartition(3)); !errors.Is(err, ekaf.ErrUnknownPartition) {
		t.Errorf("partition 3 of 3: got %v", err)
	}
	records := t.read(topic)
	if len(records) != 9 {
		t.Errorf("the topic holds %d records, want 9", len(records))
	}
	for _, r := range records {
		if string(r.Value) != fmt.Sprint(r.Partition) {
			t.Errorf("the message for partition %s is in %d", r.Value, r.Partition)
		}
	}
}

// together: unkeyed messages of one call stay on one worker, in order.
func together(t *Trial) {
	for _, s := range strategies() {
		if s.keyed {
			continue
		}
		t.each(s.name, func(t *Trial) {
			f := newFlow(t, t.topic(3, nil))
			p := t.producer(append(s.options, ekaf.Workers(2))...)
			for call := range 20 {
				acked, err := p.ProduceSync(t.ctx, f.topic, f.messages(1, "", 1+call)...)
				t.check(err)
				for i, ack := range acked.All() {
					if ack.Partition != acked.Partition || ack.Worker != acked.Worker || ack.Offset != acked.Offset+int64(i) {
						t.Fatalf("call %d: message %d is at %+v, the first at %+v", call, i, ack, acked.Ack)
					}
				}
			}
			f.verify(rules{offsets: true})
		})
	}
}

// strict: StrictRoundRobin turns to another worker with each call, so that all
// partitions get as many.
func strict(t *Trial) {
	topic := t.topic(4, nil)
	p := t.producer(ekaf.Strategy(ekaf.StrictRoundRobin()), ekaf.Workers(2))
	for range 64 {
		_, err := p.ProduceSync(t.ctx, topic, ekaf.Value("v"))
		t.check(err)
	}
	counts := make([]int, 4)
	for _, r := range t.read(topic) {
		counts[r.Partition]++
	}
	if want := []int{16, 16, 16, 16}; !slices.Equal(counts, want) {
		t.Errorf("the partitions hold %v, want %v", counts, want)
	}
}

// sticky: StickyRoundRobin(n) fills a worker with n messages, then another.
func sticky(t *Trial) {
	topic := t.topic(4, nil)
	p := t.producer(ekaf.Strategy(ekaf.StickyRoundRobin(10)))
	var visited []int32
	for range 80 {
		ack, err := p.ProduceSync(t.ctx, topic, ekaf.Value("v"))
		t.check(err)
		visited = append(visited, ack.Partition)
	}
	runs := slices.Compact(slices.Clone(visited))
	if len(runs) != 8 {
		t.Errorf("80 messages visited partitions %v", visited)
	}
}

// manyPartitions: a topic of many gets its messages in all of them.
func manyPartitions(t *Trial) {
	const partitions = 60
	f := newFlow(t, t.topic(partitions, nil))
	p := t.producer()
	for i := range 20 * partitions {
		_, err := p.ProduceSyncBatched(t.ctx, f.topic, f.message(1, fmt.Sprint("key-", i%(3*partitions))))
		t.check(err)
	}
	t.flush(p)
	f.verify(rules{keyed: true, offsets: true})
}
