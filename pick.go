package ekaf

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ekaf-go/ekaf/internal/worker"
)

// Worker is a handle of one worker, as Pick answers it: messages produced
// through it go to it, whatever the strategy says. A message that names another
// partition is refused. The zero Worker is none, and is not to be used.
type Worker struct {
	t         *topic
	partition *worker.Partition
	index     int
}

// Topic is the worker's topic.
func (w Worker) Topic() string { return w.t.name }

// Partition is the worker's partition.
func (w Worker) Partition() int32 { return w.partition.ID }

// Index is the worker's number in its partition, from 0.
func (w Worker) Index() int { return w.index }

// Broker is the node id of the partition's leader, -1 while there is none.
func (w Worker) Broker() int32 { return w.partition.Leader() }

// Info is what the worker holds now.
func (w Worker) Info() WorkerInfo { return workerInfo(w.partition.Lane(w.index)) }

// Produce sends messages through this worker at once, as ProduceAsync does.
func (w Worker) Produce(ctx context.Context, msgs ...Message) error {
	return w.produce(ctx, msgs, true)
}

// ProduceBatched hands messages to this worker's batch, as ProduceAsyncBatched does.
func (w Worker) ProduceBatched(ctx context.Context, msgs ...Message) error {
	return w.produce(ctx, msgs, false)
}

func (w Worker) produce(ctx context.Context, msgs []Message, immediate bool) error {
	if err := w.t.begin(ctx); err != nil || len(msgs) == 0 {
		return err
	}
	o := order{immediate: immediate, policy: w.t.settings.whenFullAsync}
	for i := range msgs {
		if err := w.check(&msgs[i]); err != nil {
			o.refuseFrom(&list{msgs: msgs}, 0, err) // all, so that those left stay together
			w.t.refused(&o.refusals)
			return err
		}
	}
	defer o.room.release()
	down := w.t.down.Load()
	for done := 0; done < len(msgs); {
		_, generation := w.partition.Choice()
		next, err := w.t.putRun(ctx, choice{w.partition, w.index, generation}, &list{msgs: msgs}, done, &o)
		if err == errChooseAgain && w.partition.Lane(w.index).State() == worker.Stopped {
			err = fmt.Errorf("%w: the worker picked has stopped; pick again", ErrTryAgain)
		}
		if err == ErrDropped {
			w.t.dropRun(&list{msgs: msgs}, next, &o)
			break
		}
		if err != nil && err != errChooseAgain {
			o.refuseFrom(&list{msgs: msgs}, next, err)
			break
		}
		done = next
	}
	if o.refusals.n > 0 {
		w.t.refused(&o.refusals)
	}
	if saved := len(msgs) - o.refusals.n; down && saved > 0 {
		w.t.producer.emit(w.t, Event{Kind: EventDowntimeSaved, Messages: saved})
	}
	return o.answer(len(msgs))
}

// check finds what this worker cannot take.
func (w Worker) check(m *Message) error {
	if id := m.partition - 1; id >= 0 && id != w.partition.ID {
		return &DeliveryError{Topic: w.t.name, Partition: id, Err: fmt.Errorf("%w: the worker picked is of partition %d", ErrUnknownPartition, w.partition.ID)}
	}
	return w.t.check(m)
}

// Pick chooses a worker of the topic by its strategy, for a message of this key
// (nil: for one without). While the topic's partitions are unknown it answers
// ErrTryAgain, and asks for them.
func (p *Producer) Pick(topic string, key []byte) (Worker, error) {
	t, err := p.openTopic(topic)
	if err != nil {
		return Worker{}, err
	}
	v := t.view.Load()
	if v == nil {
		p.cluster.Want(topic)
		return Worker{}, ErrTryAgain
	}
	c, err := t.route(v, &Message{Key: key}, 1, 1)
	if err != nil {
		return Worker{}, err
	}
	return Worker{t, c.partition, c.worker}, nil
}

