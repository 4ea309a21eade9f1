package gateway_test

import (
	"slices"
	"testing"
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
