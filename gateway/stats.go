package gateway

import (
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/internal/histogram"
)

// Stats is a snapshot of what a Handler counts. Counters only grow.
type Stats struct {
	// Routes are those that were asked for, in no order.
	Routes []RouteStats
	// InFlight is the number of requests that have no whole answer yet, streams
	// and long answers of mounted handlers included.
	InFlight int64
	// Waiting is the number of requests that wait for Kafka, which MaxWaiting bounds.
	Waiting, MaxWaiting int64
	// SafeRunning and SafeQueued are the requests under /safe/ that run, and those
	// that wait for their turn.
	SafeRunning, SafeQueued int64
	// Streams is the number of streams of records that are open.
	Streams, MaxStreams int64
	// BodyBytes is the memory of large bodies, which BodyMemory bounds. Bodies of
	// up to 16 KiB are not counted.
	BodyBytes, BodyLimit int64
	// PendingTopics is the number of topic names that were asked for and not known
	// to exist when they were last looked at. MaxPendingTopics bounds them.
	PendingTopics, MaxPendingTopics int64
	// Keys is the number of Idempotency-Keys that are remembered, which
	// IdempotencyWindow bounds.
	Keys, MaxKeys int64
	// Full counts how often each limit turned a request, or a message of one, away,
	// by the name of the limit: all of Limits are there.
	Full map[string]int64
	// Replayed counts the requests whose Idempotency-Key was known, and which were
	// answered as the first one was.
	Replayed int64
	// Draining is set once Drain was called.
	Draining bool
}

// RouteStats are the answers to the requests of one method for one route.
type RouteStats struct {
	// Route is the pattern of the path, such as /async/{topic}, never a path itself;
	// NoRoute for all paths that are not served.
	Route string
	// Method is one of HTTP's own, or OtherMethod.
	Method string
	// Statuses counts answers by status; 0 counts requests whose handler panicked
	// before it gave one.
	Statuses map[int]int64
	// Duration is from the header's arrival to the end of the answer.
	Duration ekaf.Histogram
}

// Names that stand for what has no bound.
const (
	NoRoute     = "none"
	OtherMethod = "other"
)

// The limits that Stats.Full counts.
const (
	fullSafe    = "safe"    // admission control under /safe/
	fullWaiting = "waiting" // MaxWaiting
	fullBodies  = "bodies"  // BodyMemory
	fullTopics  = "topics"  // MaxPendingTopics
	fullStreams = "streams" // Streams
	fullKeys    = "keys"    // IdempotencyWindow
)

// Limits lists the keys of Stats.Full.
func Limits() []string {
	return []string{fullSafe, fullWaiting, fullBodies, fullTopics, fullStreams, fullKeys}
}

// Stats takes a snapshot. It may be called from any goroutine, and is cheap.
func (h *Handler) Stats() Stats {
	s := Stats{
		InFlight: h.inFlight.Load(), Waiting: h.waiting.Load(), MaxWaiting: int64(h.settings.maxWaiting),
		SafeRunning: int64(len(h.safe.turns)), SafeQueued: h.safe.queued.Load(),
		MaxStreams: int64(h.settings.streams.atOnce),
		BodyBytes:  h.bodies.used.Load(), BodyLimit: h.bodies.limit,
		MaxPendingTopics: int64(h.settings.maxPending),
		Full: map[string]int64{
			fullSafe: h.safe.full.Load(), fullWaiting: h.tooManyWaiting.Load(), fullBodies: h.bodies.full.Load(),
			fullTopics: h.topics.full.Load(), fullStreams: h.streams.full.Load(), fullKeys: h.repeats.full.Load(),
		},
		Keys: h.repeats.count(), MaxKeys: int64(h.settings.windowKeys),
		Replayed: h.repeats.replayed.Load(), Draining: h.draining.Load(),
	}
	s.Streams = h.streams.count()
	s.PendingTopics = h.topics.countPending()
	s.Routes = h.unmatched.stats(s.Routes)
	h.router.root.walk(func(n *node) { s.Routes = n.tally.stats(s.Routes) })
	return s
}

