package sender

import (
	"errors"
	"fmt"
	"time"

	"github.com/ekaf-go/ekaf/internal/worker"
)

// What brokers before Kafka 0.11 cannot hold. The messages concerned fail with one
// of these, wrapped with the broker's name, and are not sent.
var (
	// ErrHeaders: record headers need Produce v3 (KIP-82).
	ErrHeaders = errors.New("it is older than Kafka 0.11, whose messages have no headers: leave them out, or upgrade it")
	// ErrIdempotence: so do producer ids (KIP-98).
	ErrIdempotence = errors.New("it is older than Kafka 0.11, which knows no producer ids: upgrade it, or set Idempotence(false) (enable.idempotence=false), whereupon a message that is sent again may be there twice")
)

// maxSetBytes is the size from which no message set is made. Messages have some 30
// bytes around them that records have not, so many small ones that fit into a record
// batch may exceed what brokers take as a request (socket.request.max.bytes, 100
// MiB by default), to which they answer by hanging up, again and again.
const maxSetBytes = 95 << 20

// tooLarge is Kafka's MESSAGE_TOO_LARGE.
const tooLarge = 10

// makeSets makes message sets of the batches, for a broker that cannot read record
// batches. They belong to this attempt: the lane keeps its batch, and another
// leader may be newer. What no message set can hold is taken out of the request
// and refused, as a broker would refuse it.
func (r *request) makeSets() {
	magic := int8(0)
	if r.version >= timesFrom {
		magic = 1
	}
	r.sortByTopic() // the sets stand in the order of the request
	r.sets, r.setEnds = r.sets[:0], r.setEnds[:0]
	kept := r.attempts[:0]
	for i := range r.attempts {
		a := r.attempts[i]
		if refusal, refused := r.unfit(&a, magic); refused {
			a.Lane.Answered(&a, refusal, time.Now())
			continue
		}
		r.sets = a.Batch.AppendMessageSet(r.sets, magic, a.Lane.Partition.Config().Level)
		r.setEnds = append(r.setEnds, len(r.sets))
		kept = append(kept, a)
	}
	r.attempts = kept
}

// unfit is the answer to a batch that is not to be sent as a message set.
func (r *request) unfit(a *worker.Attempt, magic int8) (refusal worker.Answer, refused bool) {
	if a.Lane.Partition.Config().Idempotent {
		// To leave the id out would break what the user was promised, in silence.
		return worker.Answer{Refused: r.tooOld(ErrIdempotence)}, true
	}
	if a.Batch.MessageSetBound(magic) > maxSetBytes {
		return worker.Answer{Code: tooLarge}, true // and goes in halves
	}
	for _, index := range a.Batch.WithHeaders() {
		refusal.Bad = append(refusal.Bad, worker.BadRecord{Index: index})
	}
	if refusal.Bad == nil {
		return refusal, false
	}
	refusal.Refused = r.tooOld(ErrHeaders)
	return refusal, true
}

func (r *request) tooOld(what error) error {
	return fmt.Errorf("broker %d (%s): %w", r.sender.broker, r.conn.Addr(), what)
}

// set is the message set of the i-th batch.
func (r *request) set(i int) []byte {
	start := 0
	if i > 0 {
		start = r.setEnds[i-1]
	}
	return r.sets[start:r.setEnds[i]]
}

// size is what the i-th batch takes in the request.
func (r *request) size(i int) int {
	if r.version < batchesFrom {
		return len(r.set(i))
	}
	return r.attempts[i].Size()
}

// records appends the slices of the i-th batch, as the request carries it.
func (r *request) records(dst [][]byte, i int) [][]byte {
	if r.version < batchesFrom {
		return append(dst, r.set(i))
	}
	return r.attempts[i].Batch.Wire(dst)
}
