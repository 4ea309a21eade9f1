package door

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// route is a way to produce: a request for messages, and what its answer claims.
type route struct {
	name     string
	messages int
	kind     string
	target   string // after the gateway's address, with a %s for the topic
	body     func(values []string) string
	ok       claim                            // of an answer 2xx of ours
	read     func(body []byte, n int) []claim // of an answer 2xx with a claim for each; nil: ok
	streamed bool
}

const (
	jsonBody = "application/json"
	lineBody = "application/x-ndjson"
)

// value is a message's: its id makes it one of its kind.
func value(id string) string { return `{"id":"` + id + `"}` }

func whole(values []string) string   { return values[0] }
func lines(values []string) string   { return strings.Join(values, "\n") + "\n" }
func array(values []string) string   { return "[" + strings.Join(values, ",") + "]" }
func nothing(values []string) string { return "" }

func v2Records(values []string) string {
	return `{"records":[{"value":` + strings.Join(values, `},{"value":`) + `}]}`
}

func v3Records(values []string) string {
	return `{"value":{"type":"JSON","data":` + strings.Join(values, `}}`+"\n"+`{"value":{"type":"JSON","data":`) + `}}`
}

func v3Batch(values []string) string {
	var entries []string
	for i, v := range values {
		entries = append(entries, fmt.Sprintf(`{"id":"%d","value":{"type":"JSON","data":%s}}`, i, v))
	}
	return `{"entries":[` + strings.Join(entries, ",") + `]}`
}

// routes are all that produce. GET /v1/beacon has its message in its query.
var routes = []route{
	{"/async", 1, jsonBody, "/async/%s", whole, accepted, nil, false},
	{"/sync", 1, jsonBody, "/sync/%s", whole, inKafka, nil, false},
	{"/batch/async", 3, jsonBody, "/batch/async/%s", array, accepted, nil, false},
	{"/batch/sync", 3, lineBody, "/batch/sync/%s", lines, accepted, nil, false},
	{"/safe/async", 1, jsonBody, "/safe/async/%s", whole, accepted, nil, false},
	{"/safe/sync", 1, jsonBody, "/safe/sync/%s", whole, inKafka, nil, false},
	{"/safe/batch/async", 3, lineBody, "/safe/batch/async/%s", lines, accepted, nil, false},
	{"/safe/batch/sync", 3, jsonBody, "/safe/batch/sync/%s", array, accepted, nil, false},
	{"/v1 buffered", 1, "", "/v1/topics/%s", whole, accepted, nil, false},
	{"/v1 kafka", 1, "", "/v1/topics/%s?ack=kafka", whole, inKafka, nil, false},
	{"/v1 kafka, key and partition", 1, "", "/v1/topics/%s?ack=kafka&key=k&partition=1", whole, inKafka, nil, false},
	{"/v1 kafka, lines", 5, lineBody, "/v1/topics/%s?ack=kafka", lines, inKafka, nil, false},
	{"/v1 buffered, lines", 5, lineBody, "/v1/topics/%s", lines, accepted, nil, false},
	{"/v1 beacon", 1, "", "/v1/beacon/%s", whole, accepted, nil, false},
	{"/v1 beacon, GET", 1, "", "/v1/beacon/%s?id=", nothing, accepted, nil, false},
	{"v2", 3, "application/vnd.kafka.json.v2+json", "/topics/%s", v2Records, unknown, readV2, false},
	{"v2 partition", 2, "application/vnd.kafka.json.v2+json", "/topics/%s/partitions/2", v2Records, unknown, readV2, false},
	{"v3", 3, jsonBody, "/v3/clusters/any/topics/%s/records", v3Records, unknown, readV3, false},
	{"v3 batch", 3, jsonBody, "/v3/clusters/any/topics/%s/records:batch", v3Batch, unknown, readV3Batch, false},
	{name: "v3 stream", messages: 4, streamed: true},
}

func readV2(body []byte, n int) []claim {
	var answer struct {
		Offsets []struct {
			Offset    *int64
			ErrorCode *int `json:"error_code"`
		}
	}
	claims := make([]claim, n)
	if json.Unmarshal(body, &answer) != nil || len(answer.Offsets) != n {
		return claims
	}
	for i, o := range answer.Offsets {
		if o.ErrorCode == nil && o.Offset != nil {
			claims[i] = inKafka
		}
	}
	return claims
}

