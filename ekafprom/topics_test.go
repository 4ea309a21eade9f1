package ekafprom_test

import (
	"fmt"
	"testing"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekafprom"
)

// crowd is a producer with many topics, of which some exist.
type crowd struct{ topics map[string]ekaf.TopicStats }

func (c *crowd) Stats() ekaf.Stats { return ekaf.Stats{Topics: c.topics} }

func (c *crowd) add(prefix string, n int, exists bool) {
	for i := range n {
		t := ekaf.TopicStats{Counters: ekaf.Counters{Messages: 1}}
		if exists {
			t.Partitions = make([]ekaf.PartitionStats, 1)
		}
		c.topics[fmt.Sprintf("%s%d", prefix, i)] = t
	}
}

// TestMaxTopics: names that clients invent cannot take the labels of topics that
// exist, all are counted, and a label once given stays.
func TestMaxTopics(t *testing.T) {
	c := &crowd{topics: map[string]ekaf.TopicStats{}}
	collector := ekafprom.New(c, ekafprom.MaxTopics(10), ekafprom.TopicLabel(func(string) string { return "not asked" }))
	sent := func() map[string]float64 {
		out := map[string]float64{}
		for _, m := range gather(t, collector)["ekaf_messages_sent_total"].GetMetric() {
			out[m.GetLabel()[0].GetValue()] = m.GetCounter().GetValue()
		}
		return out
	}
	c.add("invented", 100, false)
	if got := sent(); len(got) != 6 || got[ekafprom.OtherTopics] != 95 {
		t.Errorf("half of the labels: %v", got)
	}
	first := sent()
	c.add("real", 3, true)
	got := sent()
	for label := range first {
		if _, stays := got[label]; !stays {
			t.Errorf("%s lost its label", label)
		}
	}
	if len(got) != 9 || got["real0"] != 1 || got["real2"] != 1 {
		t.Errorf("with those that exist: %v", got)
	}
	c.add("invented", 100, true)
	c.add("real", 100, true)
	if got := sent(); len(got) != 11 || got[ekafprom.OtherTopics] != 190 {
		t.Errorf("all labels: %v", got)
	}
}
