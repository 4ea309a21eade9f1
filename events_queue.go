package ekaf

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/ekaf-go/ekaf/internal/worker"
)

// eventQueue hands events to their handlers, in order, on a goroutine that ends
// when there are none. Nothing waits for a handler.
type eventQueue struct {
	panicked func(any)

	mu      sync.Mutex // guards the following
	waiting []handedEvent
	running bool
	idle    chan struct{}
	lost    int64
}

type handedEvent struct {
	handler func(Event)
	event   Event
}

// maxWaitingEvents bounds what waits for a slow handler. Beyond it batch events
// (flush, flushed_replied) are left out; state changes never.
const maxWaitingEvents = 100_000

func (q *eventQueue) add(handler func(Event), e Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= maxWaitingEvents && (e.Kind == EventFlush || e.Kind == EventFlushedReplied) {
		q.lost++
		return
	}
	q.waiting = append(q.waiting, handedEvent{handler, e})
	if !q.running {
		q.running = true
		q.idle = make(chan struct{})
		go q.loop()
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
		q.mu.Unlock()
		for i := range batch {
			q.handle(&batch[i])
			batch[i] = handedEvent{}
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