func readV3(body []byte, n int) []claim {
	claims := make([]claim, n)
	answers := json.NewDecoder(strings.NewReader(string(body)))
	for i := range claims {
		var answer struct {
			ErrorCode int `json:"error_code"`
		}
		if answers.Decode(&answer) != nil {
			break
		}
		if answer.ErrorCode == http.StatusOK {
			claims[i] = inKafka
		}
	}
	return claims
}

func readV3Batch(body []byte, n int) []claim {
	var answer struct{ Successes []struct{ ID string } }
	claims := make([]claim, n)
	if json.Unmarshal(body, &answer) != nil {
		return claims
	}
	for _, s := range answer.Successes {
		var i int
		if _, err := fmt.Sscan(s.ID, &i); err == nil && i < n {
			claims[i] = inKafka
		}
	}
	return claims
}

// stream sends messages through one request that stays open, each when the one
// before it was answered.
func stream(client *http.Client, base, topic string, ids []string) (status int, claims []claim) {
	claims = make([]claim, len(ids))
	body, feed := io.Pipe()
	defer feed.Close()
	request, err := http.NewRequest(http.MethodPost, base+"/v3/clusters/any/topics/"+topic+"/records", body)
	if err != nil {
		return 0, claims
	}
	request.Header.Set("Content-Type", jsonBody)
	wrote := make(chan error, 1)
	write := func(id string) {
		_, err := io.WriteString(feed, v3Records([]string{value(id)}))
		wrote <- err
	}
	go write(ids[0]) // the answer's header comes with the first record's own
	answer, err := client.Do(request)
	if err != nil {
		body.Close()
		<-wrote
		return 0, claims
	}
	defer answer.Body.Close()
	answers := json.NewDecoder(answer.Body)
	for i := range ids {
		if i > 0 {
			go write(ids[i])
		}
		var told struct {
			ErrorCode int `json:"error_code"`
		}
		err := answers.Decode(&told)
		if err != nil {
			body.Close()
		}
		if <-wrote != nil || err != nil {
			break
		}
		if told.ErrorCode == http.StatusOK {
			claims[i] = inKafka
		}
	}
	return answer.StatusCode, claims
}

// post sends messages by a route, and gives the status and what was claimed.
func (r *route) post(client *http.Client, base, topic string, ids []string) (status int, claims []claim) {
	if r.streamed {
		return stream(client, base, topic, ids)
	}
	var values []string
	for _, id := range ids {
		values = append(values, value(id))
	}
	claims = make([]claim, len(ids))
	method, target := http.MethodPost, base+fmt.Sprintf(r.target, topic)
	if strings.HasSuffix(target, "?id=") {
		method, target = http.MethodGet, target+ids[0]
	}
	request, err := http.NewRequest(method, target, strings.NewReader(r.body(values)))
	if err != nil {
		return 0, claims
	}
	if r.kind != "" {
		request.Header.Set("Content-Type", r.kind)
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, claims
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	status = answer.StatusCode
	switch {
	case err != nil:
	case status/100 != 2:
		refused(body, r.ok, claims)
	case r.read != nil:
		claims = r.read(body, len(ids))
	default:
		for i := range claims {
			claims[i] = r.ok
		}
	}
	return status, claims
}

// refused reads what an error of our own says of each message.
func refused(body []byte, ok claim, claims []claim) {
	type fate struct {
		Line         int
		Offset       *int64
		MaybeWritten *bool `json:"maybe_written"`
	}
	var answer struct {
		fate
		Accepted *int
		Lines    []fate
	}
	if json.Unmarshal(body, &answer) != nil {
		return
	}
	claimed := func(f fate) claim {
		switch {
		case f.Offset != nil:
			return inKafka
		case f.MaybeWritten != nil && !*f.MaybeWritten:
			return absent
		}
		return unknown
	}
	for i := range claims {
		claims[i] = claimed(answer.fate)
		if answer.Accepted != nil { // those that are not listed
			claims[i] = ok
		}
	}
	for _, f := range answer.Lines {
		if f.Line >= 1 && f.Line <= len(claims) {
			claims[f.Line-1] = claimed(f)
		}
	}
}
