package ekaf

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ekaf-go/ekaf/internal/callback"
	"github.com/ekaf-go/ekaf/internal/clock"
	"github.com/ekaf-go/ekaf/internal/cluster"
	"github.com/ekaf-go/ekaf/internal/conn"
	"github.com/ekaf-go/ekaf/internal/identity"
	"github.com/ekaf-go/ekaf/internal/machine"
	"github.com/ekaf-go/ekaf/internal/memory"
	"github.com/ekaf-go/ekaf/internal/pool"
	"github.com/ekaf-go/ekaf/internal/sender"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// Producer publishes messages to a Kafka cluster. Make one with New and share
// it: all methods may be called from any goroutine.
type Producer struct {
	host     *host
	settings *settings
	log      *slog.Logger
	loud     bool // a logger is set
	clock    *clock.Clock
	cluster  *cluster.Cluster
	bytes    *memory.Account
	messages *memory.Account

	identities *identity.Source
	lifetime   worker.Lifetime // of the producer's state in brokers, once they say
	learnOnce  sync.Once
	callbacks  *callback.Queue
	calls      sync.Pool    // of *call
	syncing    atomic.Int32 // sync calls under way
	events     *eventQueue
	pool       *pool.Pool
	statsd     *statsdSockets
	bell       bell
	unwatch    func() // ends the watch for illegal moves

	topics topics

	senderConfig  *sender.Config
	sendersMu     sync.Mutex // guards the following
	senders       map[senderKey]*sender.Sender
	sendersClosed bool

	ctx        context.Context // ends when the producer is torn down
	cancel     context.CancelFunc
	background sync.WaitGroup
	closing    chan struct{} // closed when Close begins
	refusing   atomic.Bool   // the same, cheap to look at
	closeOnce  sync.Once
	closeErr   error
	closed     chan struct{}
}

// New makes a producer. It checks the options, all at once (*ConfigError), and
// touches no network: brokers may be down, for as long as the buffer lasts.
func New(options ...Option) (*Producer, error) {
	s, err := newSettings(options)
	if err != nil {
		return nil, err
	}
	p := &Producer{
		settings: s, log: s.logger, loud: s.logger != nil, clock: clock.New(),
		bytes:    memory.NewAccount("producer", s.bufferBytes, nil),
		messages: memory.NewAccount("producer", s.bufferMessages, nil),
		senders:  map[senderKey]*sender.Sender{},
		closing:  make(chan struct{}), closed: make(chan struct{}),
		statsd: newStatsdSockets(s.statsd),
	}
	p.host = &host{p}
	if p.loud {
		p.log = markOwn(p.log)
	} else {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.callbacks = callback.New(p.callbackPanicked)
	p.events = &eventQueue{panicked: p.callbackPanicked}
	p.pool = pool.New()
	p.connect()
	p.identities = identity.New(p.ctx, p.fetchID, identityFault, p.background.Go)
	for _, name := range s.bootstrapTopics {
		if _, err := p.topic(name); err != nil {
			_ = p.Close(context.Background())
			return nil, err
		}
	}
	return p, nil
}

// connect prepares, without network, the ways to the cluster.
func (p *Producer) connect() {
	s := p.settings
	base := conn.Config{
		ClientID: s.clientID, SoftwareName: "ekaf", SoftwareVersion: Version,
		Dial: s.dial, TLS: s.tls, SASL: s.sasl.mechanism, DialTimeout: s.dialTimeout,
		// The broker may use all of RequestTimeout for its replicas; the
		// connection waits a little longer for it to say so.
		RequestTimeout: s.requestTimeout + answerGrace,
		Doors:          conn.NewDoors(s.backoffMin, s.backoffMax),
	}
	base.AssumeVersions, _ = conn.Assumed(s.brokerVersion) // newSettings has checked it
	if p.loud {
		base.Logger = p.log
	}
	p.senderConfig = &sender.Config{
		Conn: &base, BackoffMin: s.backoffMin, BackoffMax: s.backoffMax,
		IdleTimeout: s.idleTimeout, Logger: p.log, Host: p.host,
	}
	p.cluster = cluster.New(cluster.Config{
		Seeds: s.brokers, Conn: base, RefreshEvery: s.metadataRefresh,
		BackoffMin: s.backoffMin, BackoffMax: s.backoffMax, AllowAutoCreate: s.autoCreate,
		OnSnapshot: p.learn, OnFailure: p.bootstrapFailed, Logger: base.Logger,
	})
	p.unwatch = machine.Watch(func(text string) { p.log.Error(text + "; please report this") })
	p.background.Go(p.sweep)
}

// answerGrace is how much longer than RequestTimeout a connection waits.
const answerGrace = 2 * time.Second

func (p *Producer) fetchID(ctx context.Context) (worker.ID, error) {
	id, epoch, err := p.cluster.ProducerID(ctx)
	return worker.ID{Producer: id, Epoch: epoch}, err
}

// topic finds a topic, or begins with it.
func (p *Producer) topic(name string) (*topic, error) {
	if t := p.topics.find(name); t != nil {
		return t, nil
	}
	return p.beginTopic(name)
}

// openTopic is topic for what makes no sense once Close has begun.
func (p *Producer) openTopic(name string) (*topic, error) {
	if p.refusing.Load() {
		return nil, ErrClosed
	}
	return p.topic(name)
}

func (p *Producer) beginTopic(name string) (*topic, error) {
	if err := checkTopicName(name); err != nil {
		return nil, err
	}
	p.topics.mu.Lock()
	defer p.topics.mu.Unlock()
	select {
	case <-p.closing:
		return nil, ErrClosed
	default:
	}
	if t := p.topics.find(name); t != nil {
		return t, nil
	}
	t := newTopic(p, name, p.settings.forTopic(name))
	p.topics.add(t)
	if t.lanes.Idempotent {
		p.identities.Prefetch()
		p.learnOnce.Do(func() { p.background.Go(p.learnExpiry) })
	}
	p.cluster.Want(name)
	return t, nil
}

// maxTopicName is Kafka's own limit.
const maxTopicName = 249

func checkTopicName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: it is empty", ErrInvalidTopic)
	case len(name) > maxTopicName:
		return fmt.Errorf("%w: it has %d characters, Kafka allows %d", ErrInvalidTopic, len(name), maxTopicName)
	case name == "." || name == "..":
		return fmt.Errorf("%w: %q", ErrInvalidTopic, name)
	}
	for _, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
		default:
			return fmt.Errorf("%w: %q holds %q; Kafka allows letters, digits, dot, underscore and hyphen", ErrInvalidTopic, name, r)
		}
	}
	return nil
}

