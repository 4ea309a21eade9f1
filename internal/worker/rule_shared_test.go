package worker

import (
	"testing"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// joined is a lane whose MassageBuffer makes one message of all: their calls
// share its outcome.
func joined(t *testing.T, into int) *scripted {
	return newScript(t, func(c *Config) {
		c.Massage = func(in []batch.Message) []batch.Message { return append(in, in...)[:into] }
	})
}

// Rule 14: a record that a hook made of many messages is not one caller's to
// withdraw, and the others are told of theirs all the same.
func TestRule14ASharedRecordIsNotWithdrawn(t *testing.T) {
	s := joined(t, 1)
	list := s.batch(3)
	if w := s.lane.Withdraw(list[1]); len(w.Withdrawn) != 0 || w.OnTheWire != 1 {
		t.Fatalf("%+v", w)
	}
	s.ok(s.must(0, 1), 10)
	s.acked(list[0], list[2])
	s.pending(list[1])
	if s.bytes.Used() != 0 || s.messages.Used() != 0 {
		t.Fatalf("%d bytes, %d messages are charged", s.bytes.Used(), s.messages.Used())
	}
}

// Cut in halves, the batch owes its callers the outcome of its first message.
func TestRule14ASharedBatchThatIsCut(t *testing.T) {
	s := joined(t, 4)
	list := s.batch(3)
	s.code(s.must(0, 1), 10)
	first := s.must(0, 1)
	s.pending(list...)
	s.ok(first, 20)
	s.ok(s.must(0, 1), 22)
	s.acked(list...)
	for _, n := range list {
		if r := s.outcome(n); !r.Shared || r.BaseOffset != 20 || n.index[0] != 0 {
			t.Fatalf("message %d: record %d, %+v", n.id, n.index[0], r)
		}
	}
	s.empty()
}

// One bad record among those that the hook made fails alone; the callers hear
// what became of the first one.
func TestRule14ASharedBatchWithABadRecord(t *testing.T) {
	for bad := range int32(2) {
		s := joined(t, 4)
		list := s.batch(3)
		s.code(s.must(0, 1), 87, BadRecord{Index: bad})
		rest := s.must(0, 1)
		if _, values := s.numbers(rest); len(values) != 3 {
			t.Fatalf("%q is sent", values)
		}
		s.ok(rest, 30)
		for _, n := range list {
			if r := s.outcome(n); (r.Code == 87) != (bad == 0) || n.index[0] != 0 {
				t.Fatalf("record %d is bad: message %d has record %d, %+v", bad, n.id, n.index[0], r)
			}
		}
		s.empty()
	}
}
