package gateway

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/ekaf-go/ekaf"
)

// rawRoutes take any content type: a body is a message, or has one a line.
func rawRoutes() []*route {
	return []*route{
		{
			method: http.MethodPost, path: "/v1/topics/{topic}", guarded: true, cors: true, simple: true, keyed: true,
			serve: (*exchange).serveRaw,
			doc: doc{
				tag: "raw", summary: "Produce a body, or each line of it, as it is",
				body: "any single message; with an NDJSON content type (application/x-ndjson) one message a line",
				params: []param{
					{"ack", "query", "what the answer claims: buffered, durable or kafka"},
					{"timeout", "query", "how long to wait for Kafka, such as 500ms or 5s; at most what the gateway allows"},
					{"key", "query", "the message's key"},
					{"key_base64", "query", "the message's key, in base64"},
					{"partition", "query", "the partition, instead of the strategy's choice"},
					{"timestamp", "query", "the record's time, in milliseconds since 1970 or RFC 3339"},
					{headerKey, "header", "as ?key="},
					{headerKeyBase64, "header", "as ?key_base64="},
					{headerPartition, "header", "as ?partition="},
					{headerTimestamp, "header", "as ?timestamp="},
					{headerTombstone, "header", "true, with an empty body: a null value"},
					{headerRecord + "NAME", "header", "a record header, named in lower case"},
					{headerRecordBase64 + "NAME", "header", "a record header, its value in base64"},
				},
				answers: map[int]string{
					200: `ack=kafka: {"topic":T,"partition":P,"offset":O,"timestamp":MS}, or {"acked":N,"lines":[...]}: Kafka has it`,
					202: `ack=buffered: {"accepted":N}: the producer accepted it`,
					501: "ack=durable needs a spool, and there is none",
				},
			},
		},
	}
}

func (x *exchange) serveRaw() {
	want, f := x.wanted()
	if f == nil {
		f = x.readBody()
	}
	if f == nil {
		f = x.rawMessages()
	}
	if f == nil {
		m := async
		if want.ack == Kafka {
			m = acked
		}
		f = x.deliver(x.params[0], m, want.timeout)
	}
	switch {
	case f != nil:
		x.refuse(f)
	case len(x.delivery.failed) > 0:
		x.refuseSome(want.ack == Kafka)
	case want.ack == Kafka:
		x.out = x.appendAcked(x.out[:0])
		x.send(http.StatusOK, jsonType)
	default:
		x.out = append(x.out[:0], `{"accepted":`...)
		x.out = strconv.AppendInt(x.out, int64(len(x.msgs)), 10)
		x.out = append(x.out, '}')
		x.send(http.StatusAccepted, jsonType)
	}
}

// wanted is what a raw request asks of the answer.
type wanted struct {
	ack     Ack
	timeout time.Duration
}

// errNoSpool: durable answers come with the spool.
var errNoSpool = &StatusError{Status: http.StatusNotImplemented, Message: "ack=durable needs a spool on disk, and this gateway has none; use ack=kafka"}

func (x *exchange) wanted() (wanted, *StatusError) {
	s := x.h.settings
	w := wanted{s.ack, s.syncTimeout}
	q, f := x.parameters()
	if f != nil {
		return w, f
	}
	for _, name := range [...]string{"ack", "timeout"} {
		if _, _, f := oneOf(nil, q, "", name); f != nil {
			return w, f
		}
	}
	if text := q.Get("ack"); text != "" {
		a, err := ParseAck(text)
		if err != nil {
			return w, refusal(http.StatusUnprocessableEntity, "%v", err)
		}
		w.ack = a
	}
	if w.ack == Durable {
		return w, errNoSpool
	}
	if text := q.Get("timeout"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return w, refusal(http.StatusUnprocessableEntity, "timeout is a time such as 500ms or 5s, not %q", text)
		}
		w.timeout = min(d, s.syncTimeout)
	}
	return w, nil
}

// rawMessages makes the messages of a raw body.
func (x *exchange) rawMessages() *StatusError {
	kind, f := x.contentType()
	if f != nil {
		return f
	}
	q, f := x.parameters()
	if f != nil {
		return f
	}
	var model ekaf.Message
	if hasFields(x.r.Header) || mentionsFields(q) {
		if model, f = fields(x.r.Header, q); f != nil {
			return f
		}
	}
	if isLines(kind) {
		return x.takeLines(&model)
	}
	model.Value = notNil(x.body)
	if values := x.r.Header[headerTombstone]; len(values) > 0 {
		null, err := strconv.ParseBool(values[0])
		if err != nil || null && len(x.body) > 0 || len(values) > 1 {
			return refusal(http.StatusUnprocessableEntity, "%s is true or false, and true goes with an empty body", headerTombstone)
		}
		if null {
			model.Value = nil
		}
	}
	x.msgs = append(x.msgs[:0], model)
	return nil
}

func mentionsFields(q url.Values) bool {
	for _, name := range [...]string{"key", "key_base64", "partition", "timestamp"} {
		if len(q[name]) > 0 {
			return true
		}
	}
	return false
}

// appendAcked tells where the messages stand in Kafka.
func (x *exchange) appendAcked(out []byte) []byte {
	if len(x.lines) == 0 {
		ack := x.delivery.ack(0)
		out = append(out, `{"topic":`...)
		out = appendText(out, ack.Topic)
		out = append(out, ',')
		out = appendPlace(out, ack)
		out = append(out, `,"timestamp":`...)
		out = strconv.AppendInt(out, ack.Timestamp.UnixMilli(), 10)
		return append(out, '}')
	}
	out = append(out, `{"acked":`...)
	out = strconv.AppendInt(out, int64(len(x.msgs)), 10)
	out = append(out, `,"lines":[`...)
	for i := range x.msgs {
		if i > 0 {
			out = append(out, ',')
		}
		out = x.appendAck(out, i)
	}
	return append(out, "]}"...)
}
