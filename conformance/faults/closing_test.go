package faults

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

func closings() []scenario {
	return []scenario{
		{name: "Close delivers what is buffered", alone: true, run: closeBuffered, options: []ekaf.Option{ekaf.Linger(time.Hour)}},
		{name: "Close delivers what is in flight", alone: true, run: closeInFlight, options: singly},
		{name: "Close in downtime reports exactly what was not delivered", alone: true, run: closeInDowntime, options: singly},
		{name: "Close of a topic that was never known reports all of it", alone: true, run: closeUnknown},
		{name: "Close with requests on the wire says which may be written", alone: true, run: closeOnTheWire, options: singly},
		{name: "Close waits for a downtime to end", alone: true, run: closeThroughDowntime},
		{name: "Close with a context that is over", alone: true, run: closeAtOnce, options: singly},
		{name: "Close twice, and from many goroutines", alone: true, run: closeTwice, options: singly},
		{name: "Close while many goroutines produce", alone: true, run: closeWhileProducing},
		{name: "Close from a callback", alone: true, run: closeFromCallback},
		{name: "Close while a callback blocks ends all the same", alone: true, run: closeWhileBlocked},
		{name: "Flush with a context that is over", run: flushAtOnce, options: singly},
		{name: "Flush while many goroutines produce, with faults", run: flushWhileProducing},
		{name: "Flush in downtime waits, and ends with its context", run: flushInDowntime},
	}
}

// shut closes the producer within a time and answers what it could not deliver.
func (s *stage) shut(patience time.Duration) *ekaf.UndeliveredError {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), patience)
	defer cancel()
	err := s.producer.Close(ctx)
	rest, ok := errors.AsType[*ekaf.UndeliveredError](err)
	if err != nil && !ok {
		s.Errorf("Close answers a %T: %v", err, err)
	}
	if held := s.producer.Stats().BufferedBytes; held != 0 {
		s.Errorf("%d bytes are still held", held)
	}
	return rest
}

// expectRest: Close reports as many messages as failed by it, and no others failed.
func (s *stage) expectRest(rest *ekaf.UndeliveredError, maybe int) {
	s.T.Helper()
	failed := s.failures()
	written := 0
	for _, failure := range failed {
		if !errors.Is(failure, ekaf.ErrClosed) {
			s.Errorf("a message failed with %v", failure)
		}
		if failure.MaybeWritten {
			written++
		}
	}
	if written != maybe {
		s.Errorf("%d messages may be written, want %d", written, maybe)
	}
	if rest == nil && len(failed) > 0 || rest != nil && (rest.Messages != len(failed) || rest.Topics[topic] != len(failed)) {
		s.Errorf("%d messages failed, and Close answers %+v", len(failed), rest)
	}
}

func closeBuffered(s *stage) {
	for range 20 {
		m := s.message("k")
		_, err := s.producer.ProduceAsyncBatched(s.Context(), s.topic, m.Message)
		s.check(err)
	}
	s.expectRest(s.shut(time.Hour), 0)
	s.expectAcked()
}

func closeInFlight(s *stage) {
	s.begin()
	s.kafka.Network(0).Delay(time.Second)
	s.send("k", 20)
	time.Sleep(10 * time.Millisecond)
	s.expectRest(s.shut(time.Hour), 0)
	s.expectAcked()
}

func closeInDowntime(s *stage) {
	s.begin()
	s.check(s.kafka.StopBroker(0))
	time.Sleep(time.Minute)
	s.send("k", 20)
	s.expectRest(s.shut(10*time.Second), 0)
	if n := len(s.failures()); n != 20 {
		s.Errorf("%d messages failed, want 20", n)
	}
	s.check(s.kafka.StartBroker(0))
}

func closeUnknown(s *stage) {
	s.check(s.kafka.StopBroker(0))
	s.send("k", 7)
	s.expectRest(s.shut(10*time.Second), 0)
	s.check(s.kafka.StartBroker(0))
}

func closeOnTheWire(s *stage) {
	s.begin()
	s.kafka.Network(0).Delay(time.Hour)
	s.send("k", 20)
	time.Sleep(time.Second)
	rest := s.shut(10 * time.Second)
	s.expectRest(rest, 5)
	s.check(s.kafka.Network(0).Heal())
}

func closeThroughDowntime(s *stage) {
	s.begin()
	s.check(s.kafka.StopBroker(0))
	s.send("k", 100)
	time.AfterFunc(10*time.Minute, func() {
		if err := s.kafka.StartBroker(0); err != nil {
			s.Error(err)
		}
	})
	s.expectRest(s.shut(time.Hour), 0)
	s.expectAcked()
}

func closeAtOnce(s *stage) {
	s.begin()
	s.kafka.Network(0).Delay(time.Second)
	s.send("k", 20)
	time.Sleep(10 * time.Millisecond)
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	rest, ok := errors.AsType[*ekaf.UndeliveredError](s.producer.Close(ctx))
	if !ok || rest.Messages != 20 {
		s.Errorf("Close answers %+v", rest)
	}
	s.expectRest(rest, 5)
}

