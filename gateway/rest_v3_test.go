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

const v3Records = "/v3/clusters/c/topics/events/records"

// v3 posts as a client of the REST Proxy's v3 does.
func (d *door) v3(path, body string, status int, want ...string) {
	d.t.Helper()
	w := d.ask("POST "+path, body, "Content-Type", "application/json")
	d.want(w, status, strings.Join(want, ""))
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		d.t.Errorf("answered with the type %q", got)
	}
}

// v3Acked is the answer for a record whose timestamp was given.
func v3Acked(partition, offset int, sizes string) string {
	return fmt.Sprintf(`{"error_code":200,"cluster_id":"c","topic_name":"events","partition_id":%d,"offset":%d,"timestamp":"2026-01-31T12:00:00Z"%s}`+"\r\n", partition, offset, sizes)
}

func v3Failed(code int, message string) string {
	return fmt.Sprintf(`{"error_code":%d,"message":"%s"}`+"\r\n", code, message)
}

const at = `"timestamp":"2026-01-31T13:00:00+01:00"`

func TestRestV3Records(t *testing.T) {
	d := open(t, behind{})
	d.v3(v3Records, `{"key":{"type":"BINARY","data":"AP8="},"value":{"type":"JSON","data":{"a" : [1]}},"headers":[{"name":"b","value":"AQI="},{"name":"a","value":null},{"name":"b","value":""}],`+at+`}`,
		200, v3Acked(0, 0, `,"key":{"type":"BINARY","size":2},"value":{"type":"JSON","size":9}`))
	d.v3(v3Records, ` {"partition_id":0,"key":{"type":"STRING","data":"kä"},`+at+"}\n\n{\"value\":{\"type\":\"STRING\",\"data\":\"}\\\"{\"},"+at+`}{`+at+`,"key":null,"value":{"type":"BINARY","data":null},"headers":null} `,
		200, v3Acked(0, 1, `,"key":{"type":"STRING","size":3}`), v3Acked(0, 2, `,"value":{"type":"STRING","size":3}`), v3Acked(0, 3, `,"value":{"type":"BINARY","size":-1}`))
	got := d.consumed("events", 4)
	if m := got[0]; string(m.Key) != "\x00\xff" || string(m.Value) != `{"a":[1]}` || fmt.Sprint(m.Headers) != fmt.Sprint([]ekaftest.Header{{Key: "b", Value: []byte{1, 2}}, {Key: "a"}, {Key: "b", Value: []byte{}}}) ||
		!m.Timestamp.Equal(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)) {
		t.Errorf("a consumer sees %+v", m)
	}
	if string(got[1].Key) != "kä" || got[1].Value != nil || string(got[2].Value) != `}"{` || got[3].Key != nil || got[3].Value != nil {
		t.Errorf("a consumer sees %+v", got)
	}
	d.v3(strings.Replace(v3Records, "events", "many", 1), `{"partition_id":2,"timestamp":"2026-01-31T12:00:00.120Z"}`, 200,
		`{"error_code":200,"cluster_id":"c","topic_name":"many","partition_id":2,"offset":0,"timestamp":"2026-01-31T12:00:00.120Z"}`+"\r\n")
}

