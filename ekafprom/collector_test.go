package ekafprom_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
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
	"github.com/ekaf-go/ekaf/internal/metrics"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// producing is a producer that sent to two topics, and refused a message.
func producing(t *testing.T) *ekaf.Producer {
	t.Helper()
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 2), ekaftest.Topic("audit", 1))
	p, err := ekaf.New(ekaf.Brokers(c.Addrs()...), ekaf.Dialer(c.Dialer()), ekaf.BatchBytes(10_000))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	for topic, n := range map[string]int{"events": 5, "audit": 2} {
		if _, err := p.ProduceSync(t.Context(), topic, slices.Repeat([]ekaf.Message{ekaf.Value("hello")}, n)...); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.ProduceAsync(t.Context(), "audit", ekaf.Value(make([]byte, 20_000))); err == nil {
		t.Fatal("a message beyond the limit was accepted")
	}
	return p
}

// gather scrapes a collector through HTTP, with Prometheus's own parser.
func gather(t *testing.T, c prometheus.Collector) map[string]*dto.MetricFamily {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	if err := reg.Register(c); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(promhttp.HandlerFor(reg, promhttp.HandlerOpts{ErrorHandling: promhttp.HTTPErrorOnError}))
	defer server.Close()
	resp, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return families
}

// value is that of the only sample with these labels; of a histogram, its count.
func value(t *testing.T, families map[string]*dto.MetricFamily, name string, labels map[string]string) float64 {
	t.Helper()
	for _, m := range families[name].GetMetric() {
		have := map[string]string{}
		for _, l := range m.GetLabel() {
			have[l.GetName()] = l.GetValue()
		}
		if maps.Equal(have, labels) {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	t.Errorf("there is no %s%v", name, labels)
	return -1
}

func TestScrape(t *testing.T) {
	families := gather(t, ekafprom.New(producing(t)))
	for _, m := range metrics.Table() {
		if f := families[m.Name]; f == nil || strings.ToLower(f.GetType().String()) != m.Kind.String() || f.GetHelp() != m.Help {
			t.Errorf("%s: %v", m.Name, f)
		}
	}
	if len(families) != len(metrics.Table()) {
		t.Errorf("%d families of %d", len(families), len(metrics.Table()))
	}
	events, audit := map[string]string{"topic": "events"}, map[string]string{"topic": "audit"}
	for _, c := range []struct {
		name   string
		labels map[string]string
		want   float64
	}{
		{"ekaf_messages_acked_total", events, 5}, {"ekaf_messages_acked_total", audit, 2},
		{"ekaf_delivery_seconds", events, 5}, {"ekaf_round_trip_seconds", audit, 1}, {"ekaf_partitions", events, 2},
		{"ekaf_messages_refused_total", map[string]string{"topic": "audit", "reason": "too_large"}, 1},
		{"ekaf_messages_failed_total", map[string]string{"topic": "events", "reason": "timeout"}, 0},
		{"ekaf_topic_state", map[string]string{"topic": "events", "state": "ready"}, 1},
		{"ekaf_topic_state", map[string]string{"topic": "events", "state": "downtime"}, 0},
		{"ekaf_broker_up", map[string]string{"broker": "0"}, 1},
		{"ekaf_buffer_limit_bytes", map[string]string{}, 256 << 20},
	} {
		if got := value(t, families, c.name, c.labels); got != c.want {
			t.Errorf("%s%v is %v, not %v", c.name, c.labels, got, c.want)
		}
	}
}

func TestLint(t *testing.T) {
	problems, err := testutil.CollectAndLint(ekafprom.New(producing(t)))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestTopicLabel(t *testing.T) {
	all := func(string) string { return "all" }
	families := gather(t, ekafprom.New(producing(t), ekafprom.TopicLabel(all)))
	label := map[string]string{"topic": "all"}
	if n := value(t, families, "ekaf_messages_acked_total", label); n != 7 {
		t.Errorf("%v acked", n)
	}
	if n := value(t, families, "ekaf_delivery_seconds", label); n != 7 {
		t.Errorf("%v deliveries", n)
	}
	if n := value(t, families, "ekaf_topic_state", map[string]string{"topic": "all", "state": "ready"}); n != 2 {
		t.Errorf("%v topics are ready", n)
	}
}

// odd is a source whose topic no label can hold.
type odd struct{}

func (odd) Stats() ekaf.Stats {
	return ekaf.Stats{Topics: map[string]ekaf.TopicStats{"\xff": {}}}
}

func TestAScrapeThatCannotBeSaysSo(t *testing.T) {
	reg := prometheus.NewRegistry()
	reg.MustRegister(ekafprom.New(odd{}))
	if _, err := reg.Gather(); err == nil || !strings.Contains(err.Error(), "ekaf_") {
		t.Errorf("got %v", err)
	}
}

// Histograms are cumulative, and their last bucket is their count.
func TestBuckets(t *testing.T) {
	families := gather(t, ekafprom.New(producing(t)))
	for _, m := range families["ekaf_delivery_seconds"].GetMetric() {
		h := m.GetHistogram()
		below, bound := uint64(0), 0.0
		for _, b := range h.GetBucket() {
			if b.GetCumulativeCount() < below || b.GetUpperBound() <= bound {
				t.Errorf("bucket %v: %d after %d", b.GetUpperBound(), b.GetCumulativeCount(), below)
			}
			below, bound = b.GetCumulativeCount(), b.GetUpperBound()
		}
		if below != h.GetSampleCount() || h.GetSampleSum() <= 0 {
			t.Errorf("%d in the last bucket, count %d, sum %v", below, h.GetSampleCount(), h.GetSampleSum())
		}
	}
}
