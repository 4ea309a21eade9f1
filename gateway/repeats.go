package gateway

import (
	"bytes"
	"container/list"
	"crypto/sha256"
	"hash/maphash"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// repeats remembers the answers of requests that came with an Idempotency-Key,
// for a window of time. None is forgotten within it, however many others come: a
// key that cannot be remembered is refused before anything is produced. They are
// forgotten as others come: nothing runs in the background.
//
//	key ─► no room   ─► refused
//	   ├─► new       ─► serve ─► produced something ─► answer kept
//	   │                      └► produced nothing   ─► forgotten, the next try is a first
//	   ├─► under way ─► wait for it ─► the same answer
//	   └─► known     ─► the same answer
type repeats struct {
	window time.Duration
	limit  int
	seed   maphash.Seed

	mu     sync.Mutex // guards the following
	byKey  map[repeatKey]*repeat
	owners map[string]*keyOwner // principals that have keys here
	order  *list.List           // of *repeat, as they were answered; those under way are not there
	bytes  int                  // of the answers kept

	replayed, full atomic.Int64
}

// repeatKey stands for principal, method, path with query, and the client's key,
// whose lengths are the client's.
type repeatKey [sha256.Size]byte

// keyOwner is a principal, with its share of what is remembered.
type keyOwner struct {
	name        string
	keys, bytes int
}

// repeat is a request that may come again.
type repeat struct {
	key     repeatKey
	owner   *keyOwner     // nil: it is not remembered, or no more
	since   time.Time     // when it was answered
	message uint64        // a hash, to know the same key with another message
	done    chan struct{} // closed when the first request is answered
	gone    bool          // nothing was produced: not to be repeated
	unkept  bool          // there was no room for the answer

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
	return &repeats{
		window: window, limit: limit, seed: maphash.MakeSeed(),
		byKey: map[repeatKey]*repeat{}, owners: map[string]*keyOwner{}, order: list.New(),
	}
}

func keyOf(principal, method, target, key string) repeatKey {
	return sha256.Sum256([]byte(strings.Join([]string{principal, method, target, key}, "\x00")))
}

// hasShare: a principal may have nine times as much as it leaves free. Alone it
// gets nine tenths, two get less than half each; there is always something left
// for one that comes anew.
func hasShare(own, free int) bool { return own < 9*free }

// claim finds the request that came with this key before, or begins with it. nil:
// there is no room for one more.
func (rs *repeats) claim(principal string, key repeatKey, now time.Time) (r *repeat, first bool) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for rs.oldest() != nil && now.Sub(rs.oldest().since) > rs.window {
		rs.forget(rs.oldest())
	}
	if r := rs.byKey[key]; r != nil {
		return r, false
	}
	r = &repeat{key: key, done: make(chan struct{})}
	if rs.limit == 0 || rs.window == 0 {
		return r, true
	}
	owner := rs.owners[principal]
	if owner == nil {
		owner = &keyOwner{name: principal}
	}
	if !hasShare(owner.keys, rs.limit-len(rs.byKey)) {
		rs.full.Add(1)
		return nil, false
	}
	r.owner = owner
	owner.keys++
	rs.owners[principal], rs.byKey[key] = owner, r
	return r, true
}

// oldest is the one that was answered first of those remembered, nil if there is none.
func (rs *repeats) oldest() *repeat {
	if front := rs.order.Front(); front != nil {
		return front.Value.(*repeat)
	}
	return nil
}

// forget ends the remembering of the oldest, or of one that is under way.
func (rs *repeats) forget(r *repeat) {
	if r.owner == nil {
		return
	}
	if rs.oldest() == r {
		rs.order.Remove(rs.order.Front())
	}
	delete(rs.byKey, r.key)
	rs.bytes -= len(r.out)
	r.owner.bytes -= len(r.out)
	if r.owner.keys--; r.owner.keys == 0 {
		delete(rs.owners, r.owner.name)
	}
	r.owner = nil
}

