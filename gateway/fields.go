package gateway

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ekaf-go/ekaf"
)

// Request headers that say what a raw message is made of beside its value.
const (
	headerKey          = "X-Kafka-Key"
	headerKeyBase64    = "X-Kafka-Key-Base64"
	headerPartition    = "X-Kafka-Partition"
	headerTimestamp    = "X-Kafka-Timestamp"
	headerTombstone    = "X-Kafka-Tombstone"
	headerRecord       = "X-Kafka-Header-"
	headerRecordBase64 = "X-Kafka-Header-Base64-"
	fieldPrefix        = "X-Kafka-"
)

// fields makes the message that a raw request describes, without its value.
func fields(header http.Header, query url.Values) (ekaf.Message, *StatusError) {
	var m ekaf.Message
	key, given, f := oneOf(header, query, headerKey, "key")
	encoded, givenEncoded, f2 := oneOf(header, query, headerKeyBase64, "key_base64")
	switch {
	case f != nil || f2 != nil:
		return m, cmpFault(f, f2)
	case given && givenEncoded:
		return m, refusal(http.StatusUnprocessableEntity, "the key is given twice, plain and in base64")
	case given:
		m.Key = []byte(key)
	case givenEncoded:
		if m.Key, f = fromBase64(headerKeyBase64, encoded); f != nil {
			return m, f
		}
	}
	if f := recordHeaders(header, &m); f != nil {
		return m, f
	}
	if f := timestamp(header, query, &m); f != nil {
		return m, f
	}
	return partition(header, query, m)
}

func cmpFault(a, b *StatusError) *StatusError {
	if a != nil {
		return a
	}
	return b
}

// oneOf finds what a header or a parameter says. Said twice it is refused: which
// of them to believe would be a guess.
func oneOf(header http.Header, query url.Values, name, parameter string) (value string, given bool, f *StatusError) {
	values := append(slices.Clip(header[name]), query[parameter]...)
	switch len(values) {
	case 0:
		return "", false, nil
	case 1:
		return values[0], true, nil
	}
	if name == "" {
		return "", true, refusal(http.StatusUnprocessableEntity, "?%s= is given %d times: give it once", parameter, len(values))
	}
	return "", true, refusal(http.StatusUnprocessableEntity, "%s and ?%s= are given %d times together: give one", name, parameter, len(values))
}

func fromBase64(what, text string) ([]byte, *StatusError) {
	// Padded or not, in the alphabet of URLs or the other: they do not overlap.
	text = strings.NewReplacer("-", "+", "_", "/").Replace(strings.TrimRight(text, "="))
	out, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, refusal(http.StatusUnprocessableEntity, "%s is not base64: %v", what, err)
	}
	return out, nil
}

// recordHeaders takes X-Kafka-Header-NAME. The names of HTTP headers have no case
// of their own, so those of the record are in lower case, and sorted, as HTTP
// keeps no order between names.
func recordHeaders(header http.Header, m *ekaf.Message) *StatusError {
	for name, values := range header {
		rest, found := strings.CutPrefix(name, headerRecord)
		if !found {
			continue
		}
		encoded, isBase64 := strings.CutPrefix(name, headerRecordBase64)
		if isBase64 {
			rest = encoded
		}
		if rest == "" {
			return refusal(http.StatusUnprocessableEntity, "%s needs a name behind it", name)
		}
		for _, value := range values {
			raw := []byte(value)
			if isBase64 {
				var f *StatusError
				if raw, f = fromBase64(name, value); f != nil {
					return f
				}
			}
			m.Headers = append(m.Headers, ekaf.Header{Key: strings.ToLower(rest), Value: raw})
		}
	}
	slices.SortStableFunc(m.Headers, func(a, b ekaf.Header) int { return strings.Compare(a.Key, b.Key) })
	return nil
}

