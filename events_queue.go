package ekaf

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ekaf-go/ekaf/internal/worker"
)

// eventQueue hands events to their handlers, in order, on a goroutine that ends
// when there are none. Nothing waits for a handler: of what comes while very many wait,
// events of one kind and one source become one, so that their number is bounded by
// that of topics, workers and brokers, and not by calls or time.
//
//	first events ──► waiting, each for itself ──┐
//	the others ────► late, one of a kind ───────┴──► handlers
type eventQueue struct {
	panicked func(any)

	mu      sync.Mutex // guards the following
	waiting []handedEvent
	late    map[eventSource]*handedEvent // what came when waiting was full
	joined  uint64                       // events that came then
	running bool
	idle    chan struct{}
}

type handedEvent struct {
	handler func(Event)
	event   Event
	place   uint64 // among the late ones
}

// eventSource is what events have in common that become one.
type eventSource struct {
	kind      EventKind
	topic     string
	partition int32
	worker    int
	broker    int32
	reason    error
}

// maxWaitingEvents is how many events wait each for itself.
const maxWaitingEvents = 10_000

func (q *eventQueue) add(handler func(Event), e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) < maxWaitingEvents {
		q.waiting = append(q.waiting, handedEvent{handler: handler, event: e})
	} else {
		q.join(handler, e)
	}
	if !q.running {
		q.running = true
		q.idle = make(chan struct{})
		go q.loop()
	}
}

// join adds an event to the one of its kind and source that waits, which takes the
// last place, so that what is told last is how things are.
func (q *eventQueue) join(handler func(Event), e Event) {
	source := eventSource{e.Kind, e.Topic, e.Partition, e.Worker, e.Broker, sentinelOf(e.Err)}
	h := q.late[source]
	if h == nil {
		if q.late == nil {
			q.late = map[eventSource]*handedEvent{}
		}
		h = &handedEvent{handler: handler, event: e}
		q.late[source] = h
	} else {
		h.event.follow(&e)
	}
	q.joined++
	h.place = q.joined
}

// sentinelOf is what makes the errors of events differ: errors of one sentinel are
// alike, whatever else they say, and so are those of none.
func sentinelOf(err error) error {
	for _, s := range sentinels {
		if errors.Is(err, s) {
			return s
		}
	}
	return nil
}

// follow makes of an event and a later one a single one.
func (e *Event) follow(later *Event) {
	messages, bytes, from := e.Messages, e.Bytes, e.From
	*e = *later
	e.From = from
	e.Bytes += bytes
	if e.Kind != EventPartitionsAdded { // there it is how many there are now
		e.Messages += messages
	}
}

func (q *eventQueue) loop() {
	var batch []handedEvent
	for {
		q.mu.Lock()
		if len(q.waiting) == 0 {
			q.running = false
			close(q.idle)
			q.mu.Unlock()
			return
		}
		batch, q.waiting = q.waiting, batch[:0]
		late := q.late
		q.late = nil
		q.mu.Unlock()
		for i := range batch {
			q.handle(&batch[i])
			batch[i] = handedEvent{}
		}
		inOrder := func(a, b *handedEvent) int { return cmp.Compare(a.place, b.place) }
		for _, h := range slices.SortedFunc(maps.Values(late), inOrder) {
			q.handle(h)
		}
	}
}

func (q *eventQueue) handle(h *handedEvent) {
	defer func() {
		if v := recover(); v != nil && h.event.Kind != EventCallbackPanicked {
			q.panicked(v)
		}
	}()
	h.handler(h.event)
}

// wait waits until no handler runs and no event is queued.
func (q *eventQueue) wait(ctx context.Context) {
	q.mu.Lock()
	idle := q.idle
	q.mu.Unlock()
	if idle == nil {
		return
	}
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

// emit reports an event of a topic.
func (p *Producer) emit(t *topic, e Event) {
	if t.settings.onEvent == nil && !p.loud {
		return
	}
	if e.Broker == 0 && e.Kind != EventLeaderMoved {
		e.Broker = -1
	}
	if e.Partition == 0 && !partitionEvents[e.Kind] {
		e.Partition = -1
	}
	e.statsd = p.statsd.shared()
	p.hand(t, e)
}

// partitionEvents are those emitted for a topic that name a partition.
var partitionEvents = map[EventKind]bool{EventLeaderMoved: true, EventMaxDowntimeBufferReached: true}

func (p *Producer) emitAll(t *topic, events []Event) {
	for _, e := range events {
		p.emit(t, e)
	}
}

// emitLane reports an event of a worker.
func (p *Producer) emitLane(t *topic, l *worker.Lane, e Event) {
	if t.settings.onEvent == nil && !p.loud {
		return
	}
	if e.Broker >= 0 {
		e.Addr, _ = p.host.Address(e.Broker)
	}
	e.statsd = p.statsd.of(l)
	p.hand(t, e)
}

// emitShared reports an event that concerns no single topic: to the producer's own
// handler, and not to those of single topics.
func (p *Producer) emitShared(e Event) {
	handler := p.settings.topic.onEvent
	if handler == nil && !p.loud {
		return
	}
	if e.Broker >= 0 {
		e.Addr, _ = p.host.Address(e.Broker)
	}
	e.statsd = p.statsd.shared()
	p.handTo(handler, e)
}

func (p *Producer) hand(t *topic, e Event) {
	e.Topic = t.name
	p.handTo(t.settings.onEvent, e)
}

func (p *Producer) handTo(handler func(Event), e Event) {
	e.Time = time.Now()
	p.logEvent(&e)
	if handler != nil {
		p.events.add(handler, e)
	}
}

// quietEvents are logged at debug level: they are part of a healthy life.
var quietEvents = map[EventKind]bool{
	EventFlush: true, EventFlushedReplied: true, EventTimeToConnect: true, EventWorkerState: true,
	EventConnectionState: true, EventDowntimeSaved: true, EventRetry: true, EventWorkerStillDown: true,
}

func (p *Producer) logEvent(e *Event) {
	level := slog.LevelInfo
	switch {
	case quietEvents[e.Kind]:
		level = slog.LevelDebug
	case e.Err != nil:
		level = slog.LevelWarn
	}
	if !p.log.Enabled(context.Background(), level) {
		return
	}
	var attrs []slog.Attr
	if e.Topic != "" {
		attrs = append(attrs, slog.String("topic", e.Topic))
	}
	if e.Partition >= 0 {
		attrs = append(attrs, slog.Int("partition", int(e.Partition)), slog.Int("worker", e.Worker))
	}
	if e.Broker >= 0 {
		attrs = append(attrs, slog.Int("broker", int(e.Broker)))
	}
	if e.Messages > 0 {
		attrs = append(attrs, slog.Int("messages", e.Messages))
	}
	if e.Took > 0 {
		attrs = append(attrs, slog.Duration("took", e.Took))
	}
	if e.From != "" {
		attrs = append(attrs, slog.String("from", e.From), slog.String("to", e.To))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("error", e.Err.Error()))
	}
	p.log.LogAttrs(context.Background(), level, e.Kind.String(), attrs...)
}
