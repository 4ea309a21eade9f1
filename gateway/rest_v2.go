package gateway

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/internal/payload"
)

// v2Type is that of the REST Proxy's v2 answers, v1Type that of answers to
// requests of version 1, which is the same but for its name: clients that know
// nothing newer are still about.
var (
	v2Type = []string{"application/vnd.kafka.v2+json"}
	v1Type = []string{"application/vnd.kafka.v1+json"}
)

func (x *exchange) refuseV2(f *StatusError) { x.refuseRest(f, x.v2AnswerType()) }

func (x *exchange) v2AnswerType() []string {
	if values := x.r.Header["Content-Type"]; len(values) > 0 && strings.Contains(values[0], ".v1+json") {
		return v1Type
	}
	return v2Type
}

func restV2Routes() []*route {
	about := doc{
		tag: "REST Proxy v2", summary: "Produce records, and wait until Kafka has them",
		body: `{"records":[{"key":K,"value":V,"partition":P},...]} as application/vnd.kafka.binary.v2+json (keys and values in base64) or application/vnd.kafka.json.v2+json; the same with v1`,
		answers: map[int]string{
			200: `{"offsets":[{"partition":P,"offset":O,"error_code":null,"error":null},...],"key_schema_id":null,"value_schema_id":null}: Kafka has each record whose error_code is null`,
			403: "as 200, when Kafka refuses the gateway's principal for a record (40301)",
			404: "the topic (40401) or the partition (40402) does not exist",
			415: "another media type",
			422: "Avro, JSON Schema or Protobuf, which are not served (42206), an unknown field, or no records",
		},
	}
	toTopic := &route{
		method: http.MethodPost, path: "/topics/{topic}", guarded: true, keyed: true,
		refuse: (*exchange).refuseV2, serve: func(x *exchange) { x.serveV2(nil) }, doc: about,
	}
	toPartition := &route{
		method: http.MethodPost, path: "/topics/{topic}/partitions/{partition}", guarded: true, keyed: true,
		refuse: (*exchange).refuseV2, serve: (*exchange).serveV2Partition, doc: about,
	}
	toPartition.doc.summary = "Produce records to one partition, and wait until Kafka has them"
	return []*route{toTopic, toPartition}
}

func (x *exchange) serveV2Partition() {
	partition, f := partitionOfPath(x.params[1])
	if f != nil {
		x.refuse(f)
		return
	}
	x.serveV2((*restInt)(&partition))
}

func partitionOfPath(text string) (int32, *StatusError) {
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil {
		return 0, refusal(http.StatusNotFound, restNotFoundMessage)
	}
	if n < 0 {
		return 0, errNoPartition
	}
	return int32(n), nil
}

// serveV2 produces; partition is for the records that name none.
func (x *exchange) serveV2(partition *restInt) {
	embedded, f := x.v2Format()
	if f == nil {
		f = x.restBody()
	}
	if f == nil {
		f = x.v2Messages(embedded, partition)
	}
	if f == nil {
		f = x.deliver(x.params[0], acked, x.h.settings.syncTimeout)
	}
	if f != nil && f.delivery && f.Status == http.StatusServiceUnavailable {
		// Its clients look for that inside, and nothing but the request is at fault
		// where it is refused as a whole.
		for i := range x.msgs {
			x.fail(i, f)
		}
		f = nil
	}
	if f == nil && partition != nil && len(x.delivery.failed) == len(x.msgs) && statusOf(x.delivery.failed[0].err).code == restUnknownPartition {
		f = errNoPartition // of the path: no record is there
	}
	if f != nil {
		x.refuse(f)
		return
	}
	x.answerV2()
}

// v2Format is the embedded format that the content type names.
func (x *exchange) v2Format() (format, *StatusError) {
	kind, f := x.contentType()
	if f != nil {
		return "", f
	}
	switch kind {
	case "application/vnd.kafka.binary.v2+json", "application/vnd.kafka.binary.v1+json", "application/vnd.kafka.v1+json":
		return binaryFormat, nil
	case "application/vnd.kafka.json.v2+json", "application/vnd.kafka.json.v1+json":
		return jsonFormat, nil
	case "application/vnd.kafka.avro.v2+json", "application/vnd.kafka.jsonschema.v2+json", "application/vnd.kafka.protobuf.v2+json",
		"application/vnd.kafka.avro.v1+json":
		return "", restRefusal(http.StatusUnprocessableEntity, restInvalidPayload, "Payload error. %s is not served: it %s", kind, restNoRegistryMessage)
	}
	return "", refusal(http.StatusUnsupportedMediaType, "HTTP 415 Unsupported Media Type: send application/vnd.kafka.binary.v2+json or application/vnd.kafka.json.v2+json")
}

