package gateway

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ekaf-go/ekaf"
)

// topics are the topics asked for so far. Their names come from the network and
// each is remembered by the producer, which forgets none: those that were never
// known to exist are bounded in number, those that exist by the cluster. So names
// that somebody made up can fill the bound for good, and must not be in the way of
// topics that exist: beyond it the brokers' list decides.
type topics struct {
	producer *ekaf.Producer
	limit    int
	through  func(*ekaf.TopicProducer) Verbs // nil: the handle's own

	byName atomic.Pointer[map[string]*topic]
	full   atomic.Int64 // how often limit turned a name away
	listed catalogue

	mu      sync.Mutex // guards the following, and changes of byName
	pending map[string]*topic
}

// topic is one of them. What asks about it asks the producer's own handle.
type topic struct {
	handle *ekaf.TopicProducer
	verbs  Verbs
}

func newTopics(p *ekaf.Producer, s *settings) *topics {
	ts := &topics{producer: p, limit: s.maxPending, through: s.through, pending: map[string]*topic{}, listed: newCatalogue(p)}
	ts.byName.Store(&map[string]*topic{})
	return ts
}

// get finds a topic, or begins with it. A topic against which the brokers have
// said something is an error.
func (ts *topics) get(ctx context.Context, name string) (*topic, error) {
	tp := (*ts.byName.Load())[name]
	if tp == nil {
		var err error
		if tp, err = ts.begin(ctx, name); err != nil {
			return nil, err
		}
	}
	if err := tp.handle.Fault(); err != nil {
		return nil, err
	}
	return tp, nil
}

// begin adds a topic, if there is room or it exists.
func (ts *topics) begin(ctx context.Context, name string) (*topic, error) {
	tp, room, err := ts.add(name, false)
	if !room && ts.listed.has(ctx, name) {
		tp, _, err = ts.add(name, true)
	}
	if tp == nil && err == nil {
		ts.full.Add(1)
		err = &StatusError{
			Status: http.StatusServiceUnavailable, RetryAfter: retryAfter, failed: true,
			Message: "too many topics were asked for that are not known to exist, and this one is not known either",
		}
	}
	return tp, err
}

// add adds a topic; unless it exists, only where there is room.
func (ts *topics) add(name string, exists bool) (tp *topic, room bool, err error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	known := *ts.byName.Load()
	if tp := known[name]; tp != nil {
		return tp, true, nil
	}
	if len(ts.pending) >= ts.limit && !exists {
		maps.DeleteFunc(ts.pending, func(_ string, tp *topic) bool { return isKnown(tp.handle) })
		if len(ts.pending) >= ts.limit {
			return nil, false, nil
		}
	}
	name = strings.Clone(name) // it is a part of a request's path
	handle, err := ts.producer.Topic(name)
	if err != nil {
		return nil, true, err
	}
	tp = &topic{handle, handle}
	if ts.through != nil {
		tp.verbs = ts.through(handle)
	}
	grown := maps.Clone(known)
	grown[name] = tp
	ts.byName.Store(&grown)
	ts.pending[name] = tp
	return tp, true, nil
}

// catalogue is the brokers' list of topics, for names that there is no room for.
// However many names are made up, the brokers are asked no more than once in
// catalogueFor, for all topics at once, and nobody waits longer than that.
type catalogue struct {
	producer *ekaf.Producer
	asking   chan struct{} // holds a token while the following is read or changed
	names    map[string]struct{}
	until    time.Time // the names, or that they cannot be had, are good so long
}

// catalogueFor is also how long a topic may exist before it is let in.
const catalogueFor = time.Second

func newCatalogue(p *ekaf.Producer) catalogue {
	return catalogue{producer: p, asking: make(chan struct{}, 1)}
}

// has reports whether the brokers know a topic of this name. It may wait for them.
func (c *catalogue) has(ctx context.Context, name string) bool {
	ctx, stop := context.WithTimeout(ctx, catalogueFor)
	defer stop()
	select {
	case c.asking <- struct{}{}:
		defer func() { <-c.asking }()
	case <-ctx.Done():
		return false
	}
	if !time.Now().Before(c.until) {
		// Whoever asks does so for all that wait behind it: its own client may go.
		asking, stop := context.WithTimeout(context.WithoutCancel(ctx), catalogueFor)
		defer stop()
		c.names = map[string]struct{}{}
		if m, err := c.producer.Describe(asking); err == nil {
			for _, t := range m.Topics {
				c.names[t.Topic] = struct{}{}
			}
		}
		c.until = time.Now().Add(catalogueFor)
	}
	_, exists := c.names[name]
	return exists
}

func (ts *topics) countPending() int64 {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	return int64(len(ts.pending))
}

// isKnown asks without waiting.
func isKnown(tp *ekaf.TopicProducer) bool { return tp.Known(over) == nil }

// over is a context that has ended.
var over = func() context.Context {
	ctx, end := context.WithCancel(context.Background())
	end()
	return ctx
}()
