package conn

import (
	"bytes"
	"context"
	"errors"
	"net"
	"runtime"
	"slices"
	"testing"
)

// quietHere reports whether an idle socket is quiet, which it has to be where the system allows it.
func quietHere(t *testing.T, c *Conn) bool {
	t.Helper()
	if c.Quiet() {
		return true
	}
	if runtime.GOOS != "windows" && runtime.GOOS != "plan9" {
		t.Error("an idle TCP connection is not quiet")
	}
	return false
}

func TestSendNow(t *testing.T) {
	release := make(chan struct{})
	c, err := Dial(t.Context(), nil, listening(t, func(p *peer) {
		if !p.greet() {
			return
		}
		for {
			r, ok := p.request()
			if !ok {
				return
			}
			<-release
			p.answerFlexible(r.correlation, r.rest)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if !quietHere(t, c) {
		return
	}
	tails := []net.Buffers{nil, {[]byte("ab"), nil, []byte("cd")}, {bytes.Repeat([]byte("x"), 3000), bytes.Repeat([]byte("y"), 29000)}}
	for _, tail := range tails {
		k := newCall()
		if err := c.SendNow(produce(c, "head"), tail, true, k); err != nil {
			t.Fatal(err)
		}
		if c.Quiet() {
			t.Error("quiet with a request in flight")
		}
		release <- struct{}{}
		want := "head" + string(bytes.Join(tail, nil))
		if a := <-k.answered; a.err != nil || string(a.body) != want {
			t.Errorf("%d bytes came back, want %d; error %v", len(a.body), len(want), a.err)
		}
	}
	c.Close()
	if c.Quiet() {
		t.Error("a dead connection is quiet")
	}
	if err := c.SendNow(produce(c, "x"), nil, false, newCall()); !errors.Is(err, ErrNotWritten) {
		t.Errorf("on a dead connection: %v", err)
	}
}

// A stream that cannot be written to without waiting is not quiet, and SendNow writes nothing on it.
func TestSendNowNeedsAStreamThatDoesNotWait(t *testing.T) {
	c := dialed(t, Config{}, (*peer).drain)
	if c.Quiet() {
		t.Error("a pipe is quiet")
	}
	if err := c.SendNow(produce(c, "x"), nil, false, newCall()); !errors.Is(err, ErrNotWritten) {
		t.Errorf("error %v, want ErrNotWritten", err)
	}
}

// full connects to a peer that reads its requests only once it is told to, over a socket that holds little.
func full(t *testing.T, script func(p *peer)) *Conn {
	t.Helper()
	addr := listening(t, func(p *peer) {
		if p.greet() {
			script(p)
		}
	})
	c, err := Dial(t.Context(), &Config{Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err == nil {
			err = nc.(*net.TCPConn).SetWriteBuffer(16 << 10)
		}
		return nc, err
	}}, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// A full socket does not hold SendNow up: a goroutine writes the rest, and what others send comes behind it.
func TestSendNowIntoAFullSocket(t *testing.T) {
	read := make(chan struct{})
	c := full(t, func(p *peer) {
		<-read
		for {
			r, ok := p.request()
			if !ok {
				return
			}
			p.answer(r.correlation, r.rest)
		}
	})
	if !quietHere(t, c) {
		close(read)
		return
	}
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
	first, second := newCall(), newCall()
	if err := c.SendNow(produce(c, "head"), net.Buffers{large}, false, first); err != nil { // or it would hang here
		t.Fatal(err)
	}
	if c.Quiet() {
		t.Error("quiet while the rest of a request is to be written")
	}
	if err := c.SendNow(produce(c, "x"), nil, false, newCall()); !errors.Is(err, ErrNotWritten) {
		t.Errorf("between the parts of a request: %v", err)
	}
	sent := make(chan error)
	go func() { sent <- c.Send(produce(c, "behind"), nil, false, second) }()
	close(read)
	if a := <-first.answered; a.err != nil || !bytes.Equal(a.body, append([]byte("head"), large...)) {
		t.Errorf("%d bytes came back; error %v", len(a.body), a.err)
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if a := <-second.answered; a.err != nil || string(a.body) != "behind" {
		t.Errorf("behind it: %q, %v", a.body, a.err)
	}
}

// The end of a connection waits for the goroutine that writes the rest, and answers each request once.
func TestSendNowRestDiesWithTheConnection(t *testing.T) {
	read := make(chan struct{})
	c := full(t, func(*peer) { <-read })
	defer close(read)
	if !quietHere(t, c) {
		return
	}
	log := newAnswerLog()
	if err := c.SendNow(produce(c, "head"), net.Buffers{make([]byte, 4<<20)}, false, log.handler("h")); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if got := log.snapshot(); !slices.Equal(got, []string{"h failed"}) {
		t.Errorf("answers %q", got)
	}
}

// A write that fails is told to the handler, not to the caller: some of it may be on the wire.
func TestSendNowFails(t *testing.T) {
	gone := errors.New("the wire is cut")
	cfg := over(t, Config{}, func(p *peer) { p.greet(); p.drain() })
	dial := cfg.Dial
	cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := dial(ctx, network, addr)
		return &cutWire{nc, gone}, err
	}
	c, err := Dial(t.Context(), cfg, "broker.test:9092")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	k := newCall()
	if err := c.SendNow(produce(c, "x"), nil, false, k); err != nil {
		t.Errorf("SendNow answers %v", err)
	}
	if a := <-k.answered; !errors.Is(a.err, gone) {
		t.Errorf("the handler hears %v", a.err)
	}
}

// cutWire fails in WriteNow, after a part.
type cutWire struct {
	net.Conn
	err error
}

func (w *cutWire) WriteNow(b []byte) (int, error) { return len(b) / 2, w.err }
