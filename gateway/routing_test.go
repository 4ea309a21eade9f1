package gateway_test

import (
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/ekaf-go/ekaf/gateway"
)

func TestMethodsAndPaths(t *testing.T) {
	d := open(t, behind{})
	for _, c := range []struct {
		line   string
		status int
		allow  string
	}{
		{"GET /nothing", 404, ""},
		{"POST /", 404, ""},
		{"GET /v1/topics/", 404, ""},
		{"POST /async/", 404, ""},
		{"POST /async/a/b", 404, ""},
		{"POST /async/a%2Fb", 404, ""},
		{"POST //async/a", 404, ""},
		{"DELETE /v1/topics/events", 405, "GET, HEAD, OPTIONS, POST"},
		{"BREW /v1/topics/events", 405, "GET, HEAD, OPTIONS, POST"},
		{"POST /healthz", 405, "GET, HEAD, OPTIONS"},
		{"PUT /v1/topics", 405, "GET, HEAD, OPTIONS"},
		{"HEAD /v1/beacon/events", 405, "GET, OPTIONS, POST"},
		{"HEAD /async/events", 400, ""},
		{"OPTIONS /async/events", 204, "OPTIONS, POST"},
		{"OPTIONS /v1/topics/events", 204, "GET, HEAD, OPTIONS, POST"},
		{"HEAD /healthz", 200, ""},
		{"HEAD /v1/topics", 200, ""},
	} {
		w := d.ask(c.line, "")
		if w.Code != c.status || w.Header().Get("Allow") != c.allow {
			t.Errorf("%s answered %d %s, Allow: %q", c.line, w.Code, w.Body, w.Header().Get("Allow"))
		}
		if kind := w.Header().Get("Content-Type"); w.Code != 204 && kind != "application/json; charset=utf-8" {
			t.Errorf("%s answered with the type %q", c.line, kind)
		}
	}
	d.want(d.ask("DELETE /healthz", ""), 405, `{"error":"DELETE is not served here; GET, HEAD, OPTIONS are"}`)
	d.want(d.ask("GET /nothing", ""), 404, `{"error":"there is nothing at this path; /openapi.json lists what there is"}`)
}

func TestProbes(t *testing.T) {
	d := open(t, behind{})
	d.want(d.ask("GET /healthz", ""), 200, `{"ok":true}`)
	d.want(d.ask("GET /readyz", ""), 200, `{"ready":true,"down":[],"buffered_bytes":0,"buffered_messages":0}`)
	d.Drain()
	d.want(d.ask("GET /readyz", ""), 503, `{"ready":false,"why":["the gateway is shutting down"],"down":[],"buffered_bytes":0,"buffered_messages":0}`)
	d.want(d.ask("GET /healthz", ""), 200, `{"ok":true}`)
	d.want(d.ask("POST /async/events", "still served"), 200, `{"ok":1}`)
	d = open(t, behind{gateway: []gateway.Option{gateway.ReadyCheck(func() []string { return []string{"a certificate has expired"} })}})
	d.want(d.ask("GET /readyz", ""), 503, `{"ready":false,"why":["a certificate has expired"],"down":[],"buffered_bytes":0,"buffered_messages":0}`)
}

func TestMount(t *testing.T) {
	metrics := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "metrics at "+r.URL.Path) })
	d := open(t, behind{gateway: []gateway.Option{gateway.Mount("/metrics", "Metrics", metrics)}})
	d.want(d.ask("GET /metrics", ""), 200, "metrics at /metrics")
	if w := d.ask("POST /metrics", ""); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD, OPTIONS" {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	for _, path := range []string{"metrics", "/{", "/{}", "/a{b}", "/{a}b", "/{{a}}", "/}", "/{a}/{b}/{c}/{d}"} {
		if err := gateway.Check(gateway.Mount(path, "", metrics)); err == nil {
			t.Errorf("%q was mounted", path)
		}
	}
}

