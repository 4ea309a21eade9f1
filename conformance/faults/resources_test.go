package faults

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/conformance/judge"
)

func resources() []scenario {
	full := func(name string, run func(*stage), options ...ekaf.Option) scenario {
		return scenario{name: name, run: run, options: append(options, ekaf.BufferMessages(40), ekaf.BatchRecords(4))}
	}
	return []scenario{
		full("a full buffer under Error: refused calls accept nothing", fullError),
		full("a full buffer under Block: a call waits no longer than its context", fullBlock, ekaf.WhenFull(ekaf.Block)),
		full("a full buffer under DropOldest: each drop is told once", fullDrop, ekaf.WhenFull(ekaf.DropOldest)),
		full("a full buffer under DropNewest: each drop is told once", fullDrop, ekaf.WhenFull(ekaf.DropNewest)),
		{name: "a full buffer drops nothing that may be on the wire", run: fullOnTheWire,
			options: []ekaf.Option{ekaf.BufferMessages(8), ekaf.BatchRecords(1), ekaf.WhenFull(ekaf.DropOldest)}},
		{name: "callbacks that panic", run: panickingCallbacks},
		{name: "callbacks that produce into a full buffer under Block", run: producingCallbacks, order: judge.Unordered,
			options: []ekaf.Option{ekaf.BufferMessages(3), ekaf.WhenFull(ekaf.Block), ekaf.BatchRecords(1)}},
		{name: "a callback that blocks holds back other callbacks only", run: blockedCallback},
		{name: "async calls take no time, whatever is down", run: asyncNeverWaits},
		{name: "a sync call with the defaults waits for one round trip", run: oneRoundTrip},
		{name: "a broker away for an hour is not dialled in a hurry", run: calmOutage},
	}
}

// outage fills a buffer of 40 while the broker is away, calls put n times, and has
// the broker back.
func (s *stage) outage(n int, put func(i int)) {
	s.T.Helper()
	s.begin()
	s.check(s.kafka.StopBroker(0))
	time.Sleep(time.Minute)
	for i := range n {
		put(i)
	}
	s.check(s.kafka.StartBroker(0))
	s.flush()
}

func fullError(s *stage) {
	refused := 0
	s.outage(100, func(int) {
		m := s.message("k")
		if err := s.producer.ProduceAsync(s.Context(), s.topic, m.Message); err != nil {
			if !errors.Is(err, ekaf.ErrFull) {
				s.Error(err)
			}
			s.refuse(m.name)
			refused++
		}
	})
	if refused != 60 {
		s.Errorf("%d of 100 calls were refused, with room for 40", refused)
	}
	s.expectAcked()
}

