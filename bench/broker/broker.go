package broker

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxPartitions = 100_000   // per topic; keeps a typo from taking the machine
	maxFrame      = 100 << 20 // bytes; Kafka's socket.request.max.bytes
	maxAdminFrame = 1 << 20   // bytes of a request other than Produce
	readBuffer    = 256 << 10 // bytes, one per connection
)

// Config says what a broker serves and how. The zero value serves no topic,
// answers at once and reads batch headers only.
type Config struct {
	// Topics maps a topic's name to its number of partitions. Topics may be
	// added later with [Broker.AddTopic].
	Topics map[string]int
	// Delay is the least time between reading a Produce request and answering
	// it. It applies to connections made after it was set. Default 0.
	Delay time.Duration
	// Verify computes the CRC of every batch and decodes every record. It
	// costs far more than a producer does, so it is off while measuring.
	Verify bool
}

// Broker accepts connections until it is closed. Its methods may be called
// from any goroutine.
type Broker struct {
	counters  counters
	directory atomic.Pointer[directory]
	delay     atomic.Int64
	delayAll  atomic.Bool
	verify    atomic.Bool
	nextPID   atomic.Int64

	mu     sync.Mutex        // guards the following, and writes of directory
	opened map[net.Conn]bool // whether it speaks Kafka
	ears   []net.Listener
	closed bool
	away   bool // hang up on whoever speaks Kafka
	done   sync.WaitGroup
}

// New returns a broker which listens nowhere yet.
func New(cfg Config) (*Broker, error) {
	b := &Broker{opened: map[net.Conn]bool{}}
	b.directory.Store(&directory{byName: map[string]*topic{}, byID: map[[16]byte]*topic{}})
	b.delay.Store(int64(cfg.Delay))
	b.verify.Store(cfg.Verify)
	for name, partitions := range cfg.Topics {
		if err := b.AddTopic(name, partitions); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Serve accepts Kafka connections from l until the broker is closed. It takes
// ownership of l and returns nil after Close.
func (b *Broker) Serve(l net.Listener) error {
	return b.accept(l, true, func(c net.Conn) { newConn(b, c).serve() })
}

// accept runs handle for each connection of l, and closes what is left of it.
func (b *Broker) accept(l net.Listener, kafka bool, handle func(net.Conn)) error {
	b.mu.Lock()
	b.ears = append(b.ears, l)
	closed := b.closed
	b.mu.Unlock()
	if closed {
		return l.Close()
	}
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot accept a connection on %s: %w", l.Addr(), err)
		}
		if !b.start(c, kafka, handle) {
			return c.Close()
		}
	}
}

// start serves c on a goroutine of its own, unless the broker is closed.
func (b *Broker) start(c net.Conn, kafka bool, handle func(net.Conn)) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return false
	}
	if kafka && b.away {
		c.Close()
		return true
	}
	b.opened[c] = kafka
	b.done.Go(func() {
		handle(c)
		c.Close()
		b.mu.Lock()
		delete(b.opened, c)
		b.mu.Unlock()
	})
	return true
}

// Close hangs up on everybody and waits until no goroutine is left. It may be
// called twice.
func (b *Broker) Close() error {
	b.mu.Lock()
	b.closed = true
	var errs []error
	for _, l := range b.ears {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	for c := range b.opened {
		c.Close() // the goroutine which reads it notices and ends
	}
	b.mu.Unlock()
	b.done.Wait()
	return errors.Join(errs...)
}

// AddTopic adds a topic with that many partitions, or fails if it exists with
// another number of them.
func (b *Broker) AddTopic(name string, partitions int) error {
	if name == "" || len(name) > 249 {
		return fmt.Errorf("cannot add topic %q: a name has 1 to 249 characters", name)
	}
	if partitions < 1 || partitions > maxPartitions {
		return fmt.Errorf("cannot add topic %q: %d partitions, must be 1 to %d", name, partitions, maxPartitions)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	old := b.directory.Load()
	if t := old.byName[name]; t != nil {
		if len(t.partitions) != partitions {
			return fmt.Errorf("cannot add topic %q: it exists with %d partitions", name, len(t.partitions))
		}
		return nil
	}
	t := newTopic(name, partitions)
	next := &directory{byName: maps.Clone(old.byName), byID: maps.Clone(old.byID)}
	next.byName[t.name], next.byID[t.id] = t, t
	b.directory.Store(next)
	return nil
}

// SetDelay changes the delay of connections made from now on. It applies to
// Produce, or to all requests.
func (b *Broker) SetDelay(d time.Duration, all bool) {
	b.delay.Store(int64(max(d, 0)))
	b.delayAll.Store(all)
}

// SetAway hangs up on all clients and on whoever connects, until it is called
// with false. What has been counted stays.
func (b *Broker) SetAway(away bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.away = away
	for c, kafka := range b.opened {
		if away && kafka {
			c.Close() // the goroutine which reads it notices and ends
		}
	}
}

// SetVerify switches verification on or off from the next batch on.
func (b *Broker) SetVerify(on bool) { b.verify.Store(on) }

// directory is an immutable snapshot of the topics: connections read it
// without a lock, AddTopic replaces it.
type directory struct {
	byName map[string]*topic
	byID   map[[16]byte]*topic
}

type topic struct {
	name       string
	id         [16]byte
	partitions []partition
}

func newTopic(name string, partitions int) *topic {
	t := &topic{name: name, partitions: make([]partition, partitions)}
	sum := sha256.Sum256([]byte(name))
	copy(t.id[:], sum[:])
	return t
}

// partition returns the partition of that index, or nil if there is none.
func (t *topic) partition(index int32) *partition {
	if t == nil || index < 0 || int(index) >= len(t.partitions) {
		return nil
	}
	return &t.partitions[index]
}

// ParseTopic reads "name:partitions", as the command line and the control port
// write it.
func ParseTopic(s string) (name string, partitions int, err error) {
	name, count, found := strings.Cut(s, ":")
	if !found {
		return name, 1, nil
	}
	partitions, err = strconv.Atoi(count)
	if err != nil {
		return "", 0, fmt.Errorf("cannot read topic %q: write it as name:partitions: %w", s, err)
	}
	return name, partitions, nil
}
