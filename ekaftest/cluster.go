package ekaftest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TB is the part of [testing.TB] that [Start] needs.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Cluster is an embedded Kafka cluster. Its methods may be called
// concurrently.
type Cluster struct {
	cfg           config
	producerRules producerRules
	brokers       []*broker
	memory        memory
	serverTLS     *tls.Config // nil: plaintext
	ca            *authority  // nil: no TLS
	faults        faultSet
	logs          logs
	appended      signal
	sessions      sync.WaitGroup // accept loops and connections

	lifeMu sync.Mutex // held while brokers start and stop
	closed bool       // guarded by lifeMu
	coreMu sync.Mutex // guards core
	core   *core

	settingsMu sync.Mutex // guards the following
	advertised map[int32]string
	hidden     map[int32]bool
	leaderless map[topicPartition]bool
	rejects    map[string]func(Message) error
	onMetadata func(int32, *kmsg.MetadataResponse)
	throttle   time.Duration
	limits     timestampLimits

	trafficMu sync.Mutex // guards the following
	traffic   Traffic
	onRequest func(Request)
}

// Start starts a cluster for a test and closes it at the test's end. It fails
// the test if the cluster cannot start.
func Start(tb TB, opts ...Option) *Cluster {
	tb.Helper()
	c, err := New(opts...)
	if err != nil {
		tb.Fatalf("%v", err)
		return nil
	}
	tb.Cleanup(c.Close)
	return c
}

// New starts a cluster: by default one broker on a free loopback port and no
// topic. The caller closes it.
func New(opts ...Option) (*Cluster, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, fmt.Errorf("cannot start a cluster: %w", err)
	}
	c := &Cluster{
		cfg:           cfg,
		producerRules: producerRules{window: 5},
		advertised:    make(map[int32]string),
		hidden:        make(map[int32]bool),
		leaderless:    make(map[topicPartition]bool),
		rejects:       make(map[string]func(Message) error),
		limits:        cfg.limits,
		traffic:       Traffic{Requests: make(map[kmsg.Key]int)},
	}
	c.logs.all = make(map[topicPartition]*partitionLog)
	c.faults.changed = make(chan struct{})
	if cfg.versions != nil && !c.serves(kmsg.Produce.Int16(), 5) {
		// Before Kafka 1.0 one batch was remembered, and a producer id
		// without state had to begin at 0.
		c.producerRules = producerRules{window: 1, fromStart: true}
	}
	if err := c.prepareTLS(); err != nil {
		return nil, err
	}
	for id := range cfg.brokers {
		port := 0
		if id < len(cfg.ports) {
			port = cfg.ports[id]
		}
		c.brokers = append(c.brokers, newBroker(c, int32(id), port))
	}
	if c.core, err = newCore(&c.cfg, c.advertisedAddr); err != nil {
		return nil, err
	}
	if err := c.startAll(); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Cluster) kafka() *core {
	c.coreMu.Lock()
	defer c.coreMu.Unlock()
	return c.core
}

// Close stops the brokers, drops all data and waits until every connection has
// ended. A closed cluster cannot be started again.
func (c *Cluster) Close() {
	c.lifeMu.Lock()
	c.closed = true
	c.lifeMu.Unlock()
	c.Stop()
	c.kafka().close()
	c.sessions.Wait()
}

// ListenAddr is the host:port a broker listens on, whatever is advertised, and
// "" if there is no such broker.
func (c *Cluster) ListenAddr(broker int32) string {
	b, err := c.broker(broker)
	if err != nil {
		return ""
	}
	return b.addr
}

// Addrs answers the addresses the brokers advertise, by broker id, stopped ones
// included, to bootstrap from.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, b := range c.brokers {
		addrs = append(addrs, c.advertisedAddr(b.id))
	}
	return addrs
}

// broker finds a broker by id.
func (c *Cluster) broker(id int32) (*broker, error) {
	if id < 0 || int(id) >= len(c.brokers) {
		return nil, fmt.Errorf("cannot find broker %d: there are 0 to %d: %w", id, len(c.brokers)-1, errUnknownBroker)
	}
	return c.brokers[id], nil
}

