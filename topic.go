package ekaf

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/cluster"
	"github.com/ekaf-go/ekaf/internal/histogram"
	"github.com/ekaf-go/ekaf/internal/machine"
	"github.com/ekaf-go/ekaf/internal/memory"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// topic is everything the producer knows of one topic.
type topic struct {
	name     string
	producer *Producer
	settings *topicSettings
	lanes    *worker.Config

	bytes    *memory.Account
	messages *memory.Account // nil: no limit on messages anywhere

	// view is what callers choose from; nil while the partitions are unknown.
	view atomic.Pointer[view]
	down atomic.Bool // the state is TopicDowntime
	// against is what brokers say against the topic; nil: nothing.
	against atomic.Pointer[objection]
	routes  router

	mu        sync.Mutex // guards the following
	state     TopicState
	parked    parking
	downSince time.Time
	unknown   time.Time // since when brokers say that it does not exist; zero: they do not
	id        [16]byte
	lastErr   error // what keeps it from being known
	fatal     bool  // ... and will not pass by itself

	former former // partitions that it had

	reborn atomic.Bool // its lanes begin under fresh ids

	dropped  atomic.Pointer[batch.Result] // nil: nothing was dropped yet
	failures failures                     // accepted messages that failed
	refusals failures                     // messages that were not accepted
}

// view is an immutable picture of a topic's partitions.
type view struct {
	partitions []*worker.Partition
	live       []int32 // those whose leader is reachable, as far as is known
	isLive     []bool  // of each partition, the same: nobody looks through a list for each message
}

func newTopic(p *Producer, name string, settings *topicSettings) *topic {
	t := &topic{name: name, producer: p, settings: settings}
	t.bytes = memory.NewAccount("topic "+name, settings.topicBytes, p.bytes)
	if p.settings.bufferMessages > 0 || settings.topicMessages > 0 || settings.partitionMessages > 0 {
		t.messages = memory.NewAccount("topic "+name, settings.topicMessages, p.messages)
	}
	t.lanes = &worker.Config{
		Topic: name, ID: &worker.TopicID{}, Owner: t,
		Acks: int16(settings.acks), RequestTimeout: p.settings.requestTimeout,
		Idempotent: settings.idempotence && settings.acks == AcksAll,
		Linger:     settings.linger, BatchRecords: settings.batchRecords, BatchBytes: settings.batchBytes,
		Codec: settings.codec, Level: settings.level,
		Workers: settings.workers, WorkersMax: settings.workersMax,
		DeliveryTimeout: settings.deliveryTimeout,
		BackoffMin:      p.settings.backoffMin, BackoffMax: p.settings.backoffMax,
		ResendUndecided: settings.undecidable == Resend,
		StateLifetime:   assumedLifetime,
		Learned:         &p.lifetime,
		Latency:         new(histogram.Latency),
	}
	if settings.massage != nil {
		t.lanes.Massage = t.massage
	}
	t.parked.topic = t
	return t
}

// massage is the hook MassageBuffer, between the batch's messages and ours.
func (t *topic) massage(in []batch.Message) []batch.Message {
	messages := make([]Message, len(in))
	for i := range in {
		m := &in[i]
		messages[i] = Message{Key: m.Key, Value: m.Value, Timestamp: time.UnixMilli(m.Time)}
		for _, h := range m.Headers {
			messages[i].Headers = append(messages[i].Headers, Header(h))
		}
	}
	base := time.Now()
	if len(messages) > 0 {
		base = messages[0].Timestamp
	}
	massaged := t.settings.massage(t.name, messages)
	out := make([]batch.Message, len(massaged))
	for i := range massaged {
		m := &massaged[i]
		when := m.Timestamp
		if when.IsZero() {
			when = base
		}
		out[i] = batch.Message{Key: m.Key, Value: m.Value, Headers: batchHeaders(m.Headers), Time: when.UnixMilli()}
	}
	return out
}

// learn takes what a snapshot says of the topic. It runs on the cluster's own
// goroutine, one snapshot after another.
func (t *topic) learn(known *cluster.Topic) {
	if known == nil {
		return
	}
	if known.Err != nil {
		t.learnFault(known)
		return
	}
	if len(known.Partitions) == 0 {
		return
	}
	t.against.Store(nil)
	t.mu.Lock()
	v := t.view.Load()
	none := [16]byte{}
	recreated := t.id != none && known.ID != none && known.ID != t.id
	if known.ID == none && v != nil && !t.unknown.IsZero() {
		recreated = true // it was taken for deleted, and without ids what is there now is another one
	}
	t.unknown, t.lastErr, t.fatal = time.Time{}, nil, false
	t.id = known.ID
	t.mu.Unlock()
	t.lanes.ID.Store(known.ID)
	if recreated {
		t.producer.emit(t, Event{Kind: EventTopicRecreated})
		if v != nil {
			v = t.rebuild(v, len(known.Partitions))
		}
	}
	grown := t.grow(v, known)
	t.lead(grown, known)
	t.publish(grown)
}

