package faults

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/twmb/franz-go/pkg/kerr"
)

// singly: each batch holds one message, so that five of them make a full window.
var singly = []ekaf.Option{ekaf.BatchRecords(1)}

// Codes by what they have to do, written down here from Kafka's documentation and
// not taken from the code under test.
var (
	// retriable: Kafka's clients send the batch again.
	retriable = []int16{2, 3, 5, 6, 7, 8, 9, 13, 14, 15, 16, 19, 20, 41, 56, 72, 74, 75, 89, 100, 103}
	// reborn: the producer id is of no more use, or out of step.
	reborn = []int16{45, 47, 49, 59, 90}
	// fatal: the batch will never be taken.
	fatal = []int16{17, 21, 29, 31, 42, 43, 44, 53}
	// early are checked before the append: as the answer to the only attempt they
	// prove that nothing was written.
	early = []int16{2, 10, 17, 18, 19, 21, 29, 32, 35, 43, 44, 45, 47, 49, 59, 76, 87, 90, 100, 103}
)

// foreign are the codes that no broker answers to a Produce request.
func foreign() (list []int16) {
	known := slices.Concat(retriable, reborn, fatal, []int16{-1, 0, 10, 18, 32, 35, 46, 76, 87})
	for code := range int16(200) {
		if kerr.ErrorForCode(code) != nil && !slices.Contains(known, code) {
			list = append(list, code)
		}
	}
	return list
}

// window sends five messages, of which the one in the position given meets a
// fault, and waits for all five.
func (s *stage) window(position int, fault ekaftest.Fault) (sent []entry) {
	s.T.Helper()
	s.send("k", 1) // after an error: one in flight, until this is acked
	s.flush()
	fault.Skip = position
	injected := s.kafka.Inject(fault)
	sent = s.send("k", 5)
	s.flush()
	if injected.Hits() == 0 {
		s.Errorf("position %d: the fault %d hit no request", position+1, fault.Code)
	}
	injected.Remove()
	return sent
}

// everyPosition puts a fault to each position of a window, as an answer before
// the write and, for those that may come then, after it.
func (s *stage) everyPosition(codes []int16, then func(code int16, after bool, position int, sent []entry)) {
	s.T.Helper()
	s.begin()
	s.kafka.Network(0).Delay(10 * time.Millisecond)
	for _, code := range codes {
		for _, after := range []bool{false, true} {
			if after && slices.Contains(early, code) {
				continue
			}
			for position := range 5 {
				sent := s.window(position, ekaftest.Fault{Code: code, AfterWrite: after})
				then(code, after, position, sent)
			}
		}
	}
}

func allAcked(s *stage) func(int16, bool, int, []entry) {
	return func(code int16, after bool, position int, sent []entry) {
		for _, m := range sent {
			if _, failure := s.fate(m); failure != nil {
				s.Errorf("code %d (after the write: %v) in position %d: %v failed: %v", code, after, position+1, m.name, failure)
			}
		}
	}
}

func answers() []scenario {
	return slices.Concat(codeAnswers(), lostAnswers(), lateAnswers())
}

func codeAnswers() []scenario {
	return []scenario{
		{name: "every retriable code, before and after the write, in each of five positions", options: singly, run: func(s *stage) {
			s.everyPosition(retriable, allAcked(s))
		}},
		{name: "every code about the producer id, in each of five positions", options: singly, run: func(s *stage) {
			s.everyPosition(reborn, allAcked(s))
		}},
		{name: "every code that brokers do not answer to a batch, in one of five positions", options: singly, run: func(s *stage) {
			s.begin()
			s.kafka.Network(0).Delay(10 * time.Millisecond)
			for i, code := range append(foreign(), -1) {
				s.window(i%5, ekaftest.Fault{Code: code, AfterWrite: i%2 == 0})
			}
			s.expectAcked()
		}},
		{name: "every fatal code fails its batch alone, in each of five positions", options: singly, run: everyFatalCode},
		{name: "DUPLICATE_SEQUENCE_NUMBER is an ack, in each of five positions", options: singly, run: func(s *stage) {
			s.begin()
			for position := range 5 {
				s.window(position, ekaftest.Fault{Code: 46, AfterWrite: true})
			}
			s.expectAcked()
		}},
		{name: "a code that does not end fails its batch in the end, as MaybeWritten", run: endlessCode},
	}
}

