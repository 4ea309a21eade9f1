package sender

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ekaf-go/ekaf/internal/conn"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// Config is what all senders of a producer share.
type Config struct {
	Conn        *conn.Config
	BackoffMin  time.Duration
	BackoffMax  time.Duration
	IdleTimeout time.Duration // 0: never
	Logger      *slog.Logger
	Host        Host
}

// Host is what senders need from above. Its methods do not block.
type Host interface {
	// Address is where a broker listens, by the newest metadata.
	Address(broker int32) (addr string, ok bool)
	// Moved: the connection's machine moved; err says why it went down.
	Moved(s *Sender, from, to State, err error)
	// Connected: the sender's connection stands; it took so long to make.
	Connected(s *Sender, took time.Duration)
	// Disconnected: the connection was lost, or (again) could not be made. down is
	// how long there has been none; first says that the sender was up before, or
	// that this is its first attempt.
	Disconnected(s *Sender, err error, down time.Duration, first bool)
	// Crowded: several callers wait for their acks, or are about to.
	Crowded() bool
	// Throttled: the broker asked for a pause.
	Throttled(s *Sender, pause time.Duration)
	// Hint: an answer named a new leader (KIP-951).
	Hint(topic string, h LeaderHint)
	// Refresh asks for new metadata.
	Refresh()
}

// maxPipelined is the number of requests in flight on a connection. Brokers work
// on one at a time; more would only wait there.
const maxPipelined = 5

// Sender serves one broker, or one lane of it.
type Sender struct {
	cfg    *Config
	broker int32

	mu      sync.Mutex // guards the following
	classes []*class
	turnOf  int // class that comes next
	later   schedule
	lanes   map[*worker.Lane]struct{}

	wake    chan struct{} // 1-buffered: something changed
	ctx     context.Context
	cancel  context.CancelFunc
	stopped chan struct{}

	// turn is held by whoever drains: the loop, or a caller that found the sender
	// idle. A channel, not a mutex: waiting for it counts as blocked for synctest.
	turn chan struct{}
	// the following belong to the holder of turn
	conn        *conn.Conn
	number      uint64      // of conn, unique among all connections
	release     func() bool // undoes that a stop ends conn
	connectedAt time.Time
	retryAt     time.Time // no attempt to connect before

	born      time.Time
	pauseTill atomic.Int64  // nanoseconds since born; the broker asked for a pause
	proven    atomic.Bool   // the connection has answered a request
	state     atomic.Uint32 // State; moved by who holds turn
	everUp    atomic.Bool
	lastErr   atomic.Pointer[error]
	warm      atomic.Bool // connect although nothing waits
	awaits    atomic.Bool // the loop waits for the last answer
	downSince time.Time
	failures  int
}

// class is the ready queue of lanes whose topics agree on the fields of a request.
type class struct {
	acks    int16
	timeout time.Duration
	ready   ring // lanes with a batch to send
	idle    ring // lanes with an open batch, for when nothing is in flight
}

// New starts a sender for a broker. It connects when it first has something to send.
func New(cfg *Config, broker int32) *Sender {
	ctx, cancel := context.WithCancel(context.Background())
	s := &Sender{
		cfg: cfg, broker: broker, lanes: map[*worker.Lane]struct{}{},
		wake: make(chan struct{}, 1), turn: make(chan struct{}, 1),
		ctx: ctx, cancel: cancel, stopped: make(chan struct{}), born: time.Now(),
	}
	go s.loop()
	return s
}

// Broker is the node id.
func (s *Sender) Broker() int32 { return s.broker }

// Attach adds a lane to those that hear of the connection.
func (s *Sender) Attach(l *worker.Lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lanes[l] = struct{}{}
}

// Detach takes a lane out.
func (s *Sender) Detach(l *worker.Lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.lanes, l)
}

// Lanes lists the lanes attached.
func (s *Sender) Lanes() []*worker.Lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*worker.Lane, 0, len(s.lanes))
	for l := range s.lanes {
		list = append(list, l)
	}
	return list
}

// Ready implements worker.Sender.
func (s *Sender) Ready(l *worker.Lane, idle bool) {
	s.mu.Lock()
	s.enqueue(l, idle)
	s.mu.Unlock()
	s.poke()
}

// enqueue puts a lane in a queue of its class. mu is held.
func (s *Sender) enqueue(l *worker.Lane, idle bool) *class {
	c := s.class(l.Partition.Config())
	if idle {
		c.idle.push(l)
	} else {
		c.ready.push(l)
	}
	return c
}

// Later implements worker.Sender.
func (s *Sender) Later(l *worker.Lane, at time.Time) {
	s.mu.Lock()
	first := s.later.add(appointment{l, at})
	s.mu.Unlock()
	if first {
		s.poke()
	}
}