// TestMountedPatterns: segments that have a name, beside paths that are one, and
// the root.
func TestMountedPatterns(t *testing.T) {
	page := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, text+" "+r.PathValue("a")+" "+r.PathValue("b"))
		})
	}
	asked := 0
	d := open(t, behind{gateway: []gateway.Option{
		gateway.Mount("/", "The page", page("root")), gateway.Mount("/p/live", "Live", page("live")),
		gateway.Mount("/p/{a}", "Files", page("one")), gateway.Mount("/p/{a}/{b}", "Files", page("two")),
		gateway.Guard(func(a *gateway.Access) error {
			asked++
			if a.Route == "/p/{a}" {
				return errors.New("not for you")
			}
			return nil
		}),
	}})
	d.want(d.ask("GET /", ""), 200, "root  ")
	d.want(d.ask("GET /p/live", ""), 200, "live  ")
	d.want(d.ask("GET /p/x", ""), 403, `{"error":"not for you"}`)
	d.want(d.ask("GET /p/x/y", ""), 200, "two x y")
	d.want(d.ask("POST /", ""), 405, `{"error":"POST is not served here; GET, HEAD, OPTIONS are"}`)
	if w := d.ask("GET /p", ""); w.Code != 404 {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	if asked != 4 {
		t.Errorf("the guard was asked %d times", asked)
	}
	if document := d.ask("GET /openapi.json", "").Body.String(); !strings.Contains(document, `"/p/{a}/{b}"`) || !strings.Contains(document, `"get_p_a_b"`) {
		t.Error("what is mounted is not in the document")
	}
}

func TestDrainEndsWhatIsMounted(t *testing.T) {
	var ended []string
	note := func(name string) gateway.Option {
		return gateway.OnDrain(func() { ended = append(ended, name) })
	}
	d := open(t, behind{gateway: []gateway.Option{note("a"), note("b")}})
	d.Drain()
	if !slices.Equal(ended, []string{"a", "b"}) {
		t.Errorf("ended: %q", ended)
	}
}

// TestOpenAPI: the document has every path and method that is served.
func TestOpenAPI(t *testing.T) {
	d := open(t, behind{})
	w := d.ask("GET /openapi.json", "")
	var document struct {
		OpenAPI string
		Paths   map[string]map[string]struct {
			OperationID string
			Responses   map[string]struct{ Description string }
			Parameters  []struct{ Name, In string }
		}
	}
	if err := json.Unmarshal(w.Body.Bytes(), &document); err != nil || w.Code != 200 || document.OpenAPI != "3.1.0" {
		t.Fatalf("answered %d (%v)", w.Code, err)
	}
	ids := map[string]bool{}
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		allow := d.ask("OPTIONS "+strings.ReplaceAll(path, "{topic}", "events"), "").Header().Get("Allow")
		for method, op := range document.Paths[path] {
			if !strings.Contains(allow, strings.ToUpper(method)) || ids[op.OperationID] || len(op.Responses) == 0 {
				t.Errorf("%s %s: served are %s; %+v", method, path, allow, op)
			}
			ids[op.OperationID] = true
			if named := strings.Contains(path, "{topic}"); named != slices.ContainsFunc(op.Parameters, func(p struct{ Name, In string }) bool { return p.Name == "topic" && p.In == "path" }) {
				t.Errorf("%s %s: parameters %+v", method, path, op.Parameters)
			}
		}
	}
	post := document.Paths["/v1/topics/{topic}"]["post"]
	for _, status := range []string{"202", "400", "408", "413", "415", "422", "503"} {
		if post.Responses[status].Description == "" {
			t.Errorf("%s of a raw request is not in the document", status)
		}
	}
	if strings.Contains(w.Body.String(), "securitySchemes") {
		t.Error("a gateway without a guard asks for credentials")
	}
	guarded := open(t, behind{gateway: []gateway.Option{gateway.Guard(func(*gateway.Access) error { return nil })}}).ask("GET /openapi.json", "").Body.Bytes()
	var secured struct {
		Paths      map[string]map[string]struct{ Security []map[string][]string }
		Components struct {
			SecuritySchemes map[string]struct{ Type string }
		}
	}
	if err := json.Unmarshal(guarded, &secured); err != nil || len(secured.Components.SecuritySchemes) != 3 ||
		len(secured.Paths["/async/{topic}"]["post"].Security) != 3 || secured.Paths["/healthz"]["get"].Security != nil {
		t.Errorf("credentials: %+v (%v)", secured, err)
	}
	for _, path := range []string{"/async/{topic}", "/safe/batch/sync/{topic}", "/v1/topics/{topic}", "/v1/beacon/{topic}", "/readyz"} {
		if document.Paths[path] == nil {
			t.Errorf("%s is not in the document", path)
		}
	}
}

