package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ekaf-go/ekaf"
)

// StatusError is an error that says how it is to be answered. Hooks return it to
// refuse a request or a message.
type StatusError struct {
	// Status is an HTTP status of 400 or above.
	Status int
	// Message is told to the client.
	Message string
	// RetryAfter, if above 0, is told to the client, rounded up to seconds.
	RetryAfter time.Duration
	// MaybeWritten: Kafka may hold the message all the same.
	MaybeWritten bool
	// Header is added to the answer, such as WWW-Authenticate. May be nil.
	Header http.Header

	// failed: the request was understood, and producing failed; the answer says
	// whether the message may have been written.
	failed bool
	// delivery: it is the producer's, and not the gateway's own.
	delivery bool
	// code is that of the REST Proxy for it; 0: the status says enough.
	code int
}

func (e *StatusError) Error() string { return e.Message }

// refusal makes an error of a status.
func refusal(status int, format string, args ...any) *StatusError {
	return &StatusError{Status: status, Message: fmt.Sprintf(format, args...)}
}

// retryAfter is what a client is told where nothing better is known: the
// producer's own back-off is below a second.
const retryAfter = time.Second

// meaning is a row of the status table.
type meaning struct {
	err    error
	status int
	retry  time.Duration
	when   string // for the documents
	terse  bool   // the client is told no more than the error itself: what it wraps may name brokers' addresses
	code   int    // of the REST Proxy, where the status does not say enough
}

// meanings says how each error of the producer is answered. The first row that
// errors.Is finds decides: an error may wrap the reason of its reason, as a
// deadline does that passed because the topic does not exist.
var meanings = []meaning{
	{ekaf.ErrInvalidTopic, http.StatusUnprocessableEntity, 0, "the topic's name is not one that Kafka allows", false, restBadRequest},
	{ekaf.ErrNotPermitted, http.StatusForbidden, 0, "Kafka refuses the gateway's principal", false, 0},
	{ekaf.ErrUnknownTopic, http.StatusNotFound, 0, "the topic does not exist", false, restUnknownTopic},
	{ekaf.ErrUnknownPartition, http.StatusNotFound, 0, "the topic has no such partition", false, restUnknownPartition},
	{ekaf.ErrTooLarge, http.StatusRequestEntityTooLarge, 0, "the message is larger than a batch, or than the brokers take", false, 0},
	{ekaf.ErrHeadersUnsupported, http.StatusNotImplemented, 0, "the brokers are too old for record headers", true, 0},
	{ekaf.ErrIdempotenceUnsupported, http.StatusInternalServerError, 0, "the brokers are too old for idempotence, which the gateway has on", true, 0},
	{ekaf.ErrUndecidable, http.StatusInternalServerError, 0, "nobody can tell any more whether Kafka has it", false, 0},
	{ekaf.ErrFull, http.StatusServiceUnavailable, retryAfter, "the buffer is full", false, 0},
	{ekaf.ErrDropped, http.StatusServiceUnavailable, retryAfter, "given up because the buffer was full", false, 0},
	{ekaf.ErrClosed, http.StatusServiceUnavailable, retryAfter, "the gateway is shutting down", true, 0},
	{ekaf.ErrTimeout, http.StatusServiceUnavailable, retryAfter, "the delivery timeout ended", true, 0},
	{ekaf.ErrWithdrawn, http.StatusServiceUnavailable, retryAfter, "the deadline passed, and the message was withdrawn", true, 0},
	{ekaf.ErrTryAgain, http.StatusServiceUnavailable, retryAfter, "the topic's partitions are not known yet", true, 0},
	{context.DeadlineExceeded, http.StatusServiceUnavailable, retryAfter, "the deadline passed", true, 0},
	{context.Canceled, http.StatusServiceUnavailable, retryAfter, "the client went away", true, 0},
}

// statusOf says how an error of the producer, or of a hook, is answered.
func statusOf(err error) *StatusError {
	if own, ok := errors.AsType[*StatusError](err); ok {
		return own
	}
	out := &StatusError{Message: err.Error(), failed: true, delivery: true}
	failure, delivered := errors.AsType[*ekaf.DeliveryError](err)
	if delivered {
		out.MaybeWritten = failure.MaybeWritten
	}
	for i := range meanings {
		m := &meanings[i]
		if !errors.Is(err, m.err) {
			continue
		}
		out.Status, out.RetryAfter, out.code = m.status, m.retry, m.code
		if m.terse {
			out.Message = terse(m.err, err, failure)
		}
		return out
	}
	switch {
	case delivered && isRefusedRecord(failure.Code):
		out.Status = http.StatusUnprocessableEntity
	case delivered && failure.Code != 0 && !failure.Retriable:
		out.Status = http.StatusBadGateway
	default:
		out.Status, out.RetryAfter = http.StatusServiceUnavailable, retryAfter
		out.Message = terse(errNoAnswer, err, failure)
	}
	return out
}

// errNoAnswer stands for all failures of connections.
var errNoAnswer = errors.New("no answer from Kafka")

// terse tells an error without what it wraps: a deadline says which, a delivery
// where to.
func terse(kind, err error, failure *ekaf.DeliveryError) string {
	text := kind.Error()
	if late, ok := errors.AsType[errDeadline](err); ok {
		text = late.Error()
		if errors.Is(err, ekaf.ErrWithdrawn) {
			text += "; the message was withdrawn and will not be sent"
		}
	}
	if failure == nil {
		return text
	}
	return "cannot deliver to " + failure.Topic + ": " + text
}

// isRefusedRecord: the broker has nothing against us but against the record:
// INVALID_TIMESTAMP, POLICY_VIOLATION, INVALID_RECORD.
func isRefusedRecord(code int16) bool { return code == 32 || code == 44 || code == 87 }

// StatusInfo is what an error of the producer is answered with.
type StatusInfo struct {
	Err        error
	Status     int
	RetryAfter time.Duration // 0: the client is not told to try again
	When       string
}

// StatusTable lists the errors of the producer in the order in which they are
// looked for, and what each is answered with.
func StatusTable() []StatusInfo {
	var list []StatusInfo
	for _, m := range meanings {
		list = append(list, StatusInfo{m.err, m.status, m.retry, m.when})
	}
	return append(list,
		StatusInfo{nil, http.StatusUnprocessableEntity, 0, "Kafka refuses the record itself (INVALID_RECORD, INVALID_TIMESTAMP, POLICY_VIOLATION)"},
		StatusInfo{nil, http.StatusBadGateway, 0, "Kafka refuses it for another reason, and would again"},
		StatusInfo{nil, http.StatusServiceUnavailable, retryAfter, "anything else: no answer from Kafka"},
	)
}