func fullBlock(s *stage) {
	waited := 0
	s.outage(44, func(i int) {
		ctx, cancel := context.WithTimeout(s.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		m := s.message("k")
		if err := s.producer.ProduceAsync(ctx, s.topic, m.Message); err != nil {
			if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != time.Minute {
				s.Errorf("call %d, after %v: %v", i, took, err)
			}
			s.refuse(m.name)
			waited++
		}
	})
	if waited != 4 {
		s.Errorf("%d of 44 calls waited in vain, with room for 40", waited)
	}
	s.expectAcked()
}

func fullDrop(s *stage) {
	s.outage(200, func(int) { s.send("k", 1) })
	failed := s.failures()
	for _, failure := range failed {
		if !errors.Is(failure, ekaf.ErrDropped) || failure.MaybeWritten {
			s.Errorf("dropped: %v", failure)
		}
	}
	if len(failed) < 150 || len(failed) > 170 {
		s.Errorf("%d of 200 messages were dropped, with room for 40", len(failed))
	}
	if told := s.producer.Stats().Dropped[ekaf.ErrDropped.Error()]; told != int64(len(failed)) {
		s.Errorf("%d messages were dropped, the statistics tell of %d", len(failed), told)
	}
}

func fullOnTheWire(s *stage) {
	s.begin()
	s.kafka.Network(0).Delay(time.Minute)
	wire := s.send("k", 5)
	time.Sleep(time.Second)
	s.send("k", 50)
	s.check(s.kafka.Network(0).Heal())
	s.flush()
	for _, m := range wire {
		if _, failure := s.fate(m); failure != nil {
			s.Errorf("message %v was on the wire and failed: %v", m.name, failure)
		}
	}
}

func panickingCallbacks(s *stage) {
	for i := range 40 {
		s.produceThen(func() {
			if i%3 == 0 {
				panic(fmt.Sprint("callback ", i))
			}
		})
	}
	s.flush()
	s.expectAcked()
	if n := s.events.count(ekaf.EventCallbackPanicked); n != 14 {
		s.Errorf("%d panics were told, want 14", n)
	}
}

func producingCallbacks(s *stage) {
	done := make(chan struct{}, 5)
	var chain func(left int)
	chain = func(left int) {
		s.produceThen(func() {
			if left == 0 {
				done <- struct{}{}
				return
			}
			chain(left - 1)
		})
	}
	for range 5 {
		chain(40)
	}
	for range 5 {
		<-done
	}
	s.flush()
	s.expectAcked()
}

func blockedCallback(s *stage) {
	leave := make(chan struct{})
	s.produceThen(func() { <-leave })
	for range 50 {
		if _, err := s.call("other", 1, time.Second); err != nil {
			s.Error(err)
		}
	}
	if held := s.producer.Stats().BufferedBytes; held != 0 {
		s.Errorf("%d bytes are held by callbacks that wait", held)
	}
	close(leave)
	s.flush()
	s.expectAcked()
}

// asyncNeverWaits: for metadata, a dial, an ack or a broker that hangs (KAFKA-3539).
func asyncNeverWaits(s *stage) {
	began := time.Now()
	calls := func() {
		s.T.Helper()
		s.send("k", 5)
		m := s.message("k")
		_, err := s.producer.ProduceAsyncBatched(s.Context(), s.topic, m.Message)
		s.check(err)
		if took := time.Since(began); took != 0 {
			s.Errorf("the calls took %v", took)
		}
	}
	s.kafka.Network(0).Blackhole()
	calls() // nothing is known, and nobody answers
	for _, harm := range []func(){
		func() { s.check(s.kafka.Network(0).Heal()) },
		func() { s.kafka.Network(0).Blackhole() },
		func() { s.check(s.kafka.Network(0).Heal()); s.check(s.kafka.StopBroker(0)) },
		func() { s.check(s.kafka.StartBroker(0)); s.check(s.kafka.RemoveLeader(topic, 0)) },
	} {
		harm()
		time.Sleep(time.Minute)
		began = time.Now()
		calls()
	}
	s.check(s.kafka.MoveLeader(topic, 0, 0))
	s.flush()
	s.expectAcked()
}

// oneRoundTrip: no linger stands between a lone sync call and its ack (kafka-go#326).
func oneRoundTrip(s *stage) {
	s.begin()
	s.kafka.Network(0).Delay(near)
	for range 20 {
		began := time.Now()
		if _, err := s.call("k", 1, time.Second); err != nil {
			s.Error(err)
		}
		if took := time.Since(began); took > 2*near {
			s.Errorf("a call took %v, with a round trip of %v", took, near)
		}
	}
}

// calmOutage: connection attempts follow the back-off, however many messages wait.
func calmOutage(s *stage) {
	s.begin()
	s.kafka.Network(0).Blackhole()
	s.kafka.Network(0).Cut()
	s.check(s.kafka.StopBroker(0))
	dials := s.dials.Load()
	end := time.Now().Add(10 * time.Second)
	for time.Now().Before(end) {
		s.send("k", 10)
		time.Sleep(10 * time.Millisecond)
	}
	if n := s.dials.Load() - dials; n > 20 {
		s.Errorf("%d attempts to connect in ten seconds", n)
	}
	s.check(s.kafka.Network(0).Heal())
	time.Sleep(time.Hour)
	s.check(s.kafka.StartBroker(0))
	s.flush()
	s.expectAcked()
}

// TestResources: P4, P8, and the callbacks of P1.
func TestResources(t *testing.T) { play(t, resources()) }
