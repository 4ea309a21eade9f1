package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// kind is a kind of fault.
type kind struct {
	name   string
	about  string
	weight int
	long   bool // may last as long as -longest
	place  place
	// begin lets it happen, and answers what it did and how to undo it; no end:
	// it is over at once.
	begin func(ctx context.Context, f *fault) (text string, end func(context.Context) error, err error)
}

// place is where a kind of fault can happen.
type place uint8

const (
	anywhere place = iota
	onReal
	onEmbedded
)

func (k kind) title() string { return k.name }

func (k kind) possible(s settings) bool {
	return k.place == anywhere || (k.place == onEmbedded) == s.embedded
}

// kinds lists all kinds of faults.
func kinds() []kind {
	return append([]kind{
		{name: "kill", about: "a broker is killed (-9), and started again", weight: 4, begin: away(cluster.Kill, "killed")},
		{name: "stop", about: "a broker is stopped in order, and started again", weight: 3, begin: away(cluster.Stop, "stopped")},
		{name: "pause", about: "a broker is frozen (SIGSTOP), and goes on", weight: 4, long: true, begin: pause},
		{name: "controller", about: "the controller is killed, stopped or frozen", weight: 2, place: onReal, begin: controller},
		{name: "blackout", about: "all brokers are killed at once", weight: 1, begin: blackout},
		{name: "freeze", about: "all brokers are frozen at once", weight: 1, long: true, begin: freeze},
		{name: "leaders", about: "leaders are moved to random brokers", weight: 3, begin: moveLeaders},
		{name: "elect", about: "the preferred leaders are elected", weight: 2, begin: elect},
		{name: "grow", about: "a topic gets more partitions", weight: 1, begin: grow},
		{name: "min-insync", about: "a topic has too few replicas in sync", weight: 2, begin: starve},
		{name: "latency", about: "bytes are late, and by different times", weight: 1, long: true, begin: wire(latency)},
		{name: "bandwidth", about: "1 to 50 KB/s pass", weight: 1, begin: wire(bandwidth)},
		{name: "cut-request", about: "connections end inside a request", weight: 2, begin: wire(cut(toBroker))},
		{name: "cut-answer", about: "connections end inside an answer", weight: 2, begin: wire(cut(toClient))},
		{name: "reset", about: "connections are reset", weight: 2, begin: wire(reset)},
		{name: "blackhole", about: "connections are accepted, and nothing answers", weight: 2, long: true, begin: wire(blackhole)},
		{name: "unplug", about: "connections are cut and refused", weight: 2, begin: unplug},
	}, answers()...)
}

// away takes one broker away and brings it back.
func away(take func(cluster, int) error, done string) func(context.Context, *fault) (string, func(context.Context) error, error) {
	return func(ctx context.Context, f *fault) (string, func(context.Context) error, error) {
		broker, err := f.claimBroker(ctx, theProcess)
		if err != nil {
			return "", nil, err
		}
		end := func(ctx context.Context) error { return f.run.cluster.Start(ctx, broker) }
		return fmt.Sprintf("broker %d %s", broker, done), end, take(f.run.cluster, broker)
	}
}

func pause(ctx context.Context, f *fault) (string, func(context.Context) error, error) {
	broker, err := f.claimBroker(ctx, theProcess)
	if err != nil {
		return "", nil, err
	}
	end := func(context.Context) error { return f.run.cluster.Resume(broker) }
	return fmt.Sprintf("broker %d frozen", broker), end, f.run.cluster.Pause(broker)
}

// controller hits the broker that is the controller, if no other fault does: by
// the time another has let go of it, another broker may be the controller.
func controller(ctx context.Context, f *fault) (string, func(context.Context) error, error) {
	c := f.run.cluster
	asking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	broker, err := c.Controller(asking)
	if err != nil {
		return "", nil, err
	}
	if _, err := f.claim(asking, []string{fmt.Sprint(theProcess, broker)}); err != nil {
		return "", nil, err
	}
	start := func(ctx context.Context) error { return c.Start(ctx, broker) }
	switch f.rand.IntN(3) {
	case 0:
		return fmt.Sprintf("the controller, broker %d, killed", broker), start, c.Kill(broker)
	case 1:
		return fmt.Sprintf("the controller, broker %d, stopped", broker), start, c.Stop(broker)
	default:
		resume := func(context.Context) error { return c.Resume(broker) }
		return fmt.Sprintf("the controller, broker %d, frozen", broker), resume, c.Pause(broker)
	}
}

