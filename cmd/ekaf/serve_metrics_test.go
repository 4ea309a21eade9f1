//go:build unix

package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/ekaf-go/ekaf/gateway/gatewayprom"
	"github.com/ekaf-go/ekaf/internal/metrics"
)

// scraped reads /metrics of the running program with Prometheus's own parser.
func (s *served) scraped(authorization string) (int, map[string]*dto.MetricFamily) {
	s.t.Helper()
	r, err := http.NewRequest(http.MethodGet, s.url+"/metrics", nil)
	if err != nil {
		s.t.Fatal(err)
	}
	if authorization != "" {
		r.Header.Set("Authorization", authorization)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return answer.StatusCode, nil
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer.StatusCode, families
}

// sample is the value of a counter or gauge with these labels, such as a=1,b=2 in
// the order of their names; -1: there is none.
func sample(families map[string]*dto.MetricFamily, name, labels string) float64 {
	for _, m := range families[name].GetMetric() {
		var have []string
		for _, l := range m.GetLabel() {
			have = append(have, l.GetName()+"="+l.GetValue())
		}
		if strings.Join(have, ",") == labels {
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return -1
}

// TestServeShowsItsMetrics: the producer's, the gateway's, Go's and the process's.
func TestServeShowsItsMetrics(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1), ekaftest.Topic("clicks", 1))
	s := startServe(t, "-b", c.Addrs()[0], "--metric-topics", "1")
	for _, path := range []string{"/sync/events", "/sync/clicks", "/async/events", "/nothing/a", "/nothing/b"} {
		s.post(path, "x")
	}
	status, families := s.scraped("")
	if status != http.StatusOK {
		t.Fatalf("answered %d", status)
	}
	for _, m := range metrics.Table() {
		if families[m.Name] == nil {
			t.Errorf("%s is missing", m.Name)
		}
	}
	for _, m := range gatewayprom.Table() {
		if families[m.Name] == nil {
			t.Errorf("%s is missing", m.Name)
		}
	}
	for _, name := range []string{"go_goroutines", "process_resident_memory_bytes", "go_build_info"} {
		if families[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
	for labels, want := range map[string]float64{
		"method=POST,route=/sync/{topic},status=200": 2, "method=POST,route=/async/{topic},status=200": 1, "method=POST,route=none,status=404": 2,
	} {
		if got := sample(families, "ekaf_gateway_requests_total", labels); got != want {
			t.Errorf("requests with %s: %v, want %v", labels, got, want)
		}
	}
	if n := len(families["ekaf_messages_acked_total"].GetMetric()); n != 2 || sample(families, "ekaf_messages_acked_total", "topic=other") < 1 {
		t.Errorf("%d topics are told apart", n)
	}
	s.signal(syscall.SIGTERM)
	s.wait()
}

// TestServeGuardsItsMetrics: Prometheus logs in as anybody does who may see more
// than single topics.
func TestServeGuardsItsMetrics(t *testing.T) {
	dir := t.TempDir()
	tokens := put(t, filepath.Join(dir, "tokens"), "prometheus:"+otherToken+"\nshop:"+shopToken+"\n")
	config := put(t, filepath.Join(dir, "g.yaml"), fmt.Sprintf("brokers: 127.0.0.1:9\ngrace: 1s\ntokens: %s\nprincipals:\n  prometheus: {overview: true}\n  shop: {topics: [events]}\n", tokens))
	s := startServe(t, "--config", config)
	for authorization, want := range map[string]int{"": 401, "Bearer wrong-token-0123456789": 401, "Bearer " + shopToken: 403, "Bearer " + otherToken: 200} {
		if status, _ := s.scraped(authorization); status != want {
			t.Errorf("%q is answered with %d, want %d", authorization, status, want)
		}
	}
	if status, _ := askStatus(t, http.DefaultClient, s.url+"/async/events", "Authorization", "Bearer "+otherToken); status != 403 {
		t.Errorf("Prometheus may produce: %d", status)
	}
	s.signal(syscall.SIGTERM)
	s.wait()
}
