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

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// The rules of the engine, each with the failure that it prevents, judged by
// what a consumer sees.

func opts(o ...ekaf.Option) []ekaf.Option { return o }

// Rule 1: errors after the append, errors before it, and lost answers.
func TestRule01ErrorsAreNoProof(t *testing.T) {
	for _, code := range []int16{3, 6, 7, 13, 20, 56, -1, 19, 45, 47, 59, 90, 2} {
		for _, after := range []bool{true, false} {
			if _, early := map[int16]bool{19: true, 45: true, 47: true, 59: true, 90: true, 2: true}[code]; after && early {
				continue // no broker answers these once it has written
			}
			t.Run(fmt.Sprintf("code %d, after the write %v", code, after), func(t *testing.T) {
				bubble(t, 1, nil, opts(ekaf.BatchRecords(3)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
					s := &stream{}
					s.send(t, p, 10)
					flush(t, p)
					c.Network(0).Delay(20 * time.Millisecond)
					for range 8 {
						c.Inject(ekaftest.Fault{Code: code, AfterWrite: after, Skip: 1, Times: 1})
						s.send(t, p, 20)
						time.Sleep(30 * time.Millisecond)
					}
					flush(t, p)
					s.expectOnce(t, c)
					if failed := s.failed(t); len(failed) != 0 {
						t.Errorf("%d messages failed: %v", len(failed), failed)
					}
				})
			})
		}
	}
}

func TestRule01LostAnswers(t *testing.T) {
	losses := map[string]ekaftest.Fault{
		"the answer":              {Lose: ekaftest.LoseAnswer, HangUp: true},
		"the request":             {Lose: ekaftest.LoseRequest, HangUp: true},
		"the answer, in silence":  {Lose: ekaftest.LoseAnswer},
		"the request, in silence": {Lose: ekaftest.LoseRequest},
	}
	for name, fault := range losses {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, nil, opts(ekaf.BatchRecords(2), ekaf.RequestTimeout(2*time.Second)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
				s := &stream{}
				for skip := range 6 {
					f := fault
					f.Skip = skip
					in := c.Inject(f)
					s.send(t, p, 25)
					flush(t, p)
					in.Remove()
				}
				s.expectOnce(t, c)
			})
		})
	}
}

// A limit is lowered between the two attempts: the broker looks at sizes before
// it looks for duplicates.
func TestRule01LimitLoweredBetweenAttempts(t *testing.T) {
	bubble(t, 1, nil, opts(ekaf.BatchRecords(4)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		s := &stream{}
		s.send(t, p, 4)
		flush(t, p)
		c.LoseAnswers(1)
		c.Inject(ekaftest.Fault{Code: 10, Skip: 1})
		s.send(t, p, 4)
		flush(t, p)
		s.expectOnce(t, c)
		if failed := s.failed(t); len(failed) != 0 {
			t.Errorf("failed: %v", failed)
		}
	})
}

// Rule 2: one request on its way until the first answer on a connection, then up to five.
func TestRule02OneInFlightUntilConfirmed(t *testing.T) {
	bubble(t, 1, nil, opts(ekaf.BatchRecords(1)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		s := &stream{}
		c.Network(0).Delay(50 * time.Millisecond)
		for round := range 3 {
			a := audit(t, c)
			s.send(t, p, 20)
			for len(a.seen()) == 0 {
				time.Sleep(time.Millisecond)
			}
			time.Sleep(40 * time.Millisecond)
			if n := len(a.seen()); n != 1 {
				t.Errorf("round %d: %d requests before the first answer", round, n)
			}
			flush(t, p)
			if n := len(a.seen()); n < 20 {
				t.Errorf("round %d: %d requests", round, n)
			}
			c.Network(0).Cut()
			time.Sleep(time.Second)
		}
		s.expectOnce(t, c)
	})
}

