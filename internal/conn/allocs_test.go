package conn

import (
	"io"
	"net"
	"testing"
)

// answering serves requests with header v0 answers of four bytes, without allocating.
func answering(p *peer) {
	buf := make([]byte, 64<<10)
	out := make([]byte, 12)
	for {
		if _, err := io.ReadFull(p, buf[:4]); err != nil {
			return
		}
		size := int(buf[0])<<24 | int(buf[1])<<16 | int(buf[2])<<8 | int(buf[3])
		if _, err := io.ReadFull(p, buf[:size]); err != nil {
			return
		}
		out[3] = 8
		copy(out[4:8], buf[4:8])
		if _, err := p.Write(out); err != nil {
			return
		}
	}
}

type signal struct{ got chan struct{} }

func (s *signal) Answer([]byte, error) { s.got <- struct{}{} }

func TestSteadyStateAllocatesNothing(t *testing.T) {
	greeted := func(p *peer) {
		if p.greet() {
			answering(p)
		}
	}
	tcp, err := Dial(t.Context(), nil, listening(t, greeted))
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	pipe := dialed(t, Config{}, answering)
	tail := net.Buffers{make([]byte, 4000), make([]byte, 4000), make([]byte, 4000)}
	for name, c := range map[string]*Conn{"writev": tcp, "staged": pipe, "now": tcp} {
		t.Run(name, func(t *testing.T) {
			s := &signal{make(chan struct{}, 1)}
			frame := make([]byte, 0, 100)
			round := func() {
				frame = append(c.NextFrame(frame[:0], 0, 8, false), 1, 2, 3)
				send := c.Send
				if name == "now" && c.prompt != nil {
					send = c.SendNow
				}
				if err := send(frame, tail, false, s); err != nil {
					t.Fatal(err)
				}
				<-s.got
			}
			round()
			if n := testing.AllocsPerRun(200, round); n != 0 {
				t.Errorf("%v allocations for each Send and Answer, want none", n)
			}
		})
	}
}

func BenchmarkSend(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		nc, err := l.Accept()
		if err != nil {
			return
		}
		defer nc.Close()
		if p := (&peer{Conn: nc}); p.greet() {
			answering(p)
		}
	}()
	c, err := Dial(b.Context(), nil, l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	s := &signal{make(chan struct{}, 5)}
	for range 5 {
		s.got <- struct{}{}
	}
	frame := make([]byte, 0, 100)
	tail := net.Buffers{make([]byte, 16<<10)}
	b.ReportAllocs()
	b.SetBytes(16 << 10)
	for b.Loop() {
		<-s.got // five in flight
		frame = append(c.NextFrame(frame[:0], 0, 8, false), 1, 2, 3)
		if err := c.Send(frame, tail, false, s); err != nil {
			b.Fatal(err)
		}
	}
	for range 5 {
		<-s.got
	}
}
