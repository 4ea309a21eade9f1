package ekafotel

import (
	"net/http"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

// Continue serves with next, whose requests' contexts hold the trace and the
// baggage that came in their headers: spans begun with such a context, as those of
// a wrapped producer behind an HTTP gateway, continue the client's trace. It begins
// no span of its own. A request whose context holds a span already, of a middleware
// that traces HTTP, is left as it is. Of the options it takes Propagator. What is
// malformed is ignored, as the propagator does.
func Continue(next http.Handler, opts ...Option) http.Handler {
	propagator := settled(opts).propagator
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if !trace.SpanContextFromContext(ctx).IsValid() {
			r = r.WithContext(propagator.Extract(ctx, propagation.HeaderCarrier(r.Header)))
		}
		next.ServeHTTP(w, r)
	})
}
