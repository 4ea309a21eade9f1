package gateway_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/ekaf-go/ekaf/gateway"
)

const (
	v2Binary = "application/vnd.kafka.binary.v2+json"
	v2JSON   = "application/vnd.kafka.json.v2+json"
	v2Answer = "application/vnd.kafka.v2+json"
)

// v2 posts records as a client of the REST Proxy's v2 does.
func (d *door) v2(path, kind, body string, status int, want string) {
	d.t.Helper()
	w := d.ask("POST "+path, body, "Content-Type", kind, "Accept", v2Answer)
	d.want(w, status, want)
	if got := w.Header().Get("Content-Type"); got != v2Answer {
		d.t.Errorf("answered with the type %q", got)
	}
}

// placed is the answer for records that are acked: partition and offset of each.
func placed(places ...[2]int) string {
	var list []string
	for _, p := range places {
		list = append(list, fmt.Sprintf(`{"partition":%d,"offset":%d,"error_code":null,"error":null}`, p[0], p[1]))
	}
	return `{"offsets":[` + strings.Join(list, ",") + `],"key_schema_id":null,"value_schema_id":null}`
}

func TestRestV2Produce(t *testing.T) {
	d := open(t, behind{})
	d.v2("/topics/events", v2Binary, `{"records":[{"key":"AP8=","value":"aGVsbG8="},{"value":"aGVsbG8"},{"key":"aw==","value":null},{"value":""}]}`,
		200, placed([2]int{0, 0}, [2]int{0, 1}, [2]int{0, 2}, [2]int{0, 3}))
	d.v2("/topics/events", v2JSON+"; charset=utf-8", `{"records":[{"key":{"b" : 1},"value":[1, 2.0, "ä\u00e4"]},{"value":"text"},{"value":null}],"value_schema_id":1}`,
		200, placed([2]int{0, 4}, [2]int{0, 5}, [2]int{0, 6}))
	var got []string
	for _, m := range d.consumed("events", 7) {
		got = append(got, fmt.Sprintf("%q:%q,%t", m.Key, m.Value, m.Value == nil))
	}
	want := []string{`"\x00\xff":"hello",false`, `"":"hello",false`, `"k":"",true`, `"":"",false`,
		`"{\"b\":1}":"[1,2.0,\"ä\\u00e4\"]",false`, `"":"\"text\"",false`, `"":"",true`}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("a consumer sees\n%s", strings.Join(got, "\n"))
	}
	d.v2("/topics/many", v2JSON, `{"records":[{"partition":3,"value":1},{"partition":1,"value":2},{"partition":3,"value":3}]}`,
		200, placed([2]int{3, 0}, [2]int{1, 0}, [2]int{3, 1}))
	d.v2("/topics/many", v2JSON, `{"records":[{"partition":"3","value":{"Value":1}},{"partition":1.0,"value":2}],"key_schema_id":"7"}`, // as Jackson coerces
		200, placed([2]int{3, 2}, [2]int{1, 1}))
	d.v2("/topics/many/partitions/2", v2JSON, `{"records":[{"value":1},{"partition":null,"value":2},{"partition":0,"value":3}]}`,
		200, placed([2]int{2, 0}, [2]int{2, 1}, [2]int{0, 0}))
}

// TestRestPathsThatAreNotServed look as they do there.
func TestRestPathsThatAreNotServed(t *testing.T) {
	d := open(t, behind{})
	const none = `{"error_code":404,"message":"HTTP 404 Not Found"}`
	for path, kind := range map[string]string{
		"/topics/events/more": v2Answer, "/topics/": v2Answer, "/v3": "application/json", "/v3/clusters/c/acls": "application/json",
		"/v3x": "", "/topicsx": "", "/nothing": "",
	} {
		w := d.ask("GET "+path, "")
		if rest := kind != ""; w.Code != 404 || (w.Body.String() == none) != rest || rest && w.Header().Get("Content-Type") != kind {
			t.Errorf("%s answered %d %s as %s", path, w.Code, w.Body, w.Header().Get("Content-Type"))
		}
	}
}