// keep gives a request its answer, for a window from now on. An answer that there
// is no room for is not kept, but the request is not produced again all the same.
func (rs *repeats) keep(r *repeat, out []byte, now time.Time) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if r.owner == nil {
		r.out = bytes.Clone(out) // for those that wait for it
		return
	}
	r.since = now
	rs.order.PushBack(r)
	if r.unkept = !hasShare(r.owner.bytes+len(out)-1, maxAnswers-rs.bytes-len(out)); r.unkept {
		return
	}
	r.out = bytes.Clone(out)
	rs.bytes += len(out)
	r.owner.bytes += len(out)
}

// drop ends the claim of a request that produced nothing.
func (rs *repeats) drop(r *repeat) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	r.gone = true
	rs.forget(r)
}

// again is when there is room for another key: once the oldest is forgotten.
func (rs *repeats) again(now time.Time) time.Duration {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.oldest() == nil {
		return retryAfter
	}
	return max(retryAfter, rs.oldest().since.Add(rs.window).Sub(now))
}

func (rs *repeats) count() int64 {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return int64(len(rs.byKey))
}

// serveOnce serves a request that has an Idempotency-Key.
func (x *exchange) serveOnce() {
	keys := x.r.Header["Idempotency-Key"]
	if len(keys) != 1 || keys[0] == "" || len(keys[0]) > maxKey {
		x.refuse(refusal(http.StatusUnprocessableEntity, "Idempotency-Key is one text of 1 to %d bytes", maxKey))
		return
	}
	rs := x.h.repeats
	key := keyOf(x.principal, x.r.Method, x.r.URL.RequestURI(), keys[0])
	for {
		r, first := rs.claim(x.principal, key, time.Now())
		if r == nil {
			x.refuse(&StatusError{
				Status: http.StatusServiceUnavailable, RetryAfter: rs.again(time.Now()), failed: true,
				Message: "too many Idempotency-Keys are remembered: nothing was produced, as the request could not be told from a repeated one later",
			})
			return
		}
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
	x.first = r
	x.route.serve(x)
	if kept = x.produced(); kept {
		r.status, r.kind, r.retry = x.status, x.kind, x.retry
		rs.keep(r, x.out, time.Now())
	}
}

// fingerprint tells messages of requests apart: the body and the headers that make
// a message of it. Others may differ between tries, as those of traces do.
func (x *exchange) fingerprint() uint64 {
	var h maphash.Hash
	h.SetSeed(x.h.repeats.seed)
	say := func(text string) { // with an end: no header holds a zero
		_, _ = h.WriteString(text) // a hash takes everything
		_ = h.WriteByte(0)
	}
	kind, _ := x.contentType() // one that is refused comes to no answer
	say(kind)
	var names []string
	for name := range x.r.Header {
		if strings.HasPrefix(name, fieldPrefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range x.r.Header[name] {
			say(name)
			say(value)
		}
	}
	_, _ = h.Write(x.body)
	return h.Sum64()
}

// produced reports whether any message was accepted, or may be in Kafka.
func (x *exchange) produced() bool {
	if len(x.msgs) == 0 {
		return false
	}
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
	if x.r.Method != http.MethodGet { // whose body is not looked at
		if f := x.readBody(); f != nil {
			x.refuse(f)
			return
		}
	}
	if x.fingerprint() != r.message {
		x.refuse(refusal(http.StatusUnprocessableEntity, "this Idempotency-Key came before with another message: another body, Content-Type or X-Kafka- header"))
		return
	}
	if r.unkept {
		x.refuse(&StatusError{
			Status: http.StatusConflict, failed: true, MaybeWritten: true,
			Message: "this request was answered before, with " + strconv.Itoa(r.status) + "; it is not produced again, and its answer was too large to be remembered",
		})
		return
	}
	header := x.w.Header()
	x.h.repeats.replayed.Add(1)
	header.Set("Idempotent-Replayed", "true")
	if r.retry > 0 {
		header.Set("Retry-After", seconds(r.retry))
	}
	if slices.Equal(r.kind, gifType) {
		x.imageHeader()
	}
	x.out = append(x.out[:0], r.out...)
	x.send(r.status, r.kind)
}
