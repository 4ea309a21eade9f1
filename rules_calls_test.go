package ekaf_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// The rules of the engine about calls: withdrawal, hooks, calls before the
// topic is known, callbacks, and the end.

// Rule 12: a sync call that ends while the broker is away is withdrawn, and never
// sent; one that may be on the wire says so.
func TestRule12WithdrawnIsNeverSent(t *testing.T) {
	bubble(t, 1, nil, opts(ekaf.BufferMessages(5), ekaf.RequestTimeout(time.Minute)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		ctx := t.Context()
		if _, err := p.ProduceSync(ctx, "events", ekaf.Value("first")); err != nil {
			t.Fatal(err)
		}
		c.Network(0).Blackhole()
		short := func() (context.Context, context.CancelFunc) { return context.WithTimeout(ctx, time.Second) }
		one, cancel := short()
		_, err := p.ProduceSync(one, "events", ekaf.Value("on the wire"))
		cancel()
		if d, ok := errors.AsType[*ekaf.DeliveryError](err); !ok || !d.MaybeWritten || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("on the wire: %v", err)
		}
		for i := range 20 { // four times as many as there is room for
			one, cancel := short()
			_, err := p.ProduceSync(one, "events", ekaf.Value(fmt.Sprint("withdrawn ", i)), ekaf.Value("withdrawn too"))
			cancel()
			if d, ok := errors.AsType[*ekaf.DeliveryError](err); !ok || d.MaybeWritten || !errors.Is(err, ekaf.ErrWithdrawn) {
				t.Fatalf("call %d: %v", i, err)
			}
		}
		if err := c.Network(0).Heal(); err != nil {
			t.Fatal(err)
		}
		ack, err := p.ProduceSync(ctx, "events", ekaf.Value("last"))
		if err != nil || ack.Offset != 2 {
			t.Errorf("%+v, %v", ack, err)
		}
		flush(t, p)
		expectInOrder(t, c, 0, "first", "on the wire", "last")
	})
}

// The same while the topic's partitions are unknown.
func TestRule12WithdrawnWhileUnknown(t *testing.T) {
	bubble(t, 1, nil, opts(ekaf.BufferMessages(5)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		if err := c.StopBroker(0); err != nil {
			t.Fatal(err)
		}
		kept := make(chan error, 1)
		for i := range 20 {
			if i == 3 {
				go func() {
					_, err := p.ProduceSync(t.Context(), "events", ekaf.Value("kept"))
					kept <- err
				}()
			}
			one, cancel := context.WithTimeout(t.Context(), time.Second)
			_, err := p.ProduceSync(one, "events", ekaf.Value("withdrawn"))
			cancel()
			if !errors.Is(err, ekaf.ErrWithdrawn) {
				t.Fatalf("call %d: %v", i, err)
			}
		}
		if n := p.Info("events").Waiting; n != 1 {
			t.Errorf("%d messages wait", n)
		}
		if err := c.StartBroker(0); err != nil {
			t.Fatal(err)
		}
		if err := <-kept; err != nil {
			t.Error(err)
		}
		expectInOrder(t, c, 0, "kept")
	})
}

// Rule 14: MassageBuffer is N to M.
func TestRule14MassageBuffer(t *testing.T) {
	hook := ekaf.MassageBuffer(func(topic string, in []ekaf.Message) []ekaf.Message {
		var joined []string
		for _, m := range in {
			joined = append(joined, string(m.Value))
		}
		return []ekaf.Message{ekaf.Value(topic), ekaf.Value(strings.Join(joined, ","))}
	})
	bubble(t, 1, nil, opts(hook, ekaf.BatchRecords(3)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		for call := range 2 {
			acked, err := p.ProduceSync(t.Context(), "events", ekaf.Values("a", "b", "c")...)
			if err != nil {
				t.Fatal(err)
			}
			for _, ack := range acked.All() {
				if ack.Offset != int64(2*call) {
					t.Errorf("%+v", ack)
				}
			}
		}
		expectInOrder(t, c, 0, "events", "a,b,c", "events", "a,b,c")
	})
}

// Rule 15: many callers while the topic becomes known: none is stranded, none
// overtakes, also over several topics' lives.
func TestRule15BootstrappingStrandsNobody(t *testing.T) {
	for range 10 {
		bubble(t, 1, nil, nil, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
			const callers, each = 8, 60
			var wg sync.WaitGroup
			for k := range callers {
				wg.Go(func() {
					for i := range each {
						if err := p.ProduceAsync(t.Context(), "events", ekaf.KeyValue(fmt.Sprint("key", k), strconv.Itoa(i))); err != nil {
							t.Error(err)
						}
						if i%20 == 10 {
							time.Sleep(time.Duration(k) * 100 * time.Microsecond)
						}
					}
				})
			}
			wg.Wait()
			flush(t, p)
			expectKeysInOrder(t, c, "events", callers, each)
		})
	}
}

