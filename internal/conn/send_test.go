package conn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestPipelineOfFive(t *testing.T) {
	log := newAnswerLog()
	var seen []int32
	c := dialed(t, Config{ClientID: "five"}, func(p *peer) {
		var all []received
		for range 5 {
			r, ok := p.request()
			if !ok {
				return
			}
			if r.client != "five" {
				t.Errorf("client id %q", r.client)
			}
			all = append(all, r)
			seen = append(seen, r.correlation)
		}
		// All answers in one write: the reader must cut them apart.
		var joined []byte
		for _, r := range all {
			joined = append(joined, framed(be32(r.correlation), []byte("re:"), r.rest)...)
		}
		p.Write(joined)
		p.drain()
	})
	for i := range 5 {
		if err := c.Send(produce(c, fmt.Sprint(i)), nil, false, log.handler(fmt.Sprint("h", i))); err != nil {
			t.Fatal(err)
		}
	}
	log.wait(5)
	want := []string{"h0=re:0", "h1=re:1", "h2=re:2", "h3=re:3", "h4=re:4"}
	if got := log.snapshot(); !slices.Equal(got, want) {
		t.Errorf("answers %q, want %q", got, want)
	}
	if !slices.Equal(seen, []int32{1, 2, 3, 4, 5}) { // 0 was ApiVersions
		t.Errorf("correlation ids %v", seen)
	}
	if n := c.Pending(); n != 0 {
		t.Errorf("%d pending", n)
	}
}

func TestOutOfOrderAnswerKills(t *testing.T) {
	log := newAnswerLog()
	c := dialed(t, Config{}, func(p *peer) {
		var ids []int32
		for range 5 {
			r, _ := p.request()
			ids = append(ids, r.correlation)
		}
		p.answer(ids[0], []byte("ok"))
		p.answer(ids[2], []byte("too early"))
		p.drain()
	})
	for i := range 5 {
		if err := c.Send(produce(c, "x"), nil, false, log.handler(fmt.Sprint("h", i))); err != nil {
			t.Fatal(err)
		}
	}
	<-c.Done()
	want := []string{"h0=ok", "h1 failed", "h2 failed", "h3 failed", "h4 failed"}
	if got := log.snapshot(); !slices.Equal(got, want) {
		t.Errorf("answers %q, want %q", got, want)
	}
	if err := c.Err(); !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), "correlation id 3 where 2 (Produce) is due") {
		t.Errorf("error %v", err)
	}
}

