package cluster

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// fetchBytes bounds what one Fetch answer brings; brokers exceed it for one batch that is larger.
	fetchBytes = 1 << 20

	// fetchVersion is the newest Fetch used. From v11 on followers answer consumers too (KIP-392), whose
	// high watermark lags: what is committed could be missed. v10 is served by the leader alone, in all
	// versions from Kafka 2.1 to 4, and knows zstd.
	fetchVersion = 10

	// stallsAllowed is how many answers in a row may bring no progress below the high watermark.
	stallsAllowed = 10
)

// Found is what the log says of one producer id and epoch.
type Found struct {
	// Written: a batch of the id and epoch was found at or behind the offset asked from. LastSequence is
	// then the last sequence number of the batch of theirs that comes last in sequence, BaseOffset that
	// batch's base offset. All batches up to it have been written too: Kafka takes them in order. The log
	// of a topic that was created again may begin with any of them: FirstSequence is the first sequence
	// number of the first one that is there, and Cut says that in front of it, from the offset asked from,
	// something is missing in the log (deleted or compacted).
	Written                     bool
	FirstSequence, LastSequence int32
	BaseOffset                  int64
	Cut                         bool

	// LogStart and LogEnd are the bounds of the log; it was read up to LogEnd, the high watermark. A
	// LogEnd below the offset asked from means that the cluster has lost committed records.
	LogStart, LogEnd int64

	// Undecidable: nothing was found, but part of the range had been deleted before it could be read.
	Undecidable bool
}

// ReadBack reads the batch headers of a partition from an offset up to the high watermark, and answers what
// is there of one producer id and epoch. It is the only way to learn what became of batches whose answer was
// lost after the brokers have forgotten the id. It needs READ on the topic. An error that Is ErrCannotAsk is
// final; all else is asked again until ctx ends. Memory: one Fetch answer of about 1 MiB, or of one batch.
//
// What is in the leader's log above the high watermark is not seen.
func (c *Cluster) ReadBack(ctx context.Context, topic string, partition int32, fromOffset int64, pid int64, epoch int16) (Found, error) {
	r := readBack{c: c, topic: topic, partition: partition, from: fromOffset, position: fromOffset, whole: fromOffset, pid: pid, epoch: epoch}
	if err := r.bounds(ctx); err != nil {
		return Found{}, err
	}
	stalls := 0
	for r.position < r.found.LogEnd {
		before := r.position
		if err := r.step(ctx); err != nil {
			return Found{}, err
		}
		if r.position > before {
			stalls = 0
			continue
		}
		if stalls++; stalls > stallsAllowed {
			return Found{}, fmt.Errorf("cannot read back %s-%d: the leader gives nothing at offset %d, below its high watermark %d",
				topic, partition, r.position, r.found.LogEnd)
		}
		if err := c.pause(ctx, stalls); err != nil {
			return Found{}, because(fmt.Sprintf("read back %s-%d", topic, partition), err, nil)
		}
	}
	r.found.Undecidable = r.hole && !r.found.Written
	return r.found, nil
}

// readBack is one reading under way.
type readBack struct {
	c         *Cluster
	topic     string
	partition int32
	from      int64
	pid       int64
	epoch     int16

	position int64 // next offset to read
	hole     bool  // some offset of the range was deleted before it was read
	whole    int64 // up to here nothing was missing, but for holes
	gap      bool  // ... and then something was
	found    Found
}

// bounds learns where the log starts and ends now, and moves the position over what has been deleted.
//
// The end comes from ListOffsets and not from the first Fetch answer: after an election the new leader's
// high watermark lags behind what the old one had committed. Fetch then shows a log that is too short;
// ListOffsets answers OFFSET_NOT_AVAILABLE until it has caught up.
func (r *readBack) bounds(ctx context.Context) error {
	start, err := r.c.offset(ctx, r.topic, r.partition, earliest)
	if err != nil {
		return err
	}
	end, err := r.c.offset(ctx, r.topic, r.partition, latest)
	if err != nil {
		return err
	}
	r.found.LogStart, r.found.LogEnd = start, end
	if start > r.position {
		r.hole = true
		r.position, r.whole = start, start
	}
	return nil
}

// step reads one answer's worth.
func (r *readBack) step(ctx context.Context) error {
	what := fmt.Sprintf("read back %s-%d from offset %d", r.topic, r.partition, r.position)
	got, err := until(ctx, r.c, what, func(n int) (fetched, error) {
		resp, err := r.c.atLeader(ctx, n, leaderQuestion{topic: r.topic, partition: r.partition, highest: fetchVersion, build: r.fetch})
		if err != nil {
			return fetched{}, err
		}
		return r.records(resp)
	})
	if err != nil {
		return err
	}
	if got.outOfRange {
		return r.bounds(ctx)
	}
	next, err := scanBatches(got.records, r.visit)
	if err != nil {
		return fmt.Errorf("cannot read back %s-%d: %w", r.topic, r.partition, err)
	}
	r.position = max(r.position, next)
	return nil
}

// fetched is one answer for the partition. outOfRange: the position is not, or no longer, within the log,
// which asking again would not change.
type fetched struct {
	records    []byte
	outOfRange bool
}

// visit looks at one batch.
func (r *readBack) visit(h batchHeader) {
	r.gap = r.gap || h.base > r.whole
	r.whole = max(r.whole, h.last+1)
	if h.producer != r.pid || h.epoch != r.epoch || h.control || h.lastSequence < 0 || h.last < r.from {
		return
	}
	if !r.found.Written {
		r.found.FirstSequence, r.found.Cut = h.sequence, r.hole || r.gap
	}
	if !r.found.Written || later(h.lastSequence, r.found.LastSequence) {
		r.found.Written, r.found.LastSequence, r.found.BaseOffset = true, h.lastSequence, h.base
	}
}

func (r *readBack) fetch(epoch int32) kmsg.Request {
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID = -1
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 500, 1, fetchBytes
	req.SessionID, req.SessionEpoch = 0, -1 // no fetch session (KIP-227)
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic = r.topic
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = r.partition, r.position, fetchBytes
	rp.CurrentLeaderEpoch, rp.LogStartOffset = epoch, -1
	rt.Partitions = append(rt.Partitions, rp)
	req.Topics = append(req.Topics, rt)
	return req
}

// records takes the partition's bytes out of a Fetch answer.
func (r *readBack) records(resp kmsg.Response) (fetched, error) {
	f, ok := resp.(*kmsg.FetchResponse)
	if !ok {
		return fetched{}, fmt.Errorf("cannot read back %s-%d: the answer is a %T", r.topic, r.partition, resp)
	}
	question := fmt.Sprintf("for the log of %s-%d", r.topic, r.partition)
	if err := r.c.judge(question, f.ErrorCode); err != nil {
		return fetched{}, err
	}
	for i := range f.Topics {
		for j := range f.Topics[i].Partitions {
			p := &f.Topics[i].Partitions[j]
			if f.Topics[i].Topic != r.topic || p.Partition != r.partition {
				continue
			}
			if p.ErrorCode == kerr.OffsetOutOfRange.Code {
				return fetched{outOfRange: true}, nil
			}
			if err := r.c.judge(question, p.ErrorCode); err != nil {
				return fetched{}, err
			}
			return fetched{records: p.RecordBatches}, nil
		}
	}
	return fetched{}, fmt.Errorf("cannot read back %s-%d: the answer leaves it out", r.topic, r.partition)
}
