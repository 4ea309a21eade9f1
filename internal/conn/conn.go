package conn

import (
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// stage is how far a connection has come; it decides what a sudden end most likely means.
type stage uint8

const (
	stageVersions  stage = iota // ApiVersions is asked
	stageHandshake              // something was answered; authentication runs, if there is any
	stageReady                  // Dial has returned
)

// Conn is one ready connection to a broker. All methods are safe for concurrent use.
type Conn struct {
	cfg      *settings
	addr     string
	stream                // nc is read and written; raw is closed: closing TLS would first write an alert, and may hang
	vectored bool         // nc takes net.Buffers with one writev
	prompt   PromptWriter // nc, if it can be written to without waiting; else nil
	versions Versions     // set before Dial returns, then constant

	token chan struct{} // holds one element while a writer, or the end of the connection, owns the write side
	dying chan struct{} // closed by the first Kill
	done  chan struct{} // closed when every pending request has been answered

	limit atomic.Int32 // largest response accepted at present
	in    frameReader  // reader goroutine only

	// writer is touched only by who holds the token.
	writer struct {
		correlation int32
		staging     []byte
		slices      [][]byte    // backing of buffers, kept for reuse
		buffers     net.Buffers // a field, as a local would escape to the heap on each writev
	}

	mu          sync.Mutex // guards the following; never held across I/O or a call to a handler
	err         error      // the first one; set means dead
	probed      bool       // see probe
	pending     pendingRing
	writing     request // the write in progress, for the watchdog; since is zero if there is none
	stage       stage
	answers     int   // since stageReady, counted up to 1: has the broker ever answered a real request?
	writeErr    error // during the handshake: see writeFailed
	lastUsed    time.Time
	sessionEnds time.Time
	watchdog    *time.Timer
	armed       bool
}

func newConn(cfg *settings, addr string, s stream) *Conn {
	c := &Conn{
		cfg: cfg, addr: addr, stream: s,
		token: make(chan struct{}, 1),
		dying: make(chan struct{}),
		done:  make(chan struct{}),
	}
	switch s.nc.(type) {
	case *net.TCPConn, *net.UnixConn:
		c.vectored = true
	}
	c.prompt = promptWriter(s.nc)
	c.in.src = s.nc
	c.limit.Store(min(cfg.MaxResponseBytes, handshakeResponseBytes))
	c.lastUsed = time.Now()
	c.mu.Lock() // the timer may fire before its assignment below
	c.watchdog = time.AfterFunc(cfg.RequestTimeout, c.watch)
	c.armed = true
	c.mu.Unlock()
	return c
}

// Versions is what the broker offers, or what Config.AssumeVersions said.
func (c *Conn) Versions() Versions { return c.versions }

// Addr is the host:port that was dialled.
func (c *Conn) Addr() string { return c.addr }

// LocalAddr is this side's address.
func (c *Conn) LocalAddr() net.Addr { return c.raw.LocalAddr() }

// LastUsed is when the last request was begun, or when the connection was made. Brokers close connections idle for
// connections.max.idle.ms, ten minutes by default.
func (c *Conn) LastUsed() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lastUsed
}

// Pending is how many requests await an answer. A request counts from just before its write until its answer has been
// read; while its own Handler.Answer runs it is no longer counted.
func (c *Conn) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pending.count
}

// Err is why the connection died; nil while it lives. It is set before the first pending request hears of it.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Done is closed when the connection is dead, its last writer has returned and all its requests have been answered.
func (c *Conn) Done() <-chan struct{} { return c.done }

// Close kills the connection with ErrClosed and waits until Done. It must not be called from a Handler, which runs on
// the goroutine it waits for; use Kill there. It may be called again; the error is always nil.
func (c *Conn) Close() error {
	c.Kill(ErrClosed)
	<-c.done
	return nil
}

// Kill ends the connection with err, which all pending requests are then answered with (by the reader goroutine, after
// the last writer has returned; see the package comment). Only the first call counts. It does not wait.
func (c *Conn) Kill(err error) {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	c.err = err
	c.watchdog.Stop()
	pending := c.pending.count
	c.mu.Unlock()
	close(c.dying)
	// Nothing can be done about an error of Close, and nothing depends on it: the descriptor is gone either way.
	_ = c.raw.Close()
	c.cfg.Logger.Debug("connection ended", "addr", c.addr, "pending", pending, "reason", err)
}

// finish is the last act of the reader goroutine: steps 3 to 5 of the death sequence in the package comment.
func (c *Conn) finish() {
	// The token is never given back. Who waits for it sees dying instead; who got it before us either has entered the
	// ring and is now done with its write, or has seen err and entered nothing.
	c.token <- struct{}{}
	for {
		c.mu.Lock()
		if c.pending.count == 0 {
			c.mu.Unlock()
			break
		}
		q, err := c.pending.pop(), c.err
		c.mu.Unlock()
		q.h.Answer(nil, err)
	}
	close(c.done)
}

// watch runs on the watchdog timer, which is armed by the first request of an idle connection and then set anew only
// when it fires: a busy connection pays for it once per RequestTimeout, not once per request.
func (c *Conn) watch() {
	c.mu.Lock()
	if c.err != nil {
		c.mu.Unlock()
		return
	}
	oldest := c.oldestLocked()
	if oldest.since.IsZero() {
		c.armed = false
		c.mu.Unlock()
		return
	}
	if left := c.cfg.RequestTimeout - time.Since(oldest.since); left > 0 {
		c.watchdog.Reset(left)
		c.mu.Unlock()
		return
	}
	late := c.lateLocked(c.cfg.RequestTimeout)
	c.mu.Unlock()
	c.Kill(late)
}

// oldestLocked is the request that waits longest; since is zero if none does.
func (c *Conn) oldestLocked() request {
	if c.pending.count > 0 {
		// Never younger than the write in progress, which, if it wants an answer, is the youngest of the ring.
		return *c.pending.at(0)
	}
	return c.writing
}

// lateLocked is the error of a connection whose oldest request waits for longer than it may.
func (c *Conn) lateLocked(after time.Duration) error {
	oldest := c.oldestLocked()
	e := &TimeoutError{Addr: c.addr, API: apiName(oldest.apiKey), After: after}
	if oldest.since.IsZero() {
		e.API = "the handshake" // nothing is asked at this moment: a mechanism takes its time
	}
	if c.stage == stageVersions {
		e.advice = silentPort
	}
	return e
}
