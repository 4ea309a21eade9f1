package gateway

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ekaf-go/ekaf"
)

// topics are the topics asked for so far. Their names come from the network and
// each is remembered by the producer: those that were never known to exist are
// bounded in number, those that exist by the cluster.
type topics struct {
	producer *ekaf.Producer
	limit    int
	through  func(*ekaf.TopicProducer) Verbs // nil: the handle's own

	byName atomic.Pointer[map[string]*topic]
	full   atomic.Int64 // how often limit turned a name away

	mu      sync.Mutex // guards the following, and changes of byName
	pending map[string]*topic
}

// topic is one of them. What asks about it asks the producer's own handle.
type topic struct {
	handle *ekaf.TopicProducer
	verbs  Verbs
}

func newTopics(p *ekaf.Producer, s *settings) *topics {
	ts := &topics{producer: p, limit: s.maxPending, through: s.through, pending: map[string]*topic{}}
	ts.byName.Store(&map[string]*topic{})
	return ts
}

// get finds a topic, or begins with it. A topic against which the brokers have
// said something is an error.
func (ts *topics) get(name string) (*topic, error) {
	tp := (*ts.byName.Load())[name]
	if tp == nil {
		var err error
		if tp, err = ts.begin(name); err != nil {
			return nil, err
		}
	}
	if err := tp.handle.Fault(); err != nil {
		return nil, err
	}
	return tp, nil
}

func (ts *topics) begin(name string) (*topic, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	known := *ts.byName.Load()
	if tp := known[name]; tp != nil {
		return tp, nil
	}
	if len(ts.pending) >= ts.limit {
		maps.DeleteFunc(ts.pending, func(_ string, tp *topic) bool { return isKnown(tp.handle) })
		if len(ts.pending) >= ts.limit {
			ts.full.Add(1)
			return nil, &StatusError{
				Status: http.StatusServiceUnavailable, RetryAfter: retryAfter, failed: true,
				Message: "too many topics were asked for that are not known to exist",
			}
		}
	}
	name = strings.Clone(name) // it is a part of a request's path
	handle, err := ts.producer.Topic(name)
	if err != nil {
		return nil, err
	}
	tp := &topic{handle, handle}
	if ts.through != nil {
		tp.verbs = ts.through(handle)
	}
	grown := maps.Clone(known)
	grown[name] = tp
	ts.byName.Store(&grown)
	ts.pending[name] = tp
	return tp, nil
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