// Records a day old, whose answer is lost; the broker restarts and has forgotten
// the id: without a look at the log they would be there twice.
func TestRule02OldRecordsAreNotDoubled(t *testing.T) {
	bubble(t, 1, nil, opts(ekaf.BatchRecords(1), ekaf.MetadataRefresh(time.Minute)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		s := &stream{}
		old := func(m ekaf.Message) ekaf.Message { return m.At(time.Now().Add(-25 * time.Hour)) }
		s.send(t, p, 3)
		flush(t, p)
		c.Network(0).Delay(time.Second)
		s.send(t, p, 5, old)
		time.Sleep(100 * time.Millisecond)
		if err := c.StopBroker(0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(20 * time.Minute)
		if err := c.StartBroker(0); err != nil {
			t.Fatal(err)
		}
		flush(t, p)
		s.expectOnce(t, c)
		if n := c.Requests(kmsg.DescribeProducers); n == 0 {
			t.Error("the broker was not asked what it remembers")
		}
	})
}

// The same, with young records that grew old while the broker was away.
func TestRule02RecordsThatGrewOldAreNotDoubled(t *testing.T) {
	bubble(t, 1, nil, opts(ekaf.BatchRecords(1), ekaf.MetadataRefresh(time.Hour)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		s := &stream{}
		s.send(t, p, 3)
		flush(t, p)
		c.Network(0).Delay(time.Second)
		s.send(t, p, 5)
		time.Sleep(100 * time.Millisecond)
		if err := c.StopBroker(0); err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Hour)
		if err := c.StartBroker(0); err != nil {
			t.Fatal(err)
		}
		flush(t, p)
		s.expectOnce(t, c)
	})
}

// After a restart a broker remembers the last batch of each id only: the others
// of a window answer OUT_OF_ORDER, and are written all the same.
func TestRule02RestartWithAFullWindow(t *testing.T) {
	for lost := range 6 {
		bubble(t, 1, nil, opts(ekaf.BatchRecords(1)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
			s := &stream{}
			s.send(t, p, 3)
			flush(t, p)
			c.Network(0).Delay(time.Second)
			s.send(t, p, 12)
			time.Sleep(time.Duration(lost) * 300 * time.Millisecond)
			if err := c.StopBroker(0); err != nil {
				t.Fatal(err)
			}
			if err := c.StartBroker(0); err != nil {
				t.Fatal(err)
			}
			if err := c.Network(0).Heal(); err != nil {
				t.Fatal(err)
			}
			flush(t, p)
			s.expectOnce(t, c)
			if failed := s.failed(t); len(failed) != 0 {
				t.Errorf("failed: %v", failed)
			}
		})
	}
}

// Rule 3: the log was cut and the state is gone, so nobody can tell: Hold says
// so and goes on, Resend sends again.
func TestRule03UndecidableIsTold(t *testing.T) {
	for _, policy := range []ekaf.UndecidablePolicy{ekaf.Hold, ekaf.Resend} {
		t.Run(policy.String(), func(t *testing.T) {
			var mu sync.Mutex
			told := 0
			hear := ekaf.OnEvent(func(e ekaf.Event) {
				mu.Lock()
				defer mu.Unlock()
				if e.Kind == ekaf.EventUndecidable {
					told++
				}
			})
			bubble(t, 1, nil, opts(ekaf.OnUndecidable(policy), hear), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
				s := &stream{}
				s.send(t, p, 3)
				flush(t, p)
				c.Network(0).Delay(time.Second)
				s.send(t, p, 1, func(m ekaf.Message) ekaf.Message { return m.At(time.Now().Add(-25 * time.Hour)) })
				time.Sleep(100 * time.Millisecond)
				if err := c.StopBroker(0); err != nil {
					t.Fatal(err)
				}
				if err := c.DeleteRecords("events", 0, -1); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				if err := c.StartBroker(0); err != nil {
					t.Fatal(err)
				}
				s.send(t, p, 2)
				flush(t, p)
				failed := s.failed(t)
				f := failed[3]
				if policy == ekaf.Hold && (f == nil || !f.MaybeWritten || !errors.Is(f, ekaf.ErrUndecidable)) {
					t.Errorf("failed: %v", failed)
				}
				if want := map[ekaf.UndecidablePolicy]int{ekaf.Hold: 1, ekaf.Resend: 0}[policy]; len(failed) != want {
					t.Errorf("failed: %v", failed)
				}
				mu.Lock()
				defer mu.Unlock()
				if told != 1 {
					t.Errorf("%d events", told)
				}
			})
		})
	}
}

