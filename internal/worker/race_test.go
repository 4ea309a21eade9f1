package worker

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/memory"
)

// crowd is a host for many goroutines: it counts.
type crowd struct {
	limits  Limits
	sender  [3]quiet
	ids     atomic.Int64
	done    atomic.Int64
	doubled atomic.Int64
}

type quiet int32

func (q *quiet) Ready(*Lane, bool)      {}
func (q *quiet) Drain(*Lane, bool)      {}
func (q *quiet) Later(*Lane, time.Time) {}
func (q *quiet) Warm()                  {}
func (q *quiet) Detach(*Lane)           {}
func (q *quiet) Broker() int32          { return int32(*q) }

func (c *crowd) Clock() int64                           { return time.Now().UnixMilli() }
func (c *crowd) PrepareBatch(l *Lane, b *batch.Batch)   { go l.Prepare(b) }
func (c *crowd) NextID(*Lane, bool) (ID, bool)          { return ID{Producer: c.ids.Add(1)}, true }
func (c *crowd) Refresh()                               {}
func (c *crowd) Resized(*Partition, int)                {}
func (c *crowd) Event(Event)                            {}
func (c *crowd) Told(*Lane)                             {}
func (c *crowd) Released(_ *Lane, b *batch.Batch)       { c.free(b) }
func (c *crowd) SenderFor(_ *Lane, leader int32) Sender { return &c.sender[leader] }
func (c *crowd) LogEnd(l *Lane, number uint64)          { go l.Noted(number, 0) }
func (c *crowd) Doubt(l *Lane, q Question)              { go l.Settle(q, Finding{}) }

func (c *crowd) Resolved(_ *Lane, b *batch.Batch, free bool) {
	if free {
		c.free(b)
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

func (c *crowd) free(b *batch.Batch) {
	held, messages := b.Charged()
	b.FreeBytes()
	c.limits.Credit(held, messages)
}

// once is the completer of one message among many goroutines.
type once struct {
	crowd *crowd
	n     atomic.Int32
}

func (o *once) Inline() bool { return true }

func (o *once) Complete(e batch.Entry, _ *batch.Result) {
	if o.n.Add(e.Count) != 1 {
		o.crowd.doubled.Add(1)
	}
	o.crowd.done.Add(int64(e.Count))
}

// Callers, answers, withdrawals, timeouts and leader moves at once: each message
// has one outcome, and all memory comes back. For the race detector, mostly.
func TestRule08Concurrently(t *testing.T) {
	c := &crowd{sender: [3]quiet{0, 1, 2}}
	c.limits = Limits{Bytes: memory.NewAccount("bytes", 0, nil), Messages: memory.NewAccount("messages", 0, nil)}
	cfg := &Config{
		Topic: "t", ID: &TopicID{}, Acks: -1, Idempotent: true, BatchBytes: 4000, Workers: 1, Codec: batch.LZ4,
		DeliveryTimeout: time.Hour, StateLifetime: 12 * time.Hour, BackoffMin: 1, BackoffMax: 1,
		Massage: func(in []batch.Message) []batch.Message { return in },
	}
	p := NewPartition(0, cfg, c.limits, c)
	p.SetLeader(0, 1)
	l := p.Lane(0)
	const callers, each = 3, 400
	var withdrawn atomic.Int64
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for i := range each {
				_, generation := p.Choice()
				l.Begin(generation)
				o := &once{crowd: c}
				l.Put(&batch.Message{Value: make([]byte, 100)}, o, 0)
				l.Commit(true)
				if i%7 == 0 {
					// What was on the wire is forgotten: it gets no outcome either.
					w := l.Withdraw(o)
					withdrawn.Add(int64(len(w.Withdrawn) + w.OnTheWire))
				}
			}
		})
	}
	deadline := time.Now().Add(20 * time.Second)
	all := func() bool { return c.done.Load()+withdrawn.Load() == callers*each || time.Now().After(deadline) }
	wg.Go(func() {
		for epoch := int32(2); !all(); epoch++ {
			p.SetLeader(epoch%3, epoch)
			l.Stats()
			l.NeverTried()
			l.Expire(time.Now(), errors.New("late"))
			time.Sleep(300 * time.Microsecond)
		}
	})
	for broker := range 3 {
		wg.Go(func() {
			for n := uint64(1); !all(); n++ {
				a, ok, _, _ := l.Take(&c.sender[broker], n/50*3+uint64(broker)+1, true, true, time.Now(), 1<<30)
				if !ok {
					time.Sleep(10 * time.Microsecond)
					continue
				}
				a.Stamp()
				wg.Go(func() {
					_ = wire(&a)
					codes := []int16{0, 0, 0, 0, 7, 6, 45, 87, 0}
					l.Answered(&a, Answer{Code: codes[n%uint64(len(codes))], BaseOffset: -1, LogAppendTime: -1}, time.Now())
				})
			}
		})
	}
	wg.Wait()
	if n := c.done.Load() + withdrawn.Load(); n != callers*each {
		t.Fatalf("%d of %d messages have an outcome: %s", n, callers*each, (&scripted{lane: l}).describe())
	}
	if n := c.doubled.Load(); n != 0 {
		t.Fatalf("%d messages have more than one outcome", n)
	}
	for l.Stats().Held > 0 { // withdrawn ones of which a batch is left
		if a, ok, _, _ := l.Take(l.sender, 1<<40, true, true, time.Now(), 1<<30); ok {
			a.Stamp()
			l.Answered(&a, Answer{BaseOffset: -1, LogAppendTime: -1}, time.Now())
		}
	}
	if c.limits.Bytes.Used() != 0 || c.limits.Messages.Used() != 0 {
		t.Fatalf("%d bytes, %d messages are charged", c.limits.Bytes.Used(), c.limits.Messages.Used())
	}
}
