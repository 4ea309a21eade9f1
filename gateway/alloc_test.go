//go:build !race

package gateway_test

import (
	"bytes"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"

	"github.com/ekaf-go/ekaf"
)

// quietWriter takes an answer without allocating.
type quietWriter struct {
	header http.Header
	status int
}

func (w *quietWriter) Header() http.Header         { return w.header }
func (w *quietWriter) WriteHeader(status int)      { w.status = status }
func (w *quietWriter) Write(p []byte) (int, error) { return len(p), nil }

// rewound is a body that is read again for each request.
type rewound struct{ *bytes.Reader }

func (rewound) Close() error { return nil }

// TestAllocations: in steady state the gateway itself allocates nothing for a
// request of one message, and next to nothing for one of a thousand lines. What
// net/http allocates for a request and for an answer's headers comes on top. Not
// with the race detector, under which a sync.Pool drops some of what it is given.
func TestAllocations(t *testing.T) {
	d := open(t, behind{producer: []ekaf.Option{ekaf.WhenFullAsync(ekaf.DropNewest)}})
	d.want(d.ask("POST /sync/events", "first"), 200, `[{"ok":true,"partition":0,"offset":0}]`)
	for _, c := range []struct {
		line, kind, body string
		status           int
		most             float64
	}{
		{"POST /async/events", "application/json", `{"a":"` + strings.Repeat("x", 92) + `"}`, 200, 0},
		{"POST /safe/async/events", "", "x", 200, 0},
		{"POST /batch/async/events", "text/plain", "x", 200, 0},
		{"POST /v1/topics/events", "application/x-ndjson", strings.Repeat(`{"a":"`+strings.Repeat("x", 91)+"\"}\n", 1000), 202, 20},
	} {
		r := request(c.line, "", "Content-Type", c.kind)
		body := rewound{bytes.NewReader([]byte(c.body))}
		r.Body, r.ContentLength = body, int64(len(c.body))
		w := &quietWriter{header: http.Header{}}
		// What is counted is the process's, the embedded broker's share included: the
		// quietest of a few averages is ours.
		got := math.Inf(1)
		for try := 0; try < 5 && got > c.most; try++ {
			got = min(got, testing.AllocsPerRun(100, func() {
				_, _ = body.Seek(0, io.SeekStart)
				d.ServeHTTP(w, r)
				if w.status != c.status {
					t.Fatalf("%s answered %d", c.line, w.status)
				}
			}))
		}
		if got > c.most {
			t.Errorf("%s: %v allocations, want at most %v", c.line, got, c.most)
		}
	}
}
