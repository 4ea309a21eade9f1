package identity

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Target is a cluster to run cases on.
type Target interface {
	// Release is the Kafka release it runs, or emulates.
	Release() Release
	// Brokers is how many brokers it has.
	Brokers() int
	// Expiry is producer.id.expiration.ms and the interval of its check. With an
	// expiration above a minute the cases that wait for it do not apply; below,
	// only they do: restarting a real broker may take longer. So the whole
	// table takes two clusters.
	Expiry() (expiration, check time.Duration)
	// Dial connects to a broker by its id in Metadata; -1: to any.
	Dial(ctx context.Context, broker int32) (net.Conn, error)
	// Restart restarts all brokers.
	Restart(ctx context.Context) error
	// FailOver stops the leader of the topic's only partition; another broker
	// leads it on return. FailBack starts it again and has it lead.
	FailOver(ctx context.Context, topic string) error
	FailBack(ctx context.Context, topic string) error
}

// Applies tells why a case cannot be run on a target; "" means it can.
func Applies(ctx context.Context, t Target, c Case) (why string, err error) {
	n := c.Needs
	switch expiration, _ := t.Expiry(); {
	case t.Release().before(n.Since) || n.Until != Release{} && n.Until.before(t.Release()):
		return fmt.Sprintf("it is about releases %v to %v", n.Since, n.Until), nil
	case t.Brokers() < n.Brokers:
		return fmt.Sprintf("it needs %d brokers", n.Brokers), nil
	case n.Expiry && expiration > time.Minute:
		return "it waits for the expiration of producer ids", nil
	case !n.Expiry && expiration <= time.Minute:
		return "producer ids may expire before it ends", nil
	case n.API == kmsg.Produce && n.Version == 0:
		return "", nil
	}
	w, err := dial(ctx, t, -1)
	if err != nil {
		return "", err
	}
	defer w.Close()
	resp, err := ask[*kmsg.ApiVersionsResponse](w, kmsg.NewPtrApiVersionsRequest())
	if err != nil {
		return "", err
	}
	for _, k := range resp.ApiKeys {
		if k.ApiKey == n.API.Int16() && k.MaxVersion >= n.Version {
			return "", nil
		}
	}
	return fmt.Sprintf("it needs version %d of %s", n.Version, n.API.Name()), nil
}

// run is one case under way.
type run struct {
	Target
	Case
	topic     string
	topicID   [16]byte
	oldID     [16]byte
	leader    wire // a connection to the partition's leader
	producers map[string]int64
}

// Run runs a case on a fresh topic of the target. The error names the step and
// the difference.
func Run(ctx context.Context, t Target, c Case) error {
	r := &run{Target: t, Case: c, topic: fmt.Sprintf("identity-%x", rand.Uint64()), producers: make(map[string]int64)}
	defer r.hangUp()
	if err := r.createTopic(ctx); err != nil {
		return fmt.Errorf("%s: %w", c.Name, err)
	}
	for i, s := range c.Steps {
		if err := r.step(ctx, s); err != nil {
			return fmt.Errorf("%s: step %d of %d: %w", c.Name, i+1, len(c.Steps), err)
		}
	}
	return nil
}

func (r *run) step(ctx context.Context, s Step) error {
	expiration, check := r.Expiry()
	switch s.Do {
	case Send, SendJoined, SendTwice:
		return r.produce(ctx, s)
	case Restart:
		r.hangUp()
		return r.Target.Restart(ctx)
	case FailOver:
		r.hangUp()
		return r.Target.FailOver(ctx, r.topic)
	case FailBack:
		r.hangUp()
		return r.Target.FailBack(ctx, r.topic)
	case AwaitExpiry:
		return pause(ctx, expiration+2*check)
	case AwaitCheck:
		return pause(ctx, 2*check+check/2)
	case DeleteRecords:
		return r.deleteRecords(ctx, s.Offset)
	case DeleteTopic:
		return r.deleteTopic(ctx)
	case Recreate:
		if err := r.deleteTopic(ctx); err != nil {
			return err
		}
		return r.createTopic(ctx)
	case Configure:
		return r.configure(ctx, s.Config, s.Value)
	case Describe:
		return r.describe(ctx, s)
	case Read:
		return r.read(ctx, s.Batches)
	}
	return fmt.Errorf("unknown action %d", s.Do)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *run) hangUp() {
	if r.leader.Conn != nil {
		r.leader.Close()
		r.leader = wire{}
	}
}

// produce sends a step's batches and compares the answers.
func (r *run) produce(ctx context.Context, s Step) error {
	if s.Do == Send {
		for i, b := range s.Batches {
			got, err := r.exchange(ctx, b, func(t *kmsg.ProduceRequestTopic, id int64) {
				addEntry(t, b.encode(id, time.Now()))
			})
			if err != nil {
				return err
			}
			if err := s.Want[i].compare(b, got); err != nil {
				return err
			}
		}
		return nil
	}
	var raws [][]byte
	for _, b := range s.Batches {
		id, err := r.producer(ctx, b.Producer)
		if err != nil {
			return err
		}
		raws = append(raws, b.encode(id, time.Now()))
	}
	got, err := r.exchange(ctx, s.Batches[0], func(t *kmsg.ProduceRequestTopic, _ int64) {
		if s.Do == SendJoined {
			addEntry(t, append(raws[0], raws[1]...))
			return
		}
		addEntry(t, raws[0])
		addEntry(t, raws[1])
	})
	if err != nil {
		return err
	}
	return s.Want[0].compare(s.Batches[0], got)
}

