package cluster

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/ekaf-go/ekaf/internal/conn"
)

// Defaults of Config.
const (
	DefaultRefreshEvery = 60 * time.Second
	DefaultBackoffMin   = 50 * time.Millisecond
	DefaultBackoffMax   = time.Second
)

// Config says how to find the cluster and how to treat it.
type Config struct {
	// Seeds are the bootstrap brokers, host:port each; without a port, 9092. A host name with several
	// addresses is one seed, all of whose addresses are tried. Seeds are asked first, and again
	// whenever no broker the cluster has named can be reached.
	Seeds []string

	// Conn is how connections are made, for all of them.
	Conn conn.Config

	// RefreshEvery is how old the metadata grows before it is asked for again. 0: 60 s.
	RefreshEvery time.Duration

	// BackoffMin and BackoffMax are the wait after the first failure, which doubles with each further
	// one in a row, and its bound; 20 % of jitter is added or taken away. 0: 50 ms, 1 s.
	BackoffMin, BackoffMax time.Duration

	// AllowAutoCreate lets the cluster create wanted topics that do not exist, if its own
	// auto.create.topics.enable agrees. Brokers before Metadata v4 (Kafka 0.11) do so in any case.
	AllowAutoCreate bool

	// OnSnapshot is called after each new snapshot, also after one made by a Hint; OnFailure after each
	// failed attempt to get one. They are called one at a time and in order, on a goroutine of the
	// Cluster's own, and may take their time: where more than [maxNotes] calls would wait, the oldest
	// are left out, never the newest. They must not call Close, which waits for them. Nil: not called.
	OnSnapshot func(*Snapshot)
	OnFailure  func(error)

	// Logger gets a line, at level debug, for each failure, and for each connection if Conn has no logger
	// of its own. Nil: none.
	Logger *slog.Logger
}

func (cfg *Config) fillDefaults() {
	if cfg.RefreshEvery <= 0 {
		cfg.RefreshEvery = DefaultRefreshEvery
	}
	if cfg.BackoffMin <= 0 {
		cfg.BackoffMin = DefaultBackoffMin
	}
	if cfg.BackoffMax <= 0 {
		cfg.BackoffMax = DefaultBackoffMax
	}
	cfg.BackoffMax = max(cfg.BackoffMin, cfg.BackoffMax)
	if cfg.Conn.RequestTimeout <= 0 {
		cfg.Conn.RequestTimeout = conn.DefaultRequestTimeout
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Conn.Logger == nil {
		cfg.Conn.Logger = cfg.Logger
	}
}

// Cluster keeps a current Snapshot of one Kafka cluster, and asks it questions. All methods are safe for
// concurrent use; only those with a context wait.
type Cluster struct {
	cfg    Config
	snap   atomic.Pointer[Snapshot] // stored under mu
	ctx    context.Context          // ends at Close
	cancel context.CancelFunc
	wake   chan struct{} // one token: the schedule has changed
	wg     sync.WaitGroup

	mu         sync.Mutex // guards the following; never held across a wait
	started    bool
	closed     bool
	schedule   schedule
	wanted     map[string]*interest
	lastErr    error         // of the last attempt; nil if nothing was wrong
	changed    chan struct{} // closed and replaced at each snapshot, failure and new control connection
	attempts   int           // ended
	seedsOnly  bool          // the cluster has told us to begin anew (KIP-1102)
	avoid      map[string]bool
	control    *link
	links      map[int32]*link
	dialing    map[int32]*dialing
	trying     map[string]int     // addresses being connected to, and by how many
	open       map[*link]struct{} // every connection not closed yet
	notes      []note
	delivering bool
}

// New makes a Cluster. It does not touch the network and starts nothing before it is first asked for
// something. Close must be called in the end.
func New(cfg Config) *Cluster {
	cfg.fillDefaults()
	c := &Cluster{
		cfg:      cfg,
		wake:     make(chan struct{}, 1),
		schedule: schedule{backoffMin: cfg.BackoffMin, backoffMax: cfg.BackoffMax, every: cfg.RefreshEvery, jitter: 1},
		wanted:   make(map[string]*interest),
		changed:  make(chan struct{}),
		avoid:    make(map[string]bool),
		links:    make(map[int32]*link),
		dialing:  make(map[int32]*dialing),
		trying:   make(map[string]int),
		open:     make(map[*link]struct{}),
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.snap.Store(emptySnapshot())
	return c
}

// Snapshot is the newest state known, never nil.
func (c *Cluster) Snapshot() *Snapshot { return c.snap.Load() }

// Want adds a topic to those that are kept current, and asks for it at once, unless the cluster cannot be
// reached just now. Topics wanted while a request is under way share the next one. Wanting again changes
// nothing. A name no broker would take is not asked for, and is answered in the snapshot.
func (c *Cluster) Want(topic string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.wanted[topic] != nil {
		return
	}
	in := &interest{}
	c.wanted[topic] = in
	if len(topic) == 0 || len(topic) > 249 {
		// Asked for, it would make the whole request unreadable to the broker.
		in.asked, in.settled = true, true
		next := c.Snapshot().withTopic(&Topic{Name: topic, Err: kerr.InvalidTopicException})
		c.publishLocked(next)
		return
	}
	c.schedule.fresh, c.schedule.open = true, 0
	c.kickLocked()
}

// Forget drops a topic from those that are kept current, and from the snapshot.
func (c *Cluster) Forget(topic string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.wanted[topic] == nil {
		return
	}
	delete(c.wanted, topic)
	if c.Snapshot().Topics[topic] != nil {
		c.publishLocked(c.Snapshot().withoutTopic(topic))
	}
}

// Refresh asks for all wanted topics again, soon: calls made while one is due or under way share the next
// request, and requests keep the back-off's distance. It does not wait.
func (c *Cluster) Refresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.schedule.asked = true
		c.kickLocked()
	}
}

