package ekafprom

import (
	"sync"

	"github.com/ekaf-go/ekaf"
)

// OtherTopics is the label of the topics that MaxTopics gives none of their own.
const OtherTopics = "other"

// MaxTopics gives at most n topics a label of their own, and counts all others
// together as OtherTopics: for producers whose topics' names come from the network.
// The first to come get one and keep it. Topics that are not known to exist get at
// most half of them, so that invented names cannot take all; one of them that turns
// out to exist may move from OtherTopics to its own label, once. Each label stands
// for about 150 series. Default: no bound. TopicLabel is not asked besides.
func MaxTopics(n int) Option {
	return func(c *Collector) { c.own = &ownLabels{most: n, given: map[string]struct{}{}} }
}

// ownLabels are the topics that have a label of their own.
type ownLabels struct {
	most int

	mu    sync.Mutex // guards the following
	given map[string]struct{}
}

// label decides for the topics of a snapshot, and answers for them.
func (o *ownLabels) label(stats ekaf.Stats) func(topic string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.give(stats, o.most, func(t ekaf.TopicStats) bool { return len(t.Partitions) > 0 })
	o.give(stats, o.most/2, func(ekaf.TopicStats) bool { return true })
	own := make(map[string]bool, len(stats.Topics))
	for topic := range stats.Topics {
		_, own[topic] = o.given[topic]
	}
	return func(topic string) string {
		if own[topic] {
			return topic
		}
		return OtherTopics
	}
}

// give gives labels to topics until there are most of them.
func (o *ownLabels) give(stats ekaf.Stats, most int, to func(ekaf.TopicStats) bool) {
	for topic, t := range stats.Topics {
		if len(o.given) < most && to(t) {
			o.given[topic] = struct{}{}
		}
	}
}
