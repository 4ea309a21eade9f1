package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/internal/payload"
)

func restV3Routes() []*route {
	const record = `{"partition_id":P,"headers":[{"name":N,"value":BASE64},...],"key":{"type":TYPE,"data":D},"value":{"type":TYPE,"data":D},"timestamp":RFC3339}`
	const answer = `{"error_code":200,"cluster_id":ID,"topic_name":T,"partition_id":P,"offset":O,"timestamp":TIME,"key":{"type":TYPE,"size":N},"value":{...}}`
	return []*route{
		{
			method: http.MethodPost, path: "/v3/clusters/{cluster}/topics/{topic}/records", guarded: true, keyed: true,
			refuse: (*exchange).refuseV3, serve: (*exchange).serveV3Records,
			doc: doc{
				tag: "REST Proxy v3", summary: "Produce a record, or a stream of them, each answered when Kafka has it",
				body: "one or many, one after another, of " + record + ", TYPE one of BINARY, JSON and STRING; in chunks for as long as the client likes",
				answers: map[int]string{
					200: answer + ` for each record in turn, or {"error_code":CODE,"message":TEXT}: Kafka has each record whose error_code is 200`,
					415: "another type than application/json", 422: "no record",
				},
			},
		},
		{
			method: http.MethodPost, path: "/v3/clusters/{cluster}/topics/{topic}/records:batch", guarded: true, keyed: true,
			refuse: (*exchange).refuseV3, serve: (*exchange).serveV3Batch,
			doc: doc{
				tag: "REST Proxy v3", summary: "Produce up to ten records, each with an id of the client's",
				body: `{"entries":[{"id":ID,...},...]}, else each as ` + record,
				answers: map[int]string{
					207: `{"successes":[{"id":ID,"cluster_id":...},...],"failures":[{"id":ID,"error_code":CODE,"message":TEXT},...]}: Kafka has the successes`,
					415: "another type than application/json", 422: "ids that are not distinct or not valid, no entries or more than ten (42208), or an unknown field",
				},
			},
		},
	}
}

// v3Record is a record as a v3 request has it.
type v3Record struct {
	ID          json.RawMessage `json:"id"` // of entries of a batch
	PartitionID *restInt        `json:"partition_id"`
	Headers     json.RawMessage `json:"headers"`
	Key         *v3Data         `json:"key"`
	Value       *v3Data         `json:"value"`
	Timestamp   *string         `json:"timestamp"`
}

// v3Data is a key or a value. Fields for schemas are known so that they can be refused by name.
type v3Data struct {
	Type                format          `json:"type"`
	Subject             *string         `json:"subject"`
	SubjectNameStrategy *string         `json:"subject_name_strategy"`
	SchemaID            *restInt        `json:"schema_id"`
	SchemaVersion       *restInt        `json:"schema_version"`
	Schema              *string         `json:"schema"`
	Data                json.RawMessage `json:"data"`
}

// v3Entry is a record on its way to its answer. It has a message, or a fault.
type v3Entry struct {
	id         string
	msg        ekaf.Message
	key, value v3Size
	fault      *StatusError
	ack        ekaf.Ack
	charged    int64 // of the memory for bodies
}

// v3Size is what an answer says of a key or a value: "" if it was not given, a
// size of -1 if it is null.
type v3Size struct {
	format format
	size   int
}

// maxHeaders bounds the headers of one record: each costs more memory than bytes.
const maxHeaders = 1000

// entry makes the message of a record.
func (r *v3Record) entry() (e v3Entry) {
	if e.msg, e.fault = onPartition(e.msg, r.PartitionID); e.fault != nil {
		return e
	}
	if e.msg.Key, e.key, e.fault = r.Key.take(); e.fault != nil {
		return e
	}
	if e.msg.Value, e.value, e.fault = r.Value.take(); e.fault != nil {
		return e
	}
	if e.fault = r.headers(&e.msg); e.fault != nil {
		return e
	}
	if r.Timestamp != nil {
		at, err := time.Parse(time.RFC3339, *r.Timestamp)
		if err != nil || at.UnixMilli() <= 0 {
			e.fault = refusal(http.StatusBadRequest, "Bad Request: timestamp is a time such as 2026-01-31T12:00:00Z")
			return e
		}
		e.msg.Timestamp = at
	}
	return e
}

func (r *v3Record) headers(m *ekaf.Message) (f *StatusError) {
	if len(r.Headers) == 0 || string(r.Headers) == "null" {
		return nil
	}
	err := payload.Elements(r.Headers, func(element []byte) bool {
		if len(m.Headers) == maxHeaders {
			f = refusal(http.StatusBadRequest, "Bad Request: a record has at most %d headers", maxHeaders)
			return false
		}
		var h ekaf.Header
		h, f = v3Header(element)
		m.Headers = append(m.Headers, h)
		return f == nil
	})
	if err != nil {
		return refusal(http.StatusBadRequest, "headers: %v", err)
	}
	return f
}

