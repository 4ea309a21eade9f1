package faults

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

func withdrawals() []scenario {
	return []scenario{
		{name: "a call that ends while the topic is unknown is withdrawn", run: withdrawnUnknown},
		{name: "a call that ends during an outage is withdrawn", run: withdrawnOutage, options: singly},
		{name: "a call that ends while its request is on the wire says MaybeWritten", run: leftOnTheWire, options: singly},
		{name: "calls withdrawn from the middle of a batch leave the others and their offsets alone", run: withdrawnMiddle,
			options: []ekaf.Option{ekaf.BatchRecords(100)}},
		{name: "calls by the thousand end at once", run: withdrawnHerd, options: []ekaf.Option{ekaf.BatchRecords(50)}},
		{name: "a call of many messages is withdrawn as a whole", run: withdrawnMany, options: []ekaf.Option{ekaf.BatchRecords(3)}},
		{name: "a call whose context is over already sends nothing", run: overAlready},
		{name: "calls end at every moment around their request", run: leaveAtEveryMoment, options: singly},
		{name: "withdrawn calls give their room back", run: withdrawnRoom, options: []ekaf.Option{ekaf.BufferMessages(5)}},
	}
}

// call produces n messages of a key synchronously and leaves after a time.
func (s *stage) call(key string, n int, patience time.Duration) ([]entry, error) {
	ctx, cancel := context.WithTimeout(s.Context(), patience)
	defer cancel()
	return s.callWith(ctx, key, n)
}

func (s *stage) callWith(ctx context.Context, key string, n int) ([]entry, error) {
	var list []entry
	var messages []ekaf.Message
	for range n {
		m := s.message(key)
		list, messages = append(list, m), append(messages, m.Message)
	}
	_, err := s.producer.ProduceSync(ctx, s.topic, messages...)
	if _, accepted := errors.AsType[*ekaf.DeliveryError](err); err != nil && !accepted {
		for _, m := range list {
			s.refuse(m.name)
		}
	}
	return list, err
}

// expectWithdrawn: the call's context ended before anything was on the wire.
func (s *stage) expectWithdrawn(err error) {
	s.T.Helper()
	failure, ok := errors.AsType[*ekaf.DeliveryError](err)
	if !ok || failure.MaybeWritten || !errors.Is(err, ekaf.ErrWithdrawn) || !errors.Is(err, context.DeadlineExceeded) {
		s.Errorf("the call answers %v", err)
	}
}

func withdrawnUnknown(s *stage) {
	s.check(s.kafka.StopBroker(0))
	for range 10 {
		_, err := s.call("k", 2, time.Second)
		s.expectWithdrawn(err)
		s.send("k", 1)
	}
	s.check(s.kafka.StartBroker(0))
	s.flush()
	if acked := s.acked(); acked != 10 {
		s.Errorf("%d messages were acked, want 10", acked)
	}
}

func withdrawnOutage(s *stage) {
	s.begin()
	s.check(s.kafka.StopBroker(0))
	for i := range 10 {
		if i%2 == 0 {
			s.send("k", 1)
		}
		_, err := s.call("k", 1+i%3, time.Second)
		s.expectWithdrawn(err)
	}
	s.check(s.kafka.StartBroker(0))
	s.flush()
	if acked := s.acked(); acked != 8 {
		s.Errorf("%d messages were acked, want 8", acked)
	}
}

func leftOnTheWire(s *stage) {
	for i := range 8 {
		s.begin()
		if i%2 == 0 {
			s.kafka.Network(0).Blackhole() // the request does not arrive, or does later
		} else {
			s.kafka.Network(0).Delay(time.Minute) // it does, and the answer does not
		}
		_, err := s.call("k", 1, time.Second)
		failure, ok := errors.AsType[*ekaf.DeliveryError](err)
		if !ok || !failure.MaybeWritten || !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("the call answers %v", err)
		}
		s.send("k", 5)
		s.check(s.kafka.Network(0).Heal())
		s.flush()
	}
}

func withdrawnMiddle(s *stage) {
	s.begin()
	s.kafka.Network(0).Delay(10 * time.Second)
	s.send("k", 1) // the window of what is not confirmed, or the connection, is busy now
	time.Sleep(time.Millisecond)
	s.check(s.kafka.StopBroker(0))
	var calls sync.WaitGroup
	for i := range 30 {
		calls.Go(func() {
			if i%3 == 0 {
				_, err := s.call("leaves", 1, time.Second)
				s.expectWithdrawn(err)
				return
			}
			if _, err := s.call(string(rune('a'+i)), 2, time.Hour); err != nil {
				s.Error(err)
			}
		})
		time.Sleep(10 * time.Millisecond)
	}
	time.Sleep(5 * time.Second)
	s.check(s.kafka.StartBroker(0))
	s.check(s.kafka.Network(0).Heal())
	calls.Wait()
}

// withdrawnHerd: before the topic is known, and during an outage.
func withdrawnHerd(s *stage) {
	for range 2 {
		s.check(s.kafka.StopBroker(0))
		ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
		var calls sync.WaitGroup
		for i := range 2000 {
			calls.Go(func() {
				_, err := s.callWith(ctx, string(rune('a'+i%8)), 1)
				s.expectWithdrawn(err)
			})
			if i%90 == 0 {
				s.send("stays", 1)
			}
			time.Sleep(2 * time.Millisecond) // so that they lie in many pages
		}
		calls.Wait()
		cancel()
		s.check(s.kafka.StartBroker(0))
		s.flush()
	}
	if acked := s.acked(); acked != 46 {
		s.Errorf("%d messages were acked, want 46", acked)
	}
}

func withdrawnMany(s *stage) {
	s.begin()
	s.check(s.kafka.StopBroker(0))
	time.Sleep(time.Second) // the dead connection was noticed
	for range 5 {
		_, err := s.call("k", 20, time.Second)
		s.expectWithdrawn(err)
	}
	s.check(s.kafka.StartBroker(0))
	s.flush()
}

func overAlready(s *stage) {
	s.begin()
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	for range 5 {
		if _, err := s.callWith(ctx, "k", 2); !errors.Is(err, context.Canceled) {
			s.Errorf("the call answers %v", err)
		}
	}
	for range 5 {
		m := s.message("k")
		if err := s.producer.ProduceAsync(ctx, s.topic, m.Message); err != nil {
			s.refuse(m.name)
		}
	}
	s.send("k", 5)
	s.flush()
}

// leaveAtEveryMoment: whatever the caller hears, the judge sees that it is true.
func leaveAtEveryMoment(s *stage) {
	s.begin()
	s.kafka.Network(0).Delay(10 * time.Millisecond)
	for tenths := range time.Duration(250) {
		if tenths%50 == 20 {
			s.kafka.Inject(ekaftest.Fault{Lose: ekaftest.LoseAnswer, HangUp: true})
		}
		s.send("k", int(tenths%4))
		_, _ = s.call("k", 1, tenths*100*time.Microsecond) // the ledger hears the outcome
	}
	s.flush()
}

func withdrawnRoom(s *stage) {
	s.begin()
	s.check(s.kafka.StopBroker(0))
	time.Sleep(time.Second)
	for range 50 {
		_, err := s.call("k", 3, time.Second)
		s.expectWithdrawn(err)
	}
	s.send("k", 5)
	s.check(s.kafka.StartBroker(0))
	s.flush()
}

// TestWithdrawal: P6.
func TestWithdrawal(t *testing.T) { play(t, withdrawals()) }
