package gatewayprom_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"go.uber.org/goleak"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekafprom"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/ekaf-go/ekaf/gateway"
	"github.com/ekaf-go/ekaf/gateway/gatewayprom"
	"github.com/ekaf-go/ekaf/internal/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serving is a gateway that shows itself at /metrics.
func serving(t *testing.T) (*gateway.Handler, *gatewayprom.Collector) {
	t.Helper()
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1))
	p, err := ekaf.New(ekaf.Brokers(c.Addrs()...), ekaf.Dialer(c.Dialer()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = p.Close(ctx) // some tests leave messages for topics that do not exist
	})
	registry := prometheus.NewPedanticRegistry()
	h, err := gateway.New(p, gateway.Mount("/metrics", "Metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError})))
	if err != nil {
		t.Fatal(err)
	}
	collector := gatewayprom.New(h)
	registry.MustRegister(collector, ekafprom.New(p))
	return h, collector
}

func ask(h http.Handler, method, target, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(method, target, strings.NewReader(body)))
	return w
}

func labels(m *dto.Metric) map[string]string {
	have := map[string]string{}
	for _, l := range m.GetLabel() {
		have[l.GetName()] = l.GetValue()
	}
	return have
}

// TestScrape reads what the gateway shows of itself with Prometheus's own parser.
func TestScrape(t *testing.T) {
	h, _ := serving(t)
	for range 3 {
		ask(h, "POST", "/sync/events", "x")
	}
	ask(h, "POST", "/async/none/at/all", "x")
	w := ask(h, "GET", "/metrics", "")
	if w.Code != http.StatusOK {
		t.Fatal(w.Code, w.Body)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range gatewayprom.Table() {
		f := families[m.Name]
		if f == nil || strings.ToLower(f.GetType().String()) != m.Kind.String() || f.GetHelp() != m.Help {
			t.Errorf("%s: %v", m.Name, f)
		}
		for _, sample := range f.GetMetric() {
			if got := slices.Sorted(maps.Keys(labels(sample))); !slices.Equal(got, slices.Sorted(slices.Values(m.Labels))) {
				t.Errorf("%s has the labels %v, not %v", m.Name, got, m.Labels)
			}
		}
	}
	if want := len(gatewayprom.Table()) + len(metrics.Table()); len(families) < len(gatewayprom.Table()) || len(families) > want {
		t.Errorf("%d families of %d", len(families), want)
	}
	got := map[string]float64{}
	for _, sample := range families["ekaf_gateway_requests_total"].GetMetric() {
		l := labels(sample)
		got[l["method"]+" "+l["route"]+" "+l["status"]] = sample.GetCounter().GetValue()
	}
	if want := map[string]float64{"POST /sync/{topic} 200": 3, "POST none 404": 1}; !maps.Equal(got, want) {
		t.Errorf("requests %v, want %v", got, want)
	}
	for _, sample := range families["ekaf_gateway_request_seconds"].GetMetric() {
		if l := labels(sample); l["route"] == "/sync/{topic}" && (sample.GetHistogram().GetSampleCount() != 3 || sample.GetHistogram().GetSampleSum() <= 0) {
			t.Errorf("durations: %v", sample)
		}
	}
	if n := families["ekaf_gateway_inflight_requests"].GetMetric()[0].GetGauge().GetValue(); n != 1 { // the scrape
		t.Errorf("%v requests in flight", n)
	}
}

func TestLint(t *testing.T) {
	h, collector := serving(t)
	ask(h, "POST", "/async/events", "x")
	problems, err := testutil.CollectAndLint(collector)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range metrics.Table() {
		seen[m.Name] = true
	}
	for _, m := range gatewayprom.Table() {
		if seen[m.Name] || !regexp.MustCompile(`^ekaf_gateway(_[a-z]+)+$`).MatchString(m.Name) {
			t.Errorf("%s is there twice, or not as names are", m.Name)
		}
		seen[m.Name] = true
		if strings.HasSuffix(m.Name, "_total") != (m.Kind == metrics.Counter) || strings.HasSuffix(m.Name, "_seconds") != (m.Kind == metrics.Histogram) || !strings.HasSuffix(m.Help, ".") {
			t.Errorf("%s is a %v: %s", m.Name, m.Kind, m.Help)
		}
	}
}

// TestSeriesAreBounded: clients that invent paths, topics, methods and statuses
// make no more series.
func TestSeriesAreBounded(t *testing.T) {
	h, collector := serving(t)
	invent := func() int {
		for _, path := range []string{"/async/a", "/async/b", "/sync/events", "/x", "/y/z", "/v1/topics/t.1", "/v3/clusters/a/topics", "/v3/clusters/b/topics"} {
			for _, method := range []string{"GET", "POST", "A", "B", "C"} {
				ask(h, method, path, "x")
			}
		}
		return testutil.CollectAndCount(collector)
	}
	few := invent()
	if many := invent(); many != few {
		t.Errorf("%d series, then %d", few, many)
	}
	for _, path := range []string{"/async/c", "/p", "/q/r/s/t/u/v", "/v1/topics/t.2", "/v3/clusters/c/topics"} {
		for _, method := range []string{"D", "POST"} {
			ask(h, method, path, "x")
		}
	}
	if many := testutil.CollectAndCount(collector); many > few+1 { // a status that was not there before
		t.Errorf("%d series, then %d", few, many)
	}
}
