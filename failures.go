package ekaf

import (
	"errors"
	"sync"

	"github.com/twmb/franz-go/pkg/kerr"
)

// failures counts messages by the reason why they were not delivered, or not
// accepted. It is off the way of messages that fare well.
type failures struct {
	mu sync.Mutex // guards the following
	by map[string]int64
}

var sentinels = []error{
	ErrFull, ErrDropped, ErrTimeout, ErrClosed, ErrWithdrawn, ErrUnknownTopic, ErrUnknownPartition,
	ErrTooLarge, ErrNotPermitted, ErrInvalidTopic, ErrUndecidable, ErrHeadersUnsupported, ErrIdempotenceUnsupported, ErrTryAgain,
}

// reasonOf names the cause of a failure: the text of a sentinel, the name of a
// Kafka error, or else the whole text.
func reasonOf(err error) string {
	if _, full := err.(*fullError); full {
		return ErrFull.Error() // a full buffer refuses very many
	}
	for _, s := range sentinels {
		if errors.Is(err, s) {
			return s.Error()
		}
	}
	if known, ok := errors.AsType[*kerr.Error](err); ok {
		return known.Message
	}
	return err.Error()
}

// maxReasons bounds the reasons kept apart: a broker chooses some of their texts.
const maxReasons = 64

// otherReasons is where those beyond the bound are counted.
const otherReasons = "other"

func (f *failures) count(err error, n int) {
	if n == 0 {
		return
	}
	reason := reasonOf(err)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by == nil {
		f.by = map[string]int64{}
	}
	if len(f.by) >= maxReasons && f.by[reason] == 0 {
		reason = otherReasons
	}
	f.by[reason] += int64(n)
}

func (f *failures) snapshot() map[string]int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make(map[string]int64, len(f.by))
	for reason, n := range f.by {
		out[reason] = n
	}
	return out
}

// refused counts the messages of a call that were not accepted.
func (t *topic) refused(r *refusals) {
	t.refusals.count(r.first.err, r.first.count)
	for i := range r.more {
		t.refusals.count(r.more[i].err, r.more[i].count)
	}
}