func v3Header(element []byte) (ekaf.Header, *StatusError) {
	var h struct {
		Name  *string         `json:"name"`
		Value json.RawMessage `json:"value"`
	}
	if f := decodeStrictly(element, http.StatusBadRequest, &h); f != nil {
		return ekaf.Header{}, f
	}
	if payload.HasLoneSurrogate(element) {
		return ekaf.Header{}, refusal(http.StatusBadRequest, "Bad Request: a header holds half of a character (a lone surrogate)")
	}
	if h.Name == nil {
		return ekaf.Header{}, refusal(http.StatusBadRequest, "Bad Request: a header needs a name")
	}
	value, f := binaryFormat.bytesOf(h.Value)
	return ekaf.Header{Key: *h.Name, Value: value}, f
}

// take makes the bytes of a key or a value.
func (d *v3Data) take() ([]byte, v3Size, *StatusError) {
	if d == nil {
		return nil, v3Size{}, nil
	}
	if len(d.Data) == 0 {
		return nil, v3Size{}, refusal(http.StatusBadRequest, "Bad Request: a key or a value needs data, which may be null")
	}
	switch {
	case d.Type == "" || d.Type.needsRegistry():
		name := string(d.Type)
		if name == "" {
			name = "data without a type"
		}
		return nil, v3Size{}, v3Violation(restInvalidPayload, "Payload error. "+name+" "+restNoRegistryMessage)
	case d.Type != binaryFormat && d.Type != jsonFormat && d.Type != stringFormat:
		return nil, v3Size{}, refusal(http.StatusBadRequest, "Bad Request: type is BINARY, JSON or STRING, not %q", excerpt([]byte(d.Type)))
	case d.Subject != nil || d.SubjectNameStrategy != nil || d.SchemaID != nil || d.SchemaVersion != nil || d.Schema != nil:
		return nil, v3Size{}, refusal(http.StatusBadRequest, "Bad Request: 'type=%s' cannot be used with a schema or a subject.", d.Type)
	}
	out, f := d.Type.bytesOf(d.Data)
	if f != nil {
		return nil, v3Size{}, f
	}
	size := v3Size{d.Type, len(out)}
	if out == nil {
		size.size = -1
	}
	return out, size, nil
}

// v3Violation is a breach of a rule of the REST Proxy's: v3 names the rule in the text.
func v3Violation(rule int, text string) *StatusError {
	return refusal(http.StatusUnprocessableEntity, "Error: %d : %s", rule, text)
}

// isJSON refuses all content types but the one of v3.
func (x *exchange) isJSON() *StatusError {
	kind, f := x.contentType()
	if f == nil && kind != "application/json" {
		f = refusal(http.StatusUnsupportedMediaType, "HTTP 415 Unsupported Media Type: send application/json")
	}
	return f
}

// produceEntries gives each entry that has no fault yet its ack, or its fault.
func (x *exchange) produceEntries(entries []v3Entry) {
	x.msgs, x.delivery = x.msgs[:0], delivery{failed: x.delivery.failed[:0]}
	for i := range entries {
		if entries[i].fault == nil {
			x.msgs = append(x.msgs, entries[i].msg)
		}
	}
	if len(x.msgs) == 0 {
		return
	}
	refused := x.deliver(x.params[1], acked, x.h.settings.syncTimeout)
	if refused != nil { // so that an Idempotency-Key may be tried again
		for i := range x.msgs {
			x.fail(i, refused)
		}
	}
	message, next, failed := 0, 0, x.delivery.failed
	for i := range entries {
		e := &entries[i]
		switch {
		case e.fault != nil:
			continue
		case next < len(failed) && failed[next].index == message:
			e.fault = statusOf(failed[next].err)
			next++
		default:
			e.ack = x.delivery.ack(message)
		}
		message++
	}
}

// appendV3Fault writes what is wrong with a record, without the braces around it.
func appendV3Fault(out []byte, f *StatusError) []byte {
	out = append(out, `"error_code":`...)
	out = strconv.AppendInt(out, int64(restCode(f)), 10)
	out = append(out, `,"message":`...)
	return appendText(out, restMessage(f))
}

