package ekaf

import (
	"time"

	"github.com/ekaf-go/ekaf/internal/cluster"
	"github.com/ekaf-go/ekaf/internal/sender"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// The producer is the host of all senders: this file is what they ask of it, and
// what it keeps of them.

// senderKey names a sender: one for a broker, or with PerWorker one for a lane.
type senderKey struct {
	broker int32
	lane   *worker.Lane
}

// SenderFor implements worker.Host.
func (h *host) SenderFor(l *worker.Lane, leader int32) worker.Sender {
	p := h.Producer
	key := senderKey{broker: leader}
	if p.settings.connectionsPer == PerWorker {
		key.lane = l
	}
	p.sendersMu.Lock()
	defer p.sendersMu.Unlock()
	if p.sendersClosed {
		return nil
	}
	s := p.senders[key]
	if s == nil {
		s = sender.New(p.senderConfig, leader)
		p.senders[key] = s
	}
	s.Attach(l)
	if s.Up() {
		// The lane hears of it once it has taken the sender for its own.
		go l.Connected(s, true)
	}
	return s
}

// listSenders is a snapshot.
func (p *Producer) listSenders() []*sender.Sender {
	p.sendersMu.Lock()
	defer p.sendersMu.Unlock()
	list := make([]*sender.Sender, 0, len(p.senders))
	for _, s := range p.senders {
		list = append(list, s)
	}
	return list
}

// brokerDown reports whether a broker is known not to be reachable.
func (p *Producer) brokerDown(broker int32) bool {
	p.sendersMu.Lock()
	defer p.sendersMu.Unlock()
	if p.settings.connectionsPer == PerBroker {
		s := p.senders[senderKey{broker: broker}]
		return s != nil && s.Down()
	}
	found := false
	for key, s := range p.senders {
		if key.broker == broker {
			found = true
			if !s.Down() {
				return false
			}
		}
	}
	return found
}

// brokerFault is why a broker that leads a partition of the topic cannot be
// reached, nil if all can.
func (p *Producer) brokerFault(t *topic) error {
	v := t.view.Load()
	if v == nil {
		return nil
	}
	for _, part := range v.partitions {
		leader := part.Leader()
		for _, s := range p.listSenders() {
			if s.Broker() == leader && s.Down() {
				return s.LastError()
			}
		}
	}
	return nil
}

// dropSenders stops the senders of brokers that left the cluster, once no lane
// is theirs, and those of lanes that went elsewhere.
func (p *Producer) dropSenders(snapshot *cluster.Snapshot) {
	p.sendersMu.Lock()
	var gone []*sender.Sender
	for key, s := range p.senders {
		_, known := snapshot.Brokers[key.broker]
		if (!known || key.lane != nil) && len(s.Lanes()) == 0 {
			delete(p.senders, key)
			gone = append(gone, s)
		}
	}
	p.sendersMu.Unlock()
	for _, s := range gone {
		p.background.Go(s.Stop)
	}
}

// Address implements sender.Host.
func (h *host) Address(broker int32) (addr string, ok bool) {
	p := h.Producer
	b, ok := p.cluster.Snapshot().Brokers[broker]
	if !ok {
		return "", false
	}
	return b.Addr(), true
}

// Moved implements sender.Host.
func (h *host) Moved(s *sender.Sender, from, to sender.State, err error) {
	p := h.Producer
	event := Event{
		Kind: EventConnectionState, Partition: -1, Broker: s.Broker(), From: from.String(), To: to.String(), Err: err,
	}
	if p.settings.connectionsPer == PerWorker {
		for _, l := range s.Lanes() { // there is one, or none any more
			event.Partition, event.Worker = l.Partition.ID, l.Worker
			p.emitLane(topicOf(l), l, event)
			return
		}
	}
	p.emitShared(event)
}

// Connected implements sender.Host.
func (h *host) Connected(s *sender.Sender, took time.Duration) {
	p := h.Producer
	for _, l := range s.Lanes() {
		t := topicOf(l)
		l.Connected(s, true)
		event := Event{Partition: l.Partition.ID, Worker: l.Worker, Broker: s.Broker(), Took: took}
		event.Kind = EventTimeToConnect
		p.emitLane(t, l, event)
		event.Kind, event.Took = EventWorkerUp, 0
		p.emitLane(t, l, event)
	}
	p.reconsider()
}

// Disconnected implements sender.Host.
func (h *host) Disconnected(s *sender.Sender, err error, down time.Duration, first bool) {
	p := h.Producer
	if !s.EverUp() {
		// Never reached: the address that the broker advertises may be the fault.
		err = p.cluster.Snapshot().DialError(s.Broker(), err)
	}
	kind := EventWorkerStillDown
	if first {
		kind = EventWorkerDown
	}
	for _, l := range s.Lanes() {
		t := topicOf(l)
		l.Connected(s, false)
		p.emitLane(t, l, Event{
			Kind: kind, Partition: l.Partition.ID, Worker: l.Worker, Broker: s.Broker(), Took: down, Err: err,
		})
	}
	p.reconsider()
}

// reconsider looks at all topics again: also one without a lane at the broker
// may have partitions there.
func (p *Producer) reconsider() {
	for _, t := range p.topics.all() {
		t.reconsider()
	}
}

// Crowded implements sender.Host.
func (h *host) Crowded() bool { return h.syncing.Load() > 1 }

// Throttled implements sender.Host.
func (h *host) Throttled(s *sender.Sender, pause time.Duration) {
	p := h.Producer
	seen := map[*topic]bool{}
	for _, l := range s.Lanes() {
		if t := topicOf(l); !seen[t] {
			seen[t] = true
			p.emitLane(t, l, Event{Kind: EventThrottled, Partition: -1, Broker: s.Broker(), Took: pause})
		}
	}
}

// Hint implements sender.Host.
func (a *host) Hint(topic string, h sender.LeaderHint) {
	p := a.Producer
	var endpoint *cluster.Broker
	if h.Host != "" {
		endpoint = &cluster.Broker{ID: h.Leader, Host: h.Host, Port: h.Port, Rack: h.Rack}
	}
	p.cluster.Hint(topic, h.Partition, h.Leader, h.Epoch, endpoint)
}

// learn takes a new snapshot of the cluster.
func (p *Producer) learn(snapshot *cluster.Snapshot) {
	for _, t := range p.topics.all() {
		t.learn(snapshot.Topics[t.name])
	}
	p.dropSenders(snapshot)
}

// bootstrapFailed hears that nobody could be asked for metadata.
func (p *Producer) bootstrapFailed(err error) {
	for _, t := range p.topics.all() {
		p.emit(t, Event{Kind: EventMetadataFailed, Err: err})
		t.bootstrapFailed(err)
	}
}