// blackout starts all brokers at once: a quorum needs more than one.
func blackout(ctx context.Context, f *fault) (string, func(context.Context) error, error) {
	c := f.run.cluster
	if err := f.claimAll(ctx); err != nil {
		return "", nil, err
	}
	end := func(ctx context.Context) error {
		return each(c.Brokers(), func(broker int) error { return c.Start(ctx, broker) })
	}
	return "all brokers killed", end, each(c.Brokers(), c.Kill)
}

func freeze(ctx context.Context, f *fault) (string, func(context.Context) error, error) {
	c := f.run.cluster
	if err := f.claimAll(ctx); err != nil {
		return "", nil, err
	}
	end := func(context.Context) error { return each(c.Brokers(), c.Resume) }
	return "all brokers frozen", end, each(c.Brokers(), c.Pause)
}

// each does something to all brokers at once.
func each(brokers []int, do func(int) error) error {
	errs := make([]error, len(brokers))
	var doing sync.WaitGroup
	for i, broker := range brokers {
		doing.Go(func() { errs[i] = do(broker) })
	}
	doing.Wait()
	return errors.Join(errs...)
}

// patience bounds what is asked of a cluster that may be half away.
const patience = 15 * time.Second

// moveLeaders moves those of some partitions of one topic. With brokers away
// some moves fail, and are no fault of the run.
func moveLeaders(ctx context.Context, f *fault) (string, func(context.Context) error, error) {
	return f.reassign(ctx, "leaders moved", func(ctx context.Context, topic string, partition int) error {
		brokers := f.run.cluster.Brokers()
		return f.run.cluster.MoveLeader(ctx, topic, partition, brokers[f.rand.IntN(len(brokers))])
	})
}

func elect(ctx context.Context, f *fault) (string, func(context.Context) error, error) {
	return f.reassign(ctx, "preferred leaders elected", f.run.cluster.ElectPreferred)
}

func (f *fault) reassign(ctx context.Context, done string, do func(ctx context.Context, topic string, partition int) error) (string, func(context.Context) error, error) {
	if _, err := f.claim(ctx, []string{theTopics}); err != nil {
		return "", nil, err
	}
	asking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	topic := f.topic()
	moved, failure := 0, error(nil)
	for partition := range f.run.partitions(topic) {
		if err := do(asking, topic, partition); err != nil {
			failure = err
			continue
		}
		moved++
	}
	if moved == 0 {
		return "", nil, failure
	}
	return fmt.Sprintf("%d %s of %s", moved, done, topic), nil, nil
}

func (f *fault) topic() string { return f.run.topics[f.rand.IntN(len(f.run.topics))] }

// maxGrowth bounds a topic's partitions, in multiples of what it had.
const maxGrowth = 3

func grow(ctx context.Context, f *fault) (string, func(context.Context) error, error) {
	if _, err := f.claim(ctx, []string{theTopics}); err != nil {
		return "", nil, err
	}
	asking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	topic := f.topic()
	had := f.run.partitions(topic)
	total := had + 1 + f.rand.IntN(2)
	if total > maxGrowth*f.run.settings.partitions {
		return "", nil, fmt.Errorf("%s has grown enough", topic)
	}
	// Noted first: an error does not tell that it did not grow.
	f.run.grew(topic, total)
	if err := f.run.cluster.AddPartitions(asking, topic, total); err != nil {
		return "", nil, err
	}
	return fmt.Sprintf("%s grows from %d to %d partitions", topic, had, total), nil, nil
}

func starve(ctx context.Context, f *fault) (string, func(context.Context) error, error) {
	var candidates [][]string
	brokers := f.run.cluster.Brokers()
	first := f.rand.IntN(len(brokers))
	for i := range brokers {
		candidates = append(candidates, []string{fmt.Sprint(theProcess, brokers[(first+i)%len(brokers)]), theConfig})
	}
	i, err := f.claim(ctx, candidates...)
	if err != nil {
		return "", nil, err
	}
	asking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	topic := f.topic()
	// Also undone when it failed halfway.
	relieve, err := f.run.cluster.Starve(asking, topic, brokers[(first+i)%len(brokers)])
	return fmt.Sprintf("%s has too few replicas in sync", topic), relieve, err
}
