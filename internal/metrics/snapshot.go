package metrics

import (
	"context"
	"errors"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// Snapshot is a producer's Stats as the metrics show them.
type Snapshot struct {
	ekaf.Stats
	groups map[string]*group // by the value of the label topic
}

// group is one topic, or several that share a label.
type group struct {
	ekaf.Counters
	latency                ekaf.Latency
	bufferedBytes          int64
	partitions, leaderless int
	states, workers        map[string]int64
	dropped, refused       map[string]int64
}

// Take makes a snapshot. label gives a topic's label; topics with the same one are
// counted together. nil: each topic's own name.
func Take(s ekaf.Stats, label func(topic string) string) *Snapshot {
	snapshot := &Snapshot{Stats: s, groups: map[string]*group{}}
	for name, topic := range s.Topics {
		if label != nil {
			name = label(name)
		}
		g := snapshot.groups[name]
		if g == nil {
			g = newGroup()
			snapshot.groups[name] = g
		}
		g.add(topic)
	}
	return snapshot
}

// newGroup names what is not there yet, as 0: a rate over a series that appears
// with its first failure does not see that one.
func newGroup() *group {
	g := &group{states: map[string]int64{}, workers: map[string]int64{}, dropped: map[string]int64{}, refused: map[string]int64{}}
	for _, state := range ekaf.TopicStates() {
		g.states[state.String()] = 0
	}
	for _, state := range worker.Machine.States() {
		g.workers[state.String()] = 0
	}
	for _, r := range reasons {
		if r.fails {
			g.dropped[r.name] = 0
		}
		if r.refuses {
			g.refused[r.name] = 0
		}
	}
	return g
}

func (g *group) add(t ekaf.TopicStats) {
	g.Batches += t.Batches
	g.Messages += t.Messages
	g.Bytes += t.Bytes
	g.Acked += t.Acked
	g.Retries += t.Retries
	g.Splits += t.Splits
	g.Buffered += t.Buffered
	g.InFlight += t.InFlight
	g.latency = g.latency.Plus(t.Latency)
	g.bufferedBytes += t.BufferedBytes
	g.states[t.State]++
	g.partitions += len(t.Partitions)
	for _, p := range t.Partitions {
		if p.Leader < 0 {
			g.leaderless++
		}
		for _, w := range p.Workers {
			g.workers[w.State]++
		}
	}
	for text, n := range t.Dropped {
		g.dropped[Reason(text)] += n
	}
	for text, n := range t.Refused {
		g.refused[Reason(text)] += n
	}
}

// reasons are the sentinels' names in labels, and where they occur.
var reasons = []struct {
	err            error
	name           string
	fails, refuses bool
}{
	{ekaf.ErrFull, "full", false, true},
	{ekaf.ErrDropped, "dropped", true, false},
	{ekaf.ErrTimeout, "timeout", true, false},
	{ekaf.ErrClosed, "closed", true, true},
	{ekaf.ErrWithdrawn, "withdrawn", true, false},
	{ekaf.ErrUnknownTopic, "unknown_topic", true, false},
	{ekaf.ErrUnknownPartition, "unknown_partition", true, true},
	{ekaf.ErrInvalidTopic, "invalid_topic", false, false},
	{ekaf.ErrTooLarge, "too_large", true, true},
	{ekaf.ErrNotPermitted, "not_permitted", true, false},
	{ekaf.ErrUndecidable, "undecidable", true, false},
	{ekaf.ErrHeadersUnsupported, "headers_unsupported", false, false},
	{ekaf.ErrIdempotenceUnsupported, "idempotence_unsupported", false, false},
}

// Other is the reason of what has no name: a label's values must be few.
const Other = "other"

// Reason is the label of a reason in Stats: a sentinel's name, the name of a Kafka
// error as it is, or else "other".
func Reason(text string) string {
	for _, r := range reasons {
		if text == r.err.Error() {
			return r.name
		}
	}
	if text != "" && strings.Trim(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == "" {
		return text
	}
	return Other
}

// ReasonOf is the label of an error.
func ReasonOf(err error) string {
	for _, r := range reasons {
		if errors.Is(err, r.err) {
			return r.name
		}
	}
	switch known, ok := errors.AsType[*kerr.Error](err); {
	case ok:
		return known.Message
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return "context"
	}
	return Other
}

// Reasons lists the names of the sentinels.
func Reasons() (list []string) {
	for _, r := range reasons {
		list = append(list, r.name)
	}
	return list
}
