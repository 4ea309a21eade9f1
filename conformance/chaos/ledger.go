package main

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/conformance/judge"
)

// state is what is known of a message.
type state uint8

const (
	open    state = iota // handed over, no outcome yet
	acked                // must be there, once
	failed               // must not be there
	maybe                // failed with MaybeWritten: may be there, once
	refused              // never accepted: must not be there, and gets no outcome
	states
)

func (s state) String() string {
	return [...]string{"no outcome", "acked", "failed", "failed with MaybeWritten", "refused"}[s]
}

// fate is all that is kept of a message. A long run has millions.
type fate struct {
	called    uint32 // ms since the run began
	settled   uint32 // the same; of the first outcome
	made      uint32 // in which order its caller made it
	call      uint32 // in which of its caller's calls
	offset    int64  // acked: -1 where Kafka does not tell
	partition int32  // acked
	worker    uint16 // acked
	reason    uint16 // not acked: in the ledger's reasons
	verb      uint8
	state     state
	outcomes  uint8
	needless  bool // it failed though nothing it was sent with allows that
}

// stream are the messages of one caller with one key, or without.
type stream struct {
	caller *caller
	topic  string
	key    string // in the values; unkeyed messages have one too
	keyed  bool
	fates  []fate // by sequence
}

func (s *stream) message(sequence int64) judge.Message {
	return judge.Message{Producer: s.caller.source.number, Key: s.key, Sequence: sequence}
}

// streamName is a stream as a record's value names it.
type streamName struct {
	producer int
	key      string
}

// ledger knows the fate of every message.
type ledger struct {
	line    *timeline
	streams map[streamName]*stream // complete before the first message

	mu      sync.Mutex // guards the following
	reasons []string
	known   map[string]uint16
	counts  [states]int64
	causes  map[string]int64 // of outcomes that were failures
}

func newLedger(line *timeline) *ledger {
	return &ledger{line: line, streams: map[streamName]*stream{}, known: map[string]uint16{}, causes: map[string]int64{}}
}

func (l *ledger) open(s *stream) { l.streams[streamName{s.caller.source.number, s.key}] = s }

// opened notes the next message of a stream.
func (l *ledger) opened(s *stream, verb uint8) (sequence int64) {
	c := s.caller
	c.mu.Lock()
	defer c.mu.Unlock()
	s.fates = append(s.fates, fate{called: uint32(l.line.now().Milliseconds()), made: c.made, call: c.calls, verb: verb})
	c.made++
	l.count(open, 1)
	return int64(len(s.fates) - 1)
}

// settle notes an outcome. A second one is kept as a number of outcomes, which
// the verdict finds.
func (l *ledger) settle(s *stream, sequence int64, ack ekaf.Ack, err error) {
	reason := l.reason(err)
	c := s.caller
	c.mu.Lock()
	defer c.mu.Unlock()
	f := &s.fates[sequence]
	f.outcomes = min(f.outcomes+1, 100)
	if f.state != open {
		return
	}
	f.settled, f.reason = uint32(l.line.now().Milliseconds()), reason
	switch delivery, ok := errors.AsType[*ekaf.DeliveryError](err); {
	case err == nil:
		f.state, f.partition, f.worker, f.offset = acked, ack.Partition, uint16(ack.Worker), ack.Offset
	case ok && delivery.MaybeWritten:
		f.state = maybe
	default:
		f.state = failed
	}
	l.count(open, -1)
	l.count(f.state, 1)
	if err != nil {
		f.needless = !c.source.choice.excuses(err)
		l.blame(err)
	}
}

// blame counts why messages failed.
func (l *ledger) blame(err error) {
	name := causeOf(err)
	l.mu.Lock()
	l.causes[name]++
	l.mu.Unlock()
}

// refuse notes that a message was not accepted. If it had an outcome all the
// same, both stay visible.
func (l *ledger) refuse(s *stream, sequence int64, err error) {
	reason := l.reason(err)
	c := s.caller
	c.mu.Lock()
	defer c.mu.Unlock()
	f := &s.fates[sequence]
	l.count(f.state, -1)
	f.state, f.reason, f.settled = refused, reason, uint32(l.line.now().Milliseconds())
	l.count(refused, 1)
}

func (l *ledger) count(s state, n int64) {
	l.mu.Lock()
	l.counts[s] += n
	l.mu.Unlock()
}

// totals are the numbers of messages, by state.
func (l *ledger) totals() [states]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts
}

// maxReasons bounds the different texts of errors; addresses and topics in them
// make them many.
const maxReasons = 10_000

// reason numbers the text of an error; 0: none.
func (l *ledger) reason(err error) uint16 {
	if err == nil {
		return 0
	}
	text := err.Error()
	l.mu.Lock()
	defer l.mu.Unlock()
	n, known := l.known[text]
	if !known && len(l.reasons) < maxReasons {
		l.reasons = append(l.reasons, text)
		n = uint16(len(l.reasons))
		l.known[text] = n
	}
	return n
}

func (l *ledger) reasonText(n uint16) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n == 0 {
		return "(one of too many reasons)"
	}
	return l.reasons[n-1]
}

// describe tells a fate in words.
func (l *ledger) describe(f fate) string {
	at := time.Duration(f.settled) * time.Millisecond
	switch f.state {
	case open:
		return "it never got an outcome"
	case acked:
		return moment{at, fmt.Sprintf("acked: partition %d, worker %d, offset %d", f.partition, f.worker, f.offset)}.String()
	default:
		return moment{at, f.state.String() + ": " + l.reasonText(f.reason)}.String()
	}
}