// closeTwice: the first call delivers as long as its context lasts; the others end
// with theirs, or with the first.
func closeTwice(s *stage) {
	s.begin()
	s.check(s.kafka.StopBroker(0))
	s.send("k", 10)
	first := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
		defer cancel()
		first <- s.producer.Close(ctx)
	}()
	time.Sleep(time.Second)
	began := time.Now()
	var closing sync.WaitGroup
	for range 8 {
		closing.Go(func() {
			ctx, cancel := context.WithTimeout(s.Context(), 10*time.Second)
			defer cancel()
			if err := s.producer.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
				s.Errorf("a second Close answers %v", err)
			}
		})
	}
	closing.Wait()
	if took := time.Since(began); took != 10*time.Second {
		s.Errorf("a second Close, of 10 s, took %v", took)
	}
	err := <-first
	if rest, ok := errors.AsType[*ekaf.UndeliveredError](err); !ok || rest.Messages != 10 || len(s.failures()) != 10 {
		s.Errorf("the first Close answers %v", err)
	}
	if again := s.producer.Close(s.Context()); again != err {
		s.Errorf("a later Close answers %v, the first answered %v", again, err)
	}
	if err := s.producer.ProduceAsync(s.Context(), s.topic, ekaf.Value("late")); !errors.Is(err, ekaf.ErrClosed) {
		s.Errorf("produce after Close: %v", err)
	}
	s.check(s.kafka.StartBroker(0))
}

// crowd produces from twelve goroutines by all verbs until stop is closed; pace is
// the pause of the busiest.
func (s *stage) crowd(stop <-chan struct{}, pace time.Duration) *sync.WaitGroup {
	var callers sync.WaitGroup
	for caller := range 12 {
		callers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				m := s.message(string(rune('a' + caller)))
				var err error
				switch caller % 4 {
				case 0:
					_, err = s.producer.ProduceSync(s.Context(), s.topic, m.Message)
				case 1:
					err = s.producer.ProduceAsync(s.Context(), s.topic, m.Message)
				case 2:
					_, err = s.producer.ProduceSyncBatched(s.Context(), s.topic, m.Message)
				default:
					_, err = s.producer.ProduceAsyncBatched(s.Context(), s.topic, m.Message)
				}
				s.accept(m, err)
				time.Sleep(pace + time.Duration(caller)*time.Millisecond)
			}
		})
	}
	return &callers
}

// accept notes a message that a call refused: any error that is not its outcome.
func (s *stage) accept(m entry, err error) {
	if _, outcome := errors.AsType[*ekaf.DeliveryError](err); err != nil && !outcome {
		if !errors.Is(err, ekaf.ErrClosed) {
			s.Errorf("message %v: %v", m.name, err)
		}
		s.refuse(m.name)
	}
}

func closeWhileProducing(s *stage) {
	stop := make(chan struct{})
	callers := s.crowd(stop, time.Millisecond)
	time.Sleep(time.Second)
	s.kafka.Network(0).Delay(50 * time.Millisecond)
	time.Sleep(time.Second)
	rest := s.shut(time.Minute)
	time.Sleep(time.Second)
	close(stop)
	callers.Wait()
	s.expectRest(rest, 0)
}

// produceThen produces a message with a callback beside the ledger's.
func (s *stage) produceThen(then func()) {
	s.T.Helper()
	m := s.message("k")
	err := s.producer.ProduceAsync(s.Context(), s.topic, m.Then(func(ack ekaf.Ack, err error) {
		m.Callback(ack, err)
		then()
	}))
	s.check(err)
}

// closeFromCallback: Close waits for callbacks, and one of them waits for Close.
func closeFromCallback(s *stage) {
	answer := make(chan error, 1)
	s.produceThen(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		answer <- s.producer.Close(ctx)
	})
	if err := <-answer; !errors.Is(err, context.DeadlineExceeded) {
		s.Errorf("Close answers %v", err)
	}
}

// closeWhileBlocked: a callback that does not end holds neither the others' outcomes
// of sync calls nor Close for ever; it goes on when it can.
func closeWhileBlocked(s *stage) {
	leave := make(chan struct{})
	s.produceThen(func() { <-leave })
	time.Sleep(time.Second)
	s.send("k", 5)
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	began := time.Now()
	if err := s.producer.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		s.Errorf("Close answers %v", err)
	}
	if took := time.Since(began); took > 2*time.Minute {
		s.Errorf("Close of a minute took %v", took)
	}
	close(leave)
	synctest.Wait()
	s.expectAcked()
}

func flushAtOnce(s *stage) {
	s.begin()
	s.kafka.Network(0).Delay(time.Second)
	s.send("k", 10)
	ctx, cancel := context.WithCancel(s.Context())
	cancel()
	if err := s.producer.Flush(ctx); !errors.Is(err, context.Canceled) {
		s.Errorf("Flush answers %v", err)
	}
	if n := s.outcomes(); n != 3 {
		s.Errorf("%d messages have an outcome", n)
	}
	s.flush()
	s.expectAcked()
}

func flushWhileProducing(s *stage) {
	stop := make(chan struct{})
	callers := s.crowd(stop, time.Millisecond)
	for round := range 10 {
		s.kafka.Inject(ekaftest.Fault{Lose: ekaftest.LoseAnswer, HangUp: true, Skip: round})
		s.flush()
	}
	close(stop)
	callers.Wait()
	s.flush()
	s.expectAcked()
}

func flushInDowntime(s *stage) {
	s.begin()
	s.check(s.kafka.StopBroker(0))
	s.send("k", 10)
	ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
	defer cancel()
	if err := s.producer.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
		s.Errorf("Flush answers %v", err)
	}
	s.check(s.kafka.StartBroker(0))
	s.flush()
	s.expectAcked()
}

// TestClosing: P10.
func TestClosing(t *testing.T) { play(t, closings()) }