// PickAsync is Pick that waits, without blocking the caller, until the topic's
// partitions are known or ctx ends; fn then runs on the callback goroutine.
func (p *Producer) PickAsync(ctx context.Context, topic string, key []byte, fn func(Worker, error)) {
	w, err := p.Pick(topic, key)
	if !errors.Is(err, ErrTryAgain) {
		p.callbacks.Call(func() { fn(w, err) })
		return
	}
	// Under the lock under which Close begins, so that it waits for those that wait.
	p.topics.mu.Lock()
	defer p.topics.mu.Unlock()
	if p.refusing.Load() {
		p.callbacks.Call(func() { fn(Worker{}, ErrClosed) })
		return
	}
	t := p.topics.find(topic)
	p.background.Go(func() {
		err := t.waitForPartitions(ctx)
		var w Worker
		if err == nil {
			w, err = p.Pick(topic, key)
		}
		p.callbacks.Call(func() { fn(w, err) })
	})
}

// TopicMetadata is what the cluster says of a topic.
type TopicMetadata struct {
	Topic      string
	ID         [16]byte // zero before Kafka 2.8
	Partitions []PartitionMetadata
	// Internal (one of Kafka's own) and Err (what the broker says against the
	// topic, such as ErrUnknownTopic) are filled by Describe alone.
	Internal bool
	Err      error
}

// PartitionMetadata is a partition's.
type PartitionMetadata struct {
	Partition   int32
	Leader      int32 // node id, -1: none
	LeaderEpoch int32
	LeaderAddr  string
	// Replicas and InSync are node ids; filled by Describe alone.
	Replicas, InSync []int32
}

// Metadata answers a topic's partitions and leaders, and waits for them until ctx ends.
func (p *Producer) Metadata(ctx context.Context, topic string) (TopicMetadata, error) {
	t, err := p.openTopic(topic)
	if err != nil {
		return TopicMetadata{}, err
	}
	if err := t.waitForPartitions(ctx); err != nil {
		return TopicMetadata{}, err
	}
	snapshot := p.cluster.Snapshot()
	out := TopicMetadata{Topic: topic}
	known := snapshot.Topics[topic]
	if known == nil {
		return out, t.unprepared(nil)
	}
	out.ID = known.ID
	for _, k := range known.Partitions {
		m := PartitionMetadata{Partition: k.ID, Leader: k.Leader, LeaderEpoch: k.LeaderEpoch}
		if b, ok := snapshot.Brokers[k.Leader]; ok {
			m.LeaderAddr = b.Addr()
		}
		out.Partitions = append(out.Partitions, m)
	}
	return out, nil
}

// TopicInfo is a topic as the producer sees it now.
type TopicInfo struct {
	Topic string
	State TopicState
	// Waiting is the number of messages without an outcome; Unassigned those of
	// them that wait for the topic's partitions.
	Waiting    int
	Unassigned int
	// DownFor is how long the topic has been in downtime.
	DownFor time.Duration
	Workers []WorkerInfo
	// Err is what keeps the topic from being known, if anything.
	Err error
}

// WorkerInfo is a worker as it is now.
type WorkerInfo struct {
	Partition int32
	Worker    int
	Broker    int32
	State     string
	Waiting   int   // messages without an outcome
	Bytes     int64 // memory held by them
	InFlight  int   // batches on the wire
}

// Info answers what the producer knows and holds of a topic, without network.
// A topic that got no message yet is unknown: its state is bootstrapping.
func (p *Producer) Info(topic string) TopicInfo {
	info := TopicInfo{Topic: topic}
	t := p.topics.find(topic)
	if t == nil {
		return info
	}
	t.mu.Lock()
	info.State, info.Err = t.state, t.lastErr
	info.Unassigned = t.parked.count()
	info.Waiting = t.waitingLocked()
	if t.state == TopicDowntime {
		info.DownFor = time.Since(t.downSince)
	}
	t.mu.Unlock()
	for _, l := range t.started() {
		info.Workers = append(info.Workers, workerInfo(l))
	}
	return info
}

func workerInfo(l *worker.Lane) WorkerInfo {
	s := l.Stats()
	return WorkerInfo{
		Partition: l.Partition.ID, Worker: l.Worker, Broker: l.Partition.Leader(), State: s.State.String(),
		Waiting: s.Messages, Bytes: s.Held, InFlight: s.InFlight,
	}
}
