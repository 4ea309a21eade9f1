package ekaf

import (
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/ekaf-go/ekaf/internal/worker"
)

// StatsDSocket is a worker's own UDP socket for metrics. Nothing is pushed by
// itself: event handlers do, through Event.StatsD. Its methods never block and
// never fail; without the option StatsD, or on a nil socket, they do nothing.
type StatsDSocket struct {
	mu  sync.Mutex // guards the following
	out net.Conn
	buf []byte
}

// Gauge pushes name:value|g.
func (s *StatsDSocket) Gauge(name string, value int64) { s.push(name, value, "g") }

// Count pushes name:n|c.
func (s *StatsDSocket) Count(name string, n int64) { s.push(name, n, "c") }

// Timing pushes name:ms|ms.
func (s *StatsDSocket) Timing(name string, d time.Duration) { s.push(name, d.Milliseconds(), "ms") }

func (s *StatsDSocket) push(name string, value int64, kind string) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.out == nil {
		return
	}
	s.buf = append(s.buf[:0], name...)
	s.buf = append(s.buf, ':')
	s.buf = strconv.AppendInt(s.buf, value, 10)
	s.buf = append(s.buf, '|')
	s.buf = append(s.buf, kind...)
	_, _ = s.out.Write(s.buf) // UDP: nobody listening is nobody's fault
}

// statsdSockets keeps the sockets of the workers.
type statsdSockets struct {
	addr string

	mu     sync.Mutex // guards the following
	common *StatsDSocket
	lanes  map[*worker.Lane]*StatsDSocket
	closed bool
}

func newStatsdSockets(addr string) *statsdSockets {
	return &statsdSockets{addr: addr, lanes: map[*worker.Lane]*StatsDSocket{}}
}

// noStatsD is what events carry without the option.
var noStatsD = new(StatsDSocket)

// of gives the socket of a worker, opened at its first event.
func (s *statsdSockets) of(l *worker.Lane) *StatsDSocket {
	if s.addr == "" {
		return noStatsD
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	socket := s.lanes[l]
	if socket == nil {
		if socket = s.open(); socket != noStatsD {
			s.lanes[l] = socket
		}
	}
	return socket
}

// shared gives the socket for events without a worker.
func (s *statsdSockets) shared() *StatsDSocket {
	if s.addr == "" {
		return noStatsD
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.common == nil || s.common == noStatsD {
		s.common = s.open()
	}
	return s.common
}

func (s *statsdSockets) open() *StatsDSocket {
	if s.closed {
		return noStatsD
	}
	out, err := net.Dial("udp", s.addr)
	if err != nil {
		return noStatsD
	}
	return &StatsDSocket{out: out}
}

func (s *statsdSockets) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	sockets := []*StatsDSocket{s.common}
	for _, socket := range s.lanes {
		sockets = append(sockets, socket)
	}
	for _, socket := range sockets {
		if socket == nil || socket.out == nil {
			continue
		}
		socket.mu.Lock()
		_ = socket.out.Close()
		socket.out = nil
		socket.mu.Unlock()
	}
}
