package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/conformance/judge"
)

// What an outage run consists of besides the outage.
const (
	outageTopic   = "outage"
	outageValue   = 100 // bytes
	outageKeys    = 50  // of each feeder
	feeders       = 4
	perCall       = 25
	warmest       = 5 * time.Second
	firstAttempts = 10 * time.Second
)

// outageRun measures how one producer bears that all brokers are away.
type outageRun struct {
	settings settings
	cluster  cluster
	network  *network
	line     *timeline
	producer *ekaf.Producer
	feeders  []*feeder

	handed   atomic.Int64 // messages accepted, or about to be
	acked    atomic.Int64
	failed   atomic.Int64
	recovery atomic.Int64 // ns since the run began; 0: the brokers are not back
	firstAck atomic.Int64 // the same, of the first ack after; 0: none yet
	settled  atomic.Int64 // messages acked before that one
	backlog  atomic.Int64 // messages without an ack at that moment, its own among them
	mistake  atomic.Pointer[error]
}

// feeder is a goroutine that hands messages over at a steady rate.
type feeder struct {
	number int
	next   [outageKeys]int64
	keys   [outageKeys]string
	calls  int
}

// outageFigures are the last line of an outage run.
type outageFigures struct {
	Kafka        string           `json:"kafka"`
	Outage       float64          `json:"outage_seconds"`
	Rate         int              `json:"rate"`
	Offered      float64          `json:"offered_per_second"`   // during the outage, as far as the machine went along
	FullSpeed    float64          `json:"full_per_second"`      // acked, before the outage, as fast as it goes
	Backlog      int64            `json:"backlog"`              // messages without an ack, just before the first ack came
	DrainSeconds float64          `json:"drain_seconds"`        // from the first ack to the last
	Drain        float64          `json:"drain_per_second"`     // of the backlog, and of what came while it drained
	Attempts     map[string]int64 `json:"attempts_first_10s"`   // connections, by broker
	AttemptsAll  map[string]int64 `json:"attempts_outage"`      // in all of the outage
	ProbeSeconds float64          `json:"probe_seconds"`        // from the start of the brokers to the probe's first ack
	ProbeToAck   float64          `json:"probe_to_ack_seconds"` // from there to the producer's; negative: it was first
	Acked        int64            `json:"acked"`
	Failed       int64            `json:"failed"`
	Lost         int              `json:"lost"`
	Duplicated   int              `json:"duplicated"`
	Reordered    int              `json:"reordered"`
}

// outage takes all brokers away for a while under steady load.
func outage(ctx context.Context, s settings, c cluster, stdout io.Writer) (*outageFigures, error) {
	n, err := openNetwork(c)
	if err != nil {
		return nil, err
	}
	defer n.close()
	r := &outageRun{settings: s, cluster: c, network: n, line: newTimeline(stdout, s.verbose)}
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	out := &outageFigures{Kafka: c.Name(), Outage: s.outage.Seconds(), Rate: s.rate, Attempts: map[string]int64{}, AttemptsAll: map[string]int64{}}
	err = r.measure(ctx, out)
	closing, cancel := context.WithTimeout(ctx, s.drain)
	defer cancel()
	err = errors.Join(err, r.producer.Close(closing))
	out.Acked, out.Failed = r.acked.Load(), r.failed.Load()
	if err == nil {
		err = r.judge(ctx, out)
	}
	return out, err
}

func (r *outageRun) open(ctx context.Context) error {
	for topic, partitions := range map[string]int{outageTopic: r.settings.topics * r.settings.partitions, probeTopic: 1} {
		if err := r.cluster.CreateTopic(ctx, topic, partitions); err != nil {
			return err
		}
	}
	for i := range feeders {
		f := &feeder{number: i}
		for k := range f.keys {
			f.keys[k] = fmt.Sprintf("f%d.k%d", i, k)
		}
		r.feeders = append(r.feeders, f)
	}
	// Room for all that the outage brings, and as much again.
	room := 2 * int64(r.settings.outage.Seconds()+warmest.Seconds()+30) * int64(r.settings.rate) * (outageValue + 50)
	var err error
	r.producer, err = ekaf.New(ekaf.Brokers(r.cluster.Addrs()...), ekaf.Dialer(r.network.direct), ekaf.WhenFullAsync(ekaf.Block),
		ekaf.BufferBytes(max(room, 256<<20)), ekaf.PartitionBufferBytes(max(room, 256<<20)), ekaf.OnEvent(func(e ekaf.Event) {
			if e.Kind == ekaf.EventTopicState && e.Topic == outageTopic {
				r.line.say("the topic goes from %s to %s", e.From, e.To)
			}
		}))
	return err
}

