package ekaf_test

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// limitsOf are the limits there are, each small enough to be met at once.
var limitsOf = map[string]ekaf.Option{
	"partition bytes":    ekaf.PartitionBufferBytes(20_000),
	"topic bytes":        ekaf.TopicBufferBytes(20_000),
	"producer bytes":     ekaf.BufferBytes(20_000),
	"partition messages": ekaf.PartitionBufferMessages(30),
	"topic messages":     ekaf.TopicBufferMessages(30),
	"producer messages":  ekaf.BufferMessages(30),
}

// outage runs a test against each limit, with the brokers away: from the start,
// so that the topic is unknown, or after a first message.
func outage(t *testing.T, options []ekaf.Option, test func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer)) {
	for name, limit := range limitsOf {
		for _, known := range []bool{true, false} {
			if !known && strings.HasPrefix(name, "partition") {
				continue // no partition is chosen yet
			}
			t.Run(fmt.Sprintf("%s, known %v", name, known), func(t *testing.T) {
				bubble(t, 1, nil, append([]ekaf.Option{limit, ekaf.BatchBytes(2_000)}, options...), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
					if known {
						if _, err := p.ProduceSync(t.Context(), "events", ekaf.Value("first")); err != nil {
							t.Fatal(err)
						}
					}
					if err := c.StopBroker(0); err != nil {
						t.Fatal(err)
					}
					test(t, c, p)
				})
			})
		}
	}
}

func back(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
	t.Helper()
	if err := c.StartBroker(0); err != nil {
		t.Fatal(err)
	}
	flush(t, p)
}

// numbersIn lists what the topic holds, but for the first message.
func numbersIn(t *testing.T, c *ekaftest.Cluster) (list []int) {
	t.Helper()
	seen, err := c.Consume("events")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range seen {
		if i, err := strconv.Atoi(string(m.Value[:4])); err == nil {
			list = append(list, i)
		}
	}
	return list
}

// padded is a message of some size that begins with its number.
func padded(i int) ekaf.Message { return ekaf.Value(fmt.Sprintf("%04d%0*d", i, 500, 0)) }

func TestLimitError(t *testing.T) {
	outage(t, nil, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		accepted := 0
		var err error
		for err == nil && accepted < 1000 {
			if err = p.ProduceAsync(t.Context(), "events", padded(accepted)); err == nil {
				accepted++
			}
		}
		if !errors.Is(err, ekaf.ErrFull) || accepted < 5 || accepted > 60 {
			t.Fatalf("%d were accepted, then: %v", accepted, err)
		}
		err = p.ProduceAsync(t.Context(), "events", padded(7000), padded(7001), padded(7002))
		if !errors.Is(err, ekaf.ErrFull) {
			t.Fatal(err)
		}
		back(t, c, p)
		if got := numbersIn(t, c); len(got) != accepted {
			t.Errorf("%d are there, %d were accepted", len(got), accepted)
		}
		if err := p.ProduceAsync(t.Context(), "events", padded(8000)); err != nil {
			t.Errorf("after the outage: %v", err)
		}
		flush(t, p)
	})
}

func TestLimitDropNewest(t *testing.T) {
	outage(t, []ekaf.Option{ekaf.WhenFull(ekaf.DropNewest)}, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		var mu sync.Mutex
		dropped, told := map[int]bool{}, 0
		for i := range 100 {
			m := padded(i).Then(func(_ ekaf.Ack, err error) {
				mu.Lock()
				defer mu.Unlock()
				told++
				if errors.Is(err, ekaf.ErrDropped) {
					dropped[i] = true
				} else if err != nil {
					t.Errorf("message %d: %v", i, err)
				}
			})
			if err := p.ProduceAsync(t.Context(), "events", m); err != nil {
				t.Fatal(err)
			}
		}
		back(t, c, p)
		mu.Lock()
		defer mu.Unlock()
		if told != 100 || len(dropped) < 40 || len(dropped) > 95 {
			t.Fatalf("%d outcomes, %d dropped", told, len(dropped))
		}
		for _, i := range numbersIn(t, c) {
			if dropped[i] {
				t.Errorf("message %d was dropped and is there", i)
			}
		}
		if n := p.Stats().Dropped[ekaf.ErrDropped.Error()]; n != int64(len(dropped)) {
			t.Errorf("%d are counted, %d were dropped", n, len(dropped))
		}
	})
}

