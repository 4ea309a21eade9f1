package ekaf_test

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/ekaf-go/ekaf/internal/sender"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// topicModel is a topic on one broker: whether each is there is all that decides
// what a producer may say of it.
type topicModel struct {
	t *rapid.T
	c *ekaftest.Cluster
	p *ekaf.Producer

	exists, ever, down bool

	mu       sync.Mutex // guards the following
	messages int
	outcomes map[int]int
	topic    string            // its state, by the events
	workers  map[string]string // by partition and worker
	wires    map[int32]string  // by broker
	fault    string
}

const modelTopic = "events"

func newTopicModel(outer *testing.T, t *rapid.T) *topicModel {
	m := &topicModel{t: t, outcomes: map[int]int{}, topic: "bootstrapping", workers: map[string]string{}, wires: map[int32]string{}}
	unknown := rapid.SampledFrom([]time.Duration{0, 5 * time.Second}).Draw(t, "unknown topic timeout")
	m.c = ekaftest.Start(outer, ekaftest.InMemory(), ekaftest.Brokers(1))
	var err error
	m.p, err = ekaf.New(ekaf.Brokers(m.c.Addrs()...), ekaf.Dialer(m.c.Dialer()), ekaf.AutoCreateTopics(false),
		ekaf.UnknownTopicTimeout(unknown), ekaf.OnEvent(m.event))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// event keeps account of the states that are told.
func (m *topicModel) event(e ekaf.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch e.Kind {
	case ekaf.EventTopicState:
		m.follow("the topic", m.topic, e, canMove(ekaf.TopicStates(), ekaf.TopicState.CanMove, e))
		m.topic = e.To
	case ekaf.EventWorkerState:
		key := fmt.Sprint(e.Partition, "/", e.Worker)
		at := m.workers[key]
		if at == "" || at == worker.Stopped.String() {
			at = worker.Connecting.String() // a new worker in the place of one that has stopped
			if e.From == worker.Downtime.String() {
				at = e.From // it began without a leader
			}
		}
		m.follow("worker "+key, at, e, canMove(worker.Machine.States(), worker.Machine.CanMove, e))
		m.workers[key] = e.To
	case ekaf.EventConnectionState:
		at := m.wires[e.Broker]
		if at == "" || at == sender.Stopped.String() {
			at = sender.Unused.String()
		}
		m.follow("the connection", at, e, canMove(sender.Machine.States(), sender.Machine.CanMove, e))
		if e.Topic != "" || (e.To == sender.Down.String()) != (e.Err != nil) {
			m.fault = fmt.Sprintf("%+v", e)
		}
		m.wires[e.Broker] = e.To
	}
}

// canMove asks a machine's table about an event.
func canMove[S fmt.Stringer](states []S, can func(from, to S) bool, e ekaf.Event) bool {
	for _, from := range states {
		for _, to := range states {
			if from.String() == e.From && to.String() == e.To {
				return can(from, to)
			}
		}
	}
	return false
}

func (m *topicModel) follow(what, at string, e ekaf.Event, legal bool) {
	if at != e.From || !legal {
		m.fault = fmt.Sprintf("%s is %s and moves from %s to %s", what, at, e.From, e.To)
	}
}

func (m *topicModel) put(*rapid.T) {
	m.mu.Lock()
	id := m.messages
	m.messages++
	m.mu.Unlock()
	err := m.p.ProduceAsyncFunc(context.Background(), modelTopic, func(ekaf.Acked, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.outcomes[id]++
	}, ekaf.Value(fmt.Sprint("message ", id)))
	if err != nil { // refused: the topic is known not to exist
		m.mu.Lock()
		m.outcomes[id]++
		m.mu.Unlock()
	}
}

func (m *topicModel) create(t *rapid.T) {
	if m.exists || m.down {
		return
	}
	if err := m.c.CreateTopic(modelTopic, 1); err != nil {
		t.Fatal(err)
	}
	m.exists, m.ever = true, true
}

func (m *topicModel) remove(t *rapid.T) {
	if !m.exists || m.down {
		return
	}
	if err := m.c.DeleteTopic(modelTopic); err != nil {
		t.Fatal(err)
	}
	m.exists = false
}

func (m *topicModel) stop(*rapid.T) {
	m.c.Stop()
	m.down = true
}

func (m *topicModel) restart(t *rapid.T) {
	if err := m.c.Restart(); err != nil {
		t.Fatal(err)
	}
	m.down = false
}

func (m *topicModel) wait(t *rapid.T) {
	time.Sleep(rapid.SampledFrom([]time.Duration{
		time.Millisecond, 100 * time.Millisecond, 2 * time.Second, 10 * time.Second,
	}).Draw(t, "how long"))
}

// check: every move told is in its table, and says what is.
func (m *topicModel) check(t *rapid.T) {
	synctest.Wait()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fault != "" {
		t.Fatal(m.fault)
	}
	if is := m.p.Info(modelTopic).State.String(); is != m.topic {
		t.Fatalf("the topic is %s, and was told to be %s", is, m.topic)
	}
	if m.topic == ekaf.TopicReady.String() && !m.ever {
		t.Fatal("the topic is ready and never was there")
	}
	for id, n := range m.outcomes {
		if n > 1 {
			t.Fatalf("message %d has %d outcomes", id, n)
		}
	}
}

// settle waits until the producer knows what is: with a message to send it finds
// out within its back-off.
func (m *topicModel) settle(t *rapid.T) {
	m.put(t)
	time.Sleep(5 * time.Second)
	m.check(t)
	is := m.p.Info(modelTopic).State
	switch {
	case m.down && is != ekaf.TopicDowntime:
		t.Fatalf("the topic is %v, and the broker down: workers %v, connections %v, %+v", is, m.workers, m.wires, m.p.Info(modelTopic))
	case m.exists && !m.down && is != ekaf.TopicReady:
		t.Fatalf("the topic is %v, and all is well", is)
	}
}

// end heals everything, and counts the outcomes.
func (m *topicModel) end(t *rapid.T) {
	m.restart(t)
	m.create(t)
	m.settle(t)
	if err := m.p.Close(context.Background()); err != nil {
		t.Fatalf("Close: %v", err)
	}
	m.check(t)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.topic != ekaf.TopicClosed.String() {
		t.Fatalf("the topic is %s after Close", m.topic)
	}
	for broker, state := range m.wires {
		if state != sender.Stopped.String() {
			t.Fatalf("the connection to broker %d is %s after Close", broker, state)
		}
	}
	for key, state := range m.workers {
		if state != worker.Stopped.String() {
			t.Fatalf("worker %s is %s after Close", key, state)
		}
	}
	for id := range m.messages {
		if m.outcomes[id] != 1 {
			t.Fatalf("message %d has %d outcomes", id, m.outcomes[id])
		}
	}
}

// inBubble is a test without Deadline, which rapid would ask, and synctest forbids.
type inBubble struct{ rapid.TB }

// shrinkInVirtualTime: the clock that bounds how long rapid looks for a shorter
// failure runs ahead in a bubble.
func shrinkInVirtualTime(t *testing.T) {
	if err := flag.Set("rapid.shrinktime", "12h"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = flag.Set("rapid.shrinktime", "30s") })
}