// v2Messages makes the messages of a v2 request. It is refused as a whole if
// anything of it cannot be understood.
func (x *exchange) v2Messages(embedded format, partition *restInt) *StatusError {
	if len(x.body) == 0 {
		return refusal(http.StatusUnprocessableEntity, "Null input provided. Data is required.")
	}
	var request struct {
		Records       json.RawMessage `json:"records"`
		KeySchema     *string         `json:"key_schema"` // the four are taken and mean nothing, as there
		KeySchemaID   *restInt        `json:"key_schema_id"`
		ValueSchema   *string         `json:"value_schema"`
		ValueSchemaID *restInt        `json:"value_schema_id"`
	}
	if f := decodeStrictly(x.body, http.StatusUnprocessableEntity, &request); f != nil {
		return f
	}
	x.msgs = x.msgs[:0]
	if records := request.Records; len(records) > 0 && string(records) != "null" {
		var f *StatusError
		err := payload.Elements(records, func(element []byte) bool {
			f = x.addV2Record(element, embedded, partition)
			return f == nil
		})
		if err != nil {
			return refusal(http.StatusBadRequest, "records: %v", err)
		}
		if f != nil {
			return f
		}
	}
	if len(x.msgs) == 0 {
		return refusal(http.StatusUnprocessableEntity, "records may not be empty")
	}
	return nil
}

func (x *exchange) addV2Record(element []byte, embedded format, partition *restInt) *StatusError {
	if len(x.msgs) == maxMessages {
		return errTooMany
	}
	if f := x.room(); f != nil {
		return f
	}
	if string(element) == "null" { // not a record of nulls, which would be a tombstone
		return refusal(http.StatusUnprocessableEntity, "records may not hold null")
	}
	record := struct {
		Partition *restInt        `json:"partition"`
		Key       json.RawMessage `json:"key"`
		Value     json.RawMessage `json:"value"`
	}{Partition: partition}
	if f := decodeStrictly(element, http.StatusUnprocessableEntity, &record); f != nil {
		return f
	}
	if record.Partition == nil { // a null of its own
		record.Partition = partition
	}
	m, f := onPartition(ekaf.Message{}, record.Partition)
	if f == nil {
		m.Key, f = embedded.bytesOf(record.Key)
	}
	if f == nil {
		m.Value, f = embedded.bytesOf(record.Value)
	}
	x.msgs = append(x.msgs, m)
	return f
}

// answerV2 tells what became of each record. Its status is 200 also if some
// failed: the REST Proxy's clients look at each record's error_code.
func (x *exchange) answerV2() {
	status, next, failed := http.StatusOK, 0, x.delivery.failed
	out := append(x.out[:0], `{"offsets":[`...)
	for i := range x.msgs {
		if i > 0 {
			out = append(out, ',')
		}
		if next < len(failed) && failed[next].index == i {
			f := statusOf(failed[next].err)
			next++
			code := v2Code(f)
			if code == restForbidden {
				status = http.StatusForbidden
			}
			out = append(out, `{"partition":null,"offset":null,"error_code":`...)
			out = strconv.AppendInt(out, int64(code), 10)
			out = append(out, `,"error":`...)
			out = appendText(out, restMessage(f))
			out = append(out, '}')
			continue
		}
		out = append(out, '{')
		out = appendPlace(out, x.delivery.ack(i))
		out = append(out, `,"error_code":null,"error":null}`...)
	}
	x.out = append(out, `],"key_schema_id":null,"value_schema_id":null}`...)
	x.send(status, x.v2AnswerType())
}

// v2Code is a record's error_code. The REST Proxy has no others for records than
// 401, 403 and these two; what is not there is named all the same.
func v2Code(f *StatusError) int {
	switch {
	case f.Status == http.StatusForbidden:
		return restForbidden
	case f.Status == http.StatusServiceUnavailable:
		return restRetriable
	case f.Status == http.StatusNotFound && f.code != 0:
		return f.code
	}
	return restKafkaError
}
