package gateway

import (
	"errors"
	"net/http"
	"sync/atomic"

	"github.com/ekaf-go/ekaf"
)

// Handler serves the gateway's routes. Make one with New.
type Handler struct {
	producer *ekaf.Producer
	settings *settings
	table    []*route
	router   *router
	openapi  []byte

	topics   *topics
	bodies   bodyMemory
	safe     *admission
	waiting  atomic.Int64 // sync requests that wait for Kafka
	repeats  *repeats
	streams  streams
	draining atomic.Bool

	inFlight       atomic.Int64
	tooManyWaiting atomic.Int64 // requests that MaxWaiting turned away
	unmatched      tally        // of paths that are not served
}

// New makes the handler of a producer, which stays the caller's: it is to be
// closed after the last request was answered. All faults of the options are
// listed at once.
func New(producer *ekaf.Producer, options ...Option) (*Handler, error) {
	if producer == nil {
		return nil, errors.New("the gateway needs a producer")
	}
	s := defaults()
	for _, o := range options {
		o(s)
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	h := &Handler{producer: producer, settings: s, table: routes(s.mounts)}
	h.router = newRouter(h.table)
	h.openapi = describe(h.table, s.guard != nil)
	h.unmatched.pattern = NoRoute
	h.topics = newTopics(producer, s)
	h.bodies.limit = s.bodyMemory
	h.safe = newAdmission(s.safe)
	h.repeats = newRepeats(s.window, s.windowKeys)
	return h, nil
}

// Check reports the faults of options, as New does.
func Check(options ...Option) error {
	s := defaults()
	for _, o := range options {
		o(s)
	}
	return s.check()
}

// Drain has /readyz say that this instance is going away, so that load balancers
// send their requests elsewhere. Requests are served as before: the server's
// Shutdown ends them, and the producer's Close delivers what they brought. Streams
// of records, which may have no end, end here: what was read of them is answered.
// So does what OnDrain names.
func (h *Handler) Drain() {
	h.draining.Store(true)
	h.streams.hangUp()
	for _, hook := range h.settings.drains {
		hook()
	}
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := exchanges.Get().(*exchange)
	x.begin(h, w, r)
	defer x.end()
	n := h.router.find(r.URL.Path, &x.params)
	if n == nil {
		x.tally = &h.unmatched
		x.notFound()
		return
	}
	x.tally = &n.tally
	x.handle(n)
}

// handle takes a request whose path is served.
func (x *exchange) handle(n *node) {
	x.route = n.serving(x.r.Method)
	if x.route == nil {
		x.route = n.routes[0]
		x.otherMethod(n)
		return
	}
	if (x.route.cors || x.route.simple) && !x.allowOrigin() {
		return
	}
	if x.route.guarded && x.h.settings.guard != nil && !x.letIn() {
		return
	}
	if x.route.keyed && x.r.Header["Idempotency-Key"] != nil {
		x.serveOnce()
		return
	}
	x.route.serve(x)
}

// letIn asks the guard.
func (x *exchange) letIn() bool {
	f := x.askGuard()
	if f != nil {
		x.refuse(f)
	}
	return f == nil
}

func (x *exchange) askGuard() *StatusError {
	access := &Access{Request: x.r, Route: x.route.path, Topic: x.topicOfPath(), Foreign: x.route.simple && isForeign(x.r)}
	err := x.h.settings.guard(access)
	x.principal = access.Principal
	if err == nil {
		return nil
	}
	if own, is := errors.AsType[*StatusError](err); is {
		return own
	}
	return refusal(http.StatusForbidden, "%v", err)
}

// otherMethod answers OPTIONS, and methods that the path does not serve.
func (x *exchange) otherMethod(n *node) {
	header := x.w.Header()
	if x.r.Method == http.MethodOptions {
		header.Set("Allow", n.allow)
		if x.route.cors && x.preflight(n) {
			return
		}
		x.status = http.StatusNoContent
		x.w.WriteHeader(x.status)
		return
	}
	if x.route.wrongMethod != nil {
		x.route.wrongMethod(x)
		return
	}
	header.Set("Allow", n.allow)
	x.refuse(refusal(http.StatusMethodNotAllowed, "%s is not served here; %s are", x.r.Method, n.allow))
}