// TestRestV3Faults: a record that cannot be taken has its fault as its answer,
// and those around it are produced.
func TestRestV3Faults(t *testing.T) {
	d := open(t, behind{producer: []ekaf.Option{ekaf.BatchBytes(2000)}})
	for _, c := range []struct {
		record, message string
		code            int
	}{
		{`{"value":{"type":"AVRO","schema":"\"int\"","data":1}}`, "Error: 42206 : Payload error. AVRO needs a schema registry, and this gateway has none: use BINARY, JSON or STRING", 422},
		{`{"value":{"type":"JSONSCHEMA","data":1}}`, "Error: 42206 : Payload error. JSONSCHEMA needs a schema registry, and this gateway has none: use BINARY, JSON or STRING", 422},
		{`{"key":{"type":"PROTOBUF","data":1}}`, "Error: 42206 : Payload error. PROTOBUF needs a schema registry, and this gateway has none: use BINARY, JSON or STRING", 422},
		{`{"key":{"schema_id":1,"data":1}}`, "Error: 42206 : Payload error. data without a type needs a schema registry, and this gateway has none: use BINARY, JSON or STRING", 422},
		{`{"value":{"type":"JSON","schema_id":1,"data":1}}`, "Bad Request: 'type=JSON' cannot be used with a schema or a subject.", 400},
		{`{"value":{"type":"json","data":1}}`, `Bad Request: type is BINARY, JSON or STRING, not \"json\"`, 400},
		{`{"value":{"type":"JSON"}}`, "Bad Request: a key or a value needs data, which may be null", 400},
		{`{"value":{"type":"STRING","data":1}}`, "Bad Request: data=1 is not a string.", 400},
		{`{"value":{"type":"BINARY","data":"%"}}`, `Bad Request: data=\"%\" is not a valid base64 string.`, 400},
		{`{"records":[]}`, "Unrecognized field: records", 400},
		{`{"id":"1"}`, "Unrecognized field: id", 400},
		{`{"headers":[{"value":"AA=="}]}`, "Bad Request: a header needs a name", 400},
		{`{"headers":[{"name":"a","value":"%"}]}`, `Bad Request: data=\"%\" is not a valid base64 string.`, 400},
		{`{"headers":{}}`, "headers: not a JSON array, at line 1, column 1 (byte 0)", 400},
		{`{"headers":[` + strings.Repeat(`{"name":"a"},`, 1000) + `{"name":"a"}]}`, "Bad Request: a record has at most 1000 headers", 400},
		{`{"timestamp":"yesterday"}`, "Bad Request: timestamp is a time such as 2026-01-31T12:00:00Z", 400},
		{`{"partition_id":-1}`, "Partition not found.", 40402},
		{`{"partition_id":7}`, "Partition not found.", 40402},
		{`{"partition_id":"7"}`, "Partition not found.", 40402},
		{`{"partition_id":"one"}`, "partition_id cannot be a JSON string", 400},
		{`{"Value":{"type":"STRING","data":"x"}}`, "Unrecognized field: Value", 400},
		{`{"value":{"type":"STRING","Data":"x"}}`, "Unrecognized field: Data", 400},
		{`{"headers":[{"Name":"a"}]}`, "Unrecognized field: Name", 400},
		{`{"value":{"type":"STRING","data":"a\ud800b"}}`, `Bad Request: data=\"a\\ud800b\" holds half of a character (a lone surrogate).`, 400},
		{`{"headers":[{"name":"\udc00"}]}`, "Bad Request: a header holds half of a character (a lone surrogate)", 400},
		{`{"value":{"type":"STRING","data":"` + strings.Repeat("x", 3000) + `"}}`, "cannot deliver to events: the message is too large", 413},
		{`{"value":[}}`, "not JSON: invalid character '}' looking for beginning of value, at byte 11", 400},
	} {
		before := len(d.consumed("events", 0))
		d.v3(v3Records, "{"+at+"}"+c.record+"{"+at+"}", 200, v3Acked(0, before, ""), v3Failed(c.code, c.message), v3Acked(0, before+1, ""))
	}
	d.v3(strings.Replace(v3Records, "events", "nothing", 1), "{}{}", 200, v3Failed(40401, "Topic not found."), v3Failed(40401, "Topic not found."))
}

