package suite

import (
	"testing"
	"time"
)

// Scenario is one question put to a producer and a cluster.
type Scenario struct {
	Name string
	// Needs is what the cluster must be able to do.
	Needs Capability
	// Core marks scenarios that are worth asking again of a cluster which
	// differs from another only in how it is reached (TLS, SASL).
	Core bool
	Run  func(*Trial)
}

// Scenarios lists all, the gentle ones first: those at the end stop brokers.
func Scenarios() []Scenario {
	return []Scenario{
		{Name: "Verbs", Core: true, Run: everyVerb},
		{Name: "Combinations", Run: combinations},
		{Name: "Codecs", Run: everyCodec},
		{Name: "Contents", Run: contents},
		{Name: "Headers", Needs: RecordBatches, Run: headers},
		{Name: "CreateTime", Needs: Timestamps, Run: createTime},
		{Name: "LogAppendTime", Needs: Timestamps, Run: logAppendTime},
		{Name: "Placement", Run: placement},
		{Name: "Explicit partitions", Run: explicit},
		{Name: "Calls stay together", Run: together},
		{Name: "StrictRoundRobin", Run: strict},
		{Name: "StickyRoundRobin", Run: sticky},
		{Name: "Many partitions", Run: manyPartitions},
		{Name: "Large messages", Core: true, Run: large},
		{Name: "Split", Run: split},
		{Name: "Too large alone", Run: tooLargeAlone},
		{Name: "MassageBuffer", Run: massage},
		{Name: "Created late", Run: createdLate},
		{Name: "Deleted and recreated", Needs: Recreate, Run: deleted},
		{Name: "Recreated in traffic", Needs: Recreate, Run: recreated},
		{Name: "Partitions added", Needs: Grow, Run: grown},
		{Name: "Leaders move", Needs: Leaders, Run: leaderMoves},
		{Name: "Restarts", Needs: Restart, Core: true, Run: restarts},
		{Name: "Outage", Needs: Restart, Run: outage},
	}
}

// limit bounds a scenario. It is no assertion about speed: a slow machine with
// real brokers needs a fraction of it.
const limit = 3 * time.Minute

// How often producers refresh their metadata where a scenario depends on it.
const (
	soon  = 50 * time.Millisecond
	never = time.Hour
)

// Run puts scenarios to a cluster. open answers the cluster for one scenario: a
// new one, or always the same.
func Run(t *testing.T, scenarios []Scenario, open func(t *testing.T) Cluster) {
	for _, s := range scenarios {
		t.Run(s.Name, func(t *testing.T) {
			c := open(t)
			if missing := s.Needs &^ c.Can(); missing != 0 {
				t.Skipf("the cluster has no %v", missing)
			}
			s.Run(newTrial(t, c))
		})
	}
}

// Core picks the scenarios marked so.
func Core(all []Scenario) (core []Scenario) {
	for _, s := range all {
		if s.Core {
			core = append(core, s)
		}
	}
	return core
}