// TestModelOfATopic: whatever becomes of a topic and its broker, each move of the
// topic, its workers and its connection is in its table and told; the topic is ready
// when both are there, and in downtime when the broker is not; and every message has
// one outcome.
func TestModelOfATopic(t *testing.T) {
	shrinkInVirtualTime(t)
	synctest.Test(t, func(outer *testing.T) {
		rapid.Check(inBubble{outer}, func(t *rapid.T) {
			m := newTopicModel(outer, t)
			defer func() {
				ended, cancel := context.WithCancel(context.Background())
				cancel()
				_ = m.p.Close(ended) // if the model failed: else it is closed
				m.c.Close()
			}()
			t.Repeat(map[string]func(*rapid.T){
				"":              m.check,
				"message":       m.put,
				"message again": m.put,
				"create":        m.create,
				"delete":        m.remove,
				"stop":          m.stop,
				"restart":       m.restart,
				"wait":          m.wait,
				"wait again":    m.wait,
				"settle":        m.settle,
			})
			m.end(t)
		})
	})
}

// TestConnectionsOfWorkersAreTold: with a connection for each worker, its moves name
// the worker; a topic's own handler hears of no connection that all share.
func TestConnectionsOfWorkersAreTold(t *testing.T) {
	for mode, want := range map[ekaf.ConnectionMode][]string{
		ekaf.PerWorker: {"events/1/0 unused>connecting", "events/1/0 connecting>up"},
		ekaf.PerBroker: nil,
	} {
		synctest.Test(t, func(t *testing.T) {
			var told []string
			_, p := inMemory(t, 1, []ekaftest.Option{ekaftest.Topic("events", 2)}, ekaf.ConnectionsPer(mode),
				ekaf.Topic("events", ekaf.OnEvent(func(e ekaf.Event) {
					if e.Kind == ekaf.EventConnectionState {
						told = append(told, fmt.Sprintf("%s/%d/%d %s>%s", e.Topic, e.Partition, e.Worker, e.From, e.To))
					}
				})))
			if _, err := p.ProduceSync(t.Context(), "events", ekaf.Value("x").OnPartition(1)); err != nil {
				t.Fatal(err)
			}
			if err := p.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(told, want) {
				t.Errorf("%v: told %q, want %q", mode, told, want)
			}
		})
	}
}
