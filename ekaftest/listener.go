package ekaftest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// listenTCP listens on the given port, or on a free one if it is 0.
//
// Free ports are drawn below every system's ephemeral range (32768 on Linux,
// 49152 elsewhere). While a broker is stopped its port belongs to nobody; were
// it an ephemeral one, a client dialing it again and again could be given that
// very port as its own and connect to itself.
func listenTCP(host string, port int) (net.Listener, error) {
	if port != 0 {
		return listenFixed(host, port)
	}
	for range 50 {
		ln, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(20000+rand.IntN(12000))))
		if err == nil {
			return ln, nil
		}
	}
	ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s: %w", host, err)
	}
	return ln, nil
}

// listenFixed tries for a moment: a port just given up may be held by the
// connections of its last owner (on Windows), or by another test for a while.
func listenFixed(host string, port int) (net.Listener, error) {
	addr := net.JoinHostPort(host, strconv.Itoa(port))
	for wait := 10 * time.Millisecond; ; wait *= 2 {
		ln, err := net.Listen("tcp", addr)
		if err == nil {
			return ln, nil
		}
		if wait > 640*time.Millisecond {
			return nil, fmt.Errorf("cannot listen on %s: %w", addr, err)
		}
		time.Sleep(wait)
	}
}

// memory is the network of an in-memory cluster: listeners by address.
type memory struct {
	mu        sync.Mutex
	listeners map[string]*memoryListener
}

type memoryListener struct {
	m      *memory
	addr   string
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (m *memory) listen(addr string) *memoryListener {
	ln := &memoryListener{m: m, addr: addr, conns: make(chan net.Conn), closed: make(chan struct{})}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.listeners == nil {
		m.listeners = make(map[string]*memoryListener)
	}
	m.listeners[addr] = ln
	return ln
}

func (m *memory) dial(ctx context.Context, addr string) (net.Conn, error) {
	refused := func(err error) error {
		return &net.OpError{Op: "dial", Net: "memory", Addr: address(addr), Err: err}
	}
	m.mu.Lock()
	ln := m.listeners[addr]
	m.mu.Unlock()
	if ln == nil {
		return nil, refused(syscall.ECONNREFUSED)
	}
	client, server := net.Pipe()
	select {
	case ln.conns <- server:
		return client, nil
	case <-ln.closed:
		return nil, refused(syscall.ECONNREFUSED)
	case <-ctx.Done():
		return nil, refused(ctx.Err())
	}
}

func (ln *memoryListener) Accept() (net.Conn, error) {
	select {
	case conn := <-ln.conns:
		return conn, nil
	case <-ln.closed:
		return nil, net.ErrClosed
	}
}

func (ln *memoryListener) Close() error {
	ln.once.Do(func() {
		close(ln.closed)
		ln.m.mu.Lock()
		defer ln.m.mu.Unlock()
		if ln.m.listeners[ln.addr] == ln {
			delete(ln.m.listeners, ln.addr)
		}
	})
	return nil
}

func (ln *memoryListener) Addr() net.Addr { return address(ln.addr) }

// Dialer answers a dial function for clients of this cluster. On TCP it is a
// plain dialer; with [InMemory] it is the only way in. Addresses no broker
// listens on are refused.
func (c *Cluster) Dialer() func(ctx context.Context, network, addr string) (net.Conn, error) {
	if !c.cfg.inMemory {
		return (&net.Dialer{}).DialContext
	}
	return func(ctx context.Context, _, addr string) (net.Conn, error) {
		if b := c.brokerAt(addr); b != nil {
			if gate := b.net.gate(); gate != nil {
				select {
				case <-gate:
				case <-ctx.Done():
					return nil, &net.OpError{Op: "dial", Net: "memory", Addr: address(addr), Err: ctx.Err()}
				}
			}
		}
		return c.memory.dial(ctx, addr)
	}
}

var errUnknownBroker = errors.New("no such broker")