// measure goes through the run's phases.
func (r *outageRun) measure(ctx context.Context, out *outageFigures) error {
	var err error
	if out.FullSpeed, err = r.fullSpeed(ctx); err != nil {
		return err
	}
	r.line.say("at full speed %.0f messages are acked a second", out.FullSpeed)
	feeding, stop := context.WithCancel(ctx)
	defer stop()
	var feeds sync.WaitGroup
	defer feeds.Wait()
	for _, f := range r.feeders {
		feeds.Go(func() { r.feed(feeding, f, r.settings.rate) })
	}
	if err := r.pause(ctx, r.warmth()); err != nil {
		return err
	}
	if err := r.away(ctx, out); err != nil {
		return err
	}
	drained, err := r.back(ctx, out, stop)
	feeds.Wait()
	if fault := r.mistake.Load(); fault != nil {
		return errors.Join(*fault, err)
	}
	if err != nil {
		return err
	}
	return drained()
}

// warmth is how long the phases before the outage last.
func (r *outageRun) warmth() time.Duration { return min(warmest, r.settings.outage) }

// fullSpeed is how many messages a second are acked when callers never pause.
func (r *outageRun) fullSpeed(ctx context.Context) (float64, error) {
	began := time.Now()
	feeding, stop := context.WithTimeout(ctx, r.warmth())
	defer stop()
	var feeds sync.WaitGroup
	for _, f := range r.feeders {
		feeds.Go(func() { r.feed(feeding, f, 0) })
	}
	feeds.Wait()
	err := r.producer.Flush(ctx)
	return float64(r.acked.Load()) / time.Since(began).Seconds(), err
}

// feed hands messages over, rate a second of all feeders together; 0: as fast as
// it goes, with some megabytes under way.
func (r *outageRun) feed(ctx context.Context, f *feeder, rate int) {
	began, sent := time.Now(), 0
	for ctx.Err() == nil {
		if rate > 0 {
			due := int(time.Since(began).Seconds() * float64(rate) / feeders)
			if sent >= due {
				time.Sleep(time.Millisecond)
				continue
			}
		} else if r.producer.Info(outageTopic).Waiting > 500_000 {
			time.Sleep(time.Millisecond)
			continue
		}
		if err := r.hand(ctx, f); err != nil && ctx.Err() == nil {
			err = fmt.Errorf("cannot hand over: %w", err)
			r.mistake.CompareAndSwap(nil, &err)
			return
		}
		sent += perCall
	}
}

// hand makes one call. The sequences of refused messages are used again.
func (r *outageRun) hand(ctx context.Context, f *feeder) error {
	msgs := make([]ekaf.Message, perCall)
	buffer := make([]byte, 0, perCall*(outageValue+20))
	key := f.calls % outageKeys
	f.calls++
	for i := range msgs {
		start := len(buffer)
		m := judge.Message{Producer: f.number, Key: f.keys[key], Sequence: f.next[key] + int64(i)}
		buffer = judge.AppendValue(buffer, m, outageValue)
		msgs[i] = ekaf.KeyValue(f.keys[key], buffer[start:])
	}
	// The feeder's context ends while its last call waits for nothing: it must not
	// be what refuses a call.
	// Counted first: the ack of a call can be told before the call returns.
	r.handed.Add(perCall)
	err := r.producer.ProduceAsyncFunc(context.WithoutCancel(ctx), outageTopic, r.told, msgs...)
	if err != nil {
		r.handed.Add(-perCall)
		return err
	}
	f.next[key] += perCall
	return nil
}

// told counts the outcomes of a call. The backlog is taken at the first ack itself:
// a goroutine that looks for that ack can come so late that all is acked.
func (r *outageRun) told(answer ekaf.Acked, err error) {
	if err != nil {
		r.failed.Add(int64(answer.Len()))
		return
	}
	acked := r.acked.Add(int64(answer.Len())) - int64(answer.Len())
	if r.recovery.Load() > 0 && r.firstAck.Load() == 0 {
		if r.backlog.CompareAndSwap(0, r.handed.Load()-acked) {
			r.settled.Store(acked)
			r.firstAck.Store(int64(r.line.now())) // last: it says that the others are there
		}
	}
}

