package ekaftest

import (
	"net"
	"sync"
	"time"
)

// Direction tells which way bytes go.
type Direction uint8

const (
	// ToBroker is the direction of requests.
	ToBroker Direction = iota
	// ToClient is the direction of answers.
	ToClient
)

// Network is the wire between clients and one broker. Its faults hold until
// [Network.Heal]; Cut and CutAfter happen once.
type Network struct {
	b *broker

	mu        sync.Mutex // guards the following
	refuse    bool
	delay     time.Duration
	blackhole chan struct{} // closed by Heal; nil: bytes pass
	budget    [2]int64      // bytes that may still pass, by direction; -1: any
	conns     map[*wire]struct{}
}

func newNetwork(b *broker) *Network {
	return &Network{b: b, budget: [2]int64{-1, -1}, conns: make(map[*wire]struct{})}
}

// Refuse closes the broker's listener: new connections are refused, those
// that exist live on. On TCP a connection exists once the broker has accepted
// it, which may be a moment after the client's dial returned.
func (n *Network) Refuse() {
	n.mu.Lock()
	n.refuse = true
	n.mu.Unlock()
	n.b.unlisten()
}

// Delay adds d to the time each answer takes. Answers in flight together are
// delayed together, as by distance, not one after the other. 0 ends it.
func (n *Network) Delay(d time.Duration) {
	n.mu.Lock()
	n.delay = d
	n.mu.Unlock()
}

// Blackhole lets no byte pass in either direction and closes nothing: existing
// connections hang, new ones are made (in memory: hang) and stay silent. Bytes
// underway are kept, as TCP would send them again, and arrive after Heal.
func (n *Network) Blackhole() {
	n.mu.Lock()
	if n.blackhole == nil {
		n.blackhole = make(chan struct{})
	}
	n.mu.Unlock()
}

// Cut closes every connection to the broker at once, by a TCP reset.
func (n *Network) Cut() {
	for _, w := range n.wires() {
		w.reset()
	}
}

// CutAfter lets that many more bytes pass in the given direction, over all
// connections of the broker, then resets the connection the last one came on.
// A request cut this way never reaches the broker; an answer cut this way does
// not tell the client that its request was carried out.
func (n *Network) CutAfter(bytes int64, dir Direction) {
	n.mu.Lock()
	n.budget[dir] = max(bytes, 0)
	n.mu.Unlock()
}

// Heal ends every fault of this network. It fails if the broker's port was
// taken by somebody else while connections were refused.
func (n *Network) Heal() error {
	n.mu.Lock()
	refused := n.refuse
	n.refuse, n.delay, n.budget = false, 0, [2]int64{-1, -1}
	if n.blackhole != nil {
		close(n.blackhole)
		n.blackhole = nil
	}
	n.mu.Unlock()
	if refused {
		return n.b.listen()
	}
	return nil
}

func (n *Network) refuses() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.refuse
}

func (n *Network) latency() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.delay
}

func (n *Network) gate() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.blackhole
}

func (n *Network) wires() []*wire {
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]*wire, 0, len(n.conns))
	for w := range n.conns {
		all = append(all, w)
	}
	return all
}

// spend takes up to want bytes from the budget of a direction and tells
// whether the connection is to be reset after them. The reset disarms the
// budget, so that one connection is cut and not all.
func (n *Network) spend(dir Direction, want int) (allowed int, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	left := n.budget[dir]
	if left < 0 || int64(want) < left {
		if left >= 0 {
			n.budget[dir] -= int64(want)
		}
		return want, false
	}
	n.budget[dir] = -1
	return int(left), true
}

// wire is the broker's end of one connection, subject to its network.
type wire struct {
	net.Conn
	n    *Network
	done chan struct{} // closed by Close
	once sync.Once
}

func (n *Network) wrap(conn net.Conn) *wire {
	w := &wire{Conn: conn, n: n, done: make(chan struct{})}
	n.mu.Lock()
	n.conns[w] = struct{}{}
	n.mu.Unlock()
	return w
}

// pass waits while the network is a black hole.
func (w *wire) pass() error {
	for {
		gate := w.n.gate()
		if gate == nil {
			return nil
		}
		select {
		case <-gate:
		case <-w.done:
			return net.ErrClosed
		}
	}
}

// Read waits for the black hole after reading too: a read that was under way
// when the hole opened must not deliver what arrives in it.
func (w *wire) Read(p []byte) (int, error) {
	got, err := w.Conn.Read(p)
	if err := w.pass(); err != nil {
		return 0, err
	}
	allowed, cut := w.n.spend(ToBroker, got)
	if cut {
		w.reset()
		return allowed, net.ErrClosed
	}
	return got, err
}

func (w *wire) Write(p []byte) (int, error) {
	if err := w.pass(); err != nil {
		return 0, err
	}
	allowed, cut := w.n.spend(ToClient, len(p))
	if !cut {
		return w.Conn.Write(p)
	}
	sent, _ := w.Conn.Write(p[:allowed])
	// A reset may overtake bytes the peer has not read yet; an orderly close
	// makes sure that exactly the allowed ones arrive.
	w.Close()
	return sent, net.ErrClosed
}

func (w *wire) Close() error {
	err := net.ErrClosed
	w.once.Do(func() {
		close(w.done)
		w.n.mu.Lock()
		delete(w.n.conns, w)
		w.n.mu.Unlock()
		err = w.Conn.Close()
	})
	return err
}

func (w *wire) reset() {
	if tcp, ok := w.Conn.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	w.Close()
}
