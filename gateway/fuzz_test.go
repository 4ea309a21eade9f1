package gateway

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzFields: whatever headers and a query say, the message is one that was
// described, or the request is refused with 422.
func FuzzFields(f *testing.F) {
	for _, seed := range []struct{ name, value, query string }{
		{"X-Kafka-Key", "k", ""}, {"X-Kafka-Key-Base64", "AP-_", "partition=1"}, {"X-Kafka-Header-Base64-A", "AA==", "timestamp=5"},
		{"X-Kafka-Header-A", "", "key=%00"}, {"X-Kafka-Timestamp", "2026-01-31T12:00:00+01:00", "key_base64=="}, {"X-Kafka-Partition", "00", "partition=0"},
	} {
		f.Add(seed.name, seed.value, seed.query)
	}
	f.Fuzz(func(t *testing.T, name, value, query string) {
		q, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		m, fault := fields(http.Header{http.CanonicalHeaderKey(name): {value}}, q)
		if fault != nil {
			if fault.Status != http.StatusUnprocessableEntity || fault.Message == "" {
				t.Fatalf("refused with %+v", fault)
			}
			return
		}
		if p, explicit := m.Partition(); explicit && p < 0 || !m.Timestamp.IsZero() && m.Timestamp.UnixMilli() <= 0 {
			t.Fatalf("made %+v", m)
		}
		for _, h := range m.Headers {
			if h.Key == "" || utf8.ValidString(name) && strings.ToLower(h.Key) != h.Key {
				t.Fatalf("made %+v", m)
			}
		}
	})
}

// FuzzRouter: a path leads nowhere, or to a row of the table that it fits.
func FuzzRouter(f *testing.F) {
	table := routes(nil)
	rt := newRouter(table)
	for _, r := range table {
		f.Add(r.path)
	}
	f.Add("/v1//topics")
	f.Add("/safe/batch/sync/a/b")
	f.Fuzz(func(t *testing.T, path string) {
		var params [maxParams]string
		n := rt.find(path, &params)
		if n == nil {
			return
		}
		param := 0
		for i, segment := range strings.Split(strings.TrimPrefix(n.routes[0].path, "/"), "/") {
			got := strings.Split(strings.TrimPrefix(path, "/"), "/")[i]
			if strings.HasPrefix(segment, "{") && got == params[param] && got != "" {
				param++
				continue
			}
			if got != segment {
				t.Fatalf("%q led to %s", path, n.routes[0].path)
			}
		}
	})
}
