package ekaf

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
)

// TestASlowHandlerOfEventsHoldsBoundedMemory: however many calls are refused, and
// however often a worker comes and goes, while a handler is busy, what waits for it
// does not grow, no message goes uncounted, and what is told last is how things are.
func TestASlowHandlerOfEventsHoldsBoundedMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := &eventQueue{panicked: func(v any) { t.Errorf("panic: %v", v) }}
		leave := make(chan struct{})
		messages := map[string]int{}
		told := 0
		last, state := EventKind(0), ""
		handler := func(e Event) {
			<-leave
			told++
			key := e.Kind.String()
			if e.Err != nil {
				key += fmt.Sprintf(" %d, %v", e.Partition, sentinelOf(e.Err))
			}
			messages[key] += e.Messages
			switch e.Kind {
			case EventWorkerUp, EventWorkerDown:
				last = e.Kind
			case EventWorkerState:
				if e.From != state && state != "" {
					t.Errorf("told of a move from %s after one to %s", e.From, state)
				}
				state = e.To
			}
		}
		const rounds = 100_000
		states := [...]string{"ready", "downtime", "connecting"}
		for i := range rounds {
			q.add(handler, Event{Kind: EventWorkerState, Topic: "t", From: states[i%3], To: states[(i+1)%3]})
			q.add(handler, Event{Kind: EventWorkerUp, Topic: "t"})
			q.add(handler, Event{Kind: EventWorkerDown, Topic: "t"})
			q.add(handler, Event{Kind: EventWorkerUp, Topic: "t"})
			q.add(handler, Event{Kind: EventDowntimeSaved, Topic: "t", Messages: 2})
			q.add(handler, Event{Kind: EventMaxDowntimeBufferReached, Topic: "t", Partition: int32(i % 2), Messages: 3, Err: fmt.Errorf("%w: %d", ErrFull, i)})
			q.add(handler, Event{Kind: EventDropped, Topic: "t", Messages: 1, Err: ErrDropped})
			q.add(handler, Event{Kind: EventDropped, Topic: "t", Messages: 1, Err: ErrTimeout})
			q.add(handler, Event{Kind: EventPartitionsAdded, Topic: "u", Messages: i})
		}
		if waiting := len(q.waiting) + len(q.late); waiting > maxWaitingEvents+9 {
			t.Errorf("%d events wait", waiting)
		}
		close(leave)
		q.wait(context.Background())
		if told > 2*maxWaitingEvents+20 {
			t.Errorf("%d events were told", told)
		}
		for kind, want := range map[string]int{
			"downtime_saved": 2 * rounds, "max_downtime_buffer_reached 0, the buffer is full": 3 * rounds / 2,
			"max_downtime_buffer_reached 1, the buffer is full": 3 * rounds / 2,
			"dropped 0, " + ErrDropped.Error():                  rounds, "dropped 0, " + ErrTimeout.Error(): rounds,
		} {
			if messages[kind] != want {
				t.Errorf("%s: told of %d messages, want %d", kind, messages[kind], want)
			}
		}
		if last != EventWorkerUp || state != states[rounds%3] {
			t.Errorf("told last: %v, %s", last, state)
		}
	})
}
