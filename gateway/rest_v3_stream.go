package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"sync"
	"time"
)

// stream is a v3 request that goes on: records come in while answers go out.
//
//	body ─► frames ─► entries ─► queue ─► one call of the producer ─► an answer for
//	        reader's goroutine   bounded  for all that waits            each record
//	                                      the request's goroutine
//
// While one call waits for its acks the next one's records gather, so that the
// order is kept, each record has the deadline of any other that waits for Kafka,
// and a busy stream costs a call for hundreds of records. A client that sends
// faster than Kafka takes is not read from.
type stream struct {
	x  *exchange
	rc *http.ResponseController

	frames  frames
	endless bool      // nothing says when the body ends
	until   time.Time // when the stream has been open for long enough

	midst bool // the reader's: it waits for the rest of a record
	grown int  // the reader's until it has ended: the memory of frames

	queue entryQueue
}

// Bounds of a stream.
const (
	queueEntries = 1000
	queueBytes   = 1 << 20 // or one record, if that is larger
	entryBytes   = 512     // what an entry costs beside its bytes

	// drainTime is for streams that open while the gateway is going away.
	drainTime = time.Second
)

// streamLimits is what streams are allowed.
type streamLimits struct {
	atOnce  int
	idle    time.Duration // between two records
	longest time.Duration
	record  time.Duration // from a record's first byte to its last, and for an answer to be taken
}

func (x *exchange) serveV3Records() {
	f := x.isJSON()
	if f == nil && x.r.ContentLength == 0 {
		f = errNoRecord
	}
	if f != nil {
		x.refuse(f)
		return
	}
	if x.first != nil {
		x.serveV3Whole()
		return
	}
	s := &stream{x: x, rc: http.NewResponseController(x.w), endless: x.r.ContentLength < 0}
	s.queue.changed.L = &s.queue.mu
	s.frames = frames{from: x.r.Body, limit: x.h.settings.maxBody, grow: s.grow, begin: s.begin}
	if f := s.open(); f != nil {
		x.refuse(f)
		return
	}
	defer x.h.streams.leave(s)
	var reader sync.WaitGroup
	reader.Go(s.read)
	defer func() {
		// The body is not to be read once the request is over. After a panic of a
		// hook the reader has to be told; else it has come to its end.
		if !s.queue.isEnded() {
			s.hangUp()
		}
		reader.Wait()
		s.queue.drop(&x.h.bodies)
		x.charged += int64(s.grown)
	}()
	s.write()
}

// errNoRecord: a request without a record.
var errNoRecord = v3Violation(restInvalidPayload, "Payload error. Request body is empty. Data is required.")

// errGoingAway: a stream was ended before its first record.
var errGoingAway = &StatusError{Status: http.StatusServiceUnavailable, RetryAfter: retryAfter, Message: "the gateway is shutting down"}

// open registers the stream, and lifts the server's limits of time, which are
// for requests that end.
func (s *stream) open() *StatusError {
	x := s.x
	if encoding := x.r.Header["Content-Encoding"]; len(encoding) > 0 {
		// What is compressed is read as a whole: an unpacker's memory is not for keeping.
		if f := x.readBody(); f != nil {
			return f
		}
		s.frames.from, s.endless = bytes.NewReader(x.body), false
	}
	if !x.h.streams.enter(s, x.h.settings.streams.atOnce) {
		return &StatusError{Status: http.StatusServiceUnavailable, RetryAfter: retryAfter, Message: "too many streams are open: try again later"}
	}
	// Drain comes before this look, or finds the stream among those that are open.
	s.until = time.Now().Add(x.h.settings.streams.longest)
	if x.h.draining.Load() {
		s.until = time.Now().Add(drainTime)
	}
	// Errors of these three: the writer or its protocol needs or knows no such thing.
	_ = s.rc.EnableFullDuplex()
	_ = s.rc.SetWriteDeadline(time.Time{})
	_ = s.rc.SetReadDeadline(time.Time{})
	return nil
}

// grow charges the buffer of the frames.
func (s *stream) grow(n int) error {
	if !s.x.h.bodies.take(int64(n)) {
		return errBodyMemory
	}
	s.grown += n
	return nil
}

