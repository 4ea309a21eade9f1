package ekaf_test

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// The rules of the engine, each with the failure that it prevents, judged by
// what a consumer sees. Here: what an answer proves, or the lack of one.

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

// The first records ever are a day old, and the log does not begin at 0 any more,
// as any that is a while in use: read back from its beginning nobody could tell
// whether they were in what is gone.
func TestRule02OldRecordsFirstInAnOldLog(t *testing.T) {
	for _, written := range []bool{true, false} {
		t.Run(fmt.Sprintf("written %v", written), func(t *testing.T) {
			bubble(t, 1, nil, opts(ekaf.BatchRecords(1)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
				seed(t, c, 9)
				if err := c.DeleteRecords("events", 0, 5); err != nil {
					t.Fatal(err)
				}
				loss := ekaftest.LoseRequest
				if written {
					loss = ekaftest.LoseAnswer
				}
				c.Inject(ekaftest.Fault{Lose: loss, HangUp: true})
				s := &stream{}
				s.send(t, p, 3, func(m ekaf.Message) ekaf.Message { return m.At(time.Now().Add(-25 * time.Hour)) })
				time.Sleep(20 * time.Minute) // the id is forgotten
				flush(t, p)
				if failed := s.failed(t); len(failed) != 0 {
					t.Errorf("failed: %v", failed)
				}
				if n := c.Requests(kmsg.ListOffsets); n == 0 {
					t.Error("the log's end was not asked for")
				}
				seen, err := c.Consume("events")
				if err != nil || len(seen) != 4+3 {
					t.Errorf("%d messages (%v), want the 4 that are left and 3", len(seen), err)
				}
			})
		})
	}
}

// seed writes messages that are none of the test's, by another producer.
func seed(t *testing.T, c *ekaftest.Cluster, n int) {
	t.Helper()
	other, err := ekaf.New(ekaf.Brokers(c.Addrs()...), ekaf.Dialer(c.Dialer()))
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if _, err := other.ProduceSync(t.Context(), "events", ekaf.Value(strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := other.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
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

// Brokers that forget ids within an hour: an outage of two is enough for a batch
// that is sent again to be there twice. They are asked for how long they remember.
func TestRule02BrokersThatForgetEarly(t *testing.T) {
	forgetful := []ekaftest.Option{ekaftest.Topic("events", 1), ekaftest.ProducerExpiry(time.Hour, time.Minute)}
	bubble(t, 1, forgetful, opts(ekaf.BatchRecords(1)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		s := &stream{}
		s.send(t, p, 3)
		flush(t, p)
		lost := c.LoseAnswers(1)
		c.Network(0).Refuse()
		s.send(t, p, 5)
		if err := lost.Wait(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
		if err := c.Network(0).Heal(); err != nil {
			t.Fatal(err)
		}
		flush(t, p)
		s.expectOnce(t, c)
		if n := c.Requests(kmsg.DescribeConfigs); n != 1 {
			t.Errorf("the broker was asked %d times how long it remembers", n)
		}
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

// Retention takes a batch whose ack was lost while the leader still knows its
// producer. No log that is left will ever show it: the lane must not wait for it.
func TestRule04RetentionTakesWhatIsInDoubt(t *testing.T) {
	for name, again := range map[string]struct {
		age   time.Duration
		fault *ekaftest.Fault // of the attempt after the outage
	}{
		"old records": {age: 13 * time.Hour},
		"refused":     {fault: &ekaftest.Fault{Code: 10}},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, nil, opts(ekaf.BatchRecords(1)), func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
				s := &stream{}
				aged := func(m ekaf.Message) ekaf.Message { return m.At(time.Now().Add(-again.age)) }
				s.send(t, p, 3, aged)
				flush(t, p)
				lost := c.LoseAnswers(1)
				c.Network(0).Refuse()
				s.send(t, p, 1, aged)
				if err := lost.Wait(t.Context(), 1); err != nil {
					t.Fatal(err)
				}
				time.Sleep(100 * time.Millisecond) // the producer knows that the connection is gone
				if err := c.DeleteRecords("events", 0, -1); err != nil {
					t.Fatal(err)
				}
				if again.fault != nil {
					c.Inject(*again.fault)
				}
				if err := c.Network(0).Heal(); err != nil {
					t.Fatal(err)
				}
				s.send(t, p, 2)
				flush(t, p)
				failed := s.failed(t)
				if f := failed[3]; len(failed) != 1 || f == nil || !f.MaybeWritten || !errors.Is(f, ekaf.ErrUndecidable) {
					t.Errorf("failed: %v", failed)
				}
				seen, err := c.Consume("events")
				if err != nil || len(seen) != 2 {
					t.Errorf("%d messages are left (%v), want the two that came after", len(seen), err)
				}
			})
		})
	}
}
