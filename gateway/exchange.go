package gateway

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ekaf-go/ekaf"
)

// exchange is a request on its way to its answer, with the memory that both
// need. It is used by one goroutine, and again by later requests.
type exchange struct {
	h         *Handler
	w         http.ResponseWriter
	r         *http.Request
	route     *route
	began     time.Time
	tally     *tally // where the answer is counted
	params    [maxParams]string
	principal string
	first     *repeat    // that began with this request's Idempotency-Key; nil: there is no key
	query     url.Values // parsed at the first look
	parsed    bool

	body    []byte // the bytes read, decompressed
	packed  []byte // the bytes read, if they were compressed
	charged int64  // of the handler's memory for bodies

	msgs     []ekaf.Message
	lines    []int32 // the line of each message, from 1; empty: there are none
	delivery delivery

	out    []byte // the answer's body
	status int    // 0: none was given yet
	retry  time.Duration
	kind   []string // the answer's content type
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// Memory that a finished exchange keeps for the next one, at most.
const (
	keepBytes    = 1 << 20
	keepMessages = 4096
)

func (x *exchange) begin(h *Handler, w http.ResponseWriter, r *http.Request) {
	x.h, x.w, x.r, x.began = h, w, r, time.Now()
	h.inFlight.Add(1)
}

func (x *exchange) end() {
	x.h.bodies.give(x.charged)
	x.h.inFlight.Add(-1)
	x.tally.count(x.r.Method, x.status, time.Since(x.began))
	clear(x.msgs) // what it held of the request, and no more than that: most have one message
	body, packed, msgs, lines, out := x.body, x.packed, x.msgs, x.lines, x.out
	failed := x.delivery.failed
	clear(failed)
	if cap(body) > keepBytes {
		body = nil
	}
	if cap(packed) > keepBytes {
		packed = nil
	}
	if cap(msgs) > keepMessages {
		msgs, lines, failed = nil, nil, nil
	}
	if cap(out) > keepBytes {
		out = nil
	}
	*x = exchange{
		body: body[:0], packed: packed[:0], msgs: msgs[:0], lines: lines[:0], out: out[:0],
		delivery: delivery{failed: failed[:0]},
	}
	exchanges.Put(x)
}

// topicOfPath is the topic that the route's path names, if it names one.
func (x *exchange) topicOfPath() string {
	if strings.Contains(x.route.path, "{topic}") {
		return x.params[x.route.topicParam]
	}
	return ""
}

// pass gives the request to a handler that is mounted.
func (x *exchange) pass(handler http.Handler) {
	n := 0
	for segment := range strings.SplitSeq(x.route.path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			x.r.SetPathValue(strings.TrimSuffix(name, "}"), x.params[n])
			n++
		}
	}
	handler.ServeHTTP(seen{x.w, &x.status}, x.r)
	if x.status == 0 {
		x.status = http.StatusOK // as net/http answers for a handler that wrote nothing
	}
}

// parameters are those of the query. nil and a refusal, if it is malformed.
func (x *exchange) parameters() (url.Values, *StatusError) {
	if !x.parsed && x.r.URL.RawQuery != "" {
		q, err := url.ParseQuery(x.r.URL.RawQuery)
		if err != nil {
			return nil, refusal(http.StatusUnprocessableEntity, "the query cannot be read: %v", err)
		}
		x.query = q
	}
	x.parsed = true
	return x.query, nil
}

// Content types of answers. The slices are shared by all answers' headers, and
// have no room to append to.
var (
	jsonType = []string{"application/json; charset=utf-8"}
	gifType  = []string{"image/gif"}
	noStore  = []string{"no-store"}
)

// send answers with what is in out.
func (x *exchange) send(status int, contentType []string) {
	x.status, x.kind = status, contentType
	header := x.w.Header()
	header["Content-Type"] = contentType
	x.w.WriteHeader(status)
	_, _ = x.w.Write(x.out) // a client that has gone does not hear it
}

// refuse answers with an error, in the route's dialect.
func (x *exchange) refuse(f *StatusError) {
	header := x.w.Header()
	for name, values := range f.Header {
		header[http.CanonicalHeaderKey(name)] = values
	}
	if f.RetryAfter > 0 {
		x.retry = f.RetryAfter
		header.Set("Retry-After", seconds(f.RetryAfter))
	}
	if x.route != nil && x.route.refuse != nil {
		x.route.refuse(x, f)
		return
	}
	x.out = append(x.out[:0], `{"error":`...)
	x.out = appendText(x.out, f.Message)
	if f.failed {
		x.out = append(x.out, `,"maybe_written":`...)
		x.out = strconv.AppendBool(x.out, f.MaybeWritten)
	}
	x.out = append(x.out, '}')
	x.send(f.Status, jsonType)
}

// seconds is a time as Retry-After wants it, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
