package faults

import (
	"context"
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
)

// mangler spoils answers on their way to the client.
type mangler struct {
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// spoil is applied to the next answer, once; nil: to none. It changes the
	// bytes in place and answers how many there are now.
	spoil atomic.Pointer[func(answer []byte) (n int, err error)]
}

func (m *mangler) connect(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := m.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return mangled{conn, m}, nil
}

type mangled struct {
	net.Conn
	m *mangler
}

func (c mangled) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n < 8 {
		return n, err
	}
	if spoil := c.m.spoil.Swap(nil); spoil != nil {
		return (*spoil)(p[:n])
	}
	return n, err
}

// noises counts the answers that were made noise, each a different one. Scenarios
// run side by side, so they cannot share a source of random numbers.
var noises atomic.Uint64

// lies are what a broker, or whoever answers in its place, may send.
func lies() map[string]func(answer []byte) (int, error) {
	length := func(n uint32) func([]byte) (int, error) {
		return func(answer []byte) (int, error) {
			binary.BigEndian.PutUint32(answer, n)
			return len(answer), nil
		}
	}
	noise := func(answer []byte) {
		seeded := rand.New(rand.NewPCG(1, noises.Add(1)))
		for i := range answer {
			answer[i] = byte(seeded.Uint32())
		}
	}
	return map[string]func([]byte) (int, error){
		"garbage": func(answer []byte) (int, error) {
			noise(answer)
			return len(answer), nil
		},
		"garbage behind a right length and number": func(answer []byte) (int, error) {
			noise(answer[8:])
			return len(answer), nil
		},
		"a length of two gigabytes":          length(1<<31 - 1),
		"a length below zero":                length(1 << 31),
		"a length of nothing":                length(0),
		"a length of more than there is":     length(4096),
		"a length of one byte":               length(1),
		"too few bytes":                      func(answer []byte) (int, error) { return len(answer) / 2, io.ErrUnexpectedEOF },
		"nothing":                            func([]byte) (int, error) { return 0, io.EOF },
		"the answer to another request":      func(answer []byte) (int, error) { answer[7] ^= 0x55; return len(answer), nil },
		"an array of two billion topics":     func(answer []byte) (int, error) { copy(answer[9:], "\xff\xff\xff\xff\x07"); return len(answer), nil },
		"another protocol (HTTP)":            func(answer []byte) (int, error) { return copy(answer, "HTTP/1.1 400 Bad Request\r\n\r\n"), nil },
		"an answer with no topics":           func(answer []byte) (int, error) { clear(answer[8:]); return len(answer), nil },
		"an answer for a partition not sent": func(answer []byte) (int, error) { clear(answer[len(answer)-60:]); return len(answer), nil },
	}
}

func garbage() (list []scenario) {
	for name, lie := range lies() {
		m := &mangler{}
		list = append(list, scenario{
			name:    "a broker answers " + name,
			options: []ekaf.Option{ekaf.BatchRecords(1), ekaf.RequestTimeout(5 * time.Second), ekaf.Dialer(m.connect)},
			run: func(s *stage) {
				m.dial = s.kafka.Dialer()
				s.begin()
				s.kafka.Network(0).Delay(10 * time.Millisecond)
				for range 20 {
					m.spoil.Store(&lie)
					s.send("k", 7)
					s.flush()
				}
				s.expectAcked()
			},
		})
	}
	return append(list,
		scenario{name: "throttle_time_ms is obeyed", options: singly, run: throttled},
	)
}

// throttled: the broker says that the quota is exceeded, and mutes the connection
// too (KIP-219). Nothing is to be sent meanwhile, and nothing given up.
func throttled(s *stage) {
	const pause = 2 * time.Second
	s.begin()
	s.kafka.Throttle(pause)
	before := len(s.traffic.list())
	s.send("k", 10)
	s.flush()
	s.kafka.Throttle(0)
	s.expectAcked()
	list := s.traffic.list()[before:]
	for i := 6; i < len(list); i++ { // the first window was on its way already
		if gap := list[i].at.Sub(list[i-1].at); gap < pause {
			s.Errorf("requests %d and %d are %v apart", i-1, i, gap)
		}
	}
	if s.events.count(ekaf.EventThrottled) == 0 {
		s.Error("the pause was not told")
	}
}

func TestGarbage(t *testing.T) { play(t, garbage()) }
