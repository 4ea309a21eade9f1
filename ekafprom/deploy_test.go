package ekafprom_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/ekaf-go/ekaf/gateway/gatewayprom"
	"github.com/ekaf-go/ekaf/internal/metrics"
)

// dashboardExpressions are the queries of the Grafana dashboard.
func dashboardExpressions(t *testing.T) (list []string) {
	t.Helper()
	text, err := os.ReadFile("../deploy/grafana/ekaf.json")
	if err != nil {
		t.Fatal(err)
	}
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(text, &dashboard); err != nil {
		t.Fatal(err)
	}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			list = append(list, target.Expr)
		}
	}
	return list
}

// ruleExpressions are the queries of the alert rules.
func ruleExpressions(t *testing.T) (list []string) {
	t.Helper()
	text, err := os.ReadFile("../deploy/prometheus/ekaf.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	for _, group := range file.Groups {
		for _, rule := range group.Rules {
			if rule.Alert == "" || rule.Annotations["summary"] == "" || rule.Annotations["description"] == "" {
				t.Errorf("the rule %q does not say what it is about", rule.Alert)
			}
			list = append(list, rule.Expr)
		}
	}
	return list
}

// shownMetric is a metric of the producer or of the gateway.
type shownMetric struct {
	Name   string
	Kind   metrics.Kind
	Labels []string
}

func shownMetrics() (list []shownMetric) {
	for _, m := range metrics.Table() {
		list = append(list, shownMetric{m.Name, m.Kind, m.Labels})
	}
	for _, m := range gatewayprom.Table() {
		list = append(list, shownMetric{m.Name, m.Kind, m.Labels})
	}
	return list
}

// The dashboard and the alert rules name nothing that neither a producer nor a
// gateway has, and the dashboard shows each metric.
func TestDeployNamesWhatThereIs(t *testing.T) {
	names := map[string]shownMetric{}
	for _, m := range shownMetrics() {
		names[m.Name] = m
		if m.Kind == metrics.Histogram {
			names[m.Name+"_bucket"] = m
		}
	}
	dashboard, rules := dashboardExpressions(t), ruleExpressions(t)
	if len(dashboard) < 20 || len(rules) < 5 {
		t.Fatalf("%d queries and %d rules", len(dashboard), len(rules))
	}
	name := regexp.MustCompile(`\b(ekaf_[a-z_]+)(\{[^}]*\})?`)
	label := regexp.MustCompile(`([a-z]+)[=!]~?"`)
	shown := map[string]bool{}
	for i, expr := range append(slices.Clone(dashboard), rules...) {
		found := name.FindAllStringSubmatch(expr, -1)
		if len(found) == 0 || strings.Count(expr, "(") != strings.Count(expr, ")") || strings.Count(expr, "{") != strings.Count(expr, "}") {
			t.Errorf("not a query of these: %s", expr)
		}
		for _, match := range found {
			m, ok := names[match[1]]
			if !ok {
				t.Errorf("there is no metric %s: %s", match[1], expr)
			}
			shown[m.Name] = shown[m.Name] || i < len(dashboard)
			for _, l := range label.FindAllStringSubmatch(match[2], -1) {
				if l[1] != "job" && !slices.Contains(m.Labels, l[1]) {
					t.Errorf("%s has no label %s: %s", m.Name, l[1], expr)
				}
			}
		}
	}
	for _, m := range shownMetrics() {
		if !shown[m.Name] {
			t.Errorf("the dashboard does not show %s", m.Name)
		}
	}
}