// Every way of writing must put the same bytes on the wire.
func TestTailsArriveWhole(t *testing.T) {
	tails := map[string]net.Buffers{
		"none":      nil,
		"small":     {[]byte("ab"), nil, []byte("cd")},
		"large":     {bytes.Repeat([]byte("x"), 3000), bytes.Repeat([]byte("y"), 3000), {}},
		"staged":    {bytes.Repeat([]byte("p"), stagingBytes-1), bytes.Repeat([]byte("q"), 3*stagingBytes), []byte("r")},
		"many":      slices.Repeat(net.Buffers{bytes.Repeat([]byte("m"), 100)}, 3000),
		"exact fit": {bytes.Repeat([]byte("e"), stagingBytes-16)},
	}
	echo := func(p *peer) {
		for {
			r, ok := p.request()
			if !ok {
				return
			}
			p.answerFlexible(r.correlation, r.rest)
		}
	}
	tcp, err := Dial(t.Context(), nil, listening(t, func(p *peer) {
		if p.greet() {
			echo(p)
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	if !tcp.vectored {
		t.Error("a TCP connection does not use writev")
	}
	for stream, c := range map[string]*Conn{"tcp": tcp, "pipe": dialed(t, Config{}, echo)} {
		for name, tail := range tails {
			t.Run(stream+" "+name, func(t *testing.T) {
				want := "head" + string(bytes.Join(tail, nil))
				k := newCall()
				if err := c.Send(produce(c, "head"), tail, true, k); err != nil {
					t.Fatal(err)
				}
				if a := <-k.answered; a.err != nil || string(a.body) != want {
					t.Errorf("%d bytes came back, want %d; error %v", len(a.body), len(want), a.err)
				}
				if joined := "head" + string(bytes.Join(tail, nil)); joined != want {
					t.Error("Send changed the caller's tail")
				}
			})
		}
	}
}

func TestSendWithoutAnswer(t *testing.T) {
	got := make(chan string, 1)
	c := dialed(t, Config{}, func(p *peer) {
		r, _ := p.request()
		got <- string(r.rest)
		r, _ = p.request()
		p.answer(r.correlation, []byte("second"))
		p.drain()
	})
	if err := c.Send(produce(c, "acks 0"), nil, false, nil); err != nil {
		t.Fatal(err)
	}
	if s := <-got; s != "acks 0" {
		t.Errorf("broker got %q", s)
	}
	if c.Pending() != 0 {
		t.Error("a request without an answer is pending")
	}
	k := newCall()
	if err := c.Send(produce(c, "acks 1"), nil, false, k); err != nil {
		t.Fatal(err)
	}
	if a := <-k.answered; string(a.body) != "second" {
		t.Errorf("answer %q, %v", a.body, a.err)
	}
}

func TestSendOnDeadConnection(t *testing.T) {
	c := dialed(t, Config{}, (*peer).drain)
	c.Close()
	log := newAnswerLog()
	err := c.Send(produce(c, "x"), nil, false, log.handler("h"))
	if !errors.Is(err, ErrNotWritten) || !errors.Is(err, ErrClosed) {
		t.Errorf("error %v, want ErrNotWritten and ErrClosed", err)
	}
	if err := c.Send(produce(c, "x"), nil, false, nil); !errors.Is(err, ErrNotWritten) {
		t.Errorf("without a handler: error %v, want ErrNotWritten", err)
	}
	if _, err := c.Do(t.Context(), kmsg.NewPtrMetadataRequest()); !errors.Is(err, ErrNotWritten) {
		t.Errorf("Do: error %v, want ErrNotWritten", err)
	}
	if err := c.Send([]byte("short"), nil, false, log.handler("h")); !errors.Is(err, ErrNotWritten) {
		t.Errorf("short frame: error %v, want ErrNotWritten", err)
	}
	if got := log.snapshot(); len(got) != 0 {
		t.Errorf("refused requests were answered: %q", got)
	}
}

// stuckConn hangs in Write, even after Close, until the test lets go: the worst a writer can do.
type stuckConn struct {
	net.Conn
	stuck   bool
	letGo   chan struct{}
	entered chan struct{}
}

func (s *stuckConn) Write(b []byte) (int, error) {
	if s.stuck {
		close(s.entered)
		<-s.letGo
		return 0, net.ErrClosed
	}
	return s.Conn.Write(b)
}

// Rule 8: an error may reach a handler only when no writer can touch the request's bytes any more.
func TestDeathWaitsForTheWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := &stuckConn{letGo: make(chan struct{}), entered: make(chan struct{})}
		cfg := over(t, Config{}, func(p *peer) {
			p.greet()
			p.drain()
		})
		dial := cfg.Dial
		cfg.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			nc, err := dial(ctx, network, addr)
			stuck.Conn = nc
			return stuck, err
		}
		c, err := Dial(t.Context(), cfg, "broker.test:9092")
		if err != nil {
			t.Fatal(err)
		}
		log := newAnswerLog()
		for i := range 2 {
			if err := c.Send(produce(c, "x"), nil, false, log.handler(fmt.Sprint("h", i))); err != nil {
				t.Fatal(err)
			}
		}
		stuck.stuck = true
		sent := make(chan error, 1)
		go func() { sent <- c.Send(produce(c, "hangs"), nil, false, log.handler("h2")) }()
		<-stuck.entered
		refused := make(chan error, 1)
		go func() { refused <- c.Send(produce(c, "queues"), nil, false, log.handler("never")) }()
		synctest.Wait()

		first := errors.New("first reason")
		c.Kill(first)
		c.Kill(errors.New("second reason"))
		synctest.Wait()
		if err := <-refused; !errors.Is(err, ErrNotWritten) || !errors.Is(err, first) {
			t.Errorf("the queued Send: %v, want ErrNotWritten and the reason", err)
		}
		if got := log.snapshot(); len(got) != 0 {
			t.Fatalf("answered while the writer still holds the bytes: %q", got)
		}
		if c.Pending() != 3 || c.Err() != first {
			t.Errorf("pending %d, error %v", c.Pending(), c.Err())
		}
		close(stuck.letGo)
		<-c.Done()
		if err := <-sent; err != nil {
			t.Errorf("Send = %v; its handler was told, so it must be nil", err)
		}
		if got := log.snapshot(); !slices.Equal(got, []string{"h0 failed", "h1 failed", "h2 failed"}) {
			t.Errorf("answers %q", got)
		}
		for _, err := range log.errs {
			if err != first {
				t.Errorf("handler got %v, want the first reason", err)
			}
		}
	})
}