func TestLimitDropOldest(t *testing.T) {
	outage(t, []ekaf.Option{ekaf.WhenFull(ekaf.DropOldest), ekaf.BatchRecords(5)}, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		var mu sync.Mutex
		dropped, told := map[int]bool{}, 0
		for i := range 150 {
			m := padded(i).Then(func(_ ekaf.Ack, err error) {
				mu.Lock()
				defer mu.Unlock()
				told++
				if errors.Is(err, ekaf.ErrDropped) {
					dropped[i] = true
				} else if err != nil {
					t.Errorf("message %d: %v", i, err)
				}
			})
			if err := p.ProduceAsync(t.Context(), "events", m); err != nil {
				t.Fatalf("message %d: %v", i, err)
			}
			time.Sleep(10 * time.Millisecond)
		}
		back(t, c, p)
		mu.Lock()
		defer mu.Unlock()
		if told != 150 || len(dropped) < 50 {
			t.Fatalf("%d outcomes, %d dropped", told, len(dropped))
		}
		got := numbersIn(t, c)
		if len(got) != 150-len(dropped) || got[len(got)-1] != 149 {
			t.Fatalf("%d dropped; there are %v", len(dropped), got)
		}
		for k, i := range got {
			if dropped[i] || k > 0 && got[k-1] >= i {
				t.Errorf("there are %v", got)
			}
		}
		if n := p.Stats().Dropped[ekaf.ErrDropped.Error()]; n != int64(len(dropped)) {
			t.Errorf("%d are counted, %d were dropped", n, len(dropped))
		}
	})
}

// DropOldest never drops what may be on the wire; if there is nothing else it acts as Error.
func TestLimitDropOldestSparesTheWire(t *testing.T) {
	options := opts(ekaf.WhenFull(ekaf.DropOldest), ekaf.BufferMessages(1), ekaf.RequestTimeout(time.Minute))
	bubble(t, 1, nil, options, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		if _, err := p.ProduceSync(t.Context(), "events", ekaf.Value("first")); err != nil {
			t.Fatal(err)
		}
		c.Network(0).Blackhole()
		if err := p.ProduceAsync(t.Context(), "events", padded(1)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if err := p.ProduceAsync(t.Context(), "events", padded(2)); !errors.Is(err, ekaf.ErrFull) {
			t.Fatal(err)
		}
		if err := c.Network(0).Heal(); err != nil {
			t.Fatal(err)
		}
		flush(t, p)
		if got := numbersIn(t, c); fmt.Sprint(got) != "[1]" {
			t.Errorf("there are %v", got)
		}
	})
}

func TestLimitBlock(t *testing.T) {
	outage(t, []ekaf.Option{ekaf.WhenFull(ekaf.Block), ekaf.Linger(time.Hour)}, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		accepted := 0
		for accepted < 1000 {
			short, cancel := context.WithTimeout(t.Context(), time.Minute)
			began := time.Now()
			_, err := p.ProduceAsyncBatched(short, "events", padded(accepted))
			cancel()
			if err == nil {
				accepted++
				continue
			}
			if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ekaf.ErrFull) || time.Since(began) != time.Minute {
				t.Fatalf("after %v: %v", time.Since(began), err)
			}
			break
		}
		time.AfterFunc(10*time.Second, func() {
			if err := c.StartBroker(0); err != nil {
				t.Error(err)
			}
		})
		// The linger of an hour must not stand in the way of those who wait.
		began := time.Now()
		for range 3 * accepted {
			if _, err := p.ProduceAsyncBatched(t.Context(), "events", padded(accepted)); err != nil {
				t.Fatal(err)
			}
			accepted++
		}
		if waited := time.Since(began); waited > 10*time.Minute {
			t.Errorf("waited %v, in virtual time", waited)
		}
		flush(t, p)
		got := numbersIn(t, c)
		if len(got) != accepted {
			t.Fatalf("%d are there, %d were accepted", len(got), accepted)
		}
		for k, i := range got {
			if k != i {
				t.Fatalf("there are %v", got)
			}
		}
	})
}