// away kills all brokers for the time of the outage.
func (r *outageRun) away(ctx context.Context, out *outageFigures) error {
	offered := r.handed.Load()
	if err := each(r.cluster.Brokers(), r.cluster.Kill); err != nil {
		return err
	}
	r.line.say("all brokers killed, for %v", r.settings.outage)
	before := r.network.counts()
	began := time.Now()
	first := min(firstAttempts, r.settings.outage)
	if err := r.pause(ctx, first); err != nil {
		return err
	}
	out.Attempts = since(before, r.network.counts())
	r.line.say("in the first %v: connection attempts %v", first, out.Attempts)
	if err := r.pause(ctx, r.settings.outage-first); err != nil {
		return err
	}
	// An outage in which nothing was handed over would measure nothing.
	for r.handed.Load() == offered && r.mistake.Load() == nil {
		if err := r.pause(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	out.AttemptsAll = since(before, r.network.counts())
	out.Offered = float64(r.handed.Load()-offered) / time.Since(began).Seconds()
	r.line.say("%.0f messages a second were handed over; %d wait", out.Offered, r.producer.Info(outageTopic).Waiting)
	return nil
}

// back starts the brokers, probes them, and waits for the first ack. From then
// on there are no new messages, and drained measures how long the rest takes.
func (r *outageRun) back(run context.Context, out *outageFigures, stop func()) (drained func() error, err error) {
	ctx, cancel := context.WithTimeout(run, healing)
	defer cancel()
	began := r.line.now()
	r.recovery.Store(int64(began))
	var starting sync.WaitGroup
	var started error
	starting.Go(func() {
		started = each(r.cluster.Brokers(), func(broker int) error { return r.cluster.Start(ctx, broker) })
	})
	defer starting.Wait()
	defer stop()
	if err := r.probe(ctx); err != nil {
		return nil, err
	}
	probed := r.line.now()
	r.line.say("a probe is acked, %v after the start of the brokers", probed-began)
	for r.firstAck.Load() == 0 {
		if err := r.pause(ctx, time.Millisecond); err != nil {
			return nil, fmt.Errorf("the producer got no ack: %w", err)
		}
	}
	first := time.Duration(r.firstAck.Load())
	out.ProbeSeconds, out.ProbeToAck = (probed - began).Seconds(), (first - probed).Seconds()
	out.Backlog = r.backlog.Load()
	r.line.say("a message is acked, %.3f s after the probe; %d wait", out.ProbeToAck, out.Backlog)
	stop()
	starting.Wait()
	return func() error { return r.drain(run, out, first) }, started
}

// drain waits until all that was handed over is acked.
func (r *outageRun) drain(ctx context.Context, out *outageFigures, first time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, r.settings.drain)
	defer cancel()
	if err := r.producer.Flush(ctx); err != nil {
		return err
	}
	out.DrainSeconds = (r.line.now() - first).Seconds()
	drained := r.handed.Load() - r.settled.Load()
	out.Drain = float64(drained) / out.DrainSeconds
	r.line.say("%d messages drained in %.1f s, %.0f a second", drained, out.DrainSeconds, out.Drain)
	return nil
}

// judge asks whether all that was handed over is there, once and in order.
func (r *outageRun) judge(ctx context.Context, out *outageFigures) error {
	var expected judge.Expectation
	for _, f := range r.feeders {
		for k, key := range f.keys {
			expected.AckedAll(f.number, key, f.next[k])
		}
	}
	reading, cancel := context.WithTimeout(ctx, judging)
	defer cancel()
	log, err := judge.Consume(reading, r.cluster.Addrs(), outageTopic, r.cluster.ClientOpts()...)
	if err != nil {
		return err
	}
	report := judge.Verify(log, &expected)
	out.Lost, out.Duplicated, out.Reordered = report.Lost, report.Duplicated, report.Reordered
	r.line.say("%v", report)
	return report.Err()
}

func (r *outageRun) pause(ctx context.Context, d time.Duration) error {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-wait.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
