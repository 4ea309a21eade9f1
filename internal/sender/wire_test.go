package sender

import (
	"net"
	"sync"
	"time"
)

// promptWire is a connection that can be written to without waiting, as a socket
// can: it has a send buffer, which a goroutine empties into the pipe.
type promptWire struct {
	net.Conn
	broker *fakeBroker

	mu     sync.Mutex // guards the following
	buffer []byte
	closed bool

	filled  chan struct{} // 1-buffered
	emptied chan struct{} // 1-buffered
}

func newPromptWire(b *fakeBroker, pipe net.Conn) *promptWire {
	w := &promptWire{Conn: pipe, broker: b, filled: make(chan struct{}, 1), emptied: make(chan struct{}, 1)}
	b.running.Go(w.pump)
	return w
}

// WriteNow implements conn.PromptWriter.
func (w *promptWire) WriteNow(b []byte) (int, error) {
	w.broker.set(func() { w.broker.prompt++ })
	return w.put(b)
}

func (w *promptWire) put(b []byte) (int, error) {
	room := w.broker.buffer()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return 0, net.ErrClosed
	}
	n := max(min(len(b), room-len(w.buffer)), 0)
	w.buffer = append(w.buffer, b[:n]...)
	poke(w.filled)
	return n, nil
}

// Write waits for room.
func (w *promptWire) Write(b []byte) (done int, err error) {
	for {
		n, err := w.put(b[done:])
		done += n
		if err != nil || done == len(b) {
			return done, err
		}
		<-w.emptied
	}
}

func (w *promptWire) SetWriteDeadline(time.Time) error {
	w.broker.set(func() { w.broker.deadlines++ })
	return nil
}

func (w *promptWire) SetDeadline(t time.Time) error {
	_ = w.SetWriteDeadline(t)
	return w.Conn.SetReadDeadline(t)
}

func (w *promptWire) Close() error {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	poke(w.filled)
	poke(w.emptied)
	return w.Conn.Close()
}

func (w *promptWire) pump() {
	for range w.filled {
		w.mu.Lock()
		b, closed := w.buffer, w.closed
		w.buffer = nil
		w.mu.Unlock()
		if len(b) > 0 {
			if _, err := w.Conn.Write(b); err != nil {
				return
			}
		}
		poke(w.emptied)
		if closed {
			return
		}
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
