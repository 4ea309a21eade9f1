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

	byName atomic.Pointer[map[string]*ekaf.TopicProducer]
	full   atomic.Int64 // how often limit turned a name away

	mu      sync.Mutex // guards the following, and changes of byName
	pending map[string]*ekaf.TopicProducer
}

func newTopics(p *ekaf.Producer, limit int) *topics {
	ts := &topics{producer: p, limit: limit, pending: map[string]*ekaf.TopicProducer{}}
	ts.byName.Store(&map[string]*ekaf.TopicProducer{})
	return ts
}

// get finds a topic, or begins with it. A topic against which the brokers have
// said something is an error.
func (ts *topics) get(name string) (*ekaf.TopicProducer, error) {
	tp := (*ts.byName.Load())[name]
	if tp == nil {
		var err error
		if tp, err = ts.begin(name); err != nil {
			return nil, err
		}
	}
	if err := tp.Fault(); err != nil {
		return nil, err
	}
	return tp, nil
}

func (ts *topics) begin(name string) (*ekaf.TopicProducer, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	known := *ts.byName.Load()
	if tp := known[name]; tp != nil {
		return tp, nil
	}
	if len(ts.pending) >= ts.limit {
		maps.DeleteFunc(ts.pending, func(_ string, tp *ekaf.TopicProducer) bool { return isKnown(tp) })
		if len(ts.pending) >= ts.limit {
			ts.full.Add(1)
			return nil, &StatusError{
				Status: http.StatusServiceUnavailable, RetryAfter: retryAfter, failed: true,
				Message: "too many topics were asked for that are not known to exist",
			}
		}
	}
	name = strings.Clone(name) // it is a part of a request's path
	tp, err := ts.producer.Topic(name)
	if err != nil {
		return nil, err
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