func (c *Cluster) brokerAt(addr string) *broker {
	for _, b := range c.brokers {
		if b.addr == addr {
			return b
		}
	}
	return nil
}

// Network is the wire between clients and a broker. It panics if there is no
// such broker.
func (c *Cluster) Network(broker int32) *Network {
	b, err := c.broker(broker)
	if err != nil {
		panic(err)
	}
	return b.net
}

// StopBroker stops a broker as a kill does: its port refuses connections,
// those it had are closed. Metadata goes on naming it, and what it led stays
// led by it, as in the seconds before a controller notices; go on with
// [Cluster.FailOver] or [Cluster.HideBroker].
func (c *Cluster) StopBroker(id int32) error {
	c.lifeMu.Lock()
	defer c.lifeMu.Unlock()
	b, err := c.broker(id)
	if err != nil {
		return err
	}
	if b.stop() {
		c.stopReplicas(id)
	}
	return nil
}

// StartBroker starts a stopped broker on its old port, with its data. As a
// real one, it remembers only the last batch of each producer id, and catches
// up with what other brokers wrote meanwhile.
func (c *Cluster) StartBroker(id int32) error {
	c.lifeMu.Lock()
	defer c.lifeMu.Unlock()
	b, err := c.broker(id)
	if err != nil {
		return err
	}
	return c.startBroker(b)
}

func (c *Cluster) startBroker(b *broker) error {
	if c.closed {
		return fmt.Errorf("cannot start broker %d: %w", b.id, errStopped)
	}
	if b.isRunning() {
		return nil
	}
	c.startReplicas(b.id) // before the first client can ask
	if _, err := b.start(); err != nil {
		c.stopReplicas(b.id)
		return err
	}
	// Another broker may have begun a log after the replicas were started and
	// before this broker counted as running; its replica here is still down.
	c.startReplicas(b.id)
	return nil
}

func (c *Cluster) startAll() error {
	c.lifeMu.Lock()
	defer c.lifeMu.Unlock()
	var errs []error
	for _, b := range c.brokers {
		errs = append(errs, c.startBroker(b))
	}
	return errors.Join(errs...)
}

// Stop stops all brokers. Their data stays; see Restart.
func (c *Cluster) Stop() {
	for _, b := range c.brokers {
		c.StopBroker(b.id)
	}
}

// Restart stops the brokers that run and starts all of them on their old
// ports, with their data.
func (c *Cluster) Restart() error {
	c.Stop()
	return c.startAll()
}

// RestartEmpty restarts all brokers on their old ports without their data: the
// topics given as options are there again, under new topic ids. Injected
// faults, and partitions without a leader, are forgotten.
func (c *Cluster) RestartEmpty() error {
	c.Stop()
	fresh, err := newCore(&c.cfg, c.advertisedAddr)
	if err != nil {
		return err
	}
	old := c.replaceCore(fresh)
	old.close()
	if old == fresh {
		return fmt.Errorf("cannot restart: %w", errStopped)
	}
	c.logs.mu.Lock()
	clear(c.logs.all)
	c.logs.mu.Unlock()
	c.faults.clear()
	c.settingsMu.Lock()
	clear(c.leaderless)
	c.settingsMu.Unlock()
	return c.startAll()
}

// replaceCore answers the core that is of no more use: the old one or, once the
// cluster is closed, the fresh one. Close marks the cluster closed under the
// same mutex before it closes the core, so one of them is never forgotten.
func (c *Cluster) replaceCore(fresh *core) *core {
	c.lifeMu.Lock()
	defer c.lifeMu.Unlock()
	if c.closed {
		return fresh
	}
	c.coreMu.Lock()
	defer c.coreMu.Unlock()
	old := c.core
	c.core = fresh
	return old
}

// Throttle has each Produce answer say that the client exceeded its quota by
// d, and mutes the connection for as long (KIP-219). 0 ends it.
func (c *Cluster) Throttle(d time.Duration) {
	c.settingsMu.Lock()
	defer c.settingsMu.Unlock()
	c.throttle = d
}

func (c *Cluster) throttling() time.Duration {
	c.settingsMu.Lock()
	defer c.settingsMu.Unlock()
	return c.throttle
}
