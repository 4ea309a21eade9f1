package metrics

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
)

func TestTable(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range Table() {
		if seen[m.Name] || seen[m.OTel] {
			t.Errorf("%s or %s is there twice", m.Name, m.OTel)
		}
		seen[m.Name], seen[m.OTel] = true, true
		if !regexp.MustCompile(`^ekaf(_[a-z]+)+$`).MatchString(m.Name) || !regexp.MustCompile(`^ekaf(\.[a-z_]+)+$`).MatchString(m.OTel) {
			t.Errorf("%s, %s: not as names are", m.Name, m.OTel)
		}
		if strings.HasSuffix(m.Name, "_total") != (m.Kind == Counter) || strings.HasSuffix(m.Name, "_seconds") != (m.Unit == "s") {
			t.Errorf("%s is a %v in %s", m.Name, m.Kind, m.Unit)
		}
		if m.Help == "" || !strings.HasSuffix(m.Help, ".") || (m.values == nil) != (m.Kind == Histogram) || (m.histograms == nil) != (m.Kind != Histogram) {
			t.Errorf("%s is not complete", m.Name)
		}
	}
}

// values are a metric's, by labels.
func values(t *testing.T, s *Snapshot, name string) map[string]float64 {
	t.Helper()
	out := map[string]float64{}
	for _, m := range Table() {
		if m.Name != name {
			continue
		}
		m.Values(s, func(v float64, labels ...string) {
			if len(labels) != len(m.Labels) {
				t.Errorf("%s: %v for %v", m.Name, labels, m.Labels)
			}
			out[strings.Join(labels, "/")] = v
		})
		m.Histograms(s, func(h ekaf.Histogram, labels ...string) { out[strings.Join(labels, "/")] = h.Sum.Seconds() })
	}
	return out
}

func TestTakeGroupsTopics(t *testing.T) {
	one := ekaf.TopicStats{
		State: "ready", Counters: ekaf.Counters{Messages: 3}, BufferedBytes: 10, Dropped: map[string]int64{ekaf.ErrTimeout.Error(): 2},
		Refused: map[string]int64{"no such thing": 1}, Latency: ekaf.Latency{Delivery: ekaf.Histogram{Sum: time.Second}},
		Partitions: []ekaf.PartitionStats{{Leader: -1}, {Leader: 2, Workers: []ekaf.WorkerStats{{State: "ready"}}}},
	}
	stats := ekaf.Stats{
		Topics:  map[string]ekaf.TopicStats{"a.1": one, "a.2": one, "b": {State: "downtime"}},
		Brokers: map[int32]ekaf.BrokerStats{4: {Connected: true}, 5: {}},
	}
	s := Take(stats, func(topic string) string { return topic[:1] })
	for name, want := range map[string]map[string]float64{
		"ekaf_messages_sent_total":   {"a": 6, "b": 0},
		"ekaf_buffered_bytes":        {"a": 20, "b": 0},
		"ekaf_delivery_seconds":      {"a": 2, "b": 0},
		"ekaf_partitions":            {"a": 4, "b": 0},
		"ekaf_leaderless_partitions": {"a": 2, "b": 0},
		"ekaf_broker_up":             {"4": 1, "5": 0},
	} {
		if got := values(t, s, name); !maps.Equal(got, want) {
			t.Errorf("%s is %v, not %v", name, got, want)
		}
	}
	for name, want := range map[string]map[string]float64{
		"ekaf_messages_failed_total":  {"a/timeout": 4, "b/timeout": 0},
		"ekaf_messages_refused_total": {"a/other": 2, "a/full": 0},
		"ekaf_topic_state":            {"a/ready": 2, "a/downtime": 0, "b/downtime": 1, "b/ready": 0},
		"ekaf_workers":                {"a/ready": 2, "a/stopped": 0},
	} {
		got := values(t, s, name)
		for labels, v := range want {
			if have, ok := got[labels]; !ok || have != v {
				t.Errorf("%s[%s] is %v, not %v", name, labels, have, v)
			}
		}
	}
	if n := len(values(t, Take(stats, nil), "ekaf_messages_sent_total")); n != 3 {
		t.Errorf("%d topics by their own names", n)
	}
}

func TestReason(t *testing.T) {
	for text, want := range map[string]string{
		ekaf.ErrDropped.Error(): "dropped", ekaf.ErrUnknownTopic.Error(): "unknown_topic",
		"CORRUPT_MESSAGE": "CORRUPT_MESSAGE", "dial tcp 10.0.0.1: refused": Other, "": Other, Other: Other,
	} {
		if got := Reason(text); got != want {
			t.Errorf("%q is %q, not %q", text, got, want)
		}
	}
	if list := Reasons(); !slices.Contains(list, "full") || len(list) != len(reasons) {
		t.Errorf("%v", list)
	}
}
