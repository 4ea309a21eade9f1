package gateway

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/internal/payload"
)

// The routes of Confluent's REST Proxy, so that clients written for it work
// unchanged. Their answers are as its are, to the byte where clients look: that
// is the only place where a 200 may have a failure inside.

func restRoutes() []*route {
	return slices.Concat(restV2Routes(), restV2TopicRoutes(), restV3Routes(), restV3ClusterRoutes())
}

// Error codes of the REST Proxy. The first three digits are an HTTP status.
const (
	restBadRequest        = 40002
	restUnauthorized      = 40101
	restForbidden         = 40301
	restUnknownTopic      = 40401
	restUnknownPartition  = 40402
	restInvalidPayload    = 42206
	restBadBatch          = 42208
	restKafkaError        = 50002
	restRetriable         = 50003
	restNotFoundMessage   = "HTTP 404 Not Found"
	restNoTopicMessage    = "Topic not found."
	restNoPartMessage     = "Partition not found."
	restNoRegistryMessage = "needs a schema registry, and this gateway has none: use BINARY, JSON or STRING"
)

// restRefusal makes an error that has a code of the REST Proxy's.
func restRefusal(status, code int, format string, args ...any) *StatusError {
	f := refusal(status, format, args...)
	f.code = code
	return f
}

// restCode is the REST Proxy's code for an error that ends a request.
func restCode(f *StatusError) int {
	switch {
	case f.code != 0:
		return f.code
	case f.Status == http.StatusUnauthorized:
		return restUnauthorized
	case f.Status == http.StatusForbidden:
		return restForbidden
	case f.failed && f.Status == http.StatusServiceUnavailable:
		return restRetriable
	case f.failed && f.Status >= http.StatusInternalServerError:
		return restKafkaError
	}
	return f.Status
}

// restMessage is an error's text. What those clients know by its text keeps it;
// and as their answers have no place for "maybe written", the text says it.
func restMessage(f *StatusError) string {
	switch restCode(f) {
	case restUnknownTopic:
		return restNoTopicMessage
	case restUnknownPartition:
		return restNoPartMessage
	}
	if f.MaybeWritten {
		return f.Message + "; it may be in Kafka all the same"
	}
	return f.Message
}

// refuseRest answers with an error as the REST Proxy words it.
func (x *exchange) refuseRest(f *StatusError, kind []string) {
	code, status := restCode(f), f.Status
	if code >= restBadRequest && code < restKafkaError {
		status = code / 100
	}
	x.out = appendRestError(x.out[:0], code, restMessage(f))
	x.send(status, kind)
}

func appendRestError(out []byte, code int, message string) []byte {
	out = append(out, `{"error_code":`...)
	out = strconv.AppendInt(out, int64(code), 10)
	out = append(out, `,"message":`...)
	out = appendText(out, message)
	return append(out, '}')
}

// charge takes n bytes of the memory for bodies until the exchange ends.
func (x *exchange) charge(n int) *StatusError {
	if !x.h.bodies.take(int64(n)) {
		return errBodyMemory
	}
	x.charged += int64(n)
	return nil
}

// decoderCopies is how often a body lies in memory while it is decoded beside
// the body itself: in the decoder, which grows by doubling, and in what it makes.
const decoderCopies = 3

// restBody reads the whole body of a request, and charges what decoding it takes.
func (x *exchange) restBody() *StatusError {
	if f := x.readBody(); f != nil {
		return f
	}
	if len(x.body) > smallBody {
		return x.charge(decoderCopies * len(x.body))
	}
	return nil
}

// decodeStrictly reads one JSON value that is all of text. Fields that the value
// does not know are refused with the status named; all else that is wrong with 400.
// nested names the fields whose values have fields that are known as well.
func decodeStrictly(text []byte, unknownField int, into any, nested ...string) *StatusError {
	if !utf8.Valid(text) { // encoding/json would replace it, and change what is produced
		return refusal(http.StatusBadRequest, "not JSON: invalid UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, end := d.Token(); end != io.EOF {
			return refusal(http.StatusBadRequest, "not JSON: more than one value, at byte %d", d.InputOffset())
		}
		if name, found := misspelt(text, nested); found {
			return refusal(unknownField, "Unrecognized field: %s", excerpt(name))
		}
		return nil
	}
	if field, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		return refusal(unknownField, "Unrecognized field: %s", strings.Trim(field, `"`))
	}
	if kind, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		where := ""
		if kind.Offset > 0 {
			where = fmt.Sprintf(", at byte %d", kind.Offset)
		}
		return refusal(http.StatusBadRequest, "%s cannot be a JSON %s%s", fieldName(kind.Field), kind.Value, where)
	}
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return refusal(http.StatusBadRequest, "not JSON: %v, at byte %d", err, syntax.Offset)
	}
	return refusal(http.StatusBadRequest, "not JSON: the body ends in the midst of a value, at byte %d", len(text))
}