// TestRestV3StreamsThatEnd: what is no stream of records ends it, and what came
// before is produced.
func TestRestV3StreamsThatEnd(t *testing.T) {
	d := open(t, behind{gateway: []gateway.Option{gateway.MaxBody(1000)}})
	const bad = "Bad Request: Error processing message: "
	for i, c := range []struct{ rest, message string }{
		{`[{}]`, bad + "not JSON: records are objects, one after another, with nothing but space between them"},
		{`,{}`, bad + "not JSON: records are objects, one after another, with nothing but space between them"},
		{`{"value":`, bad + "the body ended in the midst of a record, which was not produced"},
		{`{"value":{"type":"STRING","data":"` + strings.Repeat("x", 1000) + `"}}`, bad + "the record is larger than 1000 bytes"},
		{`{` + strings.Repeat(" ", 10_000), bad + "the record is larger than 1000 bytes"},
	} {
		d.v3(v3Records, "{"+at+"}"+c.rest, 200, v3Acked(0, i, ""), v3Failed(400, c.message))
	}
	d.v3(v3Records, "", 422, `{"error_code":422,"message":"Error: 42206 : Payload error. Request body is empty. Data is required."}`)
	d.v3(v3Records, " \n", 422, `{"error_code":422,"message":"Error: 42206 : Payload error. Request body is empty. Data is required."}`)
	d.want(d.ask("POST "+v3Records, "{}"), 415, `{"error_code":415,"message":"HTTP 415 Unsupported Media Type: send application/json"}`)
	d.want(d.ask("GET "+v3Records, ""), 405, `{"error_code":405,"message":"GET is not served here; OPTIONS, POST are"}`)
	d.v3(v3Records, strings.Repeat("{"+at+"}", 100), 200, func() (all []string) {
		for i := range 100 {
			all = append(all, v3Acked(0, 5+i, ""))
		}
		return all
	}()...)
}

func TestRestV3Batch(t *testing.T) {
	d := open(t, behind{})
	const path = "/v3/clusters/c/topics/events/records:batch"
	const acked = `{"id":"%s","cluster_id":"c","topic_name":"events","partition_id":0,"offset":%d,"timestamp":"2026-01-31T12:00:00Z"%s}`
	d.v3(path, `{"entries":[{"id":"a-1","value":{"type":"STRING","data":"x"},`+at+`},{"id":"b","value":{"type":"AVRO","data":1}},{"id":"c_","partition_id":5},{"id":"D",`+at+`}]}`, 207,
		`{"successes":[`, fmt.Sprintf(acked, "a-1", 0, `,"value":{"type":"STRING","size":1}`), `,`, fmt.Sprintf(acked, "D", 1, ``),
		`],"failures":[{"id":"b","error_code":422,"message":"Error: 42206 : Payload error. AVRO needs a schema registry, and this gateway has none: use BINARY, JSON or STRING"},`,
		`{"id":"c_","error_code":40402,"message":"Partition not found."}]}`)
	bad := func(body, message string) {
		t.Helper()
		d.v3(path, body, 422, `{"error_code":422,"message":"`+message+`"}`)
	}
	bad(``, "Error: 42208 : Request body is empty. Data is required.")
	bad(`{}`, "Error: 42208 : Empty batch.")
	bad(`{"entries":[]}`, "Error: 42208 : Empty batch.")
	bad(`{"entries":[{"id":"1"},{"id":"1"}]}`, "Error: 42208 : Batch entry IDs are not distinct.")
	for _, entry := range []string{`{}`, `{"id":1}`, `{"id":""}`, `{"id":"a b"}`, `{"id":null}`, `{"id":"` + strings.Repeat("a", 81) + `"}`} {
		bad(`{"entries":[`+entry+`]}`, "Error: 42208 : Batch entry identifier is not a valid string.")
	}
	var eleven []string
	for i := range 11 {
		eleven = append(eleven, fmt.Sprintf(`{"id":"%d"}`, i))
	}
	bad(`{"entries":[`+strings.Join(eleven, ",")+`]}`, "Error: 42208 : Too many entries in batch.")
	bad(`{"records":[]}`, "Unrecognized field: records")
	d.v3(path, `{"entries":1}`, 400, `{"error_code":400,"message":"entries: not a JSON array, at line 1, column 1 (byte 0)"}`)
	d.v3(path, `{"entries":[`, 400, `{"error_code":400,"message":"not JSON: the body ends in the midst of a value, at byte 12"}`)
	d.want(d.ask("POST "+path, "{}"), 415, `{"error_code":415,"message":"HTTP 415 Unsupported Media Type: send application/json"}`)
	if got := d.consumed("events", 2); len(got) != 2 {
		t.Errorf("a consumer sees %v", got)
	}
}