// walk visits a node and all below it.
func (n *node) walk(visit func(*node)) {
	visit(n)
	for _, next := range n.literal {
		next.walk(visit)
	}
	if n.any != nil {
		n.any.walk(visit)
	}
}

// tally counts the answers of one pattern. What is counted for the first time is
// added under a lock; from then on it costs a look at a short list.
type tally struct {
	pattern string
	methods atomic.Pointer[[]*methodTally]
	mu      sync.Mutex // guards changes of the lists
}

type methodTally struct {
	method   string
	statuses atomic.Pointer[[]*statusTally]
	duration histogram.Histogram
}

type statusTally struct {
	status int
	count  atomic.Int64
}

// methods are those that are counted by name: a method comes from the network.
var methods = []string{
	http.MethodPost, http.MethodGet, http.MethodHead, http.MethodOptions,
	http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodTrace, http.MethodConnect,
}

func (t *tally) count(method string, status int, took time.Duration) {
	m := find(&t.methods, func(m *methodTally) bool { return m.method == method })
	if m == nil {
		name := OtherMethod
		if i := slices.Index(methods, method); i >= 0 {
			name = methods[i] // not the request's own text
		}
		m = t.method(name)
	}
	m.duration.Observe(took, 1)
	c := find(&m.statuses, func(c *statusTally) bool { return c.status == status })
	if c == nil {
		c = t.status(m, status)
	}
	c.count.Add(1)
}

// find looks through a list that may grow meanwhile.
func find[T any](list *atomic.Pointer[[]*T], is func(*T) bool) *T {
	if now := list.Load(); now != nil {
		for _, item := range *now {
			if is(item) {
				return item
			}
		}
	}
	return nil
}

// add puts an item at the end of a list, whose readers hold no lock.
func add[T any](list *atomic.Pointer[[]*T], item *T) *T {
	var grown []*T
	if now := list.Load(); now != nil {
		grown = slices.Clone(*now)
	}
	grown = append(grown, item)
	list.Store(&grown)
	return item
}

func (t *tally) method(name string) *methodTally {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := find(&t.methods, func(m *methodTally) bool { return m.method == name }); m != nil {
		return m
	}
	return add(&t.methods, &methodTally{method: name})
}

func (t *tally) status(m *methodTally, status int) *statusTally {
	t.mu.Lock()
	defer t.mu.Unlock()
	if c := find(&m.statuses, func(c *statusTally) bool { return c.status == status }); c != nil {
		return c
	}
	return add(&m.statuses, &statusTally{status: status})
}

func (t *tally) stats(list []RouteStats) []RouteStats {
	now := t.methods.Load()
	if now == nil {
		return list
	}
	for _, m := range *now {
		r := RouteStats{Route: t.pattern, Method: m.method, Statuses: map[int]int64{}}
		r.Duration.Counts, r.Duration.Sum = m.duration.Load()
		if statuses := m.statuses.Load(); statuses != nil {
			for _, c := range *statuses {
				r.Statuses[c.status] = c.count.Load()
			}
		}
		list = append(list, r)
	}
	return list
}

// seen is a writer that remembers the status which a mounted handler gives.
type seen struct {
	http.ResponseWriter
	status *int
}

func (s seen) WriteHeader(status int) {
	if *s.status == 0 && status >= http.StatusOK { // those below are no answers yet
		*s.status = status
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s seen) Write(p []byte) (int, error) {
	if *s.status == 0 {
		*s.status = http.StatusOK
	}
	return s.ResponseWriter.Write(p)
}

// Flush implements http.Flusher, for handlers that look for it.
func (s seen) Flush() {
	if *s.status == 0 {
		*s.status = http.StatusOK
	}
	_ = http.NewResponseController(s.ResponseWriter).Flush() // a Flusher has no way to tell
}

// Unwrap is for http.ResponseController.
func (s seen) Unwrap() http.ResponseWriter { return s.ResponseWriter }
