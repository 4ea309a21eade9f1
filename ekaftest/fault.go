package ekaftest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Loss tells what of an exchange is lost on the way.
type Loss uint8

const (
	// LoseNothing is no loss.
	LoseNothing Loss = iota
	// LoseAnswer carries the request out and sends no answer.
	LoseAnswer
	// LoseRequest neither carries the request out nor answers it.
	LoseRequest
)

// Fault is something that goes wrong with requests that match all its
// selectors. The zero value matches the next Produce request.
type Fault struct {
	API        kmsg.Key           // which API; the zero value is Produce
	Brokers    []int32            // at which brokers; nil: all
	Topic      string             // "": all
	Partitions []int32            // of the topic; nil: all
	When       func(Request) bool // a further condition; nil: none. Must not call the cluster. With a Code on another API than Produce it sees the Body alone

	Skip  int // matching requests let pass first
	Times int // requests to hit; 0: one, negative: until [Injected.Remove]

	// Code is the error answered for the partitions selected (Produce, and
	// other APIs that name partitions) or for the whole request. Kafka's
	// number; 0: none.
	Code int16
	// Message goes with Code in Produce answers of version 8 and later.
	Message string
	// AfterWrite appends the batch first, then answers Code. A real broker
	// does so for example with 7 (REQUEST_TIMED_OUT), 20
	// (NOT_ENOUGH_REPLICAS_AFTER_APPEND) and, when leadership moves before the
	// batch is replicated, 6. Produce only. If appending fails, that error is
	// answered.
	AfterWrite bool

	Delay  time.Duration // held back this long before the answer, or the end
	Lose   Loss          // what is lost; without HangUp the connection then stays silent
	HangUp bool          // the connection is closed instead of an answer
}

// Injected is a fault at work.
type Injected struct {
	Fault
	fs     *faultSet
	handle *kfake.FaultHandle // where kfake answers the code

	// Guarded by fs.mu.
	skip, left int
	hits       int
}

// Inject puts a fault to work. Faults are tried in the order they were
// injected; for each partition the first that matches gives the code.
// [Cluster.RestartEmpty] removes all faults.
func (c *Cluster) Inject(f Fault) *Injected {
	in := &Injected{Fault: f, fs: &c.faults, skip: f.Skip, left: max(f.Times, 1)}
	if f.Times < 0 {
		in.left = -1
	}
	if f.Code != 0 && !answeredHere(f.API) {
		c.delegate(in)
		if f.Delay == 0 && f.Lose == LoseNothing && !f.HangUp {
			return in
		}
	}
	c.faults.mu.Lock()
	c.faults.all = append(c.faults.all, in)
	c.faults.mu.Unlock()
	return in
}

// answeredHere is the APIs ekaftest carries out itself.
func answeredHere(api kmsg.Key) bool {
	return api == kmsg.Produce || api == kmsg.SASLHandshake || api == kmsg.SASLAuthenticate
}

// delegate has kfake answer the code: it knows for every API what to leave
// undone. Requests of our own (see internalTag) are spared.
func (c *Cluster) delegate(in *Injected) {
	f := in.Fault
	skip := f.Skip
	c.kafka().do(func(k *kfake.Cluster) error {
		in.handle = k.Fault(kfake.Fault{
			Keys: []kmsg.Key{f.API}, Nodes: f.Brokers, Topic: f.Topic, Partitions: f.Partitions,
			Err: kerr.TypedErrorForCode(f.Code), Count: f.Times,
			When: func(body kmsg.Request) bool {
				if isInternal(body) || f.When != nil && !f.When(Request{Broker: -1, Body: body}) {
					return false
				}
				if skip > 0 { // on kfake's only goroutine
					skip--
					return false
				}
				return true
			},
		})
		return nil
	})
}

// LoseAnswers lets the next n Produce requests be carried out, then closes
// their connections instead of answering: the lost acks of the field.
func (c *Cluster) LoseAnswers(n int) *Injected {
	return c.Inject(Fault{Lose: LoseAnswer, HangUp: true, Times: n})
}

// Hits answers how many requests the fault has hit so far.
func (in *Injected) Hits() int {
	in.fs.mu.Lock()
	defer in.fs.mu.Unlock()
	if in.handle != nil {
		return max(in.hits, in.handle.Hits())
	}
	return in.hits
}

// Remove ends the fault.
func (in *Injected) Remove() {
	in.fs.mu.Lock()
	defer in.fs.mu.Unlock()
	in.left = 0
	in.fs.all = slices.DeleteFunc(in.fs.all, func(o *Injected) bool { return o == in })
	if in.handle != nil {
		in.handle.Remove()
	}
}

// Wait waits until the fault has hit n requests, or answers ctx's error.
func (in *Injected) Wait(ctx context.Context, n int) error {
	if in.handle != nil {
		return in.handle.Wait(ctx, n)
	}
	for {
		in.fs.mu.Lock()
		hits, changed := in.hits, in.fs.changed
		in.fs.mu.Unlock()
		if hits >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// faultSet is the faults at work.
type faultSet struct {
	mu      sync.Mutex
	all     []*Injected
	changed chan struct{} // closed and replaced at each hit
}

// hits is the faults one request has hit, in order of injection.
type hits []*Injected

// take finds the faults that match a request and takes one of each one's times.
func (fs *faultSet) take(r Request) hits {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	var taken hits
	for _, in := range fs.all {
		if !in.matches(r) || in.left == 0 {
			continue
		}
		if in.skip > 0 {
			in.skip--
			continue
		}
		if in.left > 0 {
			in.left--
		}
		in.hits++
		taken = append(taken, in)
	}
	if taken != nil {
		fs.all = slices.DeleteFunc(fs.all, func(in *Injected) bool { return in.left == 0 })
		close(fs.changed)
		fs.changed = make(chan struct{})
	}
	return taken
}

func (in *Injected) matches(r Request) bool {
	return in.API == r.API() &&
		(in.Brokers == nil || slices.Contains(in.Brokers, r.Broker)) &&
		(in.Topic == "" || r.Names(in.Topic, in.Partitions...)) &&
		(in.When == nil || in.When(r))
}

func (h hits) lost() Loss {
	lost := LoseNothing
	for _, in := range h {
		lost = max(lost, in.Lose)
	}
	return lost
}

func (h hits) hangsUp() bool {
	return slices.ContainsFunc(h, func(in *Injected) bool { return in.HangUp })
}

func (h hits) delay() time.Duration {
	var d time.Duration
	for _, in := range h {
		d = max(d, in.Delay)
	}
	return d
}

// code answers the first fault with a code for a partition.
func (h hits) code(topic string, partition int32) *Injected {
	for _, in := range h {
		if in.Code != 0 && (in.Topic == "" || in.Topic == topic) &&
			(in.Partitions == nil || slices.Contains(in.Partitions, partition)) {
			return in
		}
	}
	return nil
}

func (fs *faultSet) clear() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, in := range fs.all {
		in.left = 0
	}
	fs.all = nil
}
