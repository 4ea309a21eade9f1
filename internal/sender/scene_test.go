package sender

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/conn"
	"github.com/ekaf-go/ekaf/internal/memory"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// scene is a sender between real lanes and a scripted broker; it is the host of
// both.
type scene struct {
	t      testing.TB
	broker *fakeBroker
	cfg    Config
	sender *Sender
	bytes  *memory.Account

	node    int32  // the broker's id
	address string // what metadata says of it

	mu           sync.Mutex // guards the following
	unknown      bool       // metadata does not name the broker
	ids          int64
	results      []batch.Result // one of each message with a completion
	hints        []toldHint
	pauses       []time.Duration
	moves        []toldMove
	connected    int
	disconnected []error
	firsts       []bool
	refreshes    int
	retries      int
	questions    int
}

type toldMove struct {
	from, to State
	err      error
}

type toldHint struct {
	topic string
	hint  LeaderHint
}

// newScene sets a scene up; change may alter what a Config says, nil leaves it.
func newScene(t testing.TB, change func(sc *scene)) *scene {
	sc := &scene{t: t, broker: newFakeBroker(), bytes: memory.NewAccount("producer", 0, nil)}
	sc.node, sc.address = 1, "broker.test:9092"
	sc.cfg = Config{
		Conn:       &conn.Config{Dial: sc.broker.Dial, RequestTimeout: 30 * time.Second, DialTimeout: 10 * time.Second},
		BackoffMin: 50 * time.Millisecond, BackoffMax: time.Second, Host: sc,
	}
	if change != nil {
		change(sc)
	}
	sc.sender = New(&sc.cfg, sc.node)
	t.Cleanup(func() {
		sc.sender.Stop()
		sc.broker.close()
	})
	return sc
}

func plainLogin(context.Context) (sasl.Mechanism, error) {
	return plain.Auth{User: "ann", Pass: "secret"}.AsMechanism(), nil
}

// topic is the configuration of lanes that only send what is immediate or full.
func (sc *scene) topic(name string, change func(*worker.Config)) *worker.Config {
	cfg := &worker.Config{
		Topic: name, ID: &worker.TopicID{}, Acks: -1, Idempotent: true, BatchBytes: 1 << 20, Workers: 1,
		RequestTimeout: 20 * time.Second, StateLifetime: 12 * time.Hour, Linger: time.Hour,
		BackoffMin: 50 * time.Millisecond, BackoffMax: time.Second,
	}
	if change != nil {
		change(cfg)
	}
	return cfg
}

func (sc *scene) partition(id int32, cfg *worker.Config) *worker.Partition {
	limits := worker.Limits{Bytes: memory.NewAccount("partition", 0, sc.bytes)}
	p := worker.NewPartition(id, cfg, limits, sc)
	p.SetLeader(sc.node, 1)
	return p
}

// lanes makes one lane for each of the first n partitions.
func (sc *scene) lanes(n int, cfg *worker.Config) []*worker.Lane {
	list := make([]*worker.Lane, n)
	for i := range list {
		list[i] = sc.partition(int32(i), cfg).Lane(0)
	}
	return list
}

// put is one call with one message. It has a completion.
func (sc *scene) put(l *worker.Lane, immediate bool, value string) {
	sc.t.Helper()
	sc.write(l, value)
	l.Commit(immediate)
}

// putSync is put by a caller that will wait for the outcome.
func (sc *scene) putSync(l *worker.Lane, value string) {
	sc.t.Helper()
	sc.write(l, value)
	l.CommitAndDrain()
}

// write begins a call.
func (sc *scene) write(l *worker.Lane, value string) {
	sc.t.Helper()
	_, generation := l.Partition.Choice()
	if ok, stopped := l.Begin(generation); !ok {
		sc.t.Fatalf("the lane takes no messages (stopped: %v)", stopped)
	}
	m := batch.Message{Value: []byte(value)}
	if full := l.Put(&m, sc, 0); full != nil {
		sc.t.Fatalf("no room in %s", full.Name)
	}
}

// backlog gives a lane n closed batches of one message.
func (sc *scene) backlog(l *worker.Lane, n int) {
	for i := range n {
		sc.put(l, false, fmt.Sprintf("%s-%d-%d", l.Partition.Config().Topic, l.Partition.ID, i))
		l.Mark()
	}
}

// settled is what waits at the broker once nothing moves any more.
func (sc *scene) settled() []*asked {
	synctest.Wait()
	return sc.broker.take()
}

// waitFor is settled, after d of virtual time if nothing waits before.
func (sc *scene) waitFor(d time.Duration) []*asked {
	if list := sc.settled(); len(list) > 0 {
		return list
	}
	time.Sleep(d)
	return sc.settled()
}

// one is the only request that waits at the broker.
func (sc *scene) one() *asked {
	sc.t.Helper()
	list := sc.settled()
	if len(list) != 1 {
		sc.t.Fatalf("%d requests wait at the broker, want 1", len(list))
	}
	return list[0]
}

