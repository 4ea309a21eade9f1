package sender

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/ekaf-go/ekaf/internal/conn"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// connections numbers all connections of the process, so that a lane can tell
// whether the one that confirmed it is still the one it sends on.
var connections atomic.Uint64

// reconnecting: a connection that was lost is made anew at once, so that
// operators see a worker come up again without a message having to come first.
func (s *Sender) reconnecting() bool {
	return (s.Down() || s.warm.Load()) && s.attached()
}

// Warm connects before there is anything to send.
func (s *Sender) Warm() {
	s.warm.Store(true)
	s.poke()
}

func (s *Sender) attached() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.lanes) > 0
}

// connect tries once, and says how long to wait before the next attempt. A
// broker whose address is not known is not tried: metadata is asked for.
func (s *Sender) connect() (wait time.Duration) {
	if s.Down() {
		s.move(Reconnecting, nil)
	} else {
		s.move(Connecting, nil)
	}
	addr, ok := s.cfg.Host.Address(s.broker)
	if !ok {
		return s.failed(fmt.Errorf("broker %d is not in the cluster's metadata", s.broker))
	}
	started := time.Now()
	c, err := conn.Dial(s.ctx, s.cfg.Conn, addr)
	if err != nil {
		if s.ctx.Err() != nil {
			return 0
		}
		return s.failed(fmt.Errorf("broker %d: %w", s.broker, err))
	}
	if _, ok := c.Versions().Negotiate(produceKey, produceMin, produceMax); !ok {
		_ = c.Close()
		return s.failed(fmt.Errorf("broker %d: %w", s.broker, errNoVersion))
	}
	s.conn, s.number = c, connections.Add(1)
	// The loop may hang in a write; a stop ends that by ending the connection.
	s.release = context.AfterFunc(s.ctx, func() { c.Kill(errStopped) })
	s.connectedAt = time.Now()
	s.proven.Store(false)
	s.everUp.Store(true)
	s.move(Up, nil)
	s.cfg.Host.Connected(s, time.Since(started))
	return 0
}

// failed notes an attempt that came to nothing.
func (s *Sender) failed(err error) (wait time.Duration) {
	now := time.Now()
	first := s.State() == Connecting
	if first {
		s.downSince = now
	}
	s.failures++
	s.lastErr.Store(&err)
	s.move(Down, err)
	s.cfg.Host.Disconnected(s, err, now.Sub(s.downSince), first)
	s.cfg.Host.Refresh()
	wait = s.backoff()
	s.retryAt = now.Add(wait)
	return wait
}

func (s *Sender) backoff() time.Duration {
	return worker.Backoff(s.cfg.BackoffMin, s.cfg.BackoffMax, s.failures)
}

// connectionLost takes leave of a dead connection. Its attempts were answered
// with its error already, by the connection itself.
func (s *Sender) connectionLost() {
	err := s.conn.Err()
	if err == nil {
		err = errStopped
	}
	err = fmt.Errorf("broker %d: %w", s.broker, err)
	s.forget()
	now := time.Now()
	s.downSince = now
	// A broker that accepts connections and ends each at its first request would
	// otherwise be connected to without a pause.
	if s.proven.Load() || now.Sub(s.connectedAt) >= s.cfg.BackoffMax {
		s.failures, s.retryAt = 0, time.Time{}
	} else {
		s.failures++
		s.retryAt = now.Add(s.backoff())
	}
	s.move(Down, err)
	s.cfg.Host.Disconnected(s, err, 0, true)
	s.cfg.Host.Refresh()
}

// closeIfIdle closes a connection that carried nothing for a while, before
// something on the way drops it silently. It says when to look again.
func (s *Sender) closeIfIdle(now time.Time) time.Duration {
	if s.cfg.IdleTimeout <= 0 || s.conn == nil {
		return longSleep
	}
	if s.conn.Pending() > 0 {
		return s.cfg.IdleTimeout // an answer alone does not wake the loop
	}
	if left := s.cfg.IdleTimeout - now.Sub(s.conn.LastUsed()); left > 0 {
		return left
	}
	_ = s.conn.Close()
	s.forget()
	s.move(Idle, nil)
	return longSleep
}

// forget takes leave of a connection that has ended.
func (s *Sender) forget() {
	s.release()
	s.conn, s.release = nil, nil
}

// reauthenticate proves our identity again before the broker ends the session
// (KIP-368). Nothing is sent from when it is due until what is in flight is
// answered. Not ok: not now, look again after wait.
func (s *Sender) reauthenticate(now time.Time) (wait time.Duration, ok bool) {
	due, limited := s.conn.SessionEnds()
	if !limited || now.Before(due) {
		return 0, true
	}
	// In this order: an answer that comes before the mark is seen here, and one
	// that comes after it wakes the loop.
	s.awaits.Store(true)
	if s.conn.Pending() > 0 {
		return longSleep, false
	}
	s.awaits.Store(false)
	s.move(Authenticating, nil)
	if err := s.conn.Reauthenticate(s.ctx); err != nil {
		s.conn.Kill(fmt.Errorf("cannot authenticate again: %w", err))
		<-s.conn.Done()
		s.poke()
		return 0, false
	}
	s.move(Up, nil)
	return 0, true
}
