package cluster

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestProducerIDIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1, b2)
		codes := []int16{14, 15, 16, 51, -100, 7, 0}
		s.on(22, func(string, kmsg.Request) kmsg.Response {
			s.mu.Lock()
			defer s.mu.Unlock()
			code := codes[0]
			codes = codes[1:]
			if code == -100 {
				return nil // the connection is cut
			}
			resp := kmsg.NewPtrInitProducerIDResponse()
			resp.ErrorCode, resp.ProducerID, resp.ProducerEpoch = code, 4711, 2
			return resp
		})
		c := s.start(t, Config{}, "one:9092")
		id, epoch, err := c.ProducerID(within(t, time.Minute))
		if err != nil || id != 4711 || epoch != 2 {
			t.Errorf("got %d, %d, %v", id, epoch, err)
		}
		for _, req := range s.asked {
			if r, ok := req.(*kmsg.InitProducerIDRequest); ok && (r.TransactionalID != nil || r.ProducerID != -1) {
				t.Errorf("asked with %+v", r)
			}
		}
	})
}

func TestProducerIDRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1)
		s.on(22, func(string, kmsg.Request) kmsg.Response {
			resp := kmsg.NewPtrInitProducerIDResponse()
			resp.ErrorCode = kerr.ClusterAuthorizationFailed.Code
			return resp
		})
		c := s.start(t, Config{}, "one:9092")
		_, _, err := c.ProducerID(t.Context())
		if !errors.Is(err, ErrCannotAsk) || !errors.Is(err, kerr.ClusterAuthorizationFailed) || s.count(22) != 1 {
			t.Errorf("got %v after %d requests", err, s.count(22))
		}
	})
}

func TestProducerIDWaitsOutAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1)
		s.set("one:9092", refuses)
		c := s.start(t, Config{}, "one:9092")
		if _, _, err := c.ProducerID(within(t, 10*time.Second)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if n := len(s.dialed()); n > 25 {
			t.Errorf("%d dials in 10 s: the question has a back-off of its own, but the loop alone dials", n)
		}
		time.AfterFunc(time.Hour, func() { s.set("one:9092", answers) })
		if id, _, err := c.ProducerID(t.Context()); err != nil || id != 77 {
			t.Errorf("got %d, %v", id, err)
		}
	})
}

// The first Metadata request is answered only after InitProducerId was asked on the same connection: were
// one of them to wait for the other's answer, the first ack would take five round trips.
func TestProducerIDSharesTheFirstRoundTrip(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1)
		s.topic("orders", 1, 0, 1)
		s.on(3, func(_ string, req kmsg.Request) kmsg.Response {
			time.Sleep(time.Second)
			return pick(s.metadata, req.(*kmsg.MetadataRequest))
		})
		s.on(22, func(string, kmsg.Request) kmsg.Response {
			time.Sleep(time.Second)
			resp := kmsg.NewPtrInitProducerIDResponse()
			resp.ProducerID = 5
			return resp
		})
		c := s.start(t, Config{}, "one:9092")
		c.Want("orders")
		began := time.Now()
		if id, _, err := c.ProducerID(t.Context()); err != nil || id != 5 {
			t.Fatalf("got %d, %v", id, err)
		}
		if _, err := c.Wait(t.Context(), "orders"); err != nil {
			t.Fatal(err)
		}
		// The scripted broker handles one request at a time, so pipelined ones take two virtual seconds.
		if took := time.Since(began); took != 2*time.Second || len(s.dialed()) != 1 {
			t.Errorf("took %v of virtual time and %d connections", took, len(s.dialed()))
		}
	})
}

func TestLastProducerNotOffered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1)
		s.topic("orders", 1, 0, 1)
		c := s.start(t, Config{}, "one:9092")
		s.on(61, func(string, kmsg.Request) kmsg.Response {
			resp := kmsg.NewPtrDescribeProducersResponse()
			rt := kmsg.NewDescribeProducersResponseTopic()
			rt.Topic = "orders"
			rp := kmsg.NewDescribeProducersResponseTopicPartition()
			rp.ErrorCode = kerr.UnsupportedVersion.Code
			rt.Partitions = append(rt.Partitions, rp)
			resp.Topics = append(resp.Topics, rt)
			return resp
		})
		if _, _, err := c.LastProducer(t.Context(), "orders", 0, 1); !errors.Is(err, ErrCannotAsk) {
			t.Errorf("got %v", err)
		}
		if _, err := c.Do(t.Context(), AnyBroker, kmsg.NewPtrCreateTopicsRequest()); !errors.Is(err, ErrCannotAsk) {
			t.Errorf("an api the broker does not list: got %v", err)
		}
	})
}

func TestLastProducerFollowsTheLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1, b2)
		s.topic("orders", 1, 0, 1)
		s.on(61, func(addr string, _ kmsg.Request) kmsg.Response {
			resp := kmsg.NewPtrDescribeProducersResponse()
			rt := kmsg.NewDescribeProducersResponseTopic()
			rt.Topic = "orders"
			rp := kmsg.NewDescribeProducersResponseTopicPartition()
			if addr == "one:9092" {
				rp.ErrorCode = kerr.NotLeaderForPartition.Code
				s.topic("orders", 1, 1, 2)
			} else {
				a := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
				a.ProducerID, a.LastSequence = 9, 8
				rp.ActiveProducers = append(rp.ActiveProducers, a)
			}
			rt.Partitions = append(rt.Partitions, rp)
			resp.Topics = append(resp.Topics, rt)
			return resp
		})
		c := s.start(t, Config{}, "one:9092")
		state, ok, err := c.LastProducer(within(t, time.Minute), "orders", 0, 9)
		if err != nil || !ok || state.LastSequence != 8 {
			t.Errorf("got %+v, %v, %v", state, ok, err)
		}
	})
}

func TestIdleConnectionsAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1, b2)
		c := s.start(t, Config{}, "one:9092")
		for range 5 {
			if _, err := c.Do(t.Context(), 2, kmsg.NewPtrInitProducerIDRequest()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(50 * time.Second)
		}
		to2 := func() (n int) {
			for _, addr := range s.dialed() {
				if addr == "two:9092" {
					n++
				}
			}
			return n
		}
		if n := to2(); n != 1 {
			t.Errorf("%d connections for questions 50 s apart", n)
		}
		time.Sleep(11 * time.Second)
		c.mu.Lock()
		if len(c.links) != 0 || len(c.open) != 1 {
			t.Errorf("%d connections to brokers, %d in all, are open after a minute's rest", len(c.links), len(c.open))
		}
		c.mu.Unlock()
		if _, err := c.Do(t.Context(), 2, kmsg.NewPtrInitProducerIDRequest()); err != nil || to2() != 2 {
			t.Errorf("%v after %d connections", err, to2())
		}
	})
}

func TestManyAskersShareOneDial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1, b2)
		c := s.start(t, Config{}, "one:9092")
		done := make(chan error)
		for range 20 {
			go func() {
				_, err := c.Do(t.Context(), 2, kmsg.NewPtrInitProducerIDRequest())
				done <- err
			}()
		}
		for range 20 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if n := len(s.dialed()); n != 2 {
			t.Errorf("%d connections", n)
		}
	})
}

// Close comes at each of many moments of a busy life; whatever waits ends, and nothing stays behind: the
// bubble does not end before all goroutines have.
func TestCloseAtAnyMoment(t *testing.T) {
	for _, manner := range []int{answers, refuses, swallows, mute} {
		for after := time.Duration(0); after < 4*time.Second; after = after*3/2 + time.Millisecond {
			t.Run(fmt.Sprint(manner, after), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { closeAfter(t, manner, after) })
			})
		}
	}
}

func closeAfter(t *testing.T, manner int, after time.Duration) {
	s := newScript(b1, b2, b3)
	s.topic("orders", 1, 0, 1, 2, 3)
	s.on(22, func(string, kmsg.Request) kmsg.Response {
		time.Sleep(700 * time.Millisecond)
		return kmsg.NewPtrInitProducerIDResponse()
	})
	s.set("two:9092", manner)
	s.set("three:9092", manner)
	c := s.start(t, Config{OnSnapshot: func(*Snapshot) { time.Sleep(time.Millisecond) }, OnFailure: func(error) {}}, "one:9092", "two:9092", "four:9092")
	outcomes := make(chan error, 100)
	asks := []func() error{
		func() error { _, err := c.Wait(t.Context(), "orders"); return err },
		func() error { _, err := c.Wait(t.Context(), "missing"); return err },
		func() error { _, _, err := c.ProducerID(t.Context()); return err },
		func() error { _, _, err := c.LastProducer(t.Context(), "orders", 1, 1); return err },
		func() error { _, err := c.ReadBack(t.Context(), "orders", 2, 0, 1, 0); return err },
		func() error { _, err := c.LogEnd(t.Context(), "missing", 0); return err },
		func() error { _, err := c.Do(t.Context(), 3, kmsg.NewPtrInitProducerIDRequest()); return err },
	}
	for _, ask := range asks {
		go func() { outcomes <- ask() }()
	}
	time.Sleep(after)
	go c.Close()
	c.Close()
	for range asks {
		<-outcomes
	}
	c.Want("later")
	c.Forget("orders")
	c.Refresh()
	c.Hint("orders", 0, 2, 9, nil)
	if _, _, err := c.ProducerID(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: got %v", err)
	}
	if _, err := c.Wait(t.Context(), "missing"); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: got %v", err)
	}
	if c.Snapshot() == nil {
		t.Error("no snapshot after Close")
	}
	time.Sleep(time.Second) // lets the scripted brokers finish their answers
}
