package worker

import (
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// floor is a bound below all that a lane never acked has in the log: the end of
// the log, noted before its first batch was given to a connection.
//
// Without one such a lane is read back from offset 0: the whole log, and where
// that does not begin at 0 any more nobody can tell whether the batch was in
// what is gone. To note it costs the first batch a round trip, and the leader a
// request for each lane. So it is done only where the question is to be expected:
// for records so old that brokers may forget their id at once. It cannot be asked
// beside the first batch: by the time of the answer that may lie below the end.
type floor struct {
	offset  int64 // -1: not noted
	wanted  bool  // Take is to ask
	waiting bool  // the host was asked
	known   bool  // ... and has answered, be it with -1
	number  uint64
}

// wantsFloor holds the first batch of old records until the log's end is noted.
// Nothing may be undecided: an earlier batch may be in the log already.
func (l *Lane) wantsFloor(b *batch.Batch, now time.Time) bool {
	f := &l.floor
	if f.waiting {
		return true
	}
	if f.known || l.ackedEnd >= 0 || !l.tooOld(b, now) || l.undecided() {
		return false
	}
	f.wanted = true
	return true
}

// askFloor reports that the host is to be asked, with this number.
func (l *Lane) askFloor() (number uint64, ask bool) {
	f := &l.floor
	if !f.wanted {
		return 0, false
	}
	f.wanted, f.waiting = false, true
	f.number++
	return f.number, true
}

// forgetFloor: the lane is in another log now, and an answer under way is about
// the old one.
func (l *Lane) forgetFloor() { l.floor = floor{offset: -1, number: l.floor.number} }

// Noted takes the end of the log that the host was asked for, -1 if nobody tells.
func (l *Lane) Noted(number uint64, end int64) {
	l.mu.Lock()
	if f := &l.floor; f.waiting && f.number == number {
		f.waiting, f.known, f.offset = false, true, end
	}
	l.unlock()
}