// timestamp takes milliseconds since 1970, or RFC 3339.
func timestamp(header http.Header, query url.Values, m *ekaf.Message) *StatusError {
	text, given, f := oneOf(header, query, headerTimestamp, "timestamp")
	if f != nil || !given {
		return f
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms > 0 {
		m.Timestamp = time.UnixMilli(ms)
		return nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.UnixMilli() <= 0 {
		return refusal(http.StatusUnprocessableEntity, "%s is milliseconds since 1970 or RFC 3339, such as 2026-01-31T12:00:00Z, not %q", headerTimestamp, text)
	}
	m.Timestamp = at
	return nil
}

func partition(header http.Header, query url.Values, m ekaf.Message) (ekaf.Message, *StatusError) {
	text, given, f := oneOf(header, query, headerPartition, "partition")
	if f != nil || !given {
		return m, f
	}
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil || n < 0 {
		return m, refusal(http.StatusUnprocessableEntity, "%s is a number from 0, not %q", headerPartition, text)
	}
	return m.OnPartition(int32(n)), nil
}

// hasFields reports whether a request says anything about its messages.
func hasFields(header http.Header) bool {
	for name := range header {
		if strings.HasPrefix(name, fieldPrefix) {
			return true
		}
	}
	return false
}

// Request headers by which W3C Trace Context and W3C Baggage carry a trace on,
// and what a record's headers are named for them.
const (
	headerParent  = "Traceparent"
	headerState   = "Tracestate"
	headerBaggage = "Baggage"
)

// Bounds of what is carried on, in bytes and in list members. The first is ours,
// for versions to come; the others are what W3C asks for at least.
const (
	maxParent         = 128
	maxState          = 512
	maxStateMembers   = 32
	maxBaggage        = 8192
	maxBaggageMembers = 64
)

// carryTrace puts the request's trace context into the headers of its messages.
// What is malformed or too long is left out, as W3C asks, and the message goes
// without. A message that brings a context of its own keeps it.
func (x *exchange) carryTrace() {
	var trace, baggage []ekaf.Header
	if parent := x.r.Header[headerParent]; len(parent) == 1 && isTraceParent(parent[0]) {
		trace = append(trace, ekaf.Header{Key: "traceparent", Value: []byte(parent[0])})
		if state := members(x.r.Header[headerState], maxState, maxStateMembers); state != "" {
			trace = append(trace, ekaf.Header{Key: "tracestate", Value: []byte(state)})
		}
	}
	if list := members(x.r.Header[headerBaggage], maxBaggage, maxBaggageMembers); list != "" {
		baggage = append(baggage, ekaf.Header{Key: "baggage", Value: []byte(list)})
	}
	if trace == nil && baggage == nil {
		return
	}
	both := slices.Concat(trace, baggage)
	for i := range x.msgs {
		m := &x.msgs[i]
		if len(m.Headers) == 0 {
			m.Headers = slices.Clip(both) // shared: whoever appends copies
			continue
		}
		own := m.Headers
		m.Headers = slices.Clip(own)
		if !hasHeader(own, "traceparent") {
			m.Headers = append(m.Headers, trace...)
		}
		if !hasHeader(own, "baggage") {
			m.Headers = append(m.Headers, baggage...)
		}
	}
}

func hasHeader(headers []ekaf.Header, name string) bool {
	return slices.ContainsFunc(headers, func(h ekaf.Header) bool { return strings.EqualFold(h.Key, name) })
}

// isTraceParent: version, trace, parent and flags in lower-case hexadecimal, and
// neither of the ids all zeros. A version that is not known yet may have more.
func isTraceParent(text string) bool {
	const length = len("00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
	if len(text) < length || len(text) > maxParent || !isPrintable(text) {
		return false
	}
	version, trace, parent, flags := text[:2], text[3:35], text[36:52], text[53:55]
	for _, part := range []string{version, trace, parent, flags} {
		if strings.Trim(part, "0123456789abcdef") != "" {
			return false
		}
	}
	if text[2] != '-' || text[35] != '-' || text[52] != '-' || version == "ff" ||
		strings.Trim(trace, "0") == "" || strings.Trim(parent, "0") == "" {
		return false
	}
	return len(text) == length || version != "00" && text[length] == '-'
}

// members joins the lines of a header that is a list of name=value; "" if there
// are none, or if they are not such or too many.
func members(lines []string, maxBytes, maxMembers int) string {
	total := 0
	for _, line := range lines {
		if total += len(line) + 1; total > maxBytes+1 {
			return ""
		}
	}
	text := strings.Join(lines, ",")
	count := 0
	for member := range strings.SplitSeq(text, ",") {
		if member = strings.TrimSpace(member); member == "" {
			continue // the lists allow them
		}
		if count++; count > maxMembers || strings.IndexByte(member, '=') < 1 || !isPrintable(member) {
			return ""
		}
	}
	if count == 0 {
		return ""
	}
	return text
}

func isPrintable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}
