package gateway_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/ekaf-go/ekaf/gateway"
)

func TestRawAcks(t *testing.T) {
	d := open(t, behind{})
	binary := "\x00\xff{not json\r\n\n"
	d.want(d.ask("POST /v1/topics/events", binary), 202, `{"accepted":1}`)
	d.want(d.ask("POST /v1/topics/events?ack=buffered", "two"), 202, `{"accepted":1}`)
	d.consumed("events", 2)
	w := d.ask("POST /v1/topics/events?ack=kafka&timestamp=1700000000123", "three")
	d.want(w, 200, `{"topic":"events","partition":0,"offset":2,"timestamp":1700000000123}`)
	if got := values(d.consumed("events", 3)); !slices.Equal(got, []string{binary, "two", "three"}) {
		t.Errorf("a consumer sees %q", got)
	}
	d.want(d.ask("POST /v1/topics/events?ack=durable", "x"), 501,
		`{"error":"ack=durable needs a spool on disk, and this gateway has none; use ack=kafka"}`)
	d.want(d.ask("POST /v1/topics/events?ack=kafka&ack=buffered", "x"), 422, `{"error":"?ack= is given 2 times: give it once"}`)
	d.want(d.ask("POST /v1/topics/events?timeout=1s&timeout=2s", "x"), 422, `{"error":"?timeout= is given 2 times: give it once"}`)
	d.want(d.ask("POST /v1/topics/events?ack=maybe", "x"), 422, `{"error":"ack is buffered, durable, kafka, not \"maybe\""}`)
	d.want(d.ask("POST /v1/topics/events?timeout=soon", "x"), 422, `{"error":"timeout is a time such as 500ms or 5s, not \"soon\""}`)
	d.want(d.ask("POST /v1/topics/events?a=%zz", "x"), 422, `{"error":"the query cannot be read: invalid URL escape \"%zz\""}`)
}

func TestDefaultAck(t *testing.T) {
	d := open(t, behind{gateway: []gateway.Option{gateway.DefaultAck(gateway.Kafka)}})
	d.want(d.ask("POST /v1/topics/events?timestamp=1", "x"), 200, `{"topic":"events","partition":0,"offset":0,"timestamp":1}`)
	d = open(t, behind{gateway: []gateway.Option{gateway.DefaultAck(gateway.Durable)}})
	if w := d.ask("POST /v1/topics/events", "x"); w.Code != 501 {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
}

// TestRawFields: what the headers and the query say of a message arrives.
func TestRawFields(t *testing.T) {
	for _, c := range []struct {
		query  string
		header []string
		want   ekaftest.Message
	}{
		{"", []string{"X-Kafka-Key", "k", "X-Kafka-Partition", "3", "X-Kafka-Timestamp", "2026-01-31T12:00:00Z"},
			ekaftest.Message{Key: []byte("k"), Partition: 3, Timestamp: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)}},
		{"?key=a+b&partition=2&timestamp=5", nil, ekaftest.Message{Key: []byte("a b"), Partition: 2, Timestamp: time.UnixMilli(5)}},
		{"?partition=0&key_base64=AP-_", nil, ekaftest.Message{Key: []byte{0, 255, 191}}},
		{"?partition=1", []string{"X-Kafka-Key-Base64", "AP+/AA=="}, ekaftest.Message{Key: []byte{0, 255, 191, 0}, Partition: 1}},
		{"?partition=1&key=", nil, ekaftest.Message{Key: []byte{}, Partition: 1}},
		{"?partition=1", []string{"X-Kafka-Header-Trace-Id", "1", "x-kafka-header-a", "2", "X-Kafka-Header-A", "3", "X-Kafka-Header-Base64-Bin", "AAE="},
			ekaftest.Message{Partition: 1, Headers: []ekaftest.Header{{Key: "a", Value: []byte("2")}, {Key: "a", Value: []byte("3")}, {Key: "bin", Value: []byte{0, 1}}, {Key: "trace-id", Value: []byte("1")}}}},
	} {
		d := open(t, behind{})
		if w := d.ask("POST /v1/topics/many"+c.query, "value", c.header...); w.Code != 202 {
			t.Errorf("%s %q answered %d %s", c.query, c.header, w.Code, w.Body)
			continue
		}
		got := d.consumed("many", 1)[0]
		same := bytes.Equal(got.Key, c.want.Key) && (got.Key == nil) == (c.want.Key == nil) && got.Partition == c.want.Partition &&
			string(got.Value) == "value" && fmt.Sprint(got.Headers) == fmt.Sprint(c.want.Headers)
		if !same || !c.want.Timestamp.IsZero() && !got.Timestamp.Equal(c.want.Timestamp) {
			t.Errorf("%s %q: a consumer sees %+v", c.query, c.header, got)
		}
	}
}