// none fails if a request waits at the broker.
func (sc *scene) none() {
	sc.t.Helper()
	if list := sc.settled(); len(list) != 0 {
		sc.t.Fatalf("%d requests wait at the broker, want none; the first holds %v", len(list), sent(sc.t, list[0]))
	}
}

// acked fails unless n messages have had their outcome, all of them OK.
func (sc *scene) acked(n int) {
	sc.t.Helper()
	synctest.Wait()
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if len(sc.results) != n {
		sc.t.Fatalf("%d messages have an outcome, want %d", len(sc.results), n)
	}
	for _, r := range sc.results {
		if r.Err != nil {
			sc.t.Fatalf("a message failed: %v", r.Err)
		}
	}
}

// confirm sends a message by each lane and has it taken, so that the lanes may
// have several batches in flight.
func (sc *scene) confirm(lanes ...*worker.Lane) {
	sc.t.Helper()
	for i, l := range lanes {
		sc.put(l, true, "confirm")
		sc.one().ok()
		sc.acked(i + 1)
	}
	sc.mu.Lock()
	sc.results = nil
	sc.mu.Unlock()
}

// sent lists the messages of a request by topic and partition, in its order.
func sent(t testing.TB, a *asked) []string {
	t.Helper()
	var list []string
	for _, topic := range a.req.Topics {
		for _, p := range topic.Partitions {
			_, cursor, err := batch.OpenBatch(p.Records, 16<<20)
			if err != nil {
				t.Fatalf("%s[%d]: %v", topic.Topic, p.Partition, err)
			}
			for cursor.Next() {
				list = append(list, string(cursor.Record().Value))
			}
			if cursor.Err() != nil {
				t.Fatalf("%s[%d]: %v", topic.Topic, p.Partition, cursor.Err())
			}
		}
	}
	return list
}

// Inline implements batch.Completer.
func (sc *scene) Inline() bool { return true }

// Complete implements batch.Completer.
func (sc *scene) Complete(e batch.Entry, r *batch.Result) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	for range e.Count {
		sc.results = append(sc.results, *r)
	}
}

// The following implement worker.Host.

func (sc *scene) Clock() int64 { return time.Now().UnixMilli() }

func (sc *scene) PrepareBatch(l *worker.Lane, b *batch.Batch) {
	if fault := l.Prepare(b); fault != nil {
		sc.t.Errorf("a batch is not prepared: %v", fault)
	}
}

func (sc *scene) Resolved(l *worker.Lane, b *batch.Batch, free bool) {
	if free {
		sc.Released(l, b)
	}
	for _, e := range b.Entries() {
		if e.Done != nil {
			e.Done.Complete(e, &b.Acked)
		}
	}
	if free {
		b.Recycle()
	}
}

func (sc *scene) Told(*worker.Lane) {}

func (sc *scene) Released(l *worker.Lane, b *batch.Batch) {
	bytes, messages := b.Charged()
	b.FreeBytes()
	limits := l.Partition.Limits()
	limits.Credit(bytes, messages)
}

func (sc *scene) NextID(*worker.Lane, bool) (worker.ID, bool) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.ids++
	return worker.ID{Producer: sc.ids}, true
}

func (sc *scene) LogEnd(l *worker.Lane, number uint64) { l.Noted(number, -1) }

func (sc *scene) Doubt(*worker.Lane, worker.Question) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.questions++
}

func (sc *scene) SenderFor(l *worker.Lane, leader int32) worker.Sender {
	if leader != sc.node {
		return nil
	}
	sc.sender.Attach(l)
	if sc.sender.Up() {
		go l.Connected(sc.sender, true)
	}
	return sc.sender
}

func (sc *scene) Event(e worker.Event) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	if e.Kind == worker.EventRetry {
		sc.retries++
	}
}

func (sc *scene) Resized(*worker.Partition, int) {}

// Refresh implements worker.Host and Host.
func (sc *scene) Refresh() {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.refreshes++
}

// The following implement Host.

func (sc *scene) Address(int32) (string, bool) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	return sc.address, !sc.unknown
}

func (sc *scene) Moved(_ *Sender, from, to State, err error) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.moves = append(sc.moves, toldMove{from, to, err})
}

func (sc *scene) Connected(s *Sender, _ time.Duration) {
	sc.mu.Lock()
	sc.connected++
	sc.mu.Unlock()
	for _, l := range s.Lanes() {
		l.Connected(s, true)
	}
}

func (sc *scene) Disconnected(s *Sender, err error, _ time.Duration, first bool) {
	sc.mu.Lock()
	sc.disconnected = append(sc.disconnected, err)
	sc.firsts = append(sc.firsts, first)
	sc.mu.Unlock()
	for _, l := range s.Lanes() {
		l.Connected(s, false)
	}
}

func (sc *scene) Crowded() bool { return false }

func (sc *scene) Throttled(_ *Sender, pause time.Duration) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.pauses = append(sc.pauses, pause)
}

func (sc *scene) Hint(topic string, h LeaderHint) {
	sc.mu.Lock()
	defer sc.mu.Unlock()
	sc.hints = append(sc.hints, toldHint{topic, h})
}
