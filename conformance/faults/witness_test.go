package faults

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// events counts what a producer tells of.
type events struct {
	mu    sync.Mutex // guards the following
	kinds map[ekaf.EventKind]int
	codes map[int16]int // of the batches that were answered
}

func (e *events) hear(event ekaf.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.kinds == nil {
		e.kinds, e.codes = map[ekaf.EventKind]int{}, map[int16]int{}
	}
	e.kinds[event.Kind]++
	if event.Kind == ekaf.EventFlushedReplied {
		if cause, ok := errors.AsType[*kerr.Error](event.Err); ok {
			e.codes[cause.Code]++
		}
	}
}

// count is how often the kind was heard.
func (e *events) count(kind ekaf.EventKind) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.kinds[kind]
}

// answers is how many batches were answered by a code.
func (e *events) answers(code int16) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.codes[code]
}

// traffic looks at every Produce request that the brokers get.
type traffic struct {
	t *testing.T

	mu       sync.Mutex // guards the following
	requests []arrival
}

// arrival is one Produce request.
type arrival struct {
	at         time.Time
	broker     int32
	partitions int
}

// hear fails the test at a request that holds two batches of a partition, of
// which Kafka writes but one.
func (w *traffic) hear(r ekaftest.Request) {
	request, ok := r.Body.(*kmsg.ProduceRequest)
	if !ok {
		return
	}
	one := arrival{at: time.Now(), broker: r.Broker}
	for _, topic := range request.Topics {
		seen := map[int32]bool{}
		for _, p := range topic.Partitions {
			if seen[p.Partition] {
				w.t.Errorf("a request holds two batches of partition %d", p.Partition)
			}
			seen[p.Partition] = true
			one.partitions++
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = append(w.requests, one)
}

func (w *traffic) list() []arrival {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.requests)
}
