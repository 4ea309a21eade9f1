package ekaftest

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// broker is one broker as clients see it: a listener, its connections, and
// the network between.
type broker struct {
	c    *Cluster
	id   int32
	net  *Network
	port int    // fixed at the first listen, 0 before
	addr string // host:port it listens on; fixed after the first listen

	accepted atomic.Int64 // connections ever accepted

	mu      sync.Mutex // guards the following
	running bool
	ln      net.Listener
}

func newBroker(c *Cluster, id int32, port int) *broker {
	b := &broker{c: c, id: id, port: port}
	b.net = newNetwork(b)
	return b
}

// memoryHost is the host name of a broker in memory.
func memoryHost(id int32) string { return fmt.Sprintf("broker%d.ekaftest", id) }

// listen opens the listener if the broker runs and its network does not refuse.
func (b *broker) listen() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.running || b.ln != nil || b.net.refuses() {
		return nil
	}
	if b.c.cfg.inMemory {
		if b.addr == "" {
			b.addr = fmt.Sprintf("%s:%d", memoryHost(b.id), 9092+b.id)
		}
		b.ln = b.c.memory.listen(b.addr)
	} else {
		ln, err := listenTCP(b.c.cfg.host, b.port)
		if err != nil {
			return fmt.Errorf("cannot start broker %d: %w", b.id, err)
		}
		b.ln = ln
		if b.addr == "" {
			b.addr, b.port = ln.Addr().String(), ln.Addr().(*net.TCPAddr).Port
		}
	}
	ln := b.ln
	b.c.sessions.Go(func() { b.accept(ln) })
	return nil
}

func (b *broker) unlisten() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ln != nil {
		b.ln.Close()
		b.ln = nil
	}
}

func (b *broker) accept(ln net.Listener) {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return
		}
		b.admit(ln, conn)
	}
}

// admit starts a session, also if the listener was closed by Refuse since the
// connection was accepted: what exists lives on. Not if the broker stopped: it
// says so under the same mutex before it cuts the connections it finds, so none
// accepted at that moment slips through; nor if it has a new listener, as one
// started again has.
func (b *broker) admit(ln net.Listener, conn net.Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.running || b.ln != nil && b.ln != ln {
		conn.Close()
		return
	}
	s := newSession(b, b.net.wrap(conn), b.accepted.Add(1))
	b.c.sessions.Go(s.serve)
}

// start answers whether the broker was not running.
func (b *broker) start() (bool, error) {
	b.mu.Lock()
	was := b.running
	b.running = true
	b.mu.Unlock()
	if was {
		return false, nil
	}
	if err := b.listen(); err != nil {
		b.mu.Lock()
		b.running = false
		b.mu.Unlock()
		return false, err
	}
	return true, nil
}

// stop answers whether the broker was running.
func (b *broker) stop() bool {
	b.mu.Lock()
	was := b.running
	b.running = false
	b.mu.Unlock()
	b.unlisten()
	for _, w := range b.net.wires() {
		w.Close()
	}
	return was
}

func (b *broker) isRunning() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.running
}