// rebuild brings the lanes of a recreated topic into the new one. Lanes of partitions
// that are no more fail: their batches do not tell which messages were sent to
// that very partition, and a key's would come behind later ones of it.
func (t *topic) rebuild(v *view, partitions int) *view {
	t.reborn.Store(true)
	for i, p := range v.partitions {
		if i >= partitions {
			p.StopWith(ErrUnknownPartition)
			continue
		}
		p.Reborn()
	}
	if len(v.partitions) <= partitions {
		return v
	}
	return &view{partitions: v.partitions[:partitions:partitions]}
}

// grow makes the partitions that are new. A snapshot with fewer is that of a
// lagging broker: the count only grows.
func (t *topic) grow(v *view, known *cluster.Topic) *view {
	var partitions []*worker.Partition
	if v != nil {
		partitions = v.partitions
	}
	had := len(partitions)
	for id := had; id < len(known.Partitions); id++ {
		limits := worker.Limits{Bytes: memory.NewAccount("partition", t.settings.partitionBytes, t.bytes)}
		if t.messages != nil {
			limits.Messages = memory.NewAccount("partition", t.settings.partitionMessages, t.messages)
		}
		partitions = append(partitions[:id:id], worker.NewPartition(int32(id), t.lanes, limits, t.producer.host))
	}
	if had > 0 && len(partitions) > had {
		t.producer.emit(t, Event{Kind: EventPartitionsAdded, Messages: len(partitions)})
	}
	return &view{partitions: partitions}
}

// lead tells the partitions their leaders.
func (t *topic) lead(v *view, known *cluster.Topic) {
	recreated := false
	for i := range known.Partitions {
		k := &known.Partitions[i]
		if i >= len(v.partitions) {
			break
		}
		before := v.partitions[i].Leader()
		moved, reborn := v.partitions[i].SetLeader(k.Leader, k.LeaderEpoch)
		if moved && before >= 0 {
			t.producer.emit(t, Event{Kind: EventLeaderMoved, Partition: k.ID, Broker: k.Leader})
		}
		recreated = recreated || reborn
	}
	if recreated {
		t.producer.emit(t, Event{Kind: EventTopicRecreated})
	}
}

// publish makes the partitions known to callers. What waited unassigned is moved
// under the topic's lock, and only then does the view appear: a caller that
// read "unknown" takes the lock, looks again, and appends behind what was moved.
func (t *topic) publish(v *view) {
	t.reach(v)
	t.pickParked(len(v.partitions))
	t.mu.Lock()
	if t.state == TopicClosed {
		t.mu.Unlock()
		for _, p := range v.partitions {
			p.StopWith(ErrClosed)
		}
		return
	}
	var cut []*worker.Partition // by a topic that came back with fewer
	if old := t.view.Load(); old == nil {
		t.parked.moveTo(v)
	} else if len(old.partitions) > len(v.partitions) {
		cut = old.partitions[len(v.partitions):]
		t.former.leave(cut)
	}
	t.view.Store(v)
	t.mu.Unlock()
	t.producer.bell.ring()
	t.gone(cut)
	t.reconsider()
}

// reach fills in the partitions that messages without a key may go to.
func (t *topic) reach(v *view) {
	v.live, v.isLive = make([]int32, 0, len(v.partitions)), make([]bool, len(v.partitions))
	for i, p := range v.partitions {
		if leader := p.Leader(); leader >= 0 && !t.producer.brokerDown(leader) {
			v.live, v.isLive[i] = append(v.live, p.ID), true
		}
	}
}

// reconsider looks which partitions can be reached, and moves the topic's state.
func (t *topic) reconsider() {
	t.mu.Lock()
	v := t.view.Load()
	if v == nil || t.state == TopicClosed {
		t.mu.Unlock()
		return
	}
	seen := &view{partitions: v.partitions}
	t.reach(seen)
	t.view.Store(seen)
	to := TopicReady
	if len(seen.live) == 0 {
		to = TopicDowntime
	}
	events := t.moveLocked(to)
	t.mu.Unlock()
	t.producer.emitAll(t, events)
}