// Rule 5: poison records under full load; what is behind them goes on.
func TestRule05PoisonInAFullWindow(t *testing.T) {
	for _, version := range []string{"4.0", "2.0"} { // 2.0 names no record
		t.Run(version, func(t *testing.T) {
			cluster := []ekaftest.Option{ekaftest.Topic("events", 1), ekaftest.KafkaVersion(version)}
			bubble(t, 1, cluster, opts(ekaf.BatchRecords(7)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
				c.RejectRecords("events", func(m ekaftest.Message) error {
					if strings.HasSuffix(string(m.Value), "3") {
						return errors.New("no threes")
					}
					return nil
				})
				s := &stream{}
				c.Network(0).Delay(5 * time.Millisecond)
				s.send(t, p, 200)
				flush(t, p)
				s.expectOnce(t, c)
				failed := s.failed(t)
				for i := range s.n {
					f := failed[i]
					if bad := i%10 == 3; bad != (f != nil) || f != nil && (f.Code != 87 || f.MaybeWritten) {
						t.Fatalf("message %d: %v", i, f)
					}
				}
			})
		})
	}
}

// Rule 7: workers of one partition never share a request; the auditor of each
// bubble looks at that and at the numbers.
func TestRule07WorkersDoNotShareARequest(t *testing.T) {
	cluster := []ekaftest.Option{ekaftest.Topic("events", 3)}
	options := opts(ekaf.Workers(4), ekaf.BatchRecords(3), ekaf.Strategy(ekaf.StrictRoundRobin()))
	bubble(t, 1, cluster, options, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		a := audit(t, c)
		c.Network(0).Delay(3 * time.Millisecond)
		s := &stream{}
		s.send(t, p, 600)
		flush(t, p)
		if failed := s.failed(t); len(failed) != 0 {
			t.Errorf("failed: %v", failed)
		}
		seen, err := c.Consume("events")
		if err != nil || len(seen) != 600 {
			t.Errorf("%d messages, %v", len(seen), err)
		}
		ids := map[int64]bool{}
		for _, m := range seen {
			ids[m.ProducerID] = true
		}
		if len(ids) != 4 {
			t.Errorf("%d ids for 4 workers", len(ids))
		}
		full := 0
		for _, r := range a.seen() {
			full = max(full, len(r.batches))
		}
		if full < 2 {
			t.Error("no request holds batches of two partitions: this tests nothing")
		}
	})
}

// Rule 8: a leader hangs with a request half read, another leader takes the
// batch, and the memory is used again; then the first one wakes up.
func TestRule08BytesOfAHangingRequest(t *testing.T) {
	bubble(t, 2, nil, opts(ekaf.BatchRecords(50), ekaf.RequestTimeout(time.Minute)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		s := &stream{}
		s.send(t, p, 100)
		flush(t, p)
		for round := range 4 {
			from := c.Leader("events", 0)
			c.Network(from).Blackhole()
			s.send(t, p, 100)
			time.Sleep(time.Second)
			if err := c.MoveLeader("events", 0, 1-from); err != nil {
				t.Fatal(err)
			}
			// Metadata comes from the broker that answers, at the latest when the
			// other's connection is given up.
			time.Sleep(3 * time.Minute)
			s.send(t, p, 1000)
			flush(t, p)
			if err := c.Network(from).Heal(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(round) * time.Second)
		}
		s.expectOnce(t, c)
	})
}

// Rule 9: an old broker takes no zstd; the records go raw, in order, once.
func TestRule09ZstdForAnOldBroker(t *testing.T) {
	cluster := []ekaftest.Option{ekaftest.Topic("events", 1), ekaftest.KafkaVersion("1.0")}
	bubble(t, 1, cluster, opts(ekaf.Compression(ekaf.Zstd), ekaf.BatchRecords(20)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		s := &stream{}
		s.send(t, p, 200)
		flush(t, p)
		s.expectOnce(t, c)
		if failed := s.failed(t); len(failed) != 0 {
			t.Errorf("failed: %v", failed)
		}
	})
}