func TestRawFieldsThatAreMalformed(t *testing.T) {
	d := open(t, behind{})
	for _, c := range []struct{ query, name, value, want string }{
		{"?key=a", "X-Kafka-Key", "b", "X-Kafka-Key and ?key= are given 2 times together"},
		{"?key=a", "X-Kafka-Key-Base64", "YQ==", "the key is given twice"},
		{"?key_base64=!", "X", "", "is not base64"},
		{"", "X-Kafka-Partition", "-1", "is a number from 0"},
		{"?partition=4294967296", "X", "", "is a number from 0"},
		{"?timestamp=yesterday", "X", "", "RFC 3339"},
		{"?timestamp=0", "X", "", "RFC 3339"},
		{"", "X-Kafka-Header-", "x", "needs a name"},
		{"", "X-Kafka-Header-Base64-A", "x", "is not base64"},
		{"", "X-Kafka-Tombstone", "true", "with an empty body"},
		{"", "X-Kafka-Tombstone", "perhaps", "true or false"},
	} {
		w := d.ask("POST /v1/topics/events"+c.query, "v", c.name, c.value)
		if w.Code != 422 || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s: %q answered %d %s", c.query, c.name, c.value, w.Code, w.Body)
		}
	}
	if messages, err := d.cluster.Consume("events"); err != nil || len(messages) > 0 {
		t.Errorf("a consumer sees %v (%v)", messages, err)
	}
}

// TestEmptyAndNull: an empty body is an empty value, and a tombstone is asked for.
func TestEmptyAndNull(t *testing.T) {
	d := open(t, behind{})
	d.want(d.ask("POST /v1/topics/events?key=k", ""), 202, `{"accepted":1}`)
	d.want(d.ask("POST /v1/topics/events?key=k", "", "X-Kafka-Tombstone", "true"), 202, `{"accepted":1}`)
	got := d.consumed("events", 2)
	if got[0].Value == nil || len(got[0].Value) != 0 || got[1].Value != nil {
		t.Errorf("a consumer sees %+v", got)
	}
}

func TestLines(t *testing.T) {
	d := open(t, behind{})
	body := "{\"n\":1}\n\n{\"n\":2}\r\nplain\n"
	d.want(d.ask("POST /v1/topics/events?ack=kafka&key=k", body, "Content-Type", "application/x-ndjson; charset=utf-8"), 200,
		`{"acked":3,"lines":[{"line":1,"partition":0,"offset":0},{"line":3,"partition":0,"offset":1},{"line":4,"partition":0,"offset":2}]}`)
	d.want(d.ask("POST /v1/topics/events", body, "Content-Type", "application/jsonl"), 202, `{"accepted":3}`)
	messages := d.consumed("events", 6)
	if got := values(messages[:3]); !slices.Equal(got, []string{`{"n":1}`, `{"n":2}`, "plain"}) || string(messages[2].Key) != "k" {
		t.Errorf("a consumer sees %q", got)
	}
	d.want(d.ask("POST /v1/topics/events", "\n\r\n", "Content-Type", "application/x-ndjson"), 422,
		`{"error":"the body has no line that is not empty"}`)
}

// TestLinesInPart: each line that fails is named, and no 2xx covers it.
func TestLinesInPart(t *testing.T) {
	d := open(t, behind{producer: []ekaf.Option{ekaf.BatchBytes(1000)}})
	body := "one\n" + strings.Repeat("x", 2000) + "\n\nthree\n"
	const why = "cannot deliver to events: the message is too large"
	d.want(d.ask("POST /v1/topics/events", body, "Content-Type", "application/x-ndjson"), 413,
		`{"error":"1 of 3 messages failed, the first with: `+why+`","accepted":2,"lines":[{"line":2,"status":413,"error":"`+why+`","maybe_written":false}]}`)
	d.consumed("events", 2)
	d.want(d.ask("POST /v1/topics/events?ack=kafka", body, "Content-Type", "application/x-ndjson"), 413,
		`{"error":"1 of 3 messages failed, the first with: `+why+`","acked":2,"lines":[{"line":1,"partition":0,"offset":2},{"line":2,"status":413,"error":"`+why+`","maybe_written":false},{"line":4,"partition":0,"offset":3}]}`)
	if got := values(d.consumed("events", 4)); !slices.Equal(got, []string{"one", "three", "one", "three"}) {
		t.Errorf("a consumer sees %q", got)
	}
	// A single line is a single message, and answered as one.
	d.want(d.ask("POST /v1/topics/events", strings.Repeat("x", 2000), "Content-Type", "application/x-ndjson"), 413,
		`{"error":"`+why+`","maybe_written":false}`)
}

