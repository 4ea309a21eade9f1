package main

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/ekaf-go/ekaf"
)

// namedLines is how many failed lines are named on the screen; the rest is counted.
const namedLines = 100

// report counts what became of the lines, and writes the ack log.
type report struct {
	screen *console
	log    *ackLog // nil: none
	began  time.Time

	mu           sync.Mutex // guards the following
	read         int64
	bytes        int64
	acked        int64
	failed       int64
	open         int64 // handed over, no outcome yet
	maybeWritten int64
	errors       map[string]int64
	named        int
}

func newReport(screen *console) *report {
	return &report{screen: screen, began: time.Now(), errors: map[string]int64{}}
}

// lineLeftOut counts a line that is not handed over.
func (r *report) lineLeftOut() {
	r.mu.Lock()
	r.read++
	r.mu.Unlock()
}

// handed counts lines of so many bytes that were read and are handed over.
func (r *report) handed(lines, bytes int) {
	r.mu.Lock()
	r.read += int64(lines)
	r.bytes += int64(bytes)
	r.open += int64(lines)
	r.mu.Unlock()
}

func (r *report) pending() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open
}

// settle waits for outcomes that are still being told, as long as they come. A
// producer's Close does not wait long for callbacks, which may be anybody's; these
// are our own and end, but on a busy machine those of a full buffer take a while.
func (r *report) settle() {
	const patience, look = 5 * time.Second, 10 * time.Millisecond
	left, changed := r.pending(), time.Now()
	for left > 0 && time.Since(changed) < patience {
		time.Sleep(look)
		if now := r.pending(); now != left {
			left, changed = now, time.Now()
		}
	}
}

func (r *report) failures() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// ackedLines counts lines first to first+n-1 as delivered.
func (r *report) ackedLines(first int64, n int) {
	if r.log != nil {
		r.log.add(first, n)
	}
	r.mu.Lock()
	r.acked += int64(n)
	r.open -= int64(n)
	r.mu.Unlock()
}

// failedLines counts lines as failed, and names what concerns a line itself.
func (r *report) failedLines(first int64, n int, err error) {
	r.refused(first, n, err)
	r.mu.Lock()
	r.open -= int64(n) // last, so that without open lines all are counted
	r.mu.Unlock()
}

// refused counts lines as failed that were never handed over.
func (r *report) refused(first int64, n int, err error) {
	reason := reasonOf(err)
	failure, typed := errors.AsType[*ekaf.DeliveryError](err)
	r.mu.Lock()
	r.failed += int64(n)
	r.errors[reason] += int64(n)
	if typed && failure.MaybeWritten {
		r.maybeWritten += int64(n)
	}
	before := r.named
	r.named += n
	r.mu.Unlock()
	for i := range min(n, max(namedLines-before, 0)) {
		r.screen.say("line %d: %v", first+int64(i), err)
	}
	if before < namedLines && before+n >= namedLines {
		r.screen.say("further lines that fail are only counted")
	}
}

// reasonOf is the key under which an error is counted.
func reasonOf(err error) string {
	for _, known := range []struct {
		err    error
		reason string
	}{
		{context.Canceled, "interrupted"},
		{context.DeadlineExceeded, "interrupted"},
		{ekaf.ErrTooLarge, "too_large"},
		{kerr.MessageTooLarge, "too_large"},
		{kerr.RecordListTooLarge, "too_large"},
		{ekaf.ErrUnknownTopic, "unknown_topic"},
		{ekaf.ErrUnknownPartition, "unknown_partition"},
		{ekaf.ErrInvalidTopic, "invalid_topic"},
		{ekaf.ErrNotPermitted, "not_permitted"},
		{ekaf.ErrTimeout, "timeout"},
		{ekaf.ErrUndecidable, "undecidable"},
		{ekaf.ErrHeadersUnsupported, "headers_unsupported"},
		{ekaf.ErrIdempotenceUnsupported, "idempotence_unsupported"},
		{ekaf.ErrDropped, "dropped"},
		{ekaf.ErrFull, "full"},
		{ekaf.ErrWithdrawn, "interrupted"},
		{ekaf.ErrClosed, "interrupted"},
	} {
		if errors.Is(err, known.err) {
			return known.reason
		}
	}
	if k, ok := errors.AsType[*kerr.Error](err); ok {
		return k.Message
	}
	return "other"
}

// call is one hand-over. Its outcome may come before the call has returned and
// said which of its messages were refused: whichever comes second settles it.
type call struct {
	report *report
	first  int64
	n      int

	mu      sync.Mutex // guards the following
	refused []int
	back    bool
	outcome *outcome
}

type outcome struct {
	acked ekaf.Acked
	err   error
}

func (c *call) answered(acked ekaf.Acked, err error) {
	c.mu.Lock()
	if !c.back {
		c.outcome = &outcome{acked, err}
		c.mu.Unlock()
		return
	}
	c.mu.Unlock()
	c.settle(acked, err)
}

func (c *call) returned(err error) {
	c.mu.Lock()
	some, partly := errors.AsType[*ekaf.RefusedError](err)
	if partly {
		c.refused = some.Refused
	}
	c.back = true
	early := c.outcome
	c.mu.Unlock()
	switch {
	case partly:
		for _, i := range c.refused {
			c.report.failedLines(c.first+int64(i), 1, some.Err)
		}
	case err != nil:
		c.report.failedLines(c.first, c.n, err)
		return
	}
	if early != nil {
		c.settle(early.acked, early.err)
	}
}

// settle walks the outcomes of the messages that were accepted.
func (c *call) settle(acked ekaf.Acked, err error) {
	if err == nil && len(c.refused) == 0 {
		c.report.ackedLines(c.first, c.n)
		return
	}
	refused := map[int]bool{} // they are counted already
	for _, i := range c.refused {
		refused[i] = true
	}
	for i, ack := range acked.All() {
		switch {
		case refused[i]:
		case ack.Err != nil:
			c.report.failedLines(c.first+int64(i), 1, ack.Err)
		default:
			c.report.ackedLines(c.first+int64(i), 1)
		}
	}
}

// summary is the last line on standard error.
type summary struct {
	Acked        int64            `json:"acked"`
	Failed       int64            `json:"failed"`
	Seconds      float64          `json:"seconds"`
	Read         int64            `json:"read"`
	Bytes        int64            `json:"bytes"`
	Errors       map[string]int64 `json:"errors"`
	MaybeWritten int64            `json:"maybe_written"`
}

// finish closes the ack log, prints the summary, and reports whether all was delivered.
func (r *report) finish() bool {
	var logFault error
	if r.log != nil {
		logFault = r.log.close()
	}
	r.mu.Lock()
	if r.open > 0 { // a promise of the producer was broken; it must not look like success
		r.failed += r.open
		r.errors["no_outcome"] += r.open
		r.open = 0
	}
	s := summary{
		Acked: r.acked, Failed: r.failed, Read: r.read, Bytes: r.bytes, Errors: r.errors, MaybeWritten: r.maybeWritten,
		Seconds: math.Round(time.Since(r.began).Seconds()*1000) / 1000,
	}
	r.mu.Unlock()
	if logFault != nil {
		r.screen.say("ekaf: %v", logFault)
	}
	if s.Failed > 0 {
		r.screen.say("%d of %d messages were not delivered", s.Failed, s.Read)
	}
	line, err := json.Marshal(s)
	if err != nil {
		panic(err) // numbers and strings can always be written
	}
	r.screen.say("%s", line)
	return s.Failed == 0 && logFault == nil
}