// Many callers wait at once, on all limits together: each gets its turn.
func TestLimitBlockManyCallers(t *testing.T) {
	cluster := []ekaftest.Option{ekaftest.Topic("events", 3)}
	options := opts(ekaf.WhenFull(ekaf.Block), ekaf.BufferBytes(12_000), ekaf.PartitionBufferBytes(6_000),
		ekaf.BufferMessages(9), ekaf.PartitionBufferMessages(5), ekaf.BatchRecords(2), ekaf.BatchBytes(2_000))
	bubble(t, 1, cluster, options, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		const callers, each = 12, 40
		var wg sync.WaitGroup
		for k := range callers {
			wg.Go(func() {
				for i := range each {
					if err := p.ProduceAsync(t.Context(), "events", ekaf.KeyValue(fmt.Sprint("key", k), strconv.Itoa(i))); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		flush(t, p)
		expectKeysInOrder(t, c, "events", callers, each)
	})
}

// DeliveryTimeout: all outcomes come while the brokers are away, and nothing that
// was said to be given up before it was sent is there later.
func TestLimitDeliveryTimeout(t *testing.T) {
	for _, known := range []bool{true, false} {
		bubble(t, 1, nil, opts(ekaf.DeliveryTimeout(5*time.Second)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
			s := &stream{}
			if known {
				s.send(t, p, 5)
				flush(t, p)
				c.Network(0).Delay(20 * time.Second)
				s.send(t, p, 10)
				time.Sleep(time.Second)
			}
			if err := c.StopBroker(0); err != nil {
				t.Fatal(err)
			}
			s.send(t, p, 20)
			time.Sleep(6 * time.Second)
			failed := s.failed(t) // each has its outcome
			if len(failed) < 20 {
				t.Errorf("%d failed", len(failed))
			}
			for i, f := range failed {
				if !errors.Is(f, ekaf.ErrTimeout) {
					t.Errorf("message %d: %v", i, f)
				}
			}
			if err := c.Network(0).Heal(); err != nil {
				t.Fatal(err)
			}
			back(t, c, p)
			s.send(t, p, 5)
			flush(t, p)
			s.expectOnce(t, c)
		})
	}
}

// P10: Close reports exactly what it could not deliver.
func TestCloseReportsTheRest(t *testing.T) {
	bubble(t, 1, nil, nil, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		s := &stream{}
		s.send(t, p, 5)
		flush(t, p)
		if err := c.StopBroker(0); err != nil {
			t.Fatal(err)
		}
		other, err := ekaf.New(ekaf.Brokers(c.Addrs()...), ekaf.Dialer(c.Dialer()))
		if err != nil {
			t.Fatal(err)
		}
		lost := &stream{}
		lost.send(t, other, 7)
		short, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		rest, ok := errors.AsType[*ekaf.UndeliveredError](other.Close(short))
		if !ok || rest.Messages != 7 || rest.Topics["events"] != 7 {
			t.Errorf("%+v", rest)
		}
		for i, f := range lost.failed(t) {
			if !errors.Is(f, ekaf.ErrClosed) || f.MaybeWritten {
				t.Errorf("message %d: %v", i, f)
			}
		}
		if err := other.ProduceAsync(t.Context(), "events", ekaf.Value("late")); !errors.Is(err, ekaf.ErrClosed) {
			t.Error(err)
		}
		if held := other.Stats().BufferedBytes; held != 0 {
			t.Errorf("%d bytes are held", held)
		}
		back(t, c, p)
	})
}

// calling are the ways of a call whose callback hears of all its messages, with the
// number of those.
func calling(told *atomic.Int64) map[string]func(p *ekaf.Producer, i int) (int, error) {
	answered := func(a ekaf.Acked, _ error) { told.Add(int64(a.Len())) }
	nothing := func(ekaf.Ack, error) {}
	key := func(i int) ekaf.Message { return ekaf.KeyValue(strconv.Itoa(i), "a value") }
	call := func(messages func(i int) []ekaf.Message) func(p *ekaf.Producer, i int) (int, error) {
		return func(p *ekaf.Producer, i int) (int, error) {
			list := messages(i)
			_, err := p.ProduceAsyncBatchedFunc(context.Background(), "events", answered, list...)
			return len(list), err
		}
	}
	return map[string]func(p *ekaf.Producer, i int) (int, error){
		"one":      call(func(i int) []ekaf.Message { return []ekaf.Message{ekaf.Value("one")} }),
		"two":      call(func(i int) []ekaf.Message { return ekaf.Values("one", "two") }),
		"two keys": call(func(i int) []ekaf.Message { return []ekaf.Message{key(i), key(i + 1)} }),
		"one, and its own": call(func(i int) []ekaf.Message {
			return []ekaf.Message{ekaf.Value("one").Then(nothing)}
		}),
		"two, one of which its own": call(func(i int) []ekaf.Message {
			return []ekaf.Message{ekaf.Value("one").Then(nothing), key(i)}
		}),
	}
}

// P8: a call that outlives its verb is charged, until the last of its outcomes is
// known, however it comes about; then nothing is held.
func TestLimitHoldsCalls(t *testing.T) {
	for _, policy := range []ekaf.FullPolicy{ekaf.Error, ekaf.DropOldest, ekaf.DropNewest} {
		outage(t, opts(ekaf.WhenFull(policy), ekaf.BatchRecords(7)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
			var told atomic.Int64
			accepted := 0
			for _, call := range calling(&told) {
				for i := range 100 {
					n, err := call(p, i)
					if err == nil {
						accepted += n
					} else if !errors.Is(err, ekaf.ErrFull) {
						t.Fatal(err)
					}
				}
			}
			if held := p.Stats().BufferedBytes; held == 0 {
				t.Error("nothing is held during the outage")
			}
			back(t, c, p)
			if held := p.Stats().BufferedBytes; held != 0 || told.Load() != int64(accepted) {
				t.Errorf("%d bytes are held after it; %d outcomes of %d messages", held, told.Load(), accepted)
			}
		})
	}
}

// A call waits for room that one message needs alone: what the call itself holds must
// not stand in its way, nor what other calls hold whose callbacks wait for this one.
func TestLimitBlockNeedsAllOfIt(t *testing.T) {
	options := opts(ekaf.WhenFull(ekaf.Block), ekaf.BufferBytes(4<<10), ekaf.PartitionBufferBytes(4<<10), ekaf.BatchBytes(4<<10))
	bubble(t, 1, nil, options, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		large := ekaf.Value(make([]byte, 3<<10))
		answered := make(chan int, 100)
		for range 5 {
			err := p.ProduceAsyncFunc(t.Context(), "events", func(a ekaf.Acked, err error) {
				if err == nil && a.Len() == 3 {
					// All others that were answered meanwhile are told after this.
					err = p.ProduceAsyncFunc(t.Context(), "events", func(a ekaf.Acked, _ error) { answered <- a.Len() }, large, large)
				}
				if err != nil {
					t.Error(err)
				}
				answered <- a.Len()
			}, large, large, large)
			if err != nil {
				t.Fatal(err)
			}
		}
		sum := 0
		for range 10 {
			sum += <-answered
		}
		if sum != 25 {
			t.Errorf("%d messages were answered for, want 25", sum)
		}
	})
}

// A message's own callback is run beside that of its call, also where nobody hears of
// the call, and after one that panicked.
func TestCallbacksOfCallAndMessage(t *testing.T) {
	for _, known := range []bool{true, false} {
		bubble(t, 1, nil, nil, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
			if known {
				if _, err := p.ProduceSync(t.Context(), "events", ekaf.Value("first")); err != nil {
					t.Fatal(err)
				}
			}
			var mu sync.Mutex
			var got []string
			say := func(what string, a ekaf.Ack, err error) {
				mu.Lock()
				defer mu.Unlock()
				if known {
					a.Offset--
				}
				got = append(got, fmt.Sprint(what, a.Offset, err))
			}
			own := func(a ekaf.Ack, err error) { say("own ", a, err) }
			call := func(a ekaf.Acked, err error) {
				for _, ack := range a.All() {
					say("call ", ack, err)
				}
			}
			ill := func(ekaf.Acked, error) { panic("ill") }
			for _, err := range []error{
				p.ProduceAsyncFunc(t.Context(), "events", call, ekaf.Value("0").Then(own)),
				p.ProduceAsyncFunc(t.Context(), "events", nil, ekaf.Value("1").Then(own)),
				p.ProduceAsyncFunc(t.Context(), "events", ill, ekaf.Value("2").Then(own)),
				p.ProduceAsyncFunc(t.Context(), "events", call, ekaf.Value("3")),
				p.ProduceAsyncFunc(t.Context(), "events", call, ekaf.Value("4")),
				p.ProduceAsyncFunc(t.Context(), "events", nil, ekaf.Value("5"), ekaf.Value("6").Then(own)),
				p.ProduceAsyncFunc(t.Context(), "events", call, ekaf.Value("7"), ekaf.Value("8").Then(own)),
			} {
				if err != nil {
					t.Fatal(err)
				}
			}
			flush(t, p)
			sort.Strings(got)
			want := "[call 0 <nil> call 3 <nil> call 4 <nil> call 7 <nil> call 8 <nil> own 0 <nil> own 1 <nil> own 2 <nil> own 6 <nil> own 8 <nil>]"
			if fmt.Sprint(got) != want {
				t.Errorf("known %v: heard %v", known, got)
			}
		})
	}
}
