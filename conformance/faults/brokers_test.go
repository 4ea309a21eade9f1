package faults

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/conformance/judge"
	"github.com/ekaf-go/ekaf/conformance/realkafka"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// world is a cluster of three brokers, embedded or real, whose brokers can be
// harmed.
type world interface {
	brokers() []int
	// controller is the broker that decides who leads, or the one that is as good.
	controller(ctx context.Context) (int, error)
	kill(broker int) error
	stop(broker int) error
	start(ctx context.Context, broker int) error
	pause(broker int) error
	resume(broker int) error
	moveLeader(ctx context.Context, topic string, partition, broker int) error
	addPartitions(ctx context.Context, topic string, total int) error
	// starve leaves a topic with too few replicas in sync.
	starve(ctx context.Context, topic string) (relieve func(context.Context) error, err error)
	// settle is how long the cluster takes to notice what happened to a broker.
	settle() time.Duration
	// pace is the pause between two messages of a caller.
	pace() time.Duration
}

// pauses is how long brokers stay paused: longer than any session or request.
const pauses = 40 * time.Second

// harm is what is done to a broker, and how it is undone.
type harm struct {
	name string
	do   func(w world, broker int) error
	undo func(ctx context.Context, w world, broker int) error
	last time.Duration
}

var harms = []harm{
	{"killed (-9)", world.kill, restart, 0},
	{"stopped in order", world.stop, restart, 0},
	{"paused for 40 s", world.pause, func(_ context.Context, w world, broker int) error { return w.resume(broker) }, pauses},
}

func restart(ctx context.Context, w world, broker int) error { return w.start(ctx, broker) }

// to does it to brokers at once, and undoes it after a while.
func (h harm) to(ctx context.Context, w world, brokers ...int) error {
	var errs []error
	for _, broker := range brokers {
		errs = append(errs, h.do(w, broker))
	}
	time.Sleep(max(h.last, w.settle()))
	var undoing sync.WaitGroup
	results := make([]error, len(brokers))
	for i, broker := range brokers { // at once: a quorum needs more than one
		undoing.Go(func() { results[i] = h.undo(ctx, w, broker) })
	}
	undoing.Wait()
	time.Sleep(w.settle())
	return errors.Join(append(errs, results...)...)
}

// trouble happens while keyed messages flow from many goroutines in all four verbs.
type trouble struct {
	name string
	run  func(ctx context.Context, w world, topic string) error
	// moves: keys change their partitions, so only each partition has an order.
	moves bool
}

func (what trouble) order() judge.Order {
	if what.moves {
		return judge.PerPartition
	}
	return judge.PerKey
}

func troubles() (list []trouble) {
	for _, h := range harms {
		list = append(list,
			trouble{name: "each broker in turn is " + h.name, run: func(ctx context.Context, w world, _ string) error {
				var errs []error
				for _, broker := range w.brokers() {
					errs = append(errs, h.to(ctx, w, broker))
				}
				return errors.Join(errs...)
			}},
			trouble{name: "all brokers at once are " + h.name, run: func(ctx context.Context, w world, _ string) error {
				return h.to(ctx, w, w.brokers()...)
			}},
			trouble{name: "the controller is " + h.name, run: func(ctx context.Context, w world, _ string) error {
				broker, err := w.controller(ctx)
				if err != nil {
					return err
				}
				return h.to(ctx, w, broker)
			}})
	}
	return append(list,
		trouble{name: "leaders move by reassignment and preferred election", run: moveLeaders},
		trouble{name: "min.insync.replicas is not met", run: func(ctx context.Context, w world, topic string) error {
			relieve, err := w.starve(ctx, topic)
			if err != nil {
				return err
			}
			time.Sleep(5 * time.Second)
			return relieve(ctx)
		}},
		trouble{name: "partitions are added", moves: true, run: func(ctx context.Context, w world, topic string) error {
			return errors.Join(w.addPartitions(ctx, topic, 5), w.addPartitions(ctx, topic, 6))
		}},
	)
}

func moveLeaders(ctx context.Context, w world, topic string) error {
	var errs []error
	for _, broker := range w.brokers() {
		for partition := range partitions {
			errs = append(errs, w.moveLeader(ctx, topic, partition, broker))
		}
		time.Sleep(100 * time.Millisecond)
	}
	return errors.Join(errs...)
}

// partitions of the topic.
const partitions = 4

// suffer has a crowd produce while the trouble lasts, and all of it acked.
func (s *stage) suffer(w world, what trouble) {
	s.T.Helper()
	stop := make(chan struct{})
	callers := s.crowd(stop, w.pace())
	time.Sleep(time.Second)
	if err := what.run(s.Context(), w, s.topic); err != nil {
		s.Error(err)
	}
	time.Sleep(time.Second)
	close(stop)
	callers.Wait()
	s.flush()
	s.expectAcked()
}

// brokerFaults are the troubles on embedded brokers, in virtual time.
func brokerFaults() (list []scenario) {
	for _, what := range troubles() {
		list = append(list, scenario{
			name: what.name, brokers: 3, cluster: []ekaftest.Option{ekaftest.Topic(topic, partitions)},
			order: what.order(), run: func(s *stage) { s.suffer(&embeddedWorld{Cluster: s.kafka, down: map[int]bool{}}, what) },
			options: []ekaf.Option{ekaf.MetadataRefresh(10 * time.Second)},
		})
	}
	return list
}

