package faults

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/conformance/judge"
	"github.com/twmb/franz-go/pkg/kgo"
)

// ledger makes messages of the judge's form and keeps what the producer says of
// each. It may be used from several goroutines.
type ledger struct {
	t     *testing.T
	topic string
	size  int // least bytes of a value

	mu      sync.Mutex // guards the following
	next    map[string]int64
	issued  []judge.Message
	acks    map[judge.Message]ekaf.Ack
	failed  map[judge.Message]*ekaf.DeliveryError
	refused map[judge.Message]bool
}

func newLedger(t *testing.T, topic string) *ledger {
	return &ledger{
		t: t, topic: topic, next: map[string]int64{}, acks: map[judge.Message]ekaf.Ack{},
		failed: map[judge.Message]*ekaf.DeliveryError{}, refused: map[judge.Message]bool{},
	}
}

// entry is a message and its name.
type entry struct {
	ekaf.Message
	name judge.Message
}

// message makes the next message of a key.
func (l *ledger) message(key string) entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	name := judge.Message{Key: key, Sequence: l.next[key]}
	l.next[key]++
	l.issued = append(l.issued, name)
	m := ekaf.Message{Value: judge.AppendValue(nil, name, l.size)}
	if key != "" {
		m.Key = []byte(key)
	}
	return entry{m.Then(func(ack ekaf.Ack, err error) { l.note(name, ack, err) }), name}
}

func (l *ledger) note(name judge.Message, ack ekaf.Ack, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told(name) {
		l.t.Errorf("message %v has a second outcome: %+v, %v", name, ack, err)
		return
	}
	if err == nil {
		l.acks[name] = ack
		return
	}
	failure, ok := errors.AsType[*ekaf.DeliveryError](err)
	if !ok {
		l.t.Errorf("message %v failed with a %T: %v", name, err, err)
		failure = &ekaf.DeliveryError{Err: err}
	}
	l.failed[name] = failure
}

// told: the message has its outcome. The caller holds mu.
func (l *ledger) told(name judge.Message) bool {
	_, acked := l.acks[name]
	return acked || l.failed[name] != nil || l.refused[name]
}

// refuse notes that a call accepted nothing: the message gets no outcome and must
// never arrive.
func (l *ledger) refuse(name judge.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.told(name) {
		l.t.Errorf("message %v was refused and has an outcome too", name)
	}
	l.refused[name] = true
}

// failures are those that failed, in the order they were made.
func (l *ledger) failures() (list []*ekaf.DeliveryError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, name := range l.issued {
		if failure := l.failed[name]; failure != nil {
			list = append(list, failure)
		}
	}
	return list
}

// fate is what became of a message: its ack, its failure, or neither yet.
func (l *ledger) fate(e entry) (ekaf.Ack, *ekaf.DeliveryError) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.acks[e.name], l.failed[e.name]
}

// outcomes counts the messages that have one.
func (l *ledger) outcomes() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acks) + len(l.failed) + len(l.refused)
}

func (l *ledger) acked() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acks)
}

// expectation is what the outcomes amount to. Messages without one are faults.
func (l *ledger) expectation(order judge.Order) *judge.Expectation {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	silent := slices.DeleteFunc(slices.Clone(l.issued), l.told)
	if len(silent) > 0 {
		l.t.Errorf("%d of %d messages have no outcome, such as %v", len(silent), len(l.issued), silent[:min(3, len(silent))])
	}
	e := &judge.Expectation{Order: order}
	for name := range maps.Keys(l.acks) {
		e.Acked(name)
	}
	for name, failure := range l.failed {
		if failure.MaybeWritten {
			e.Maybe(name)
		}
	}
	return e
}

// verify asks the judge, and fails the test unless all promises were kept.
func (l *ledger) verify(order judge.Order, addrs []string, opts ...kgo.Opt) *judge.Log {
	l.t.Helper()
	expected := l.expectation(order)
	log, err := judge.Consume(context.WithoutCancel(l.t.Context()), addrs, l.topic, opts...)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := judge.Verify(log, expected).Err(); err != nil {
		l.t.Error(err)
	}
	return log
}

// expectAcked fails the test unless all messages were acked.
func (l *ledger) expectAcked() {
	l.t.Helper()
	if failed := l.failures(); len(failed) > 0 {
		l.t.Errorf("%d messages failed, such as: %v", len(failed), failed[0])
	}
}
