package worker

import "github.com/twmb/franz-go/pkg/kerr"

// Verdict is what an answer of the broker means for a batch.
type Verdict uint8

// The verdicts.
const (
	// Written: the records are in the log, now or since an earlier attempt.
	Written Verdict = iota
	// Retry: send it again, under the same identity.
	Retry
	// RetryElsewhere: the same, after new metadata.
	RetryElsewhere
	// OutOfOrder: the broker expected another sequence number.
	OutOfOrder
	// Forgotten: the broker does not know the producer id, or not this epoch of it.
	Forgotten
	// Split: too large; halves may pass.
	Split
	// NameBad: one or more records are bad; the others may pass.
	NameBad
	// Plain: the broker cannot read the codec; without it the batch may pass.
	Plain
	// Refused: it will never be taken.
	Refused
)

var verdictNames = [...]string{
	Written: "written", Retry: "sent again", RetryElsewhere: "sent again after new metadata",
	OutOfOrder: "in doubt: sent again in order, then the log is asked", Forgotten: "a new producer id",
	Split: "split in halves; a single message fails", NameBad: "the records named fail, the others are sent",
	Plain: "sent again without compression", Refused: "failed",
}

func (v Verdict) String() string { return verdictNames[v] }

// Ruling is a row of the table of errors.
type Ruling struct {
	Verdict Verdict
	// Proof: as the answer to a batch's only attempt, the error proves that
	// nothing was written, since it is checked before the append. Any other
	// error may come after the append and proves nothing.
	Proof bool
	// Limit bounds the attempts, 0: none.
	Limit int
}

// unknownLimit bounds the attempts of batches that end in an error which says
// nothing: a record that makes the broker stumble each time would otherwise
// hold its lane for ever.
const unknownLimit = 10

// rulings say what each error code of a produce answer means. Codes that are not
// here are Retry, a limited number of times.
var rulings = map[int16]Ruling{
	-1:  {Verdict: Retry, Limit: unknownLimit},   // UNKNOWN_SERVER_ERROR
	0:   {Verdict: Written},                      // NONE
	2:   {Verdict: Retry, Proof: true, Limit: 5}, // CORRUPT_MESSAGE
	3:   {Verdict: RetryElsewhere},               // UNKNOWN_TOPIC_OR_PARTITION
	5:   {Verdict: RetryElsewhere},               // LEADER_NOT_AVAILABLE
	6:   {Verdict: RetryElsewhere},               // NOT_LEADER_OR_FOLLOWER
	7:   {Verdict: Retry},                        // REQUEST_TIMED_OUT
	8:   {Verdict: Retry},                        // BROKER_NOT_AVAILABLE
	9:   {Verdict: RetryElsewhere},               // REPLICA_NOT_AVAILABLE
	10:  {Verdict: Split, Proof: true},           // MESSAGE_TOO_LARGE
	13:  {Verdict: RetryElsewhere},               // NETWORK_EXCEPTION
	14:  {Verdict: Retry},                        // COORDINATOR_LOAD_IN_PROGRESS
	15:  {Verdict: Retry},                        // COORDINATOR_NOT_AVAILABLE
	16:  {Verdict: Retry},                        // NOT_COORDINATOR
	17:  {Verdict: Refused, Proof: true},         // INVALID_TOPIC_EXCEPTION
	18:  {Verdict: Split, Proof: true},           // RECORD_LIST_TOO_LARGE
	19:  {Verdict: Retry, Proof: true},           // NOT_ENOUGH_REPLICAS
	20:  {Verdict: Retry},                        // NOT_ENOUGH_REPLICAS_AFTER_APPEND
	21:  {Verdict: Refused, Proof: true},         // INVALID_REQUIRED_ACKS
	29:  {Verdict: Refused, Proof: true},         // TOPIC_AUTHORIZATION_FAILED
	31:  {Verdict: Refused},                      // CLUSTER_AUTHORIZATION_FAILED
	32:  {Verdict: NameBad, Proof: true},         // INVALID_TIMESTAMP
	35:  {Verdict: Plain, Proof: true},           // UNSUPPORTED_VERSION: zstd for an old broker
	41:  {Verdict: RetryElsewhere},               // NOT_CONTROLLER
	42:  {Verdict: Refused},                      // INVALID_REQUEST
	43:  {Verdict: Refused, Proof: true},         // UNSUPPORTED_FOR_MESSAGE_FORMAT
	44:  {Verdict: Refused, Proof: true},         // POLICY_VIOLATION
	45:  {Verdict: OutOfOrder, Proof: true},      // OUT_OF_ORDER_SEQUENCE_NUMBER
	46:  {Verdict: Written},                      // DUPLICATE_SEQUENCE_NUMBER
	47:  {Verdict: Forgotten, Proof: true},       // INVALID_PRODUCER_EPOCH
	49:  {Verdict: Forgotten, Proof: true},       // INVALID_PRODUCER_ID_MAPPING
	53:  {Verdict: Refused},                      // TRANSACTIONAL_ID_AUTHORIZATION_FAILED
	56:  {Verdict: RetryElsewhere},               // KAFKA_STORAGE_ERROR
	59:  {Verdict: Forgotten, Proof: true},       // UNKNOWN_PRODUCER_ID
	72:  {Verdict: RetryElsewhere},               // LISTENER_NOT_FOUND
	74:  {Verdict: RetryElsewhere},               // FENCED_LEADER_EPOCH
	75:  {Verdict: RetryElsewhere},               // UNKNOWN_LEADER_EPOCH
	76:  {Verdict: Plain, Proof: true},           // UNSUPPORTED_COMPRESSION_TYPE
	87:  {Verdict: NameBad, Proof: true},         // INVALID_RECORD
	89:  {Verdict: Retry},                        // THROTTLING_QUOTA_EXCEEDED
	90:  {Verdict: Forgotten, Proof: true},       // PRODUCER_FENCED
	100: {Verdict: RetryElsewhere, Proof: true},  // UNKNOWN_TOPIC_ID
	103: {Verdict: RetryElsewhere, Proof: true},  // INCONSISTENT_TOPIC_ID
}

// RulingOf is the row for a code.
func RulingOf(code int16) Ruling {
	if r, ok := rulings[code]; ok {
		return r
	}
	return Ruling{Verdict: Retry, Limit: unknownLimit}
}

// Retriable reports whether the same message, produced again, may well succeed.
func Retriable(code int16) bool {
	switch RulingOf(code).Verdict {
	case Retry, RetryElsewhere, OutOfOrder, Forgotten:
		return true
	}
	return false
}

// codeError is Kafka's error of a code, never nil.
func codeError(code int16, message string) error {
	err := kerr.ErrorForCode(code)
	if err == nil {
		err = kerr.UnknownServerError
	}
	if message == "" {
		return err
	}
	return &brokerError{cause: err, message: message}
}

// brokerError is Kafka's error with what the broker said about it (KIP-467).
type brokerError struct {
	cause   error
	message string
}

func (e *brokerError) Error() string { return e.cause.Error() + ": " + e.message }
func (e *brokerError) Unwrap() error { return e.cause }