// sweepEvery is how often delivery timeouts and grown partitions are looked at.
const sweepEvery = 100 * time.Millisecond

// sweep does what is done by time and not by an event.
func (p *Producer) sweep() {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-p.ctx.Done():
			return
		}
		now := time.Now()
		for _, t := range p.topics.all() {
			t.sweep(now)
		}
	}
}

func (t *topic) sweep(now time.Time) {
	if t.settings.deliveryTimeout > 0 {
		t.mu.Lock()
		expired := t.parked.expire(now.Add(-t.settings.deliveryTimeout), ErrTimeout)
		t.mu.Unlock()
		if expired > 0 {
			t.producer.emit(t, Event{Kind: EventDropped, Messages: expired, Err: ErrTimeout})
		}
		for _, l := range t.started() {
			l.Expire(now, ErrTimeout)
		}
	}
	if t.settings.workersMax > t.settings.workers {
		if v := t.view.Load(); v != nil {
			for _, part := range v.partitions {
				part.Idle(now.UnixMilli())
			}
		}
	}
}

// flushFor lets lanes send what they linger on, because somebody waits for memory.
func (p *Producer) flushFor(full *memory.Account) {
	for _, t := range p.topics.all() {
		for _, l := range t.started() {
			if limits := l.Partition.Limits(); limits.Bytes.Under(full) || limits.Messages.Under(full) {
				l.Flush()
			}
		}
	}
}

// dropOldest gives up a batch that was never sent: of the lane that has no room,
// or what waits for the topic's partitions; else of the largest backlog that the
// full account is charged with, among topics without their partitions and lanes in
// downtime. False: it frees nothing.
func (p *Producer) dropOldest(t *topic, lane *worker.Lane, full *memory.Account) bool {
	if lane != nil && lane.DropOldest(ErrDropped) || lane == nil && t.dropParked() {
		return true
	}
	var most int64
	drop := func() bool { return false }
	for _, other := range p.topics.all() {
		if n := other.parkedBytes(); n > most && (other.bytes.Under(full) || other.messages.Under(full)) {
			most, drop = n, other.dropParked
		}
		for _, l := range other.started() {
			limits := l.Partition.Limits()
			if l.State() != worker.Downtime || !limits.Bytes.Under(full) && !limits.Messages.Under(full) {
				continue
			}
			if n := l.NeverTried(); n > most {
				most, drop = n, func() bool { return l.DropOldest(ErrDropped) }
			}
		}
	}
	return drop()
}

func (t *topic) parkedBytes() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.parked.bytes()
}

func (t *topic) dropParked() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.parked.dropOldest(ErrDropped)
}

func (p *Producer) callbackPanicked(value any) {
	err := panicError{value}
	p.log.Error("a callback panicked", "panic", fmt.Sprint(value))
	// Of whose topic is not known here: to the producer's own handler, with no topic.
	p.emitShared(Event{Kind: EventCallbackPanicked, Partition: -1, Broker: -1, Err: err})
}

