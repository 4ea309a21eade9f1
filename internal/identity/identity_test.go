package identity

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/memory"
	"github.com/ekaf-go/ekaf/internal/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cluster gives ids from 1 on, or its failure, when a test says so.
type cluster struct {
	*Source
	answer chan error // one for each request
	under  sync.WaitGroup

	mu   sync.Mutex
	last int64
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{answer: make(chan error, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	c.Source = New(ctx, c.fetch, func(err error) (int16, error) { return 31, err }, c.under.Go)
	t.Cleanup(func() { cancel(); c.under.Wait() })
	return c
}

func (c *cluster) fetch(ctx context.Context) (worker.ID, error) {
	select {
	case err := <-c.answer:
		c.mu.Lock()
		defer c.mu.Unlock()
		if err == nil {
			c.last++
		}
		return worker.ID{Producer: c.last}, err
	case <-ctx.Done():
		return worker.ID{}, ctx.Err()
	}
}

// answered lets requests under way have their answers.
func (c *cluster) answered(errs ...error) {
	for _, err := range errs {
		c.answer <- err
	}
	synctest.Wait()
}

func (c *cluster) expect(t *testing.T, l *worker.Lane, index int, fresh bool, want int64) {
	t.Helper()
	if id, ok := c.Next(l, index, fresh); !ok || id.Producer != want {
		t.Errorf("worker %d, fresh %v: got id %d, %v; want %d", index, fresh, id.Producer, ok, want)
	}
}

// Workers of one index share their first id, whatever their partition; later
// chains get an id that nobody used.
func TestWorkersOfAnIndexShareTheirFirstID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.Prefetch()
		c.answered(nil)
		a, b := newHost(c).lane, newHost(c).lane
		c.expect(t, a, 0, false, 1)
		c.expect(t, b, 0, false, 1)
		c.answered(nil) // a spare one was asked for with the first
		c.expect(t, b, 1, false, 2)
		c.answered(nil)
		c.expect(t, a, 0, true, 3) // a new chain
		c.answered(nil)
		c.expect(t, b, 0, true, 4)
		c.expect(t, b, 0, false, 1)
	})
}

func TestPrefetchAsksOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		c.Prefetch()
		c.Prefetch()
		c.answered(nil, nil)
		c.Prefetch()
		synctest.Wait()
		if n := len(c.answer); n != 1 {
			t.Errorf("%d of 2 answers are left: more than one request was sent", n)
		}
	})
}

// Lanes without an id wait, and are woken when there is one.
func TestWaitingLanesAreWoken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		first, second := newHost(c), newHost(c)
		first.produce(t)
		second.produce(t)
		c.answered(nil)
		for _, h := range []*host{first, second} {
			if id := h.takenID(t); id != 1 {
				t.Errorf("the batch goes under id %d, want 1", id)
			}
		}
	})
}

// Without an id what waits for one fails, with the fault that the owner makes
// of the error; the next batch asks again.
func TestAFailureFailsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		h := newHost(c)
		h.produce(t)
		refused := errors.New("not authorized")
		c.answered(refused)
		if len(h.outcomes) != 1 || !errors.Is(h.outcomes[0].Err, refused) || h.outcomes[0].Code != 31 {
			t.Fatalf("outcomes %+v, want one with code 31", h.outcomes)
		}
		h.produce(t)
		c.answered(nil)
		if id := h.takenID(t); id != 1 {
			t.Errorf("the next batch goes under id %d, want 1", id)
		}
	})
}

// host is a lane that takes its ids from the source, and the sender that a test plays.
type host struct {
	worker.Host // of the calls that no test here makes
	source      *cluster
	lane        *worker.Lane
	outcomes    []batch.Result
}

func newHost(c *cluster) *host {
	h := &host{source: c}
	cfg := &worker.Config{
		Topic: "t", ID: &worker.TopicID{}, Acks: -1, Idempotent: true, BatchBytes: 1 << 16, Workers: 1,
		RequestTimeout: time.Second, StateLifetime: time.Hour, BackoffMin: 1, BackoffMax: 1,
	}
	limits := worker.Limits{Bytes: memory.NewAccount("partition", 0, nil)}
	p := worker.NewPartition(0, cfg, limits, h)
	p.SetLeader(0, 1)
	h.lane = p.Lane(0)
	return h
}

func (h *host) Clock() int64                                { return time.Now().UnixMilli() }
func (h *host) Event(worker.Event)                          {}
func (h *host) Told(*worker.Lane)                           {}
func (h *host) SenderFor(*worker.Lane, int32) worker.Sender { return h }
func (h *host) NextID(l *worker.Lane, fresh bool) (worker.ID, bool) {
	return h.source.Next(l, l.Worker, fresh)
}
func (h *host) Resolved(_ *worker.Lane, b *batch.Batch, _ bool) {
	h.outcomes = append(h.outcomes, b.Acked)
}

func (h *host) Ready(*worker.Lane, bool)      {}
func (h *host) Drain(*worker.Lane, bool)      {}
func (h *host) Later(*worker.Lane, time.Time) {}
func (h *host) Warm()                         {}
func (h *host) Detach(*worker.Lane)           {}
func (h *host) Broker() int32                 { return 0 }

// produce hands the lane one message and asks it for the batch, which needs an id.
func (h *host) produce(t *testing.T) {
	t.Helper()
	_, generation := h.lane.Partition.Choice()
	if _, ok := h.lane.PutOne(generation, &batch.Message{Value: []byte("v")}, nil, batch.OwnPlace, true, false); !ok {
		t.Fatal("the lane takes no message")
	}
	h.lane.Flush()
	if _, ok, _, _ := h.take(); ok {
		t.Fatal("a batch without an id")
	}
}

func (h *host) take() (a worker.Attempt, ok, again, blocked bool) {
	return h.lane.Take(h, 1, false, false, time.Now(), 1<<20)
}

func (h *host) takenID(t *testing.T) int64 {
	t.Helper()
	a, ok, _, _ := h.take()
	if !ok {
		t.Fatal("the lane was not woken: it gives no batch")
	}
	return a.Batch.ProducerID
}