func TestRestV2Refusals(t *testing.T) {
	d := open(t, behind{})
	for _, c := range []struct {
		path, kind, body string
		status           int
		want             string
	}{
		{"/topics/events", "application/json", `{"records":[{"value":1}]}`, 415, `{"error_code":415,"message":"HTTP 415 Unsupported Media Type: send application/vnd.kafka.binary.v2+json or application/vnd.kafka.json.v2+json"}`},
		{"/topics/events", "application/vnd.kafka.avro.v2+json", `{"records":[{"value":1}]}`, 422, `{"error_code":42206,"message":"Payload error. application/vnd.kafka.avro.v2+json is not served: it needs a schema registry, and this gateway has none: use BINARY, JSON or STRING"}`},
		{"/topics/events", v2JSON, ``, 422, `{"error_code":422,"message":"Null input provided. Data is required."}`},
		{"/topics/events", v2JSON, `{}`, 422, `{"error_code":422,"message":"records may not be empty"}`},
		{"/topics/events", v2JSON, `{"records":[]}`, 422, `{"error_code":422,"message":"records may not be empty"}`},
		{"/topics/events", v2JSON, `{"records":null}`, 422, `{"error_code":422,"message":"records may not be empty"}`},
		{"/topics/events", v2JSON, `{"records":{}}`, 400, `{"error_code":400,"message":"records: not a JSON array, at line 1, column 1 (byte 0)"}`},
		{"/topics/events", v2JSON, `{"records":[{"value":1,"headers":[]}]}`, 422, `{"error_code":422,"message":"Unrecognized field: headers"}`},
		{"/topics/events", v2JSON, `{"records":[{"value":1}],"more":1}`, 422, `{"error_code":422,"message":"Unrecognized field: more"}`},
		{"/topics/events", v2JSON, `{"records":[{"value":}]}`, 400, `{"error_code":400,"message":"not JSON: invalid character '}' looking for beginning of value, at byte 22"}`},
		{"/topics/events", v2JSON, `{"records":[{"value":1}`, 400, `{"error_code":400,"message":"not JSON: the body ends in the midst of a value, at byte 23"}`},
		{"/topics/events", v2JSON, `{"records":[{"value":1}]} {}`, 400, `{"error_code":400,"message":"not JSON: more than one value, at byte 27"}`},
		{"/topics/events", v2JSON, "{\"records\":[{\"value\":\"\xff\"}]}", 400, `{"error_code":400,"message":"not JSON: invalid UTF-8"}`},
		{"/topics/events", v2JSON, `{"records":[{"partition":"one","value":1}]}`, 400, `{"error_code":400,"message":"partition cannot be a JSON string"}`},
		{"/topics/events", v2JSON, `{"records":[{"partition":0.5,"value":1}]}`, 400, `{"error_code":400,"message":"partition cannot be a JSON number 0.5"}`},
		{"/topics/events", v2JSON, `{"records":[{"partition":"","value":1}]}`, 400, `{"error_code":400,"message":"partition cannot be a JSON string"}`},
		{"/topics/events", v2JSON, `{"records":[{"partition":4294967296,"value":1}]}`, 400, `{"error_code":400,"message":"partition cannot be a JSON number 4294967296"}`},
		{"/topics/events", v2JSON, `{"records":[null]}`, 422, `{"error_code":422,"message":"records may not hold null"}`},
		{"/topics/events", v2JSON, `{"Records":[{"value":1}]}`, 422, `{"error_code":422,"message":"Unrecognized field: Records"}`},
		{"/topics/events", v2JSON, `{"records":[{"value":{"Value":1},"VALUE":1}]}`, 422, `{"error_code":422,"message":"Unrecognized field: VALUE"}`},
		{"/topics/events", v2JSON, `[1]`, 400, `{"error_code":400,"message":"the body cannot be a JSON array, at byte 1"}`},
		{"/topics/events", v2Binary, `{"records":[{"value":"aGk="},{"value":"!"}]}`, 400, `{"error_code":400,"message":"Bad Request: data=\"!\" is not a valid base64 string."}`},
		{"/topics/events", v2Binary, `{"records":[{"value":7}]}`, 400, `{"error_code":400,"message":"Bad Request: data=7 is not a base64 string."}`},
		{"/topics/events", v2JSON, `{"records":[{"partition":-1,"value":1}]}`, 404, `{"error_code":40402,"message":"Partition not found."}`},
		{"/topics/events/partitions/-1", v2JSON, `{"records":[{"value":1}]}`, 404, `{"error_code":40402,"message":"Partition not found."}`},
		{"/topics/events/partitions/one", v2JSON, `{"records":[{"value":1}]}`, 404, `{"error_code":404,"message":"HTTP 404 Not Found"}`},
		{"/topics/nothing", v2JSON, `{"records":[{"value":1}]}`, 404, `{"error_code":40401,"message":"Topic not found."}`},
		{"/topics/n%20n", v2JSON, `{"records":[{"value":1}]}`, 400, `{"error_code":40002,"message":"the topic's name is not valid: \"n n\" holds ' '; Kafka allows letters, digits, dot, underscore and hyphen"}`},
	} {
		d.v2(c.path, c.kind, c.body, c.status, c.want)
	}
	d.want(d.ask("DELETE /topics/events", ""), 405, `{"error_code":405,"message":"DELETE is not served here; GET, HEAD, OPTIONS, POST are"}`)
	if messages, err := d.cluster.Consume("events"); err != nil || len(messages) > 0 {
		t.Errorf("a consumer sees %v (%v)", messages, err)
	}
}