// everyFatalCode: where the code proves that nothing was written the message fails
// at once; else the log is asked, and what is there counts as acked.
func everyFatalCode(s *stage) {
	s.everyPosition(fatal, func(code int16, after bool, position int, sent []entry) {
		for i, m := range sent {
			switch _, failure := s.fate(m); {
			case (i != position || after) && failure != nil:
				s.Errorf("code %d for message %d failed message %d: %v", code, position+1, i+1, failure)
			case i == position && !after && (failure == nil || failure.Code != code || failure.Retriable || failure.MaybeWritten):
				s.Errorf("code %d for message %d: %+v", code, position+1, failure)
			}
		}
	})
}

// A broker that stumbles over a record each time must not hold its lane for ever.
func endlessCode(s *stage) {
	s.begin()
	fault := s.kafka.Inject(ekaftest.Fault{Code: -1, Times: -1})
	stuck := s.send("k", 1)
	s.flush()
	fault.Remove()
	if _, failure := s.fate(stuck[0]); failure == nil || failure.Code != -1 || !failure.MaybeWritten || !failure.Retriable {
		s.Errorf("the outcome is %+v", failure)
	}
	for _, m := range s.send("k", 10) {
		s.flush()
		if _, failure := s.fate(m); failure != nil {
			s.Errorf("behind it: %v", failure)
		}
	}
}

func lostAnswers() []scenario {
	losses := []struct {
		name  string
		fault ekaftest.Fault
	}{
		{"an ack lost after the write", ekaftest.Fault{Lose: ekaftest.LoseAnswer, HangUp: true}},
		{"a request lost before the write", ekaftest.Fault{Lose: ekaftest.LoseRequest, HangUp: true}},
		{"an ack that never comes", ekaftest.Fault{Lose: ekaftest.LoseAnswer}},
		{"a request that is never answered", ekaftest.Fault{Lose: ekaftest.LoseRequest}},
	}
	var list []scenario
	for _, loss := range losses {
		list = append(list, scenario{name: loss.name + ", in each of five positions", options: singly, run: func(s *stage) {
			s.begin()
			s.kafka.Network(0).Delay(50 * time.Millisecond)
			for position := range 5 {
				s.window(position, loss.fault)
			}
			s.expectAcked()
		}})
	}
	return append(list,
		scenario{name: "every ack of a full window lost", options: singly, run: func(s *stage) {
			s.begin()
			s.kafka.Network(0).Delay(time.Second)
			s.send("k", 12)
			for range 5 { // the answers of this second are on their way: none arrives
				time.Sleep(900 * time.Millisecond)
				s.kafka.Network(0).Cut()
			}
			s.check(s.kafka.Network(0).Heal())
			s.flush()
			s.expectAcked()
		}},
		scenario{name: "connections cut after every number of bytes of an answer", options: singly, run: func(s *stage) {
			s.begin()
			for bytes := range int64(90) {
				s.kafka.Network(0).CutAfter(bytes, ekaftest.ToClient)
				s.send("k", 5)
				s.flush()
			}
			s.expectAcked()
		}},
		scenario{name: "connections cut after every number of bytes of a request", options: singly, run: func(s *stage) {
			s.begin()
			for bytes := range int64(300) {
				s.kafka.Network(0).CutAfter(bytes, ekaftest.ToBroker)
				s.send("k", 5)
				s.flush()
			}
			s.expectAcked()
		}},
	)
}