func addEntry(t *kmsg.ProduceRequestTopic, records []byte) {
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = records
	t.Partitions = append(t.Partitions, p)
}

// exchange sends one Produce request and reads its one answer.
func (r *run) exchange(ctx context.Context, b Batch, fill func(*kmsg.ProduceRequestTopic, int64)) (Answer, error) {
	id, err := r.producer(ctx, b.Producer)
	if err != nil {
		return Answer{}, err
	}
	w, err := r.connect(ctx)
	if err != nil {
		return Answer{}, err
	}
	req := kmsg.NewPtrProduceRequest()
	req.Version, req.TimeoutMillis, req.Acks = 3, 30_000, -1
	if b.Version != 0 {
		req.Version = b.Version
	}
	if b.Acks != 0 {
		req.Acks = b.Acks
	}
	t := kmsg.NewProduceRequestTopic()
	t.Topic, t.TopicID = r.topic, r.topicID
	if b.OldID {
		t.TopicID = r.oldID
	}
	fill(&t, id)
	req.Topics = append(req.Topics, t)
	if b.NoAcks {
		req.Acks = 0
		return r.withoutAnswer(ctx, w, req)
	}
	resp, err := ask[*kmsg.ProduceResponse](w, req)
	if err != nil {
		r.hangUp()
		return Answer{Closed: true}, nil
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return Answer{}, errors.New("want one answer for one partition")
	}
	p := resp.Topics[0].Partitions[0]
	return Answer{Code: p.ErrorCode, Offset: p.BaseOffset}, nil
}

// withoutAnswer sends an acks=0 request. As brokers work through a connection
// in order, a second request behind it tells whether they hung up.
func (r *run) withoutAnswer(ctx context.Context, w wire, req *kmsg.ProduceRequest) (Answer, error) {
	if err := w.send(req); err != nil {
		return Answer{}, err
	}
	if _, err := ask[*kmsg.ApiVersionsResponse](w, kmsg.NewPtrApiVersionsRequest()); err != nil {
		r.hangUp()
		if ctx.Err() != nil {
			return Answer{}, ctx.Err()
		}
		return Answer{Closed: true}, nil
	}
	return Answer{None: true}, nil
}

func (want Answer) compare(b Batch, got Answer) error {
	switch {
	case want == got:
		return nil
	case want.Code != 0 && want.Code == got.Code:
		return nil
	}
	return fmt.Errorf("%s: want %s, got %s", b.name(), want, got)
}

func (b Batch) name() string {
	return fmt.Sprintf("batch %d+%d of producer %q epoch %d", b.Sequence, b.Count, b.Producer, b.Epoch)
}

func (a Answer) String() string {
	switch {
	case a.None:
		return "no answer"
	case a.Closed:
		return "a closed connection"
	case a.Code != 0:
		return kerr.TypedErrorForCode(a.Code).Message
	}
	return fmt.Sprintf("OK at offset %d", a.Offset)
}

// describe compares what DescribeProducers says of a producer id.
func (r *run) describe(ctx context.Context, s Step) error {
	id, err := r.producer(ctx, s.Batches[0].Producer)
	if err != nil {
		return err
	}
	w, err := r.connect(ctx)
	if err != nil {
		return err
	}
	req := kmsg.NewPtrDescribeProducersRequest()
	t := kmsg.NewDescribeProducersRequestTopic()
	t.Topic, t.Partitions = r.topic, []int32{0}
	req.Topics = append(req.Topics, t)
	resp, err := ask[*kmsg.DescribeProducersResponse](w, req)
	if err != nil {
		return err
	}
	if len(resp.Topics) != 1 || len(resp.Topics[0].Partitions) != 1 {
		return errors.New("want one partition of DescribeProducers")
	}
	p := resp.Topics[0].Partitions[0]
	if p.ErrorCode != 0 {
		return fmt.Errorf("DescribeProducers: %w", kerr.ErrorForCode(p.ErrorCode))
	}
	got := Producer{Absent: true}
	for _, a := range p.ActiveProducers {
		if a.ProducerID == id {
			got = Producer{Epoch: a.ProducerEpoch, LastSequence: a.LastSequence, Ahead: time.Until(time.UnixMilli(a.LastTimestamp))}
		}
	}
	if near := (got.Ahead - s.Producer.Ahead).Abs() < 5*time.Minute; near {
		got.Ahead = s.Producer.Ahead
	}
	if got != s.Producer {
		return fmt.Errorf("DescribeProducers: want %+v, got %+v", s.Producer, got)
	}
	return nil
}

// read compares the log, batch by batch, with what it should hold.
func (r *run) read(ctx context.Context, want []Batch) error {
	w, err := r.connect(ctx)
	if err != nil {
		return err
	}
	from, to, err := r.bounds(w)
	if err != nil {
		return err
	}
	var got []header
	for from < to {
		more, err := r.fetch(w, from)
		if err != nil {
			return err
		}
		if len(more) == 0 {
			return io.ErrUnexpectedEOF
		}
		got = append(got, more...)
		last := more[len(more)-1]
		from = last.offset + int64(last.delta) + 1
	}
	if len(got) != len(want) {
		return fmt.Errorf("the log holds %d batches, want %d", len(got), len(want))
	}
	for i, b := range want {
		h := got[i]
		if h.producerID != r.producers[b.Producer] || h.epoch != b.Epoch || h.sequence != b.Sequence || h.count != b.Count || !h.crcMatches {
			return fmt.Errorf("batch %d of the log is %+v, want %s under id %d", i+1, h, b.name(), r.producers[b.Producer])
		}
	}
	return nil
}