// TestRestV2FailureInside: the status is 200 also if records failed, but for
// those that Kafka does not permit.
func TestRestV2FailureInside(t *testing.T) {
	d := open(t, behind{producer: []ekaf.Option{ekaf.BatchBytes(1000)}})
	const failed = `{"partition":null,"offset":null,"error_code":50002,"error":"`
	d.v2("/topics/events", v2JSON, `{"records":[{"value":1},{"value":"`+strings.Repeat("x", 2000)+`"},{"value":2}]}`, 200,
		`{"offsets":[{"partition":0,"offset":0,"error_code":null,"error":null},`+failed+`cannot deliver to events: the message is too large"},{"partition":0,"offset":1,"error_code":null,"error":null}],"key_schema_id":null,"value_schema_id":null}`)
	d.v2("/topics/many", v2JSON, `{"records":[{"partition":9,"value":1},{"partition":2,"value":2}]}`, 200,
		`{"offsets":[{"partition":null,"offset":null,"error_code":40402,"error":"Partition not found."},{"partition":2,"offset":0,"error_code":null,"error":null}],"key_schema_id":null,"value_schema_id":null}`)
	d.v2("/topics/many/partitions/9", v2JSON, `{"records":[{"value":1}]}`, 404, `{"error_code":40402,"message":"Partition not found."}`)
}

// TestRestV2KafkaAway: the records' errors say that trying again may help, and
// that a record may have been written.
func TestRestV2KafkaAway(t *testing.T) {
	bubble(t, behind{}, func(t *testing.T, d *door) {
		d.v2("/topics/events", v2JSON, `{"records":[{"value":1}]}`, 200, placed([2]int{0, 0}))
		d.cluster.Stop()
		time.Sleep(time.Second)
		const away = `{"partition":null,"offset":null,"error_code":50003,"error":"cannot deliver to events: Kafka did not answer within 10s`
		d.v2("/topics/events", v2JSON, `{"records":[{"value":1},{"value":2}]}`, 200,
			`{"offsets":[`+away+`; the message was withdrawn and will not be sent"},`+away+`; the message was withdrawn and will not be sent"}],"key_schema_id":null,"value_schema_id":null}`)
		d.v2("/topics/other", v2JSON, `{"records":[{"value":1},{"value":2}]}`, 200, strings.ReplaceAll( // a topic that nothing is known of yet
			`{"offsets":[`+away+`"},`+away+`"}],"key_schema_id":null,"value_schema_id":null}`, "events", "other"))
		if err := d.cluster.Restart(); err != nil {
			t.Fatal(err)
		}
		d.cluster.Inject(ekaftest.Fault{Lose: ekaftest.LoseAnswer, Times: 1})
		d.v2("/topics/events", v2JSON, `{"records":[{"value":3}]}`, 200,
			`{"offsets":[`+away+`; it may be in Kafka all the same"}],"key_schema_id":null,"value_schema_id":null}`)
	})
}

func TestRestV2Limits(t *testing.T) {
	d := open(t, behind{gateway: []gateway.Option{gateway.MaxBody(2_000_000)}})
	d.v2("/topics/events", v2JSON, strings.Repeat(" ", 2_000_001), 413, `{"error_code":413,"message":"the body is larger than 2000000 bytes"}`)
	d.v2("/topics/events", v2JSON, `{"records":[`+strings.Repeat(`{"value":1},`, 100_000)+`{"value":1}]}`, 413, `{"error_code":413,"message":"a request has at most 100000 messages"}`)
	d = open(t, behind{gateway: []gateway.Option{gateway.MaxBody(100_000), gateway.BodyMemory(200_000)}})
	d.v2("/topics/events", v2JSON, `{"records":[{"value":"`+strings.Repeat("x", 90_000)+`"}]}`, 503, `{"error_code":503,"message":"too many large requests at once: try again later"}`)
	d.v2("/topics/events", v2JSON, `{"records":[{"value":1}]}`, 200, placed([2]int{0, 0}))
}