func TestGuard(t *testing.T) {
	var asked []gateway.Access
	d := open(t, behind{gateway: []gateway.Option{gateway.Guard(func(a *gateway.Access) error {
		asked = append(asked, gateway.Access{Route: a.Route, Topic: a.Topic})
		switch a.Request.Header.Get("Authorization") {
		case "":
			return &gateway.StatusError{Status: 401, Message: "who are you?", Header: http.Header{"Www-Authenticate": {"Bearer"}}}
		case "wrong":
			return errors.New("not for you")
		case "busy":
			return &gateway.StatusError{Status: 429, Message: "too fast", RetryAfter: 1500e6}
		}
		return nil
	})}})
	w := d.ask("POST /async/events", "x")
	d.want(w, 401, `{"error":"who are you?"}`)
	if w.Header().Get("WWW-Authenticate") != "Bearer" {
		t.Errorf("headers %v", w.Header())
	}
	d.want(d.ask("POST /v1/topics/events", "x", "Authorization", "wrong"), 403, `{"error":"not for you"}`)
	w = d.ask("POST /safe/sync/events", "x", "Authorization", "busy")
	d.want(w, 429, `{"error":"too fast"}`)
	if w.Header().Get("Retry-After") != "2" {
		t.Errorf("headers %v", w.Header())
	}
	d.want(d.ask("GET /v1/topics", ""), 401, `{"error":"who are you?"}`)
	d.want(d.ask("GET /healthz", ""), 200, `{"ok":true}`)
	if d.ask("GET /readyz", "").Code != 200 || d.ask("GET /openapi.json", "").Code != 200 {
		t.Error("a probe is guarded")
	}
	d.want(d.ask("POST /sync/events", "x", "Authorization", "right"), 200, `[{"ok":true,"partition":0,"offset":0}]`)
	want := []gateway.Access{
		{Route: "/async/{topic}", Topic: "events"}, {Route: "/v1/topics/{topic}", Topic: "events"},
		{Route: "/safe/sync/{topic}", Topic: "events"}, {Route: "/v1/topics"}, {Route: "/sync/{topic}", Topic: "events"},
	}
	if !slices.Equal(asked, want) {
		t.Errorf("the guard was asked about %+v", asked)
	}
}

func TestOptionsAreCheckedTogether(t *testing.T) {
	_, err := gateway.New(nil)
	if err == nil {
		t.Error("a gateway without a producer was made")
	}
	d := open(t, behind{})
	_, err = gateway.New(d.producer, gateway.SyncTimeout(0), gateway.MaxBody(0), gateway.Safe(0, 0, 0), gateway.AllowOrigins("shop.example", "https://a.example/path"),
		gateway.MaxPendingTopics(0), gateway.MaxWaiting(0), gateway.BodyMemory(-1), gateway.IdempotencyWindow(-1, 0), gateway.DefaultAck(9))
	for _, name := range []string{"SyncTimeout", "MaxBody", "Safe", `"shop.example"`, `"https://a.example/path"`, "MaxPendingTopics", "MaxWaiting", "BodyMemory", "IdempotencyWindow", "DefaultAck"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not in %v", name, err)
		}
	}
}

