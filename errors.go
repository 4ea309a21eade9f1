package ekaf

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"
)

// Sentinels, to be found with errors.Is in what a call returns or an outcome carries.
var (
	// ErrClosed: the producer was closed, or is closing.
	ErrClosed = errors.New("the producer is closed")
	// ErrFull: the buffer's limit is reached and the policy is Error.
	ErrFull = errors.New("the buffer is full")
	// ErrDropped: a full buffer's policy (DropOldest, DropNewest) gave the message up. It was never sent.
	ErrDropped = errors.New("dropped because the buffer was full")
	// ErrTimeout: DeliveryTimeout ended before Kafka answered.
	ErrTimeout = errors.New("the delivery timeout ended")
	// ErrUnknownTopic: the topic does not exist, and did not appear within UnknownTopicTimeout.
	ErrUnknownTopic = errors.New("the topic does not exist")
	// ErrUnknownPartition: the topic has no such partition.
	ErrUnknownPartition = errors.New("the topic has no such partition")
	// ErrInvalidTopic: the name is empty, too long or holds characters that Kafka does not allow.
	ErrInvalidTopic = errors.New("the topic's name is not valid")
	// ErrTooLarge: the message is larger than BatchBytes, or than the broker takes.
	ErrTooLarge = errors.New("the message is too large")
	// ErrNotPermitted: the broker refuses this principal.
	ErrNotPermitted = errors.New("not permitted")
	// ErrTryAgain: the topic's metadata is not here yet.
	ErrTryAgain = errors.New("the topic's metadata is not known yet: try again")
	// ErrUndecidable: Kafka can no longer tell whether the batch was written, and OnUndecidable is Hold.
	ErrUndecidable = errors.New("undecidable: nobody can tell any more whether it was written")
	// ErrWithdrawn: the call's context ended before the message was on the wire; it will never be sent.
	ErrWithdrawn = errors.New("withdrawn before it was sent")
	// ErrHeadersUnsupported: the broker is older than 0.11 and cannot store headers.
	// The message was not sent; others of its batch were.
	ErrHeadersUnsupported = errors.New("the broker is too old for record headers")
	// ErrIdempotenceUnsupported: the brokers are older than 0.11 and have no producer
	// ids, which Idempotence, on by default, needs. The message was not sent.
	ErrIdempotenceUnsupported = errors.New("the brokers are too old for idempotence")
)

// DeliveryError says why a message was not delivered, or not as far as is known.
type DeliveryError struct {
	Topic string
	// Partition is -1 where none was chosen yet.
	Partition int32
	// Code is Kafka's error code, 0 where the failure did not come from a broker.
	Code int16
	// Retriable: the same message, produced again, may well succeed.
	Retriable bool
	// MaybeWritten: the broker may hold the message all the same. Producing it
	// again may double it.
	MaybeWritten bool
	// Err is the cause: a sentinel of this package, a *kerr.Error of Kafka, a
	// context's error, or one that wraps them.
	Err error
}

func (e *DeliveryError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "cannot deliver to %s", e.Topic)
	if e.Partition >= 0 {
		fmt.Fprintf(&b, "[%d]", e.Partition)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	if e.MaybeWritten {
		b.WriteString(" (the broker may hold it all the same)")
	}
	return b.String()
}

// Unwrap gives the cause, and the Kafka error of the code where there is one.
func (e *DeliveryError) Unwrap() []error {
	causes := []error{e.Err}
	if e.Code != 0 {
		if known := kerr.ErrorForCode(e.Code); known != nil && !errors.Is(e.Err, known) {
			causes = append(causes, known)
		}
	}
	return causes
}

// RefusedError is returned by a verb that accepted only some of the messages of
// a list: those at the indexes in Refused were not accepted and get no outcome;
// all others were. A call that accepts nothing returns the plain cause, or all there
// are, joined.
type RefusedError struct {
	Refused []int
	// Errs are the causes, one for each index; Err is the first.
	Errs []error
	Err  error
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%d messages of the call were refused: %v", len(e.Refused), e.Err)
}

// Unwrap gives the causes, each once.
func (e *RefusedError) Unwrap() (causes []error) {
	for _, err := range append([]error{e.Err}, e.Errs...) {
		if err != nil && !slices.Contains(causes, err) {
			causes = append(causes, err)
		}
	}
	return causes
}

// ConfigError lists every fault of a configuration.
type ConfigError struct{ Faults []error }

func (e *ConfigError) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.Error()
	}
	return "the configuration has faults:\n  " + strings.Join(lines, "\n  ")
}

// Unwrap gives the faults.
func (e *ConfigError) Unwrap() []error { return e.Faults }

// panicError is a panic of user code, as an event carries it.
type panicError struct{ value any }

func (p panicError) Error() string { return fmt.Sprintf("a callback panicked: %v", p.value) }
