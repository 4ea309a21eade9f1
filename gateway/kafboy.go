package gateway

import (
	"net/http"
	"strings"
)

// kafboyRoutes are those of kafboy, each also under /safe/.
func kafboyRoutes() (table []*route) {
	for _, k := range []struct {
		path    string
		manner  manner
		batch   bool
		summary string
	}{
		{"/async/{topic}", async, false, "Hand one message over, and do not wait"},
		{"/sync/{topic}", acked, false, "Produce one message, and wait until Kafka has it"},
		{"/batch/async/{topic}", asyncBatched, true, "Hand messages over to be sent in batches, and do not wait"},
		{"/batch/sync/{topic}", syncBatched, true, "Hand messages to the workers' batches, and say what waits there"},
	} {
		for _, safe := range []bool{false, true} {
			r := &route{
				method: http.MethodPost, path: k.path, guarded: true, simple: true, keyed: true, safe: safe,
				serve:       func(x *exchange) { x.serveKafboy(k.manner, k.batch) },
				wrongMethod: notPost,
				doc:         kafboyDoc(k.manner, k.batch, k.summary),
			}
			if safe {
				r.path = "/safe" + r.path
			}
			table = append(table, r)
		}
	}
	return table
}

// notPost is what kafboy answered to every method but POST.
func notPost(x *exchange) { x.refuse(refusal(http.StatusBadRequest, "POST exp")) }

// errInsufficient is what kafboy answered to an empty body.
var errInsufficient = &StatusError{Status: http.StatusBadRequest, Message: "ekaf.insufficient"}

// errBusy: admission control lets no more in.
var errBusy = &StatusError{Status: http.StatusServiceUnavailable, RetryAfter: retryAfter, Message: "too many requests at once: try again later"}

func (x *exchange) serveKafboy(m manner, batch bool) {
	if f := x.readBody(); f != nil {
		x.refuse(f)
		return
	}
	if len(x.body) == 0 {
		x.refuse(errInsufficient)
		return
	}
	if x.route.safe {
		// Only now: a client that sends slowly must not hold the place of others.
		if !x.h.safe.enter(x.r.Context()) {
			x.refuse(errBusy)
			return
		}
		defer x.h.safe.leave()
	}
	if f := x.kafboyMessages(batch); f != nil {
		x.refuse(f)
		return
	}
	if f := x.deliver(x.params[0], m, x.h.settings.syncTimeout); f != nil {
		x.refuse(f)
		return
	}
	if len(x.delivery.failed) > 0 {
		x.refuseSome(m == acked)
		return
	}
	switch m {
	case acked:
		x.out = append(x.out[:0], `[{"ok":true,`...)
		x.out = appendPlace(x.out, x.delivery.ack(0))
		x.out = append(x.out, "}]"...)
	case syncBatched:
		x.out = x.appendReceipt(x.out[:0])
	default:
		x.out = append(x.out[:0], `{"ok":1}`...)
	}
	x.send(http.StatusOK, jsonType)
}

// appendReceipt lists the workers touched, as the batched verb answers them.
func (x *exchange) appendReceipt(out []byte) []byte {
	d := &x.delivery
	for b := range d.receipt.All() {
		out = appendBuffered(out, b)
	}
	for _, b := range d.more {
		out = appendBuffered(out, b)
	}
	out[0] = '['
	return append(out, ']')
}

// kafboyMessages makes the messages of a body: a form becomes one JSON object,
// everything else goes as it is.
func (x *exchange) kafboyMessages(batch bool) *StatusError {
	kind, f := x.contentType()
	switch {
	case f != nil:
		return f
	case kind == formType:
		return x.takeForm()
	case batch && isLines(kind):
		return x.takeLines(nil)
	case batch && kind == "application/json":
		return x.takeArray()
	}
	x.takeOne()
	return nil
}

const formType = "application/x-www-form-urlencoded"

// isLines: one message a line.
func isLines(kind string) bool {
	switch kind {
	case "application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines", "application/json-lines":
		return true
	}
	return false
}

// contentType is the media type of the body, in lower case, without parameters.
func (x *exchange) contentType() (string, *StatusError) {
	values := x.r.Header["Content-Type"]
	if len(values) == 0 {
		return "", nil
	}
	kind, _, _ := strings.Cut(values[0], ";")
	kind = strings.ToLower(strings.TrimSpace(kind))
	if strings.HasPrefix(kind, "multipart/") {
		return "", refusal(http.StatusUnsupportedMediaType, "%s is not taken: send each part as a body of its own, or one message a line as application/x-ndjson", kind)
	}
	return kind, nil
}

func kafboyDoc(m manner, batch bool, summary string) doc {
	d := doc{tag: "kafboy", summary: summary, body: "any; a form becomes one JSON object", answers: map[int]string{
		200: `{"ok":1}: the producer accepted it`, 400: "the body is empty, or the method is not POST",
	}}
	if batch {
		d.body = "a JSON array, NDJSON, a form, or any single message"
	}
	switch m {
	case acked:
		d.answers[200] = `[{"ok":true,"partition":P,"offset":O}]: Kafka has it`
	case syncBatched:
		d.answers[200] = `[{"ok":true,"partition":P,"worker":W,"buffered":N}], one for each worker touched: the producer accepted it`
	}
	return d
}