// moveLocked moves the state machine and says what there is to tell.
func (t *topic) moveLocked(to TopicState) (events []Event) {
	from := t.state
	if from == to {
		return nil
	}
	if !from.CanMove(to) {
		machine.Illegal("topic "+t.name, from, to)
		return nil
	}
	t.state = to
	t.down.Store(to == TopicDowntime)
	events = append(events, Event{Kind: EventTopicState, From: from.String(), To: to.String()})
	if to == TopicDowntime {
		t.downSince = time.Now()
	}
	if from == TopicDowntime && to == TopicReady {
		events = append(events,
			Event{Kind: EventTimeDown, Took: time.Since(t.downSince)},
			Event{Kind: EventDowntimeReplayed, Messages: t.waitingLocked()})
	}
	return events
}

// waitingLocked counts the messages without an outcome.
func (t *topic) waitingLocked() int {
	n := t.parked.count()
	if v := t.view.Load(); v != nil {
		for _, p := range v.partitions {
			for _, l := range p.Started() {
				messages, _ := l.Waiting()
				n += messages
			}
		}
	}
	return n
}

// learnFault takes an error that the brokers answer for the topic as a whole.
func (t *topic) learnFault(known *cluster.Topic) {
	err := topicFault(known.Err)
	now := time.Now()
	t.object(err, now)
	t.mu.Lock()
	first := t.unknown.IsZero()
	if first {
		t.unknown = now
	}
	t.lastErr = err
	waited := now.Sub(t.unknown)
	limit := t.settings.unknownTopicTimeout
	final := !errors.Is(err, ErrUnknownTopic) || (limit > 0 && waited >= limit)
	t.fatal = final
	t.mu.Unlock()
	t.producer.bell.ring()
	switch {
	case first && errors.Is(err, ErrUnknownTopic):
		t.producer.emit(t, Event{Kind: EventTopicUnknown, Err: err})
	case first:
		t.producer.log.Warn("brokers refuse the topic", "topic", t.name, "error", err)
	}
	if final {
		t.fail(err)
		return
	}
	if v := t.view.Load(); v != nil {
		t.lead(v, known)
		t.reconsider()
	}
}

// fail gives up all messages of a topic that does not exist, or that we may not
// write to, and starts anew: it may appear later.
//
// It is forgotten under the topic's lock, under which park wants it. Were it
// forgotten after, a callback of what fails here could produce again in between:
// its Want would change nothing, and nobody would ask for the topic it waits for.
func (t *topic) fail(err error) {
	t.mu.Lock()
	if t.state == TopicClosed {
		t.mu.Unlock()
		return // the last words of the cluster's goroutine
	}
	v := t.view.Swap(nil)
	t.unknown = time.Time{}
	if v != nil {
		t.reborn.Store(true)
		t.former.leave(v.partitions)
	}
	events := t.moveLocked(TopicBootstrapping)
	failed := t.parked.fail(err)
	t.fatal = true // also for those who began to wait since it was found out
	t.producer.cluster.Forget(t.name)
	t.mu.Unlock()
	if v != nil {
		for _, p := range v.partitions {
			p.StopWith(err)
		}
		t.gone(v.partitions)
	}
	if failed > 0 {
		events = append(events, Event{Kind: EventDropped, Messages: failed, Err: err})
	}
	t.producer.emitAll(t, events)
}

// bootstrapFailed hears that no broker answers. A topic whose partitions are not
// known yet is in downtime then: this is the original's mainbroker_unreachable.
func (t *topic) bootstrapFailed(err error) {
	t.mu.Lock()
	if t.view.Load() != nil || t.state == TopicClosed {
		t.mu.Unlock()
		return
	}
	events := t.moveLocked(TopicDowntime)
	kind := EventWorkerDown
	if events == nil {
		kind = EventWorkerStillDown
	}
	events = append(events, Event{Kind: kind, Took: time.Since(t.downSince), Err: err})
	t.lastErr = err
	t.mu.Unlock()
	t.producer.emitAll(t, events)
}

// closed reports whether the topic's workers have stopped for good.
func (t *topic) closed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.state == TopicClosed
}

// close fails what is left.
func (t *topic) close(err error) {
	t.mu.Lock()
	v := t.view.Load()
	events := t.moveLocked(TopicClosed)
	t.parked.fail(err)
	t.mu.Unlock()
	if v != nil {
		for _, p := range v.partitions {
			p.StopWith(err)
		}
	}
	t.producer.emitAll(t, events)
}

// started lists the topic's lanes.
func (t *topic) started() []*worker.Lane {
	v := t.view.Load()
	if v == nil {
		return nil
	}
	var lanes []*worker.Lane
	for _, p := range v.partitions {
		lanes = append(lanes, p.Started()...)
	}
	return lanes
}