// Flush sends what lingers and waits until all messages accepted before have
// their outcome and their callbacks have run, or until ctx ends.
func (p *Producer) Flush(ctx context.Context) error {
	marks := map[*worker.Lane]uint64{}
	for _, t := range p.topics.all() {
		if err := p.waitUnparked(ctx, t); err != nil {
			return p.undelivered(err)
		}
		for _, l := range t.started() {
			marks[l] = l.Mark()
		}
	}
	for l, mark := range marks {
		if err := p.await(ctx, func() bool { return l.Passed(mark) }); err != nil {
			return p.undelivered(err)
		}
	}
	quiet := p.callbacks.Quiet()
	select {
	case <-quiet: // also if ctx has ended: all is done
		return nil
	default:
	}
	select {
	case <-quiet:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("all is delivered, but callbacks are still running: %w", ctx.Err())
	}
}

func (p *Producer) waitUnparked(ctx context.Context, t *topic) error {
	return p.await(ctx, func() bool {
		t.mu.Lock()
		defer t.mu.Unlock()
		return t.parked.count() == 0
	})
}

// UndeliveredError says what Flush or Close could not deliver in its time.
type UndeliveredError struct {
	// Messages is the number without an outcome when the time was over; after
	// Close each of them has failed with ErrClosed.
	Messages int
	// Topics is that number by topic.
	Topics map[string]int
	// Err is why there was no more time, and the last failure of the cluster.
	Err error
}

func (e *UndeliveredError) Error() string {
	return fmt.Sprintf("%d messages were not delivered: %v", e.Messages, e.Err)
}

// Unwrap gives the cause.
func (e *UndeliveredError) Unwrap() error { return e.Err }

func (p *Producer) undelivered(err error) error {
	u := &UndeliveredError{Topics: map[string]int{}, Err: err}
	for _, t := range p.topics.all() {
		t.mu.Lock()
		n := t.waitingLocked()
		t.mu.Unlock()
		if n > 0 {
			u.Topics[t.name] = n
			u.Messages += n
		}
	}
	if last := p.cluster.LastError(); last != nil {
		u.Err = fmt.Errorf("%w (the cluster: %w)", err, last)
	}
	return u
}

// callbackGrace is how long Close goes on waiting for callbacks and event handlers
// when its context has ended: those of the messages that fail by it run then.
const callbackGrace = 5 * time.Second

// Close stops accepting messages, delivers what it can until ctx ends, fails the
// rest with ErrClosed, and waits for all callbacks. It answers an
// *UndeliveredError if there was a rest. No goroutine or connection is left, but
// for callbacks that do not end: five seconds after ctx, Close leaves them running
// and says so. A callback that calls Close itself is one of them.
// Further calls wait for the first, no longer than their own context, and answer
// the same.
func (p *Producer) Close(ctx context.Context) error {
	first := false
	p.closeOnce.Do(func() { first = true })
	if !first {
		select {
		case <-p.closed:
			return p.closeErr
		case <-ctx.Done():
			return fmt.Errorf("the producer is still closing: %w", ctx.Err())
		}
	}
	p.topics.mu.Lock()
	p.refusing.Store(true)
	close(p.closing)
	p.topics.mu.Unlock()
	p.bell.ring() // who waits for anything but outcomes waits in vain
	p.closeErr = p.Flush(ctx)
	p.tearDown()
	if err := p.runOut(ctx); err != nil && p.closeErr == nil {
		p.closeErr = err
	}
	close(p.closed)
	return p.closeErr
}

// runOut waits for callbacks and events, which are the user's code, and then
// closes what they may use.
func (p *Producer) runOut(ctx context.Context) error {
	patience, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(callbackGrace, cancel) })
	defer stop()
	done := make(chan struct{})
	go func() {
		defer close(done)
		<-p.callbacks.Quiet()
		p.events.wait(context.Background())
		p.statsd.close()
	}()
	select {
	case <-done:
		return nil
	case <-patience.Done():
		return fmt.Errorf("closed, but callbacks are still running: %w", context.Cause(ctx))
	}
}

// tearDown ends everything, from the top down: topics fail what they hold,
// connections end the attempts that are left.
func (p *Producer) tearDown() {
	p.cancel()
	why := ErrClosed
	if last := p.cluster.LastError(); last != nil {
		why = fmt.Errorf("%w, and could not deliver before: %w", ErrClosed, last)
	}
	for _, t := range p.topics.all() {
		t.close(why)
	}
	p.sendersMu.Lock()
	p.sendersClosed = true
	p.sendersMu.Unlock()
	for _, s := range p.listSenders() {
		s.Stop()
	}
	p.cluster.Close()
	p.pool.Close()
	p.background.Wait()
	p.clock.Close()
	p.unwatch()
	if errors.Is(p.closeErr, context.Canceled) || errors.Is(p.closeErr, context.DeadlineExceeded) {
		p.log.Warn("closed with messages undelivered", "error", p.closeErr)
	}
}
