package dashboard_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/ekaf-go/ekaf/gateway"
	"github.com/ekaf-go/ekaf/gateway/dashboard"
)

// open is a gateway with a dashboard and an embedded broker behind it.
func open(t *testing.T, options ...gateway.Option) (*ekaftest.Cluster, *ekaf.Producer, *gateway.Handler) {
	t.Helper()
	board, err := dashboard.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(board.Close)
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 2))
	p, err := ekaf.New(ekaf.Brokers(c.Addrs()...), ekaf.Dialer(c.Dialer()), ekaf.OnEvent(board.Observe))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = p.Close(ctx) // the broker may be away
	})
	h, err := gateway.New(p, append(board.Options(), options...)...)
	if err != nil {
		t.Fatal(err)
	}
	board.Watch(p)
	return c, p, h
}

// seen is what the test looks at of what the page is told.
type seen struct {
	Totals struct{ Acked int64 }
	Topics struct {
		List []struct {
			Name, State string
			Waiting     int
			List        []struct {
				Leader  int32
				Workers []struct{ State string }
			}
		}
	}
	Brokers []struct{ State string }
	Kinds   []struct {
		Name  string
		Count int64
		Last  struct{ Topic string }
	}
	Faults []struct{ Text, Advice string }
}

// TestTheGatewayShowsWhatHappens: a message, then a broker that is away.
func TestTheGatewayShowsWhatHappens(t *testing.T) {
	c, p, h := open(t)
	server := httptest.NewServer(h)
	defer server.Close()
	if _, err := p.ProduceSync(t.Context(), "events", ekaf.Value("x")); err != nil {
		t.Fatal(err)
	}
	answer, err := http.Get(server.URL + "/dashboard/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 10<<20)
	var known seen // what a frame leaves out has not changed
	until := func(what string, holds func() bool) {
		t.Helper()
		for lines.Scan() {
			data, ok := strings.CutPrefix(lines.Text(), "data: ")
			if !ok {
				continue
			}
			known.Topics.List, known.Brokers = nil, nil
			if err := json.Unmarshal([]byte(data), &known); err != nil {
				t.Fatal(err)
			}
			if holds() {
				return
			}
		}
		t.Fatalf("the stream ended before %s", what)
	}
	until("the message shows", func() bool {
		return known.Totals.Acked == 1 && len(known.Topics.List) == 1 && known.Topics.List[0].State == "ready" && known.Brokers[0].State == "up"
	})
	if k := known.Kinds[5]; k.Name != "flush" || k.Count != 1 || k.Last.Topic != "events" {
		t.Errorf("%+v", k)
	}
	c.Stop()
	if err := p.ProduceAsync(t.Context(), "events", ekaf.Value("y")); err != nil {
		t.Fatal(err)
	}
	until("the outage shows", func() bool {
		return known.Topics.List[0].State == "downtime" && known.Brokers[0].State == "down" && known.Topics.List[0].Waiting == 1 && len(known.Faults) > 0
	})
	if f := known.Faults[0]; f.Text == "" || f.Advice == "" {
		t.Errorf("%+v", f)
	}
	if err := c.Restart(); err != nil {
		t.Fatal(err)
	}
	until("its end shows", func() bool {
		return known.Totals.Acked == 2 && known.Topics.List[0].State == "ready" && known.Brokers[0].State == "up"
	})
	h.Drain()
	if rest, err := io.ReadAll(answer.Body); err != nil {
		t.Errorf("the stream ended with %v after %q", err, rest)
	}
}

// TestTheGuardIsAsked about the page, its files and the stream, as an overview.
func TestTheGuardIsAsked(t *testing.T) {
	_, _, h := open(t, gateway.Guard(func(a *gateway.Access) error {
		if a.Topic != "" {
			t.Errorf("asked about the topic %q", a.Topic)
		}
		if _, password, _ := a.Request.BasicAuth(); password != "secret" {
			return &gateway.StatusError{Status: http.StatusUnauthorized, Message: "who are you?"}
		}
		return nil
	}))
	for _, path := range []string{"/", "/dashboard/app.js", "/dashboard/none.js", "/dashboard/stream"} {
		for _, known := range []bool{false, true} {
			r := httptest.NewRequest(http.MethodHead, path, nil)
			want := http.StatusUnauthorized
			if known {
				r.SetBasicAuth("ops", "secret")
				if want = http.StatusOK; path == "/dashboard/none.js" {
					want = http.StatusNotFound
				}
			}
			w := httptest.NewRecorder()
			if h.ServeHTTP(w, r); w.Code != want {
				t.Errorf("%s: %d, want %d", path, w.Code, want)
			}
		}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/openapi.json", nil))
	for _, path := range []string{`"/": {`, `"/dashboard/stream": {`, `"/dashboard/{file}": {`} {
		if !strings.Contains(w.Body.String(), path) {
			t.Errorf("%s is not in the OpenAPI document", path)
		}
	}
}
