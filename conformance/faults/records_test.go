package faults

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

func records() []scenario {
	list := []scenario{
		{name: "MESSAGE_TOO_LARGE for a batch of many: it is split", run: tooLargeTogether,
			cluster: []ekaftest.Option{ekaftest.Topic(topic, 1), ekaftest.MaxMessageBytes(400)}},
		{name: "MESSAGE_TOO_LARGE for one message: it fails alone", run: tooLargeAlone,
			cluster: []ekaftest.Option{ekaftest.Topic(topic, 1), ekaftest.MaxMessageBytes(400)}},
		{name: "CORRUPT_MESSAGE: sent again, and given up in the end", options: singly, run: corrupt},
		{name: "INVALID_TIMESTAMP names a record: only it fails", run: badTimestamp,
			cluster: []ekaftest.Option{ekaftest.Topic(topic, 1), ekaftest.TimestampLimits(time.Hour, time.Hour)}},
	}
	for _, version := range []string{"4.0", "2.0"} { // before 2.4 brokers name no record
		list = append(list, scenario{
			name: fmt.Sprintf("INVALID_RECORD for one record of a batch: only it fails (Kafka %s)", version),
			run:  invalidRecord, options: []ekaf.Option{ekaf.BatchRecords(20)},
			cluster: []ekaftest.Option{ekaftest.Topic(topic, 1), ekaftest.KafkaVersion(version)},
		})
	}
	return list
}

func tooLargeTogether(s *stage) {
	s.begin()
	s.kafka.Network(0).Delay(10 * time.Millisecond)
	for range 5 {
		s.kafka.LoseAnswers(1)
		s.send("k", 100)
		s.flush()
	}
	s.expectAcked()
}

func tooLargeAlone(s *stage) {
	s.begin()
	s.kafka.Network(0).Delay(10 * time.Millisecond)
	for range 5 {
		s.send("k", 9)
		s.size = 1000
		big := s.send("k", 1)[0]
		s.size = 0
		s.send("k", 9)
		s.flush()
		if _, failure := s.fate(big); failure == nil || !errors.Is(failure, ekaf.ErrTooLarge) || failure.MaybeWritten || failure.Retriable {
			s.Errorf("the large one: %+v", failure)
		}
	}
	if n := len(s.failures()); n != 5 {
		s.Errorf("%d messages failed: %v", n, s.failures())
	}
}

func corrupt(s *stage) {
	s.begin()
	s.kafka.Network(0).Delay(10 * time.Millisecond)
	s.kafka.Inject(ekaftest.Fault{Code: 2, Times: 3})
	s.send("k", 5)
	s.flush()
	s.expectAcked()
	always := s.kafka.Inject(ekaftest.Fault{Code: 2, Times: -1})
	lost := s.send("k", 1)[0]
	s.flush()
	always.Remove()
	if _, failure := s.fate(lost); failure == nil || failure.Code != 2 || failure.MaybeWritten {
		s.Errorf("the outcome is %+v", failure)
	}
	s.send("k", 5)
	s.flush()
	if n := len(s.failures()); n != 1 {
		s.Errorf("%d messages failed", n)
	}
}

func badTimestamp(s *stage) {
	s.begin()
	s.kafka.Network(0).Delay(10 * time.Millisecond)
	var old []entry
	for i := range 50 {
		m := s.message("k")
		out := m.Message
		if i%10 == 7 {
			out, old = out.At(time.Now().Add(-2*time.Hour)), append(old, m)
		}
		s.check(s.producer.ProduceAsync(s.Context(), s.topic, out))
	}
	s.flush()
	for _, m := range old {
		if _, failure := s.fate(m); failure == nil || failure.Code != 32 || failure.MaybeWritten {
			s.Errorf("a record of two hours ago: %+v", failure)
		}
	}
	if n := len(s.failures()); n != len(old) {
		s.Errorf("%d messages failed, want %d: %v", n, len(old), s.failures()[0])
	}
}

func invalidRecord(s *stage) {
	s.kafka.RejectRecords(topic, func(m ekaftest.Message) error {
		if strings.Contains(string(m.Value), "3:k|") {
			return errors.New("no threes")
		}
		return nil
	})
	s.kafka.Network(0).Delay(5 * time.Millisecond)
	sent := s.send("k", 100)
	s.flush()
	for i, m := range sent {
		_, failure := s.fate(m)
		if bad := i%10 == 3; bad != (failure != nil) || bad && (failure.Code != 87 || failure.MaybeWritten) {
			s.Errorf("message %d: %+v", i, failure)
		}
	}
}

func TestRecords(t *testing.T) { play(t, records()) }
