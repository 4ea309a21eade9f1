package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ekaf-go/ekaf"
)

// Verb is one of the four ways to produce.
type Verb string

// The verbs of ekaf.Producer.
const (
	AsyncBatched Verb = "async-batched"
	SyncBatched  Verb = "sync-batched"
	Async        Verb = "async"
	Sync         Verb = "sync"
)

// Verbs lists the names of all verbs.
func Verbs() []string {
	return []string{string(AsyncBatched), string(SyncBatched), string(Async), string(Sync)}
}

// Config says what a run produces.
type Config struct {
	Verb     Verb
	Size     int           // of a value, bytes
	Keys     int           // different keys of 16 bytes; 0: no key
	Records  int64         // in all; 0: until Duration
	Duration time.Duration // 0: until Records
	Rate     float64       // messages a second, of all callers together; 0: as fast as possible
	Callers  int           // goroutines, 1 or more
	PerCall  int           // messages in a call, 1 or more
	Grace    time.Duration // how long a call under way may go on after an interrupt
	// Reason is the name under which an error is counted.
	Reason func(error) string
}

// Of values there are so many different ones, or fewer where they are large.
const (
	mostValues = 1024
	valueBytes = 8 << 20 // all together
)

// Run is a run of the callers.
type Run struct {
	config  Config
	topic   *ekaf.TopicProducer
	values  [][]byte
	keys    [][]byte
	began   time.Time
	cpu     time.Duration // of the process, when it began
	taken   atomic.Int64  // messages that callers took on
	tally   *tally
	flights sync.Pool // of *flight, so that a call allocates nothing for its clock
}

// flight is one call under way: when it was due, and what remains of it.
type flight struct {
	d     *Run
	began time.Duration               // after the run
	left  atomic.Int32                // messages without an outcome
	call  func(ekaf.Acked, error)     // of the call
	each  func(ack ekaf.Ack, e error) // of each message
}

// New makes a run. Nothing is produced before Do.
func New(c Config, topic *ekaf.TopicProducer) *Run {
	d := &Run{config: c, topic: topic, tally: newTally(c.Reason)}
	random := rand.New(rand.NewPCG(1, 2)) // the same messages in each run
	for range max(1, min(mostValues, valueBytes/max(c.Size, 1))) {
		d.values = append(d.values, event(random, c.Size))
	}
	for range c.Keys {
		d.keys = append(d.keys, binary.BigEndian.AppendUint64(make([]byte, 8), random.Uint64()))
	}
	d.flights.New = func() any {
		f := &flight{d: d}
		f.call, f.each = f.answered, f.answeredOne
		return f
	}
	return d
}

// event is a value that codecs find some but not everything to do on.
func event(random *rand.Rand, size int) []byte {
	var b []byte
	for len(b) < size {
		b = fmt.Appendf(b, `{"user":%d,"event":"page_view","session":"%x"}`, random.Uint32N(1e6), random.Uint64())
	}
	return b[:size:size]
}

// Do produces with all callers until the messages or the time are over, or soft
// is. A call under way may go on for the grace, until hard is over.
func (d *Run) Do(soft, hard context.Context) {
	calls, stop := context.WithCancel(hard)
	defer stop()
	defer context.AfterFunc(soft, func() {
		_ = sleep(calls, d.config.Grace) // until then, or until no call is left
		stop()
	})()
	d.cpu, d.began = processCPU(), time.Now()
	d.tally.start(d.began)
	var callers sync.WaitGroup
	for range d.config.Callers {
		callers.Go(func() { d.caller(soft, calls) })
	}
	callers.Wait()
	d.tally.returned(time.Since(d.began))
}

// caller takes the next messages, waits until they are due, and produces them.
func (d *Run) caller(soft, calls context.Context) {
	messages := make([]ekaf.Message, d.config.PerCall)
	for soft.Err() == nil {
		n := int64(len(messages))
		first := d.taken.Add(n) - n
		if d.config.Records > 0 {
			n = min(n, d.config.Records-first)
		}
		if n <= 0 {
			return
		}
		began, ok := d.due(soft, first)
		if !ok || d.config.Duration > 0 && began >= d.config.Duration {
			return
		}
		for i := range n {
			m := &messages[i]
			*m = ekaf.Message{Value: d.values[(first+i)%int64(len(d.values))]}
			if len(d.keys) > 0 {
				m.Key = d.keys[(first+i)%int64(len(d.keys))]
			}
		}
		d.produce(calls, began, messages[:n])
	}
}

// due waits until the message of that number is due, and says how long after the
// beginning that was. It is false when ctx ends first.
func (d *Run) due(ctx context.Context, number int64) (time.Duration, bool) {
	now := time.Since(d.began)
	if d.config.Rate == 0 {
		return now, true
	}
	at := time.Duration(float64(number) / d.config.Rate * float64(time.Second))
	if wait := at - now; wait > 0 {
		return at, sleep(ctx, wait) == nil
	}
	return at, true
}

func (d *Run) produce(ctx context.Context, began time.Duration, messages []ekaf.Message) {
	d.tally.handed.Add(int64(len(messages)))
	if d.config.Verb == Sync {
		acked, err := d.topic.ProduceSync(ctx, messages...)
		d.tally.outcome(d.since(began), acked, err, len(messages))
		return
	}
	f := d.flights.Get().(*flight)
	f.began = began
	f.left.Store(int32(len(messages)))
	var err error
	switch d.config.Verb {
	case Async:
		err = d.topic.ProduceAsyncFunc(ctx, f.call, messages...)
	case AsyncBatched:
		_, err = d.topic.ProduceAsyncBatchedFunc(ctx, f.call, messages...)
	default: // this verb has no callback for the call
		for i := range messages {
			messages[i].Callback = f.each
		}
		_, err = d.topic.ProduceSyncBatched(ctx, messages...)
	}
	if err != nil {
		f.refused(err, len(messages))
	}
}

// since is how long ago it was so long after the beginning.
func (d *Run) since(began time.Duration) time.Duration { return time.Since(d.began) - began }

// refused counts the messages of a call that no callback will tell of: all of
// them, or those which a RefusedError names, if each has a callback of its own.
// The callback of a call tells of all of them if it accepted any.
func (f *flight) refused(err error, n int) {
	if some, partly := errors.AsType[*ekaf.RefusedError](err); partly {
		if f.d.config.Verb != SyncBatched {
			return
		}
		n = len(some.Refused)
	}
	f.d.tally.refused(err, n)
	f.land(n)
}

// land takes so many messages off the flight, and gives it back after the last.
func (f *flight) land(n int) {
	if f.left.Add(-int32(n)) == 0 {
		f.d.flights.Put(f)
	}
}

func (f *flight) answered(acked ekaf.Acked, err error) {
	f.d.tally.settled(f.d.since(f.began), acked, err)
	f.land(acked.Len())
}

func (f *flight) answeredOne(_ ekaf.Ack, err error) {
	f.d.tally.settledOne(f.d.since(f.began), err)
	f.land(1)
}

// sleep waits so long, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
