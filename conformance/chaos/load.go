package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/conformance/judge"
)

// source is a producer with its callers.
type source struct {
	number   int
	producer *ekaf.Producer
	choice   *choice
	proxied  bool // goes through the proxies
	callers  []*caller
}

// caller is a goroutine that hands messages over. Its messages are made one
// after another, so their order is known.
type caller struct {
	source  *source
	ledger  *ledger
	random  *rand.Rand
	verbs   []verb
	topics  []route
	pause   time.Duration // between calls, on average
	scratch []byte

	mu    sync.Mutex // guards the following, and the fates of its streams
	made  uint32
	calls uint32
}

// route is what a caller sends to a topic.
type route struct {
	topic   string
	unkeyed *stream
	keys    []*stream
}

// keysPerCaller is how many keys a caller has in a topic.
const keysPerCaller = 5

// meanCall is how many messages a call has on average; see caller.size.
const meanCall = 6

// openSources makes the producers and their callers.
func (r *chaosRun) openSources() error {
	s := r.settings
	for number := range s.producers {
		one := &source{number: number, choice: s.draw(number)}
		one.proxied = one.choice.random.IntN(3) > 0
		dial := r.network.direct
		if one.proxied {
			dial = r.network.dial
		}
		options := append(one.choice.options, ekaf.Brokers(r.cluster.Addrs()...), ekaf.Dialer(dial),
			ekaf.ClientID(fmt.Sprint("chaos-", number)), ekaf.OnEvent(r.hear(one)))
		var err error
		if one.producer, err = ekaf.New(options...); err != nil {
			return fmt.Errorf("cannot make producer %d (%v): %w", number, one.choice, err)
		}
		r.sources = append(r.sources, one)
		for i := range s.callers {
			one.callers = append(one.callers, r.newCaller(one, i))
		}
	}
	return nil
}

func (r *chaosRun) newCaller(one *source, i int) *caller {
	s := r.settings
	c := &caller{
		source: one, ledger: r.ledger, random: s.random("caller", one.number*s.callers+i), verbs: pick(verbs(), s.verbs),
		pause: time.Duration(float64(time.Second) * meanCall * float64(s.producers*s.callers) / float64(s.rate)),
	}
	for t, topic := range r.topics {
		way := route{topic: topic, unkeyed: &stream{caller: c, topic: topic, key: fmt.Sprintf("t%d.c%d", t, i)}}
		r.ledger.open(way.unkeyed)
		for k := range keysPerCaller {
			keyed := &stream{caller: c, topic: topic, key: fmt.Sprintf("t%d.c%d.k%d", t, i, k), keyed: true}
			r.ledger.open(keyed)
			way.keys = append(way.keys, keyed)
		}
		c.topics = append(c.topics, way)
	}
	return c
}

// hear puts a producer's events into the timeline, but those of every batch.
func (r *chaosRun) hear(one *source) func(ekaf.Event) {
	return func(e ekaf.Event) {
		switch e.Kind {
		case ekaf.EventDataLoss, ekaf.EventUndecidable, ekaf.EventCallbackPanicked:
			r.line.say("producer %d: %v: %s[%d] worker %d, %d messages: %v", one.number, e.Kind, e.Topic, e.Partition, e.Worker, e.Messages, e.Err)
		case ekaf.EventTopicState, ekaf.EventWorkerState:
			r.line.note("producer %d: %s[%d] worker %d: %s to %s", one.number, e.Topic, e.Partition, e.Worker, e.From, e.To)
		case ekaf.EventRetry, ekaf.EventWorkerDown, ekaf.EventTopicRecreated, ekaf.EventLeaderMoved, ekaf.EventPartitionsAdded:
			r.line.note("producer %d: %v: %s[%d] worker %d broker %d, %d messages: %v", one.number, e.Kind, e.Topic, e.Partition, e.Worker, e.Broker, e.Messages, e.Err)
		}
	}
}

// call calls until ctx ends. The calls' own contexts are not ended by it: a run
// that is over waits for its messages.
func (c *caller) call(ctx context.Context, calls context.Context, report func(error)) {
	for {
		wait := time.NewTimer(time.Duration(c.random.ExpFloat64() * float64(c.pause)))
		select {
		case <-ctx.Done():
			wait.Stop()
			return
		case <-wait.C:
		}
		if err := c.once(calls); err != nil {
			report(fmt.Errorf("producer %d: %w", c.source.number, err))
			return
		}
	}
}

// once makes one call.
func (c *caller) once(ctx context.Context) error {
	number := c.random.IntN(len(c.verbs))
	v := c.verbs[number]
	way := c.topics[c.random.IntN(len(c.topics))]
	var msgs []ekaf.Message
	var streams []*stream
	var sequences []int64
	c.scratch = c.scratch[:0]
	c.mu.Lock()
	c.calls++
	c.mu.Unlock()
	for range c.size() {
		s := way.unkeyed
		if !v.unkeyed && c.random.IntN(4) > 0 {
			s = way.keys[c.random.IntN(len(way.keys))]
		}
		sequence := c.ledger.opened(s, uint8(number))
		streams, sequences = append(streams, s), append(sequences, sequence)
		msgs = append(msgs, c.message(s, sequence))
	}
	deadline, cancel := c.deadline(ctx, v)
	told, err := v.call(deadline, c.source.producer, way.topic, msgs)
	cancel()
	clear(c.scratch) // what the caller may do with its bytes once a call returns (P5)
	indexes, fault := refusedBy(err, told, len(msgs))
	for _, i := range indexes {
		c.ledger.refuse(streams[i], sequences[i], err)
	}
	if fault == nil && (errors.Is(err, ekaf.ErrInvalidTopic) || errors.Is(err, ekaf.ErrUnknownTopic)) {
		fault = err
	}
	if fault != nil {
		return fmt.Errorf("%s: %w", v.name, fault)
	}
	return nil
}

// size draws how many messages a call has: mostly few, at times a burst.
func (c *caller) size() int {
	switch n := c.random.IntN(100); {
	case n == 0:
		return 100 + c.random.IntN(200)
	case n < 40:
		return 1
	default:
		return 1 + c.random.IntN(10)
	}
}

// message makes a message whose bytes lie in the caller's scratch. The scratch
// may grow and move while a call is made up; older messages keep the old one.
func (c *caller) message(s *stream, sequence int64) ekaf.Message {
	start := len(c.scratch)
	c.scratch = judge.AppendValue(c.scratch, s.message(sequence), c.valueSize())
	m := ekaf.Value(c.scratch[start:len(c.scratch):len(c.scratch)])
	if s.keyed {
		start = len(c.scratch)
		c.scratch = append(c.scratch, s.key...)
		m = m.WithKey(c.scratch[start:len(c.scratch):len(c.scratch)])
	}
	return m.Then(func(ack ekaf.Ack, err error) { c.ledger.settle(s, sequence, ack, err) })
}

func (c *caller) valueSize() int {
	switch n := c.random.IntN(1000); {
	case n == 0:
		return 100_000
	case n < 20:
		return 10_000
	default:
		return c.random.IntN(400)
	}
}

// deadline ends a part of the calls that wait, some of them at once.
func (c *caller) deadline(ctx context.Context, v verb) (context.Context, context.CancelFunc) {
	if !v.waits || c.random.IntN(3) > 0 {
		return context.WithCancel(ctx)
	}
	x := c.random.Float64()
	return context.WithTimeout(ctx, time.Duration(x*x*x*float64(10*time.Second)))
}
