package gateway

import (
	"container/list"
	"hash/maphash"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// repeats remembers the answers of requests that came with an Idempotency-Key,
// for a window of time. The oldest are forgotten when there are too many, and as
// their time is over when others come: nothing runs in the background.
//
//	key ─► new       ─► serve ─► produced something ─► answer kept
//	   │                      └► produced nothing   ─► forgotten, the next try is a first
//	   ├─► under way ─► wait for it ─► the same answer
//	   └─► known     ─► the same answer
type repeats struct {
	window time.Duration
	limit  int
	seed   maphash.Seed

	mu    sync.Mutex // guards the following
	byKey map[string]*repeat
	order *list.List // of *repeat, as they came
	bytes int        // of the answers kept

	replayed atomic.Int64
}

// repeat is a request that may come again.
type repeat struct {
	key   string
	at    *list.Element // its place in the order; nil: forgotten
	since time.Time
	body  uint64        // a hash, to know the same key with another body
	done  chan struct{} // closed when the first request is answered
	gone  bool          // nothing was produced: not to be repeated

	status int
	kind   []string
	retry  time.Duration
	out    []byte
}

// Bounds of what clients may have us remember, in bytes: of a key, and of all
// answers together.
const (
	maxKey     = 255
	maxAnswers = 64 << 20
)

func newRepeats(window time.Duration, limit int) *repeats {
	return &repeats{window: window, limit: limit, seed: maphash.MakeSeed(), byKey: map[string]*repeat{}, order: list.New()}
}

// claim finds the request that came with this key before, or begins with it.
func (rs *repeats) claim(key string, now time.Time) (r *repeat, first bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for rs.oldest() != nil && now.Sub(rs.oldest().since) > rs.window {
		rs.forget(rs.oldest())
	}
	if r := rs.byKey[key]; r != nil {
		return r, false
	}
	for rs.oldest() != nil && len(rs.byKey) >= rs.limit {
		rs.forget(rs.oldest())
	}
	r = &repeat{key: key, since: now, done: make(chan struct{})}
	if rs.limit > 0 && rs.window > 0 {
		rs.byKey[key] = r
		r.at = rs.order.PushBack(r)
	}
	return r, true
}

// oldest is the one that came first of those remembered, nil if there is none.
func (rs *repeats) oldest() *repeat {
	if front := rs.order.Front(); front != nil {
		return front.Value.(*repeat)
	}
	return nil
}

// forget ends the remembering of a request, if it has not ended.
func (rs *repeats) forget(r *repeat) {
	if r.at == nil {
		return
	}
	delete(rs.byKey, r.key)
	rs.order.Remove(r.at)
	rs.bytes -= len(r.out)
	r.at = nil
}

// keep gives a request its answer, at the expense of older ones if all are too large.
func (rs *repeats) keep(r *repeat, out []byte) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r.out = append([]byte(nil), out...)
	if r.at == nil {
		return // forgotten meanwhile; those that wait for it get the answer all the same
	}
	rs.bytes += len(r.out)
	for rs.bytes > maxAnswers {
		rs.forget(rs.oldest())
	}
}

// drop ends the claim of a request that produced nothing.
func (rs *repeats) drop(r *repeat) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r.gone = true
	rs.forget(r)
}

// serveOnce serves a request that has an Idempotency-Key.
func (x *exchange) serveOnce() {
	keys := x.r.Header["Idempotency-Key"]
	if len(keys) != 1 || keys[0] == "" || len(keys[0]) > maxKey {
		x.refuse(refusal(http.StatusUnprocessableEntity, "Idempotency-Key is one text of 1 to %d bytes", maxKey))
		return
	}
	rs := x.h.repeats
	key := strings.Join([]string{x.principal, x.r.Method, x.r.URL.RequestURI(), keys[0]}, "\x00")
	for {
		r, first := rs.claim(key, time.Now())
		if first {
			x.serveFirst(rs, r)
			return
		}
		select {
		case <-r.done:
		case <-x.r.Context().Done():
			x.refuse(statusOf(x.r.Context().Err()))
			return
		}
		if !r.gone {
			x.repeatAnswer(r)
			return
		}
		// The first produced nothing: this one begins anew.
	}
}

// serveFirst serves, and keeps the answer if anything was produced or may have been.
func (x *exchange) serveFirst(rs *repeats, r *repeat) {
	kept := false
	defer func() { // also if a hook panics: those who wait must not wait for ever
		if !kept {
			rs.drop(r)
		}
		close(r.done)
	}()
	x.route.serve(x)
	if kept = x.produced(); kept {
		r.status, r.kind, r.retry = x.status, x.kind, x.retry
		r.body = maphash.Bytes(rs.seed, x.body)
		rs.keep(r, x.out)
	}
}

// produced reports whether any message was accepted, or may be in Kafka.
func (x *exchange) produced() bool {
	failed := len(x.delivery.failed)
	if failed == 0 {
		return x.status < http.StatusBadRequest
	}
	if failed < len(x.msgs) {
		return true
	}
	for _, f := range x.delivery.failed {
		if statusOf(f.err).MaybeWritten {
			return true
		}
	}
	return false
}

// repeatAnswer answers as the first request was answered.
func (x *exchange) repeatAnswer(r *repeat) {
	if f := x.readBody(); f != nil {
		x.refuse(f)
		return
	}
	if maphash.Bytes(x.h.repeats.seed, x.body) != r.body {
		x.refuse(refusal(http.StatusUnprocessableEntity, "this Idempotency-Key came before with another body"))
		return
	}
	header := x.w.Header()
	x.h.repeats.replayed.Add(1)
	header.Set("Idempotent-Replayed", "true")
	if r.retry > 0 {
		header.Set("Retry-After", seconds(r.retry))
	}
	x.out = append(x.out[:0], r.out...)
	x.send(r.status, r.kind)
}