// lateAnswers are errors that come for what is written.
func lateAnswers() []scenario {
	return []scenario{
		{name: "REQUEST_TIMED_OUT again and again, although written", options: singly, run: func(s *stage) {
			s.begin()
			s.kafka.Network(0).Delay(20 * time.Millisecond)
			for times := range 12 {
				s.kafka.Inject(ekaftest.Fault{Code: 7, AfterWrite: true, Times: times + 1})
				s.send("k", 8)
				s.flush()
			}
			s.expectAcked()
		}},
		{name: "NOT_LEADER for a batch that is in the log, while the leader moves", brokers: 2, options: singly, run: func(s *stage) {
			s.begin()
			for round := range 10 {
				leader := s.kafka.Leader(topic, 0)
				s.kafka.Network(leader).Delay(20 * time.Millisecond)
				s.kafka.Inject(ekaftest.Fault{Code: 6, AfterWrite: true, Skip: round % 5, Times: 1 + round%3})
				s.send("k", 10)
				time.Sleep(time.Duration(round) * 5 * time.Millisecond)
				s.check(s.kafka.MoveLeader(topic, 0, 1-leader))
				s.flush()
			}
			s.expectAcked()
		}},
		{name: "a cancelled call's successor is not taken for its resend (franz-go#1217)", run: cancelledCall},
		{name: "a resend refused as too large was written", run: refusedResend(10, ekaftest.LoseAnswer, false)},
		{name: "a resend refused as too large was not written", run: refusedResend(10, ekaftest.LoseRequest, true)},
		{name: "a resend refused as too old was written", run: refusedResend(32, ekaftest.LoseAnswer, false)},
		{name: "a resend refused as too old was not written", run: refusedResend(32, ekaftest.LoseRequest, true)},
		{name: "a resend refused for lack of permission was written", run: refusedResend(29, ekaftest.LoseAnswer, false)},
		{name: "a resend refused for lack of permission was not written", run: refusedResend(29, ekaftest.LoseRequest, true)},
	}
}

// The broker writes a record, answers REQUEST_TIMED_OUT, and its caller leaves. A
// client that gave the record's number to the next one would see that one
// acknowledged as a duplicate, and lose it.
func cancelledCall(s *stage) {
	s.begin()
	for i := range 10 {
		fault := s.kafka.Inject(ekaftest.Fault{Code: 7, AfterWrite: true, Times: -1})
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		left := s.message("k")
		_, err := s.producer.ProduceSync(ctx, s.topic, left.Message)
		cancel()
		failure, ok := errors.AsType[*ekaf.DeliveryError](err)
		if !ok || !failure.MaybeWritten || !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("the call that left: %v", err)
		}
		next := s.send("k", 3)
		time.Sleep(time.Duration(i) * 100 * time.Millisecond)
		fault.Remove()
		s.flush()
		for _, m := range next {
			if ack, failure := s.fate(m); failure != nil || ack.Offset < 0 {
				s.Errorf("behind it: %+v, %v", ack, failure)
			}
		}
	}
}

// refusedResend: the first attempt is lost, on its way or on the answer's, and the
// second is refused by a check that brokers make before they look for duplicates.
func refusedResend(code int16, lost ekaftest.Loss, fails bool) func(*stage) {
	return func(s *stage) {
		s.begin()
		s.kafka.Inject(ekaftest.Fault{Lose: lost, HangUp: true})
		s.kafka.Inject(ekaftest.Fault{Code: code, Skip: 1})
		m := s.send("k", 1)[0]
		s.flush()
		_, failure := s.fate(m)
		if fails != (failure != nil) || fails && (failure.Code != code || failure.MaybeWritten) {
			s.Errorf("the outcome is %+v", failure)
		}
		s.send("k", 10)
		s.flush()
		if want := map[bool]int{true: 1, false: 0}[fails]; len(s.failures()) != want {
			s.Error(fmt.Sprint(len(s.failures()), " failed: ", s.failures()))
		}
	}
}

func TestAnswers(t *testing.T) { play(t, answers()) }