func TestCompressedBodies(t *testing.T) {
	d := open(t, behind{gateway: []gateway.Option{gateway.MaxBody(100_000)}})
	plain := []byte(strings.Repeat("hello, world ", 1000))
	zipped := new(bytes.Buffer)
	z := gzip.NewWriter(zipped)
	_, _ = z.Write(plain)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer enc.Close()
	small := enc.EncodeAll(plain, nil)
	bomb := enc.EncodeAll(make([]byte, 50<<20), nil)
	for range 3 { // decoders are used again
		for _, c := range []struct{ encoding, body string }{
			{"gzip", zipped.String()}, {"zstd", string(small)}, {"identity", string(plain)}, {"GZIP", zipped.String()},
		} {
			d.want(d.ask("POST /v1/topics/events", c.body, "Content-Encoding", c.encoding), 202, `{"accepted":1}`)
		}
		d.want(d.ask("POST /async/events", zipped.String()[:50], "Content-Encoding", "gzip"), 422, `{"error":"the body is not gzip: unexpected EOF"}`)
		d.want(d.ask("POST /async/events", "hello, world", "Content-Encoding", "gzip"), 422, `{"error":"the body is not gzip: gzip: invalid header"}`)
		if w := d.ask("POST /async/events", string(small[:len(small)-3]), "Content-Encoding", "zstd"); w.Code != 422 {
			t.Errorf("a cut frame answered %d %s", w.Code, w.Body)
		}
		d.want(d.ask("POST /async/events", string(bomb), "Content-Encoding", "zstd"), 413, `{"error":"the body is larger than 100000 bytes"}`)
	}
	for _, m := range d.consumed("events", 12) {
		if !bytes.Equal(m.Value, plain) {
			t.Fatalf("a consumer sees %d bytes", len(m.Value))
		}
	}
	for _, lines := range [][]string{{"identity", "gzip"}, {"gzip", "identity"}, {"identity, gzip"}} {
		r := request("POST /sync/many", zipped.String())
		r.Header["Content-Encoding"] = lines
		w := httptest.NewRecorder()
		if d.ServeHTTP(w, r); w.Code != 200 {
			t.Errorf("%q answered %d %s", lines, w.Code, w.Body)
		}
	}
	for _, m := range d.consumed("many", 3) {
		if !bytes.Equal(m.Value, plain) {
			t.Errorf("a consumer sees %d bytes", len(m.Value))
		}
	}
	for _, encoding := range []string{"br", "gzip, gzip", "deflate"} {
		w := d.ask("POST /async/events", "x", "Content-Encoding", encoding)
		if w.Code != 415 || w.Header().Get("Accept-Encoding") != "gzip, zstd, identity" {
			t.Errorf("%s answered %d %s", encoding, w.Code, w.Body)
		}
	}
}

func TestMetadataRoutes(t *testing.T) {
	d := open(t, behind{})
	w := d.ask("GET /v1/topics", "")
	var list struct {
		Cluster string
		Topics  []struct {
			Topic      string
			Partitions int
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != 200 || list.Cluster == "" || fmt.Sprint(list.Topics) != "[{events 1} {many 4}]" {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	w = d.ask("GET /v1/topics/many", "")
	if w.Code != 200 || !strings.Contains(w.Body.String(), `{"partition":3,"leader":0,"replicas":[0],"in_sync":[0]}]}`) {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	d.want(d.ask("GET /v1/topics/none", ""), 404, `{"error":"the topic does not exist: UNKNOWN_TOPIC_OR_PARTITION: This server does not host this topic-partition."}`)
	if w := d.ask("GET /v1/topics/n%20ne", ""); w.Code != 422 {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
}