// class finds the queue of a topic's acks and timeout. There are one or two.
func (s *Sender) class(cfg *worker.Config) *class {
	for _, c := range s.classes {
		if c.acks == cfg.Acks && c.timeout == cfg.RequestTimeout {
			return c
		}
	}
	c := &class{acks: cfg.Acks, timeout: cfg.RequestTimeout}
	s.classes = append(s.classes, c)
	return c
}

func (s *Sender) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Stop ends the sender: its connection is closed, which ends the attempts in
// flight. It waits for the loop.
func (s *Sender) Stop() {
	s.cancel()
	<-s.stopped
}

// errStopped is what lanes hear of attempts that a stop ended.
var errStopped = errors.New("the connection was closed by the producer")

// loop connects, drains and sleeps until the sender is stopped.
func (s *Sender) loop() {
	defer close(s.stopped)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for s.ctx.Err() == nil {
		s.gather()
		s.keepAppointments()
		s.turn <- struct{}{}
		next := s.step(time.Now())
		lost := s.lost()
		<-s.turn
		timer.Reset(next)
		select {
		case <-s.wake:
		case <-lost:
		case <-timer.C:
		case <-s.ctx.Done():
		}
	}
	s.turn <- struct{}{}
	if s.conn != nil {
		s.conn.Kill(errStopped)
		<-s.conn.Done()
		s.forget()
	}
	s.move(Stopped, nil)
	<-s.turn
}

// lost is closed when the connection dies; nil without one.
func (s *Sender) lost() <-chan struct{} {
	if s.conn == nil {
		return nil
	}
	return s.conn.Done()
}

// keepAppointments tells the lanes whose time has come.
func (s *Sender) keepAppointments() {
	now := time.Now()
	for {
		s.mu.Lock()
		l := s.later.due(now)
		s.mu.Unlock()
		if l == nil {
			return
		}
		l.Due(now)
	}
}

// step does what can be done now and says how long the loop may sleep. The turn is held.
func (s *Sender) step(now time.Time) (sleep time.Duration) {
	if s.conn != nil && isDone(s.conn) {
		s.connectionLost()
	}
	if s.conn == nil && (s.waiting() || s.reconnecting()) {
		if wait := s.retryAt.Sub(now); wait > 0 {
			// Whoever woke the loop before, a new lane or a linger, waits with the others.
			return min(wait, s.untilAppointment(now))
		}
		if wait := s.connect(); wait > 0 {
			return wait
		}
		now = time.Now()
	}
	sleep = s.untilAppointment(now)
	if s.conn == nil {
		return sleep
	}
	s.warm.Store(false) // or it would connect again after an idle time
	if wait, ok := s.reauthenticate(now); !ok {
		return min(sleep, wait)
	}
	if pause := s.pausedFor(now); pause > 0 {
		return min(sleep, pause)
	}
	s.drain(now)
	return min(sleep, s.closeIfIdle(now))
}

// longSleep bounds a sleep without appointment.
const longSleep = time.Minute

func (s *Sender) untilAppointment(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.later) == 0 {
		return longSleep
	}
	return max(s.later[0].at.Sub(now), 0)
}

// waiting reports whether a lane stands in a queue.
func (s *Sender) waiting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.classes {
		if c.ready.len() > 0 || c.idle.len() > 0 {
			return true
		}
	}
	return false
}

// drain sends what is ready while the pipeline takes it. The turn is held.
func (s *Sender) drain(now time.Time) {
	// A connection that is about to end takes nothing; batches given to it would
	// only count attempts.
	for s.conn.Err() == nil && s.conn.Pending() < maxPipelined {
		r := s.build(now, s.conn.Pending() == 0, maxRequestBytes)
		if r == nil {
			return
		}
		s.send(r)
		if s.pausedFor(time.Now()) > 0 {
			s.poke()
			return
		}
	}
}

// pause stops sending for as long as the broker asks (KIP-219). Of several such
// answers the one that ends last counts.
func (s *Sender) pause(now time.Time, d time.Duration) {
	till := int64(now.Add(d).Sub(s.born))
	for old := s.pauseTill.Load(); old < till; old = s.pauseTill.Load() {
		if s.pauseTill.CompareAndSwap(old, till) {
			break
		}
	}
	s.cfg.Host.Throttled(s, d)
}

// pausedFor is how long the broker wants to be left alone.
func (s *Sender) pausedFor(now time.Time) time.Duration {
	till := s.pauseTill.Load()
	if till == 0 {
		return 0
	}
	return time.Duration(till) - now.Sub(s.born)
}

func isDone(c *conn.Conn) bool {
	select {
	case <-c.Done():
		return true
	default:
		return false
	}
}

// EverUp reports whether a connection was ever made.
func (s *Sender) EverUp() bool { return s.everUp.Load() }

// LastError is why the connection was last lost or not made, nil if it never was.
func (s *Sender) LastError() error {
	if p := s.lastErr.Load(); p != nil {
		return *p
	}
	return nil
}
