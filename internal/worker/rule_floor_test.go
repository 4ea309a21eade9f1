package worker

import (
	"testing"
	"time"
)

// Rule 4: a lane that was never acked is read back from the log's end as it was
// before the first of its old records was sent.
func TestRule04OldRecordsWaitForTheLogsEnd(t *testing.T) {
	s := newScript(t, nil)
	s.unnoted = true
	list := s.putAt(time.Now().Add(-25*time.Hour), 2)
	s.none(0, 1)
	if len(s.ends) != 1 {
		t.Fatalf("the log's end was asked for %d times", len(s.ends))
	}
	s.lane.Flush()
	s.none(0, 1)
	s.lane.Noted(s.ends[0], 700)
	s.cut(s.must(0, 1))
	s.none(0, 2)
	if len(s.questions) != 1 || s.questions[0].From != 700 || s.questions[0].AckedEnd != -1 {
		t.Fatalf("asked %+v", s.questions)
	}
	s.settle(Finding{Found: true})
	s.ok(s.must(0, 2), 705)
	later := s.putAt(time.Now().Add(-25*time.Hour), 1)
	s.cut(s.must(0, 2))
	s.none(0, 3)
	if len(s.questions) != 2 || s.questions[1].From != 706 || len(s.ends) != 1 {
		t.Fatalf("asked %+v, and %d times for the log's end", s.questions, len(s.ends))
	}
	s.settle(Finding{Found: true, Through: s.questions[1].Last})
	s.acked(append(list, later...)...)
	s.empty()
}

// Where nobody tells the end, the lane goes on without; it asks once.
func TestRule04NobodyTellsTheLogsEnd(t *testing.T) {
	s := newScript(t, nil)
	list := s.putAt(time.Now().Add(-25*time.Hour), 1)
	s.cut(s.must(0, 1))
	s.none(0, 2)
	if len(s.ends) != 1 || len(s.questions) != 1 || s.questions[0].From != 0 {
		t.Fatalf("asked %+v, and %d times for the log's end", s.questions, len(s.ends))
	}
	s.settle(Finding{})
	s.ok(s.must(0, 2), 0)
	s.acked(list...)
	s.empty()
}

// Young records wait for no question, and neither do old ones behind an ack.
func TestRule04YoungRecordsDoNotWait(t *testing.T) {
	s := newScript(t, nil)
	s.unnoted = true
	s.confirm(0, 1)
	list := s.putAt(time.Now().Add(-25*time.Hour), 1)
	s.ok(s.must(0, 1), 1)
	s.acked(list...)
	if len(s.ends) != 0 {
		t.Fatalf("the log's end was asked for %d times", len(s.ends))
	}
	s.empty()
}

// An ack without an offset (DUPLICATE_SEQUENCE_NUMBER) confirms the lane and bounds
// nothing. With a young batch under way the log's end is no bound either: that
// batch may be below it.
func TestRule04NoEndBehindTheUndecided(t *testing.T) {
	s := newScript(t, nil)
	s.unnoted = true
	list := s.batch(1)
	s.code(s.must(0, 1), 46)
	list = append(list, s.batch(1)...)
	list = append(list, s.putAt(time.Now().Add(-25*time.Hour), 1)...)
	young, old := s.must(0, 1), s.must(0, 1)
	if len(s.ends) != 0 {
		t.Fatalf("the log's end was asked for %d times", len(s.ends))
	}
	s.ok(young, 1)
	s.ok(old, 2)
	s.acked(list...)
	s.empty()
}

// The end of a log that is no more bounds nothing: the lane asks anew, and passes
// over the late answer.
func TestRule04RebornLaneForgetsTheLogsEnd(t *testing.T) {
	s := newScript(t, nil)
	s.unnoted = true
	list := s.putAt(time.Now().Add(-25*time.Hour), 1)
	s.none(0, 1)
	s.lane.Reborn()
	s.none(0, 1)
	if len(s.ends) != 2 {
		t.Fatalf("the log's end was asked for %d times", len(s.ends))
	}
	s.lane.Noted(s.ends[0], 700)
	s.none(0, 1)
	s.lane.Noted(s.ends[1], 3)
	s.cut(s.must(0, 1))
	s.none(0, 2)
	if len(s.questions) != 1 || s.questions[0].From != 3 {
		t.Fatalf("asked %+v", s.questions)
	}
	s.settle(Finding{Found: true, Through: s.questions[0].Last})
	s.acked(list...)
	s.empty()
}