func TestCORS(t *testing.T) {
	d := open(t, behind{gateway: []gateway.Option{gateway.AllowOrigins("https://shop.example")}})
	w := d.ask("POST /v1/topics/events", "x", "Origin", "https://shop.example")
	if w.Code != 202 || w.Header().Get("Access-Control-Allow-Origin") != "https://shop.example" || w.Header().Get("Vary") != "Origin" {
		t.Errorf("answered %d with %v", w.Code, w.Header())
	}
	w = d.ask("OPTIONS /v1/topics/events", "", "Origin", "https://shop.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "content-type,x-kafka-key")
	if w.Code != 204 || w.Header().Get("Access-Control-Allow-Methods") != "GET, HEAD, OPTIONS, POST" ||
		w.Header().Get("Access-Control-Allow-Headers") != "content-type,x-kafka-key" || w.Header().Get("Access-Control-Max-Age") != "600" {
		t.Errorf("answered %d with %v", w.Code, w.Header())
	}
	w = d.ask("OPTIONS /v1/topics/events", "", "Origin", "https://shop.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "a\r\nb: c")
	if w.Header().Get("Access-Control-Allow-Headers") != "" {
		t.Errorf("answered %d with %v", w.Code, w.Header())
	}
	for _, line := range []string{"POST /v1/topics/events", "POST /v1/beacon/events", "GET /v1/beacon/events?a=1", "OPTIONS /v1/topics/events"} {
		w := d.ask(line, "x", "Origin", "https://evil.example")
		if w.Code != 403 || w.Header().Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s of another page answered %d with %v", line, w.Code, w.Header())
		}
	}
	// Pages of the gateway itself need no leave, and the browser alone says which they are.
	for _, c := range []struct {
		header []string
		status int
	}{
		{[]string{"Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Origin", "http://other.example.com", "Sec-Fetch-Site", "same-site"}, 403},
		{[]string{"Origin", "http://example.com", "Sec-Fetch-Site", "cross-site"}, 403},
		{[]string{"Origin", "http://example.com:81"}, 403},
		{[]string{"Origin", "null"}, 403},
		{[]string{"Origin", "http://example.com", "Origin", "http://example.com"}, 403},
		{[]string{"Origin", "http://example.com", "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Site", "same-origin"}, 403},
	} {
		if w := d.ask("POST /v1/topics/events", "y", c.header...); w.Code != c.status {
			t.Errorf("%q: %d", c.header, w.Code)
		}
	}
	for _, header := range [][]string{
		{"Origin", "https://behind-a-proxy.example", "Sec-Fetch-Site", "same-origin"},
		{"Origin", "http://example.com"}, // the host that httptest asks for
	} {
		w := open(t, behind{}).ask("POST /v1/topics/events", "y", header...)
		if w.Code != 202 || w.Header().Get("Access-Control-Allow-Origin") != "" || w.Header().Get("Vary") != "Origin" {
			t.Errorf("%q: %d with %v", header, w.Code, w.Header())
		}
	}
	if w := open(t, behind{gateway: []gateway.Option{gateway.AllowOrigins("*")}}).ask("POST /v1/beacon/events", "x", "Origin", "https://any.example"); w.Code != 204 {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	if got := values(d.consumed("events", 1)); !slices.Equal(got, []string{"x"}) {
		t.Errorf("a consumer sees %q", got)
	}
}

// TestPagesOfOthersProduceNothing: browsers send simple requests, images and links
// without asking first, whatever the page they are on.
func TestPagesOfOthersProduceNothing(t *testing.T) {
	lines := []string{
		"POST /v1/topics/events", "POST /v1/beacon/events", "GET /v1/beacon/events?a=1",
		"POST /async/events", "POST /sync/events", "POST /batch/async/events", "POST /batch/sync/events", "POST /safe/sync/events",
	}
	foreign := [][]string{
		{"Sec-Fetch-Site", "cross-site", "Referer", "https://evil.example/page"},
		{"Sec-Fetch-Site", "same-site"},
		{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"},
		{"Sec-Fetch-Site", "cross-site", "Origin", "null"},
		{"Origin", "https://evil.example"},
		{"Referer", "https://evil.example/page"},
		{"Referer", "https://example.com.evil.example/"},
		{"Referer", "http://example.com/", "Referer", "http://example.com/"},
	}
	d := open(t, behind{gateway: []gateway.Option{gateway.AllowOrigins("https://shop.example")}})
	for _, line := range lines {
		for _, header := range foreign {
			if w := d.ask(line, "x", append(header, "Content-Type", "text/plain")...); w.Code != 403 {
				t.Errorf("%s with %q answered %d %s", line, header, w.Code, w.Body)
			}
		}
	}
	if messages, err := d.cluster.Consume("events"); err != nil || len(messages) > 0 {
		t.Errorf("a consumer sees %v (%v)", messages, err)
	}
	for _, line := range lines {
		for _, header := range [][]string{
			{}, // a program
			{"Sec-Fetch-Site", "none"}, {"Sec-Fetch-Site", "same-origin", "Referer", "http://example.com/page"},
			{"Referer", "http://example.com/page"}, // of the gateway's own
			{"Sec-Fetch-Site", "cross-site", "Referer", "https://shop.example/page"},
			{"Sec-Fetch-Site", "cross-site", "Origin", "https://shop.example"},
		} {
			if w := d.ask(line, "x", header...); w.Code/100 != 2 {
				t.Errorf("%s with %q answered %d %s", line, header, w.Code, w.Body)
			}
		}
	}
	all := open(t, behind{gateway: []gateway.Option{gateway.AllowOrigins("*")}})
	if w := all.ask("GET /v1/beacon/events?a=1", "", "Sec-Fetch-Site", "cross-site"); w.Code != 200 {
		t.Errorf("answered %d %s", w.Code, w.Body)
	}
	if w := d.ask("GET /v1/topics", "", "Sec-Fetch-Site", "cross-site", "Referer", "https://evil.example/page"); w.Code != 200 {
		t.Errorf("a link to what only reads answered %d %s", w.Code, w.Body)
	}
}

// TestTheGuardIsToldOfForeignPages, also of those that are allowed: browsers send
// passwords and certificates with their requests too.
func TestTheGuardIsToldOfForeignPages(t *testing.T) {
	var foreign bool
	d := open(t, behind{gateway: []gateway.Option{
		gateway.AllowOrigins("*"), gateway.Guard(func(a *gateway.Access) error { foreign = a.Foreign; return nil }),
	}})
	for _, c := range []struct {
		line   string
		header []string
		want   bool
	}{
		{"GET /v1/beacon/events?a=1", []string{"Sec-Fetch-Site", "cross-site"}, true},
		{"GET /v1/beacon/events?a=1", []string{"Referer", "https://evil.example/"}, true},
		{"GET /v1/beacon/events?a=1", []string{"Sec-Fetch-Site", "same-origin"}, false},
		{"GET /v1/beacon/events?a=1", nil, false},
		{"POST /async/events", []string{"Origin", "https://evil.example"}, true},
		{"GET /v1/topics", []string{"Sec-Fetch-Site", "cross-site"}, false},
	} {
		if d.ask(c.line, "x", c.header...); foreign != c.want {
			t.Errorf("%s with %q: foreign %v", c.line, c.header, foreign)
		}
	}
}

func TestBeacon(t *testing.T) {
	d := open(t, behind{})
	d.want(d.ask("POST /v1/beacon/events", `{"page":"/"}`, "Content-Type", "text/plain;charset=UTF-8"), 204, "")
	d.consumed("events", 1)
	d.want(d.ask("POST /v1/beacon/events", "a=1", "Content-Type", "application/x-www-form-urlencoded"), 204, "")
	d.consumed("events", 2)
	w := d.ask("GET /v1/beacon/events?page=%2Fhome&n=1", "")
	if w.Code != 200 || w.Header().Get("Content-Type") != "image/gif" || !strings.HasPrefix(w.Body.String(), "GIF89a\x01\x00\x01\x00") ||
		w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Cross-Origin-Resource-Policy") != "cross-origin" {
		t.Errorf("answered %d with %v", w.Code, w.Header())
	}
	if got := values(d.consumed("events", 3)); !slices.Equal(got, []string{`{"page":"/"}`, `{"a":"1"}`, `{"page":"/home","n":"1"}`}) {
		t.Errorf("a consumer sees %q", got)
	}
	d.want(d.ask("GET /v1/beacon/events", ""), 422, `{"error":"the query has no parameter to make a message of"}`)
	d.want(d.ask("GET /v1/beacon/events?a=%f", ""), 422, `{"error":"not a form: % needs two hexadecimal digits, at line 1, column 3 (byte 2)"}`)
	d.want(d.ask("POST /v1/beacon/events", ""), 422, `{"error":"the body is empty"}`)
}