// TestRestV3BatchRepeats: a batch of which nothing was produced may be tried again
// under its Idempotency-Key; one that was is answered as before.
func TestRestV3BatchRepeats(t *testing.T) {
	bubble(t, behind{}, func(t *testing.T, d *door) {
		ask := func() string {
			w := d.ask("POST /v3/clusters/c/topics/events/records:batch", `{"entries":[{"id":"1","timestamp":"2000-01-01T00:00:00Z"}]}`, "Content-Type", "application/json", "Idempotency-Key", "k")
			return fmt.Sprint(w.Code, " ", w.Body)
		}
		d.cluster.Stop()
		if got, want := ask(), `207 {"successes":[],"failures":[{"id":"1","error_code":50003,"message":`; !strings.HasPrefix(got, want) {
			t.Errorf("answered %s, want %s", got, want)
		}
		if err := d.cluster.Restart(); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			want := `207 {"successes":[{"id":"1","cluster_id":"c","topic_name":"events","partition_id":0,"offset":0,"timestamp":"2000-01-01T00:00:00Z"}],"failures":[]}`
			if got := ask(); got != want {
				t.Errorf("answered %s, want %s", got, want)
			}
		}
	})
}

func TestRestV3Clusters(t *testing.T) {
	d := open(t, behind{})
	m, err := d.producer.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := "http://example.com/v3/clusters/" + m.ClusterID
	fill := strings.NewReplacer("AT", at, "ID", m.ClusterID).Replace
	cluster := fill(`{"kind":"KafkaCluster","metadata":{"self":"AT","resource_name":"crn:///kafka=ID"},"cluster_id":"ID","controller":{"related":"AT/brokers/0"},` +
		`"acls":{"related":"AT/acls"},"brokers":{"related":"AT/brokers"},"broker_configs":{"related":"AT/broker-configs"},"consumer_groups":{"related":"AT/consumer-groups"},` +
		`"topics":{"related":"AT/topics"},"partition_reassignments":{"related":"AT/topics/-/partitions/-/reassignment"}}`)
	topic := func(name string, partitions int) string {
		return fill(fmt.Sprintf(`{"kind":"KafkaTopic","metadata":{"self":"AT/topics/%[1]s","resource_name":"crn:///kafka=ID/topic=%[1]s"},"cluster_id":"ID","topic_name":"%[1]s",`+
			`"is_internal":false,"replication_factor":1,"partitions_count":%[2]d,"partitions":{"related":"AT/topics/%[1]s/partitions"},"configs":{"related":"AT/topics/%[1]s/configs"},`+
			`"partition_reassignments":{"related":"AT/topics/%[1]s/partitions/-/reassignment"},"authorized_operations":[]}`, name, partitions))
	}
	id := "/v3/clusters/" + m.ClusterID
	d.want(d.ask("GET /v3/clusters", ""), 200, `{"kind":"KafkaClusterList","metadata":{"self":"http://example.com/v3/clusters","next":null},"data":[`+cluster+`]}`)
	d.want(d.ask("GET "+id, ""), 200, cluster)
	d.want(d.ask("GET "+id+"/topics", ""), 200, fill(`{"kind":"KafkaTopicList","metadata":{"self":"AT/topics","next":null},"data":[`)+topic("events", 1)+","+topic("many", 4)+`]}`)
	d.want(d.ask("GET "+id+"/topics/many", ""), 200, topic("many", 4))
	d.want(d.ask("GET "+id+"/topics/none", ""), 404, `{"error_code":40401,"message":"Topic not found."}`)
	for _, path := range []string{"", "/topics", "/topics/many"} {
		d.want(d.ask("GET /v3/clusters/other"+path, ""), 404, `{"error_code":404,"message":"HTTP 404 Not Found"}`)
	}
}