// begin sets how long the next read may take. A record that has begun is given
// one time for all of it: a client that drips bytes does not extend it.
func (s *stream) begin(midst bool) {
	limits, now := &s.x.h.settings.streams, time.Now()
	if !midst {
		_ = s.rc.SetReadDeadline(earlier(now.Add(limits.idle), s.until))
	} else if !s.midst {
		_ = s.rc.SetReadDeadline(now.Add(limits.record))
	}
	s.midst = midst
	// hangUp sets a deadline that has passed, and may have done so before ours.
	// Sequence: hung := true, its deadline, ours, this look; or ours, hung := true,
	// (this look,) its deadline. In both the read ends.
	if s.queue.hungUp() {
		_ = s.rc.SetReadDeadline(past)
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

var past = time.Unix(1, 0)

// hangUp ends the reading: what was read is answered, and then the stream ends.
func (s *stream) hangUp() {
	s.queue.hangUp()
	_ = s.rc.SetReadDeadline(past)
}

// read takes the body apart until it ends or cannot be read on.
func (s *stream) read() {
	defer s.queue.end()
	for {
		object, err := s.frames.next()
		if err == nil && !time.Now().Before(s.until) {
			err = errStreamOver
		}
		if err != nil {
			if err == io.EOF { // the server looks out for the client's end from here on
				_ = s.rc.SetReadDeadline(time.Time{})
			}
			if f := s.ending(err); f != nil {
				s.queue.push(v3Entry{fault: f})
			}
			return
		}
		// The decoder's copies are short-lived; what stays is the message.
		e := v3Entry{charged: int64(decoderCopies*len(object) + entryBytes)}
		if !s.x.h.bodies.take(e.charged) {
			s.queue.push(v3Entry{fault: errBodyMemory})
			return
		}
		charged := e.charged
		e = v3StreamEntry(object)
		e.charged = charged
		if !s.queue.push(e) {
			s.x.h.bodies.give(charged)
			return
		}
	}
}

// errStreamOver: the stream was open for as long as one may be.
var errStreamOver = errors.New("the stream was open for longer than allowed")

// ending is what the client is told of the end of the reading. nil: nothing.
func (s *stream) ending(err error) *StatusError {
	own, isOwn := errors.AsType[*StatusError](err)
	switch {
	case err == io.EOF || s.queue.hungUp():
		return nil
	case isOwn:
		return own
	case errors.Is(err, errStreamOver), errors.Is(err, os.ErrDeadlineExceeded) && !time.Now().Before(s.until):
		return refusal(http.StatusRequestTimeout, "Streaming connection open for longer than allowed: Connection will be closed.")
	case errors.Is(err, os.ErrDeadlineExceeded) && s.midst:
		return refusal(http.StatusRequestTimeout, "Request Timeout: the record did not arrive in time, and was not produced.")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return refusal(http.StatusRequestTimeout, "Streaming connection idle for longer than allowed: Connection will be closed.")
	}
	return malformedStream(err, s.x.h.settings.maxBody)
}

// write produces what the reader queues, and answers. It ends when the reader
// has, or the client takes no more answers; what was accepted is delivered all
// the same.
func (s *stream) write() {
	x, sent := s.x, false
	var entries []v3Entry
	for s.queue.take(&entries) {
		for i := range entries {
			x.charged += entries[i].charged // so that it is given back whatever happens
		}
		if f := s.askAgain(sent); f != nil {
			s.turnAway(entries, f)
		}
		x.produceEntries(entries)
		x.out = x.out[:0]
		for i := range entries {
			x.out = append(x.appendV3Answer(x.out, &entries[i]), '\r', '\n')
			x.charged -= entries[i].charged
			x.h.bodies.give(entries[i].charged)
		}
		clear(entries)
		if err := s.send(!sent); err != nil {
			s.hangUp()
			return
		}
		sent = true
	}
	if !sent {
		f := errNoRecord
		if s.queue.hungUp() {
			f = errGoingAway
		}
		x.refuse(f)
		return
	}
	_ = s.rc.SetWriteDeadline(time.Time{}) // the connection may serve more requests
}

// Who opened a stream may be asked about again each time that records are taken
// from it: credentials expire or are taken away, and rates are of requests.
const (
	askedFor     = time.Second     // how long the answer at the beginning is good
	turnPatience = 2 * time.Second // how long records wait for their turn under a rate
)

// askAgain asks the guard whether what was taken may be produced. Under a rate the
// records wait for their turn, while more gather that go with the next: so a rate
// bounds the calls of the producer, and not the records, as for requests.
func (s *stream) askAgain(sent bool) *StatusError {
	x := s.x
	if x.h.settings.guard == nil || !sent && time.Since(x.began) < askedFor {
		return nil
	}
	for until := time.Now().Add(turnPatience); ; {
		f := x.askGuard()
		if f == nil || f.Status != http.StatusTooManyRequests || f.RetryAfter <= 0 || time.Now().Add(f.RetryAfter).After(until) {
			return f
		}
		turn := time.NewTimer(f.RetryAfter)
		select {
		case <-turn.C:
		case <-x.r.Context().Done():
			turn.Stop()
			return f
		}
	}
}

// turnAway refuses what was taken. Unless it may be tried again, nothing more is read.
func (s *stream) turnAway(entries []v3Entry, f *StatusError) {
	for i := range entries {
		if entries[i].fault == nil {
			entries[i].fault = f
		}
	}
	if f.Status != http.StatusTooManyRequests && f.Status != http.StatusServiceUnavailable {
		s.hangUp()
	}
}

func (x *exchange) appendV3Answer(out []byte, e *v3Entry) []byte {
	if e.fault != nil {
		return append(appendV3Fault(append(out, '{'), e.fault), '}')
	}
	out = append(out, `{"error_code":200,`...)
	return append(x.appendV3Place(out, e), '}')
}

func (s *stream) send(first bool) error {
	x := s.x
	_ = s.rc.SetWriteDeadline(time.Now().Add(x.h.settings.streams.record))
	if first {
		x.status = http.StatusOK
		x.w.Header()["Content-Type"] = v3Type
		x.w.WriteHeader(x.status)
	}
	if _, err := x.w.Write(x.out); err != nil {
		return err
	}
	if err := s.rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}
