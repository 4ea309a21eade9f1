package judge

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// maxSamples bounds how many offending records a Log or Report names.
const maxSamples = 20

// Log is what a topic held when it was read.
type Log struct {
	topic      string
	partitions [][]entry // by partition, in offset order
	streams    map[stream]uint32
	names      []stream // by the ids in streams
	foreign    int
	mismatched int
	samples    []string
}

// stream identifies the messages that stay in order.
type stream struct {
	producer int
	key      string
}

// entry is one record. A lane is told by the Kafka producer id that wrote it.
type entry struct {
	offset     int64
	producerID int64
	sequence   uint32 // below MaxSequence
	stream     uint32
}

// Records is how many records of the judge's form the topic held.
func (l *Log) Records() int {
	count := 0
	for _, entries := range l.partitions {
		count += len(entries)
	}
	return count
}

// Foreign is how many records were not of the judge's form.
func (l *Log) Foreign() int { return l.foreign }

// Messages calls yield for every record of the judge's form, partition by
// partition, in offset order, until yield answers false. It is an iter.Seq2 of
// positions and messages.
func (l *Log) Messages(yield func(Position, Message) bool) {
	for partition, entries := range l.partitions {
		for _, e := range entries {
			name := l.names[e.stream]
			position := Position{Partition: int32(partition), Offset: e.offset, ProducerID: e.producerID}
			if !yield(position, Message{Producer: name.producer, Key: name.key, Sequence: int64(e.sequence)}) {
				return
			}
		}
	}
}

// Position is where a record lies, and which Kafka producer id wrote it (-1: one
// that is not idempotent).
type Position struct {
	Partition  int32
	Offset     int64
	ProducerID int64
}

// Consume reads a topic from its start to the high watermarks it has when
// Consume begins, with read_uncommitted isolation. opts carry TLS and SASL
// (kgo.DialTLSConfig, kgo.SASL) and whatever else the cluster asks for. It ends
// with an error when ctx does.
//
// The topic must not be compacted: the judge waits for the record just below
// each high watermark.
func Consume(ctx context.Context, brokers []string, topic string, opts ...kgo.Opt) (*Log, error) {
	log := &Log{topic: topic, streams: map[stream]uint32{}}
	if err := ConsumeFunc(ctx, brokers, topic, log.add, opts...); err != nil {
		return nil, err
	}
	return log, nil
}

// ConsumeFunc reads as Consume does and hands each record to each, from one
// goroutine, in offset order within a partition. The record is each's to keep.
// Control records are not handed out.
func ConsumeFunc(ctx context.Context, brokers []string, topic string, each func(*kgo.Record), opts ...kgo.Opt) error {
	starts, ends, err := bounds(ctx, brokers, topic, opts)
	for tries := 1; err != nil && tries < 5 && ctx.Err() == nil; tries++ {
		// Kafka 0.8 answers UNKNOWN_SERVER_ERROR now and then while a log is young.
		time.Sleep(time.Second)
		starts, ends, err = bounds(ctx, brokers, topic, opts)
	}
	if err != nil {
		return fmt.Errorf("cannot find what topic %s holds: %w", topic, err)
	}
	from := map[int32]kgo.Offset{}
	for partition, end := range ends {
		if start := starts[partition]; start < end {
			from[partition] = kgo.NewOffset().At(start)
		}
	}
	if len(from) == 0 {
		return nil
	}
	client, err := kgo.NewClient(slices.Concat(opts, []kgo.Opt{
		kgo.SeedBrokers(brokers...),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: from}),
		kgo.FetchIsolationLevel(kgo.ReadUncommitted()),
		// A control record may be the last one below the high watermark.
		kgo.KeepControlRecords(),
		// A judge that resumed elsewhere after an error would call the gap a loss.
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
	})...)
	if err != nil {
		return fmt.Errorf("cannot make a consumer: %w", err)
	}
	defer client.Close()
	return drain(ctx, client, len(from), ends, each)
}

// drain polls until every one of open partitions was read up to its end.
func drain(ctx context.Context, client *kgo.Client, open int, ends map[int32]int64, each func(*kgo.Record)) error {
	for open > 0 {
		fetches := client.PollFetches(ctx)
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("cannot read all, %d partitions are not at their end: %w", open, err)
		}
		if errs := fetches.Errors(); len(errs) > 0 {
			return fmt.Errorf("cannot read partition %d: %w", errs[0].Partition, errs[0].Err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			end := ends[r.Partition]
			if r.Offset >= end {
				return // written after we began
			}
			if r.Offset == end-1 {
				open--
			}
			if !r.Attrs.IsControl() {
				each(r)
			}
		})
	}
	return nil
}

// add files one record.
func (l *Log) add(r *kgo.Record) {
	producer, key, sequence, err := parse(r.Value)
	if err != nil {
		l.foreign++
		l.sample("foreign: partition %d offset %d: %d bytes beginning %.60q", r.Partition, r.Offset, len(r.Value), r.Value)
		return
	}
	// A record without a key says nothing about it; one with a key must agree.
	if r.Key != nil && string(r.Key) != string(key) {
		l.mismatched++
		l.sample("wrong key: partition %d offset %d: key %.60q holds the value of %.60q", r.Partition, r.Offset, r.Key, key)
	}
	name := stream{producer, string(key)}
	id, known := l.streams[name]
	if !known {
		id = uint32(len(l.names))
		l.streams[name] = id
		l.names = append(l.names, name)
	}
	for int(r.Partition) >= len(l.partitions) {
		l.partitions = append(l.partitions, nil)
	}
	l.partitions[r.Partition] = append(l.partitions[r.Partition],
		entry{offset: r.Offset, producerID: r.ProducerID, sequence: uint32(sequence), stream: id})
}

func (l *Log) sample(format string, args ...any) {
	if len(l.samples) < maxSamples {
		l.samples = append(l.samples, fmt.Sprintf(format, args...))
	}
}