// misspelt finds a field that encoding/json took for another in disregard of case.
// All names that are known are in small letters and underscores.
func misspelt(text []byte, nested []string) (name []byte, found bool) {
	for name, value := range payload.Members(text) {
		if len(bytes.Trim(name, "abcdefghijklmnopqrstuvwxyz_")) > 0 {
			return name, true
		}
		if slices.Contains(nested, string(name)) {
			if inner, found := misspelt(value, nil); found {
				return inner, true
			}
		}
	}
	return nil, false
}

// restInt is a whole number, which the REST Proxy takes also as a text and with a
// point or an exponent.
type restInt int32

func (n *restInt) UnmarshalJSON(text []byte) error {
	kind, digits := "number "+string(text), string(text)
	if text[0] == '"' {
		kind = "string"
		if err := json.Unmarshal(text, &digits); err != nil {
			return err
		}
	}
	whole, err := strconv.ParseFloat(digits, 64)
	if err != nil || whole != math.Trunc(whole) || math.Abs(whole) > math.MaxInt32 || strings.ContainsAny(digits, "xXpP_") {
		return &json.UnmarshalTypeError{Value: kind, Type: reflect.TypeFor[int32]()}
	}
	*n = restInt(whole)
	return nil
}

func fieldName(path string) string {
	if path == "" {
		return "the body"
	}
	return path
}

// format is how a value is written in JSON.
type format string

const (
	binaryFormat format = "BINARY"
	jsonFormat   format = "JSON"
	stringFormat format = "STRING"
)

// needsRegistry: the format is one of the REST Proxy's that are not served.
func (f format) needsRegistry() bool { return f == "AVRO" || f == "JSONSCHEMA" || f == "PROTOBUF" }

// bytesOf takes a value out of its JSON. null is null in every format. The bytes
// are not those of data.
func (f format) bytesOf(data json.RawMessage) ([]byte, *StatusError) {
	if len(data) == 0 || string(data) == "null" {
		return nil, nil
	}
	if f == jsonFormat {
		var compact bytes.Buffer
		if err := json.Compact(&compact, data); err != nil {
			return nil, refusal(http.StatusBadRequest, "Bad Request: %v", err)
		}
		return compact.Bytes(), nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		kind := "string"
		if f == binaryFormat {
			kind = "base64 string"
		}
		return nil, refusal(http.StatusBadRequest, "Bad Request: data=%s is not a %s.", excerpt(data), kind)
	}
	if f == stringFormat {
		if payload.HasLoneSurrogate(data) {
			return nil, refusal(http.StatusBadRequest, "Bad Request: data=%s holds half of a character (a lone surrogate).", excerpt(data))
		}
		return []byte(text), nil
	}
	out, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return nil, refusal(http.StatusBadRequest, "Bad Request: data=%s is not a valid base64 string.", excerpt(data))
	}
	return notNil(out), nil
}

// excerpt is the beginning of what a client sent, for its eyes.
func excerpt(data []byte) string {
	const most = 80
	if len(data) <= most {
		return string(data)
	}
	return strings.ToValidUTF8(string(data[:most]), "") + "..."
}

// errNoPartition answers for a partition below zero, which no topic has.
var errNoPartition = restRefusal(http.StatusNotFound, restUnknownPartition, restNoPartMessage)

// onPartition sends a message to the partition that a client named, if it did.
func onPartition(m ekaf.Message, partition *restInt) (ekaf.Message, *StatusError) {
	if partition == nil {
		return m, nil
	}
	if *partition < 0 {
		return m, errNoPartition
	}
	return m.OnPartition(int32(*partition)), nil
}

// notFound answers for a path that is not served: below those of the REST Proxy's
// as it would.
func (x *exchange) notFound() {
	for _, below := range [...]struct {
		path string
		kind []string
	}{{"/v3", v3Type}, {"/topics", v2Type}} {
		if rest, found := strings.CutPrefix(x.r.URL.Path, below.path); found && (rest == "" || rest[0] == '/') {
			x.refuseRest(refusal(http.StatusNotFound, restNotFoundMessage), below.kind)
			return
		}
	}
	x.refuse(refusal(http.StatusNotFound, "there is nothing at this path; /openapi.json lists what there is"))
}

// restURL is the address of a resource, as the client sees this server.
func (x *exchange) restURL(path ...string) string {
	scheme := "http"
	if x.r.TLS != nil {
		scheme = "https"
	}
	return fmt.Sprintf("%s://%s/%s", scheme, x.r.Host, strings.Join(path, "/"))
}