func TestRequestTimeout(t *testing.T) {
	silent := (*peer).drain
	deaf := func(*peer) { time.Sleep(time.Hour) } // does not even read: the write itself hangs
	for name, script := range map[string]func(*peer){"no answer": silent, "hung write": deaf} {
		for _, acks0 := range []bool{false, true} {
			if acks0 && name == "no answer" {
				continue
			}
			t.Run(fmt.Sprint(name, " acks0=", acks0), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					c := dialed(t, Config{RequestTimeout: 5 * time.Second}, script)
					time.Sleep(time.Minute) // idle time does not count
					if c.Err() != nil {
						t.Fatalf("an idle connection died: %v", c.Err())
					}
					log := newAnswerLog()
					begun := time.Now()
					go func() {
						if acks0 {
							if err := c.Send(produce(c, "x"), nil, false, nil); err == nil || errors.Is(err, ErrNotWritten) {
								t.Errorf("a write cut off half way: %v", err)
							}
							return
						}
						if err := c.Send(produce(c, "x"), nil, false, log.handler("h")); err != nil {
							t.Error(err)
						}
					}()
					<-c.Done()
					if took := time.Since(begun); took != 5*time.Second {
						t.Errorf("died after %v of the fake clock, want 5s", took)
					}
					late, ok := errors.AsType[*TimeoutError](c.Err())
					if !ok || late.API != "Produce" || late.Addr != "broker.test:9092" || !late.Timeout() {
						t.Errorf("error %v", c.Err())
					}
				})
			})
		}
	}
}

// A busy connection whose requests are all answered in time must not die of the first timer it armed.
func TestBusyConnectionOutlivesItsTimer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dialed(t, Config{RequestTimeout: 10 * time.Second}, func(p *peer) {
			for {
				r, ok := p.request()
				if !ok {
					return
				}
				time.Sleep(6 * time.Second)
				p.answer(r.correlation, nil)
			}
		})
		for i := range 20 {
			k := newCall()
			if err := c.Send(produce(c, "x"), nil, false, k); err != nil {
				t.Fatalf("request %d: %v", i, err)
			}
			if a := <-k.answered; a.err != nil {
				t.Fatalf("request %d: %v", i, a.err)
			}
		}
		if !c.LastUsed().Equal(time.Now().Add(-6 * time.Second)) {
			t.Errorf("last used %v ago", time.Since(c.LastUsed()))
		}
	})
}

func TestDoEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dialed(t, Config{}, func(p *peer) {
			for i := range 2 {
				r, _ := p.request()
				time.Sleep(5 * time.Second)
				resp := kmsg.NewPtrMetadataResponse()
				resp.Version, resp.ControllerID = r.version, int32(i)
				p.answer(r.correlation, resp.AppendTo(nil))
			}
			p.drain()
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Do(ctx, kmsg.NewPtrMetadataRequest()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want the context's", err)
		}
		// The late answer belongs to the first request; the second must get its own.
		resp, err := c.Do(t.Context(), kmsg.NewPtrMetadataRequest())
		if err != nil {
			t.Fatal(err)
		}
		if m := resp.(*kmsg.MetadataResponse); m.ControllerID != 1 || m.Version != 1 {
			t.Errorf("got controller %d in v%d", m.ControllerID, m.Version)
		}
	})
}

// While one write hangs, a Do whose context ends must return, and write nothing later.
func TestDoGivesUpItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests := make(chan received, 10)
		c := dialed(t, Config{}, func(p *peer) {
			time.Sleep(10 * time.Second)
			for {
				r, ok := p.request()
				if !ok {
					return
				}
				requests <- r
			}
		})
		go c.Send(produce(c, "hangs for 10 s"), nil, false, newCall())
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := c.Do(ctx, kmsg.NewPtrMetadataRequest()); err == nil {
			t.Error("Do succeeded without an answer")
		}
		time.Sleep(15 * time.Second)
		if n := len(requests); n != 1 {
			t.Errorf("the broker got %d requests, want only the first", n)
		}
	})
}

func TestDoNegotiates(t *testing.T) {
	c := dialed(t, Config{}, func(p *peer) {
		for {
			r, ok := p.request()
			if !ok {
				return
			}
			switch r.key {
			case 2:
				resp := kmsg.NewPtrListOffsetsResponse()
				resp.Version, resp.ThrottleMillis = r.version, 77
				p.answerFlexible(r.correlation, resp.AppendTo(nil))
			default:
				p.answer(r.correlation, []byte("garbage"))
			}
		}
	})
	resp, err := c.Do(t.Context(), kmsg.NewPtrListOffsetsRequest())
	if err != nil {
		t.Fatal(err)
	}
	if l := resp.(*kmsg.ListOffsetsResponse); l.Version != 6 || l.ThrottleMillis != 77 {
		t.Errorf("got %+v", l)
	}
	_, err = c.DoRange(t.Context(), kmsg.NewPtrListOffsetsRequest(), 0, 5)
	if u, ok := errors.AsType[*UnsupportedError](err); !ok || u.Min != 6 || u.OurMax != 5 || !u.Offered {
		t.Errorf("error %v", err)
	}
	_, err = c.Do(t.Context(), kmsg.NewPtrFetchRequest())
	if u, ok := errors.AsType[*UnsupportedError](err); !ok || u.Offered || u.API != "Fetch" {
		t.Errorf("error %v", err)
	}
	if _, err = c.Do(t.Context(), kmsg.NewPtrMetadataRequest()); !errors.Is(err, ErrProtocol) {
		t.Errorf("error %v, want ErrProtocol for an unreadable body", err)
	}
}
