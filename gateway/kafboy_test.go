package gateway_test

import (
	"slices"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
)

func TestKafboyAnswers(t *testing.T) {
	d := open(t, behind{})
	d.want(d.ask("POST /async/events", `{"a":1}`), 200, `{"ok":1}`)
	d.consumed("events", 1)
	d.want(d.ask("POST /sync/events", `{"a": 2}`), 200, `[{"ok":true,"partition":0,"offset":1}]`)
	d.want(d.ask("POST /batch/async/events", `{"a":3}`), 200, `{"ok":1}`)
	d.consumed("events", 3)
	d.want(d.ask("POST /batch/sync/events", `{"a":4}`), 200, `[{"ok":true,"partition":0,"worker":0,"buffered":1}]`)
	if got := values(d.consumed("events", 4)); !slices.Equal(got, []string{`{"a":1}`, `{"a": 2}`, `{"a":3}`, `{"a":4}`}) {
		t.Errorf("a consumer sees %q", got)
	}
	d.want(d.ask("POST /async/events", ""), 400, `{"error":"ekaf.insufficient"}`)
	d.want(d.ask("GET /async/events", ""), 400, `{"error":"POST exp"}`)
	d.want(d.ask("PUT /safe/batch/sync/events", "x"), 400, `{"error":"POST exp"}`)
}

func TestKafboySafeAnswersTheSame(t *testing.T) {
	d := open(t, behind{})
	d.want(d.ask("POST /safe/async/events", "a"), 200, `{"ok":1}`)
	d.consumed("events", 1)
	d.want(d.ask("POST /safe/sync/events", "b"), 200, `[{"ok":true,"partition":0,"offset":1}]`)
	d.want(d.ask("POST /safe/batch/async/events", "c"), 200, `{"ok":1}`)
	d.consumed("events", 3)
	d.want(d.ask("POST /safe/batch/sync/events", "d"), 200, `[{"ok":true,"partition":0,"worker":0,"buffered":1}]`)
	d.consumed("events", 4)
}

// TestKafboyBodies: a form becomes one JSON object; everything else arrives as it is.
func TestKafboyBodies(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct{ kind, body, want string }{
		{form, "hello=a", `{"hello":"a"}`},
		{form + "; charset=utf-8", "b=1&a=%7B&b=2&flag", `{"b":["1","2"],"a":"{","flag":true}`},
		{form, ` {"curl": "-d"} `, ` {"curl": "-d"} `},
		{"application/json", ` {"a" : 1} `, ` {"a" : 1} `},
		{"application/json", `{not json`, `{not json`},
		{"application/json", `[1,2]`, `[1,2]`},
		{"application/x-ndjson", "1\n2\n", "1\n2\n"},
		{"", "\x00\x01\xff", "\x00\x01\xff"},
		{"image/png", "\x89PNG\r\n", "\x89PNG\r\n"},
	} {
		d := open(t, behind{})
		d.want(d.ask("POST /sync/events", c.body, "Content-Type", c.kind), 200, `[{"ok":true,"partition":0,"offset":0}]`)
		if got := values(d.consumed("events", 1)); !slices.Equal(got, []string{c.want}) {
			t.Errorf("%s %q: a consumer sees %q, want %q", c.kind, c.body, got, c.want)
		}
	}
}

func TestKafboyBatchBodies(t *testing.T) {
	for _, c := range []struct {
		kind, body string
		want       []string
	}{
		{"application/json", ` [{"a": 1}, "two",3 ] `, []string{`{"a": 1}`, `"two"`, "3"}},
		{"application/json", `{"a": 1}`, []string{`{"a": 1}`}},
		{"application/x-ndjson", "one\ntwo\n", []string{"one", "two"}},
		{"text/plain", "one\ntwo\n", []string{"one\ntwo\n"}},
		{"application/x-www-form-urlencoded", "a=1", []string{`{"a":"1"}`}},
	} {
		for _, path := range []string{"/batch/async/events", "/batch/sync/events"} {
			d := open(t, behind{})
			if w := d.ask("POST "+path, c.body, "Content-Type", c.kind); w.Code != 200 {
				t.Errorf("%s %s answered %d %s", path, c.body, w.Code, w.Body)
			}
			if got := values(d.consumed("events", len(c.want))); !slices.Equal(got, c.want) {
				t.Errorf("%s %q: a consumer sees %q, want %q", c.kind, c.body, got, c.want)
			}
		}
	}
}

// TestBatchSyncNamesEachWorker: messages of one call without a key stay together.
func TestBatchSyncNamesEachWorker(t *testing.T) {
	d := open(t, behind{producer: []ekaf.Option{ekaf.Strategy(ekaf.StrictRoundRobin()), ekaf.Linger(time.Hour)}})
	for i, want := range []string{
		`[{"ok":true,"partition":0,"worker":0,"buffered":2}]`, `[{"ok":true,"partition":1,"worker":0,"buffered":2}]`,
		`[{"ok":true,"partition":2,"worker":0,"buffered":2}]`, `[{"ok":true,"partition":3,"worker":0,"buffered":2}]`,
		`[{"ok":true,"partition":0,"worker":0,"buffered":4}]`,
	} {
		w := d.ask("POST /batch/sync/many", "[1,2]", "Content-Type", "application/json")
		if w.Body.String() != want {
			t.Errorf("call %d answered %s, want %s", i, w.Body, want)
		}
	}
}

func TestMalformedBodiesSayWhere(t *testing.T) {
	d := open(t, behind{})
	for _, c := range []struct{ path, kind, body, want string }{
		{"/batch/async/events", "application/json", "[1,\n 2,}", `{"error":"not JSON: invalid character '}' looking for beginning of value, at line 2, column 4 (byte 7)"}`},
		{"/batch/async/events", "application/json", "[]", `{"error":"the array is empty"}`},
		{"/async/events", "application/x-www-form-urlencoded", "a=1&b=%4", `{"error":"not a form: % needs two hexadecimal digits, at line 1, column 7 (byte 6)"}`},
	} {
		d.want(d.ask("POST "+c.path, c.body, "Content-Type", c.kind), 422, c.want)
	}
	for _, path := range []string{"/async/events", "/batch/sync/events", "/v1/topics/events", "/v1/beacon/events"} {
		d.want(d.ask("POST "+path, "--x", "Content-Type", "multipart/form-data; boundary=x"), 415,
			`{"error":"multipart/form-data is not taken: send each part as a body of its own, or one message a line as application/x-ndjson"}`)
	}
	if messages, err := d.cluster.Consume("events"); err != nil || len(messages) > 0 {
		t.Errorf("a consumer sees %v (%v)", messages, err)
	}
}