// A broker with a small limit: batches are cut until they fit, compressed ones as well.
func TestRule13TooLargeBatchesAreCut(t *testing.T) {
	for _, codec := range []ekaf.Codec{ekaf.NoCompression, ekaf.Gzip} {
		t.Run(codec.String(), func(t *testing.T) {
			cluster := []ekaftest.Option{ekaftest.Topic("events", 1), ekaftest.MaxMessageBytes(400)}
			bubble(t, 1, cluster, opts(ekaf.Compression(codec)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
				s := &stream{}
				s.send(t, p, 1)
				flush(t, p)
				c.Network(0).Delay(10 * time.Millisecond)
				for range 10 {
					s.send(t, p, 100)
					time.Sleep(time.Millisecond)
				}
				flush(t, p)
				s.expectOnce(t, c)
				if failed := s.failed(t); len(failed) != 0 {
					t.Errorf("failed: %v", failed)
				}
			})
		})
	}
}

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

// Rule 18: topics with other acks or timeouts do not share a request; acks=0 is
// done when it is written.
func TestRule18RequestsOfOneKind(t *testing.T) {
	cluster := []ekaftest.Option{ekaftest.Topic("all", 2), ekaftest.Topic("one", 2), ekaftest.Topic("none", 2), ekaftest.KafkaVersion("2.7")}
	options := opts(
		ekaf.Topic("one", ekaf.Acks(ekaf.AcksLeader)), ekaf.Topic("none", ekaf.Acks(ekaf.AcksNone)),
		ekaf.BatchRecords(2), ekaf.Strategy(ekaf.StrictRoundRobin()))
	want := map[string]int16{"all": -1, "one": 1, "none": 0}
	bubble(t, 1, cluster, options, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		a := audit(t, c)
		for i := range 60 {
			for topic := range want {
				ack, err := p.ProduceSync(t.Context(), topic, ekaf.Value(strconv.Itoa(i)))
				if err != nil || (ack.Offset < 0) != (topic == "none") {
					t.Fatalf("%s: %+v, %v", topic, ack, err)
				}
				if err := p.ProduceAsync(t.Context(), topic, ekaf.Value("async")); err != nil {
					t.Fatal(err)
				}
			}
		}
		flush(t, p)
		for _, r := range a.seen() {
			for _, b := range r.batches {
				if r.acks != want[b.topic] {
					t.Errorf("a request with acks %d holds a batch of %s", r.acks, b.topic)
				}
				if numbered := b.header.ProducerID >= 0; numbered != (b.topic == "all") {
					t.Errorf("topic %s: id %d", b.topic, b.header.ProducerID)
				}
			}
		}
		for topic := range want {
			if seen, err := c.WaitFor(t.Context(), topic, 120); err != nil || len(seen) != 120 {
				t.Errorf("%s: %d messages, %v", topic, len(seen), err)
			}
		}
	})
}

// Rule 19: the number of partitions grows, and a lagging broker that tells of
// fewer does not move the keys back.
func TestRule19PartitionsOnlyGrow(t *testing.T) {
	options := opts(ekaf.MetadataRefresh(time.Second))
	bubble(t, 1, []ekaftest.Option{ekaftest.Topic("events", 2)}, options, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		send := func() map[string]int32 {
			at := map[string]int32{}
			for i := range 40 {
				key := fmt.Sprint("key", i)
				ack, err := p.ProduceSync(t.Context(), "events", ekaf.KeyValue(key, "x"))
				if err != nil {
					t.Fatal(err)
				}
				at[key] = ack.Partition
			}
			return at
		}
		send()
		if err := c.AddPartitions("events", 4); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		grown := send()
		c.OnMetadata(func(_ int32, resp *kmsg.MetadataResponse) {
			for i := range resp.Topics {
				if n := len(resp.Topics[i].Partitions); n > 2 {
					resp.Topics[i].Partitions = resp.Topics[i].Partitions[:2]
				}
			}
		})
		time.Sleep(5 * time.Second)
		for key, partition := range send() {
			if grown[key] != partition {
				t.Errorf("%s moved from partition %d to %d", key, grown[key], partition)
			}
		}
		largest := int32(0)
		for _, partition := range grown {
			largest = max(largest, partition)
		}
		if largest < 2 {
			t.Error("no key uses the new partitions")
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
