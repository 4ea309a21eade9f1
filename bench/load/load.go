// Package load says what a benchmark produces, and counts what came of it. It
// is the only thing that the harness and the clients share.
//
//	suite ──► Row ──► Load ──► clients: Value(i), Key(i), Partition(i)
//	                   ▲                      │
//	          Wait ────┴──── Ack(n, err) ◄────┘  each outcome, once
package load

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/ekaf-go/ekaf/bench/broker"
)

const (
	variety = 1 << 10 // different values and keys, a power of two
	// What codecs see must not repeat within their windows, or a ratio says how often
	// it did and not how well the codec works.
	varietyCompressed = 1 << 15
	keySize           = 16 // bytes
)

// Load is a row being produced. Values and keys are made beforehand and never
// change, so that clients which keep the caller's slices need no copy of them.
type Load struct {
	Row
	Broker string // host:port
	Topic  string

	values, keys [][]byte

	outcomes, failed atomic.Int64  // outcomes counts failures too, so that one counter tells the end
	target           int64         // set before producing begins
	reached          chan struct{} // closed when outcomes come to target

	once  sync.Once
	cause error // the first failure, under once
}

// New makes the records of a row. The same row always makes the same records.
func New(row Row, address, topic string) *Load {
	l := &Load{Row: row, Broker: address, Topic: topic, reached: make(chan struct{})}
	random := rand.New(rand.NewPCG(1, 2))
	different := variety
	if row.Codec != "" && row.Codec != "none" {
		different = varietyCompressed
	}
	for range different {
		l.values = append(l.values, value(random, row.ValueBytes))
		l.keys = append(l.keys, binary.BigEndian.AppendUint64(make([]byte, keySize-8), random.Uint64()))
	}
	return l
}

// value looks like an event: field names which repeat, contents which do not,
// so that codecs find some but not everything to do.
func value(random *rand.Rand, size int) []byte {
	var b []byte
	for len(b) < size {
		b = fmt.Appendf(b, `{"user":%d,"event":"page_view","session":"%x"}`, random.Uint32N(1e6), random.Uint64())
	}
	return b[:size:size]
}

// Value is the value of record i. It must not be changed.
func (l *Load) Value(i int) []byte { return l.values[i&(len(l.values)-1)] }

// Key is the key of record i, where the row has keys. It must not be changed.
func (l *Load) Key(i int) []byte { return l.keys[i&(len(l.keys)-1)] }

// Partition is the partition of record i, where the row names partitions.
func (l *Load) Partition(i int) int { return i % l.Partitions }

// Sum is the broker's ValueSum after records 0 to n-1.
func (l *Load) Sum(n int) (sum uint64) {
	for i := range n {
		sum += broker.ValueSum(l.Value(i))
	}
	return sum
}

// Expect says how many outcomes Wait waits for, counted from the Load's
// beginning. Call it while nothing is being produced.
func (l *Load) Expect(n int) {
	l.target = int64(n)
	l.reached = make(chan struct{})
}

// Ack reports the outcome of n records. Clients call it from any goroutine.
func (l *Load) Ack(n int, err error) {
	if err != nil {
		l.once.Do(func() { l.cause = err })
		l.failed.Add(int64(n))
	}
	done := l.outcomes.Add(int64(n))
	if done >= l.target && done-int64(n) < l.target {
		close(l.reached)
	}
}

// AckOne reports the outcome of record i, from a function made for it.
func (l *Load) AckOne(i int, err error) {
	if i >= l.Total() && err == nil {
		err = fmt.Errorf("record %d was never given to the client", i)
	}
	l.Ack(1, err)
}

// Wait waits for the outcomes expected, and fails if one of them is a failure.
func (l *Load) Wait(ctx context.Context) error {
	select {
	case <-l.reached:
	case <-ctx.Done():
		return fmt.Errorf("cannot wait longer: %d of %d records have an outcome: %w", l.outcomes.Load(), l.target, ctx.Err())
	}
	if n := l.failed.Load(); n > 0 {
		return fmt.Errorf("cannot go on: %d records failed, the first: %w", n, l.cause)
	}
	return nil
}

// Acked is the number of records acked so far.
func (l *Load) Acked() int { return int(l.outcomes.Load() - l.failed.Load()) }