// embeddedWorld has no controller: what one does is done here.
type embeddedWorld struct {
	*ekaftest.Cluster

	mu   sync.Mutex // guards the following
	down map[int]bool
}

func (w *embeddedWorld) brokers() []int                          { return []int{0, 1, 2} }
func (w *embeddedWorld) controller(context.Context) (int, error) { return 1, nil }
func (w *embeddedWorld) settle() time.Duration                   { return 4 * time.Second }

func (w *embeddedWorld) pace() time.Duration { return 100 * time.Millisecond }

func (w *embeddedWorld) kill(broker int) error {
	if err := w.StopBroker(int32(broker)); err != nil {
		return err
	}
	return w.leave(broker)
}

// stop hands the leaders over before the broker ends.
func (w *embeddedWorld) stop(broker int) error {
	return errors.Join(w.leave(broker), w.StopBroker(int32(broker)))
}

// leave has others lead what the broker led. The last one keeps it.
func (w *embeddedWorld) leave(broker int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down[broker] = true; len(w.down) == len(w.brokers()) {
		return nil
	}
	return w.FailOver(int32(broker))
}

func (w *embeddedWorld) back(broker int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.down, broker)
}

func (w *embeddedWorld) start(_ context.Context, broker int) error {
	if err := w.StartBroker(int32(broker)); err != nil {
		return err
	}
	w.back(broker)
	return w.Cluster.MoveLeader(topic, int32(broker), int32(broker))
}

func (w *embeddedWorld) pause(broker int) error {
	w.Network(int32(broker)).Blackhole()
	return w.leave(broker)
}

func (w *embeddedWorld) resume(broker int) error {
	w.back(broker)
	return w.Network(int32(broker)).Heal()
}

func (w *embeddedWorld) moveLeader(_ context.Context, topic string, partition, broker int) error {
	return w.Cluster.MoveLeader(topic, int32(partition), int32(broker))
}

func (w *embeddedWorld) addPartitions(_ context.Context, topic string, total int) error {
	return w.AddPartitions(topic, int32(total-w.Partitions(topic)))
}

func (w *embeddedWorld) starve(context.Context, string) (func(context.Context) error, error) {
	after := w.Inject(ekaftest.Fault{Code: 20, AfterWrite: true, Times: 5})
	before := w.Inject(ekaftest.Fault{Code: 19, Times: -1})
	return func(context.Context) error {
		after.Remove()
		before.Remove()
		return nil
	}, nil
}

// TestBrokers harms embedded brokers.
func TestBrokers(t *testing.T) { play(t, brokerFaults()) }

// realWorld is Apache Kafka.
type realWorld struct{ *realkafka.Cluster }

func (w realWorld) brokers() (ids []int) {
	for _, b := range w.Brokers() {
		ids = append(ids, b.ID())
	}
	return ids
}

func (w realWorld) controller(ctx context.Context) (int, error) { return w.Controller(ctx) }
func (w realWorld) settle() time.Duration                       { return 3 * time.Second }
func (w realWorld) pace() time.Duration                         { return 5 * time.Millisecond }
func (w realWorld) kill(broker int) error                       { return w.Broker(broker).Kill() }
func (w realWorld) start(ctx context.Context, broker int) error { return w.Broker(broker).Start(ctx) }
func (w realWorld) pause(broker int) error                      { return w.Broker(broker).Pause() }
func (w realWorld) resume(broker int) error                     { return w.Broker(broker).Resume() }
func (w realWorld) addPartitions(ctx context.Context, topic string, total int) error {
	return w.AddPartitions(ctx, topic, total)
}

func (w realWorld) moveLeader(ctx context.Context, topic string, partition, broker int) error {
	return w.MoveLeader(ctx, topic, partition, broker)
}

// stop: the last brokers of a cluster have no quorum to hand over to, and are killed
// when they do not end.
func (w realWorld) stop(broker int) error {
	if err := w.Broker(broker).Stop(); err != nil && w.Broker(broker).Running() {
		return err
	}
	return nil
}

// starve asks for three replicas in sync and takes one away.
func (w realWorld) starve(ctx context.Context, topic string) (func(context.Context) error, error) {
	const setting = "min.insync.replicas"
	if err := w.SetTopicConfig(ctx, topic, setting, "3"); err != nil {
		return nil, err
	}
	lost := w.Brokers()[0]
	return func(ctx context.Context) error {
		return errors.Join(lost.Start(ctx), w.SetTopicConfig(ctx, topic, setting, "2"))
	}, lost.Kill()
}

// TestRealBrokers harms three brokers of Apache Kafka, replication 3,
// min.insync.replicas 2, where EKAF_REAL_KAFKA is set.
func TestRealBrokers(t *testing.T) {
	kafka := realkafka.StartT(t, realkafka.Config{Brokers: 3})
	for i, what := range troubles() {
		t.Run(what.name, func(t *testing.T) {
			name := topic + string(rune('a'+i))
			if err := kafka.CreateTopic(t.Context(), name, partitions, -1, nil); err != nil {
				t.Fatal(err)
			}
			s := &stage{T: t, ledger: newLedger(t, name), events: &events{}}
			s.producer = s.open(ekaf.Brokers(kafka.Addrs()...), ekaf.OnEvent(s.events.hear))
			defer s.abandon()
			s.suffer(realWorld{kafka}, what)
			s.end()
			s.verify(what.order(), kafka.Addrs(), kafka.ClientOpts()...)
		})
	}
}