// A batched sync verb waits for the partitions until its context ends.
func TestRule15SyncBatchedWaitsForPartitions(t *testing.T) {
	bubble(t, 1, nil, nil, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		if err := c.StopBroker(0); err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.ProduceSyncBatched(short, "events", ekaf.Value("x")); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		time.AfterFunc(5*time.Second, func() {
			if err := c.StartBroker(0); err != nil {
				t.Error(err)
			}
		})
		receipt, err := p.ProduceSyncBatched(t.Context(), "events", ekaf.Value("y"))
		if err != nil || receipt.Partition != 0 || receipt.Messages != 1 {
			t.Errorf("%+v, %v", receipt, err)
		}
		flush(t, p)
		expectInOrder(t, c, 0, "y")
	})
}

// Partitions without a leader count for hashing, and their messages wait.
func TestRule15LeaderlessPartitionsCount(t *testing.T) {
	bubble(t, 1, []ekaftest.Option{ekaftest.Topic("events", 4)}, nil, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		if err := c.RemoveLeader("events", 2); err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			if err := p.ProduceAsync(t.Context(), "events", ekaf.KeyValue(fmt.Sprint("key", i%10), strconv.Itoa(i/10))); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(10 * time.Second)
		if err := c.MoveLeader("events", 2, 0); err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			if err := p.ProduceAsync(t.Context(), "events", ekaf.KeyValue(fmt.Sprint("key", i%10), strconv.Itoa(10+i/10))); err != nil {
				t.Fatal(err)
			}
		}
		flush(t, p)
		expectKeysInOrder(t, c, "events", 10, 20)
	})
}

// Rule 16: the reader runs no user code. A callback that blocks delays other
// callbacks; sync verbs go on, and memory is given back.
func TestRule16BlockedCallback(t *testing.T) {
	bubble(t, 1, nil, nil, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		leave, entered := make(chan struct{}), make(chan struct{})
		blocking := ekaf.Value("0").Then(func(ekaf.Ack, error) {
			close(entered)
			<-leave
		})
		if err := p.ProduceAsync(t.Context(), "events", blocking); err != nil {
			t.Fatal(err)
		}
		<-entered
		later := make(chan struct{})
		if err := p.ProduceAsync(t.Context(), "events", ekaf.Value("1").Then(func(ekaf.Ack, error) { close(later) })); err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			if _, err := p.ProduceSync(t.Context(), "events", ekaf.Value(strconv.Itoa(2+i))); err != nil {
				t.Fatal(err)
			}
		}
		select {
		case <-later:
			t.Error("two callbacks ran at once")
		default:
		}
		if held := p.Stats().BufferedBytes; held != 0 {
			t.Errorf("%d bytes are held by outcomes that wait", held)
		}
		close(leave)
		<-later
	})
}

// A callback that panics, or ends its goroutine, ends nothing else.
func TestRule16CallbackPanics(t *testing.T) {
	bubble(t, 1, nil, nil, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		told := 0
		for i := range 30 {
			m := ekaf.Value(strconv.Itoa(i)).Then(func(ekaf.Ack, error) {
				told++
				if i%3 == 0 {
					panic("at once")
				}
			})
			if err := p.ProduceAsync(t.Context(), "events", m); err != nil {
				t.Fatal(err)
			}
		}
		flush(t, p)
		synctest.Wait()
		if told != 30 {
			t.Errorf("%d of 30 callbacks ran", told)
		}
	})
}

// A callback may produce under Block, with a buffer that is full.
func TestRule16CallbackProducesUnderBlock(t *testing.T) {
	options := opts(ekaf.WhenFull(ekaf.Block), ekaf.BufferMessages(3), ekaf.BatchRecords(1))
	bubble(t, 1, nil, options, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		var chain func(n int) ekaf.Message
		left := make(chan struct{}, 10)
		chain = func(n int) ekaf.Message {
			return ekaf.Value(strconv.Itoa(n)).Then(func(_ ekaf.Ack, err error) {
				if err != nil {
					t.Error(err)
				}
				if n == 50 {
					left <- struct{}{}
					return
				}
				if err := p.ProduceAsync(t.Context(), "events", chain(n+1)); err != nil {
					t.Error(err)
				}
			})
		}
		for range 10 {
			if err := p.ProduceAsync(t.Context(), "events", chain(0)); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			<-left
		}
	})
}

// Calls that are under way when the producer is closed end: none may turn in
// circles on workers that have stopped.
func TestCloseEndsCallsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inPicker, leave := make(chan struct{}), make(chan struct{})
		held := false
		picker := func(string, []byte, []byte, int) int {
			if held {
				close(inPicker)
				<-leave
				held = false
			}
			return 0
		}
		c, p := inMemory(t, 1, []ekaftest.Option{ekaftest.Topic("events", 1)}, ekaf.Strategy(ekaf.Custom(picker)))
		if _, err := p.ProduceSync(t.Context(), "events", ekaf.KeyValue("k", "first")); err != nil {
			t.Fatal(err)
		}
		held = true
		result := make(chan error)
		go func() {
			result <- p.ProduceAsync(t.Context(), "events", ekaf.KeyValue("k", "a"))
		}()
		<-inPicker
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		close(leave)
		if err := <-result; !errors.Is(err, ekaf.ErrClosed) {
			t.Error(err)
		}
		c.Close()
	})
}