// Hint takes the leader of a partition that a broker has named in its answer to another request (KIP-951),
// with its address if it was told. It makes a new snapshot if the epoch is newer than the one known. It
// does not wait; a leader whose address is unknown leads to a Refresh instead.
func (c *Cluster) Hint(topic string, partition, leader, epoch int32, endpoint *Broker) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || c.wanted[topic] == nil {
		return
	}
	next := hinted(c.Snapshot(), topic, partition, leader, epoch, endpoint)
	if next == nil {
		if p := c.Snapshot().partition(topic, partition); p != nil && leader >= 0 && epoch > p.LeaderEpoch {
			c.schedule.asked = true
			c.kickLocked()
		}
		return
	}
	c.publishLocked(next)
}

// Wait waits until a topic is known with its partitions, and answers it. It wants the topic, so it can come
// first. It ends early when the cluster refuses the topic for its name or for want of permission. When ctx
// ends first, the error wraps both ctx's cause and the last failure.
func (c *Cluster) Wait(ctx context.Context, topic string) (*Topic, error) {
	c.Want(topic)
	what := "learn the partitions of topic " + topic
	for {
		c.mu.Lock()
		t, last, changed, closed := c.Snapshot().Topics[topic], c.lastErr, c.changed, c.closed
		c.mu.Unlock()
		switch {
		case t.usable():
			return t, nil
		case closed:
			return nil, because(what, ErrClosed, last)
		case t != nil && t.Err != nil && (denied(t.Err) || t.Err == kerr.InvalidTopicException):
			return nil, because(what, t.Err, nil)
		case t != nil && last == nil:
			last = t.Err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if last == nil {
				last = c.Trouble()
			}
			return nil, because(what, context.Cause(ctx), last)
		}
	}
}

// Reachable tells whether the last attempt to get metadata succeeded; false before the first one.
func (c *Cluster) Reachable() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.attempts > 0 && c.schedule.failures == 0
}

// LastError is what was wrong with the last attempt to get metadata; nil if nothing was.
func (c *Cluster) LastError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastErr
}

// Close closes all connections, ends whatever waits with ErrClosed, and returns when all goroutines have
// ended. It may be called again.
func (c *Cluster) Close() {
	c.mu.Lock()
	c.closed = true
	for l := range c.open {
		if l.idle != nil {
			l.idle.Stop()
		}
		l.conn.Kill(ErrClosed)
	}
	c.signalLocked()
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
	c.mu.Lock()
	open := slices.Collect(maps.Keys(c.open))
	c.mu.Unlock()
	for _, l := range open {
		c.closeLink(l) // waits for its goroutine
	}
}

// kickLocked makes the refresh loop look at the schedule, and starts it the first time.
func (c *Cluster) kickLocked() {
	if !c.started {
		c.started = true
		c.wg.Go(c.loop)
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// signalLocked wakes all that wait for news.
func (c *Cluster) signalLocked() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// publishLocked makes s the newest snapshot.
func (c *Cluster) publishLocked(s *Snapshot) {
	c.snap.Store(s)
	c.noteLocked(note{snapshot: s})
	c.signalLocked()
}