func TestRestV2Repeats(t *testing.T) {
	d := open(t, behind{})
	for range 2 {
		d.want(d.ask("POST /topics/events", `{"records":[{"value":1}]}`, "Content-Type", v2JSON, "Idempotency-Key", "k"), 200, placed([2]int{0, 0}))
	}
	d.v2("/topics/events", v2JSON, `{"records":[{"value":2}]}`, 200, placed([2]int{0, 1}))
}

func TestRestGuard(t *testing.T) {
	refusing := 401
	d := open(t, behind{gateway: []gateway.Option{gateway.Guard(func(a *gateway.Access) error {
		if a.Topic != "events" {
			t.Errorf("the topic of %s is %q", a.Route, a.Topic)
		}
		return &gateway.StatusError{Status: refusing, Message: "no"}
	})}})
	for _, c := range []struct{ status, code int }{{401, 40101}, {403, 40301}, {429, 429}} {
		refusing = c.status
		want := fmt.Sprintf(`{"error_code":%d,"message":"no"}`, c.code)
		d.v2("/topics/events", v2JSON, `{"records":[{"value":1}]}`, c.status, want)
		d.want(d.ask("GET /topics/events/partitions/0", ""), c.status, want)
		d.want(d.ask("POST /v3/clusters/x/topics/events/records", `{}`, "Content-Type", "application/json"), c.status, want)
		d.want(d.ask("POST /v3/clusters/x/topics/events/records:batch", `{}`, "Content-Type", "application/json"), c.status, want)
	}
}

func TestRestV2Topics(t *testing.T) {
	d := open(t, behind{})
	const partition = `{"partition":%d,"leader":0,"replicas":[{"broker":0,"leader":true,"in_sync":true}]}`
	one := fmt.Sprintf(partition, 0)
	d.want(d.ask("GET /topics", ""), 200, `["events","many"]`)
	d.want(d.ask("GET /topics/events", ""), 200, `{"name":"events","configs":{},"partitions":[`+one+`]}`)
	d.want(d.ask("GET /topics/events/partitions", ""), 200, `[`+one+`]`)
	d.want(d.ask("GET /topics/many/partitions/3", ""), 200, fmt.Sprintf(partition, 3))
	d.want(d.ask("GET /topics/many/partitions/4", ""), 404, `{"error_code":40402,"message":"Partition not found."}`)
	d.want(d.ask("GET /topics/many/partitions/x", ""), 404, `{"error_code":404,"message":"HTTP 404 Not Found"}`)
	for _, path := range []string{"/topics/none", "/topics/none/partitions", "/topics/none/partitions/0"} {
		w := d.ask("GET "+path, "")
		d.want(w, 404, `{"error_code":40401,"message":"Topic not found."}`)
		if got := w.Header().Get("Content-Type"); got != v2Answer {
			t.Errorf("answered with the type %q", got)
		}
	}
}

// TestRestV1: the media types of clients that know version 1 alone, whose records
// are binary where they say nothing else.
func TestRestV1(t *testing.T) {
	d := open(t, behind{})
	for i, c := range []struct{ kind, body, want string }{
		{"application/vnd.kafka.v1+json", `{"records":[{"value":"aGk=","key":null,"partition":null}]}`, "hi"},
		{"application/vnd.kafka.binary.v1+json", `{"records":[{"value":"aGk="}]}`, "hi"},
		{"application/vnd.kafka.json.v1+json", `{"records":[{"value":{"n":1}}]}`, `{"n":1}`},
	} {
		w := d.ask("POST /topics/events", c.body, "Content-Type", c.kind)
		d.want(w, 200, placed([2]int{0, i}))
		if kind := w.Header().Get("Content-Type"); kind != "application/vnd.kafka.v1+json" {
			t.Errorf("%s is answered as %s", c.kind, kind)
		}
		if got := string(d.consumed("events", i+1)[i].Value); got != c.want {
			t.Errorf("%s: a consumer sees %q", c.kind, got)
		}
	}
	w := d.ask("POST /topics/events", `{"records":[{"value":1}]}`, "Content-Type", "application/vnd.kafka.avro.v1+json")
	if w.Code != 422 || w.Header().Get("Content-Type") != "application/vnd.kafka.v1+json" {
		t.Errorf("Avro is answered with %d as %s", w.Code, w.Header().Get("Content-Type"))
	}
}
