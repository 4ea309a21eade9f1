package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// chaosRun is one run.
type chaosRun struct {
	settings settings
	cluster  cluster
	network  *network
	line     *timeline
	ledger   *ledger
	topics   []string
	plan     []*fault
	sources  []*source

	mu       sync.Mutex // guards the following
	claims   map[string]bool
	happened map[string]int
	skipped  int
	stalled  int            // rounds of the probe
	sizes    map[string]int // partitions, by topic
	grown    map[string]bool
	spoiled  error
}

// chaos is a run from its beginning to the verdict.
func chaos(ctx context.Context, s settings, c cluster, stdout io.Writer) (*figures, error) {
	n, err := openNetwork(c)
	if err != nil {
		return nil, err
	}
	defer n.close()
	line := newTimeline(stdout, s.verbose)
	r := &chaosRun{
		settings: s, cluster: c, network: n, line: line, ledger: newLedger(line),
		claims: map[string]bool{}, happened: map[string]int{}, sizes: map[string]int{}, grown: map[string]bool{},
	}
	line.head("seed %d: %d brokers (%s), %v, %d faults", s.seed, s.brokers, c.Name(), s.time, s.faults)
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	stuck := r.carryOut(ctx)
	verdict, err := r.judge(ctx)
	return r.figures(verdict), errors.Join(verdict.err(), stuck, r.spoiled, err)
}

func (r *chaosRun) prepare(ctx context.Context) error {
	for i := range r.settings.topics {
		topic := fmt.Sprint("chaos-", i)
		if err := r.cluster.CreateTopic(ctx, topic, r.settings.partitions); err != nil {
			return err
		}
		r.topics = append(r.topics, topic)
		r.sizes[topic] = r.settings.partitions
	}
	if err := r.cluster.CreateTopic(ctx, probeTopic, r.settings.brokers); err != nil {
		return err
	}
	if err := r.openSources(); err != nil {
		return errors.Join(err, r.closeSources(ctx))
	}
	for _, one := range r.sources {
		way := "direct"
		if one.proxied {
			way = "through the proxies"
		}
		r.line.head("producer %d: %v, %s", one.number, one.choice, way)
	}
	r.plan = r.settings.plan(r)
	return nil
}

// carryOut lets load and faults run, and waits until all messages have their
// outcome. It answers what was stuck.
func (r *chaosRun) carryOut(ctx context.Context) error {
	r.line.began = time.Now()
	// Faults that had to wait for others may come late; then all lasts longer.
	loading, stop := context.WithTimeout(ctx, 2*r.settings.time)
	defer stop()
	enough := time.NewTimer(r.settings.time)
	defer enough.Stop()
	// Calls end with the run, but not before the brokers are healed and the rest
	// had its time.
	calls, hangUp := context.WithCancel(context.WithoutCancel(ctx))
	defer hangUp()
	var work, watch sync.WaitGroup
	for _, one := range r.sources {
		for _, c := range one.callers {
			work.Go(func() { c.call(loading, calls, r.spoil) })
		}
	}
	watched, unwatch := context.WithCancel(ctx)
	defer unwatch()
	watch.Go(func() { r.watch(watched) })
	watch.Go(func() { r.probe(watched) })
	r.disturb(loading)
	r.line.say("the faults are over")
	select {
	case <-enough.C:
	case <-loading.Done():
	}
	stop()
	draining, cancel := context.WithTimeout(ctx, r.settings.drain)
	defer cancel()
	context.AfterFunc(draining, hangUp)
	work.Wait()
	err := r.closeSources(draining)
	unwatch()
	watch.Wait()
	return err
}

// closeSources delivers the rest. What a producer could not deliver within the
// time is a fault: the brokers are well.
func (r *chaosRun) closeSources(ctx context.Context) error {
	errs := make([]error, len(r.sources))
	var closing sync.WaitGroup
	for i, one := range r.sources {
		if one.producer == nil {
			continue
		}
		closing.Go(func() {
			err := one.producer.Flush(ctx)
			if err != nil {
				for _, topic := range r.topics {
					r.line.say("producer %d: %+v", one.number, one.producer.Info(topic))
				}
			}
			if err = errors.Join(err, one.producer.Close(ctx)); err != nil {
				errs[i] = fmt.Errorf("producer %d (%v) is stuck: %w", one.number, one.choice, err)
			}
		})
	}
	closing.Wait()
	return errors.Join(errs...)
}

// watch tells how it goes, a dozen times in a run.
func (r *chaosRun) watch(ctx context.Context) {
	every := max(r.settings.time/12, time.Second)
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	var before [states]int64
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
		now := r.ledger.totals()
		r.line.say("%d acked (%.0f/s), %d failed, %d left open, %d refused, %d under way", now[acked],
			float64(now[acked]-before[acked])/every.Seconds(), now[failed], now[maybe], now[refused], now[open])
		before = now
	}
}

func (r *chaosRun) count(kind string, happened bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if happened {
		r.happened[kind]++
	} else {
		r.skipped++
	}
}

// spoil notes what makes the run void.
func (r *chaosRun) spoil(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.spoiled = errors.Join(r.spoiled, err)
}

func (r *chaosRun) partitions(topic string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sizes[topic]
}

func (r *chaosRun) grew(topic string, total int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sizes[topic], r.grown[topic] = total, true
}