// appendV3Place writes where a record stands, without the braces around it.
func (x *exchange) appendV3Place(out []byte, e *v3Entry) []byte {
	out = append(out, `"cluster_id":`...)
	out = appendText(out, x.params[0])
	out = append(out, `,"topic_name":`...)
	out = appendText(out, e.ack.Topic)
	out = append(out, `,"partition_id":`...)
	out = strconv.AppendInt(out, int64(e.ack.Partition), 10)
	out = append(out, `,"offset":`...)
	out = strconv.AppendInt(out, e.ack.Offset, 10)
	out = append(out, `,"timestamp":"`...)
	out = appendInstant(out, e.ack.Timestamp)
	out = append(out, '"')
	out = appendV3Size(out, `,"key":`, e.key)
	return appendV3Size(out, `,"value":`, e.value)
}

// appendInstant writes a time as Java's Instant does: milliseconds are left out as a whole.
func appendInstant(out []byte, at time.Time) []byte {
	layout := "2006-01-02T15:04:05.000Z"
	if at.UnixMilli()%1000 == 0 {
		layout = "2006-01-02T15:04:05Z"
	}
	return at.UTC().AppendFormat(out, layout)
}

func appendV3Size(out []byte, name string, s v3Size) []byte {
	if s.format == "" {
		return out
	}
	out = append(out, name...)
	out = append(out, `{"type":"`...)
	out = append(out, s.format...)
	out = append(out, `","size":`...)
	out = strconv.AppendInt(out, int64(s.size), 10)
	return append(out, '}')
}

// maxEntries bounds the records of a batch, as the REST Proxy does.
const maxEntries = 10

func (x *exchange) serveV3Batch() {
	f := x.isJSON()
	if f == nil {
		f = x.restBody()
	}
	var entries []v3Entry
	if f == nil {
		entries, f = v3Batch(x.body)
	}
	if f != nil {
		x.refuse(f)
		return
	}
	x.produceEntries(entries)
	x.answerV3Batch(entries)
}

// v3Batch takes a batch apart. It is refused as a whole if it has no order.
func v3Batch(body []byte) ([]v3Entry, *StatusError) {
	if len(body) == 0 {
		return nil, v3Violation(restBadBatch, "Request body is empty. Data is required.")
	}
	var request struct {
		Entries json.RawMessage `json:"entries"`
	}
	if f := decodeStrictly(body, http.StatusUnprocessableEntity, &request); f != nil {
		return nil, f
	}
	if len(request.Entries) == 0 || string(request.Entries) == "null" {
		return nil, v3Violation(restBadBatch, "Empty batch.")
	}
	var entries []v3Entry
	var f *StatusError
	seen := map[string]bool{}
	err := payload.Elements(request.Entries, func(element []byte) bool {
		var e v3Entry
		e, f = v3BatchEntry(element)
		switch {
		case f != nil:
		case len(entries) == maxEntries:
			f = v3Violation(restBadBatch, "Too many entries in batch.")
		case seen[e.id]:
			f = v3Violation(restBadBatch, "Batch entry IDs are not distinct.")
		}
		seen[e.id] = true
		entries = append(entries, e)
		return f == nil
	})
	switch {
	case err != nil:
		return nil, refusal(http.StatusBadRequest, "entries: %v", err)
	case f != nil:
		return nil, f
	case len(entries) == 0:
		return nil, v3Violation(restBadBatch, "Empty batch.")
	}
	return entries, nil
}

func v3BatchEntry(element []byte) (v3Entry, *StatusError) {
	var r v3Record
	if f := decodeStrictly(element, http.StatusUnprocessableEntity, &r, "key", "value"); f != nil {
		return v3Entry{}, f
	}
	var id string
	if json.Unmarshal(r.ID, &id) != nil || !isEntryID(id) {
		return v3Entry{}, v3Violation(restBadBatch, "Batch entry identifier is not a valid string.")
	}
	e := r.entry()
	e.id = id
	return e, nil
}

// isEntryID: 1 to 80 letters, digits, hyphens and underscores.
func isEntryID(id string) bool {
	return len(id) >= 1 && len(id) <= 80 && strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

// answerV3Batch lists what succeeded and what failed, with 207 in any case: the
// REST Proxy's clients look at the lists.
func (x *exchange) answerV3Batch(entries []v3Entry) {
	out := append(x.out[:0], `{"successes":[`...)
	part := func(failures bool, write func([]byte, *v3Entry) []byte) {
		comma := false
		for i := range entries {
			e := &entries[i]
			if failures != (e.fault != nil) {
				continue
			}
			if comma {
				out = append(out, ',')
			}
			comma = true
			out = append(out, `{"id":"`...)
			out = append(out, e.id...)
			out = append(out, `",`...)
			out = append(write(out, e), '}')
		}
	}
	part(false, x.appendV3Place)
	out = append(out, `],"failures":[`...)
	part(true, func(out []byte, e *v3Entry) []byte { return appendV3Fault(out, e.fault) })
	x.out = append(out, "]}"...)
	x.send(http.StatusMultiStatus, v3Type)
}
