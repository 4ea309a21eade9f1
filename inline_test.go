package ekaf_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// promptDialer makes connections that can be written to without waiting, and tells
// how often that was done. While full is set they take nothing, and who waits
// for them waits until it is cleared.
type promptDialer struct {
	dial   func(ctx context.Context, network, addr string) (net.Conn, error)
	prompt atomic.Int32
	full   atomic.Bool
	room   chan struct{}
}

type promptConn struct {
	net.Conn
	d *promptDialer
}

func (d *promptDialer) Dial(ctx context.Context, network, addr string) (net.Conn, error) {
	nc, err := d.dial(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return &promptConn{nc, d}, nil
}

// WriteNow implements conn.PromptWriter. The brokers in memory read at once.
func (c *promptConn) WriteNow(b []byte) (int, error) {
	if c.d.prompt.Add(1); c.d.full.Load() {
		return len(b) / 2, nil
	}
	return c.Conn.Write(b)
}

func (c *promptConn) Write(b []byte) (int, error) {
	if c.d.full.Load() {
		<-c.d.room
		return 0, errors.New("the connection broke while the socket was full")
	}
	return c.Conn.Write(b)
}

// Rule 16 and P4: a call that writes its request itself, into a full socket, ends
// with its context all the same; the message may be written, and says so.
func TestRule16ContextOfACallThatWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1))
		d := &promptDialer{dial: c.Dialer(), room: make(chan struct{})}
		p, err := ekaf.New(ekaf.Brokers(c.Addrs()...), ekaf.Dialer(d.Dial))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close(t.Context())
		for range 3 {
			if _, err := p.ProduceSync(t.Context(), "events", ekaf.Value("quick")); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if n := d.prompt.Load(); n != 2 {
			t.Errorf("%d of 3 calls wrote their request themselves, want all but the first, which had no connection", n)
		}
		if err := p.ProduceAsync(t.Context(), "events", ekaf.Value("not waiting")); err != nil {
			t.Fatal(err)
		}
		flush(t, p)
		if n := d.prompt.Load(); n != 2 {
			t.Error("a call that does not wait wrote its request itself")
		}

		d.full.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err = p.ProduceSync(ctx, "events", ekaf.Value("into a full socket"))
		if failed, ok := errors.AsType[*ekaf.DeliveryError](err); !ok || !failed.MaybeWritten || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the call ends with %v", err)
		}
		if waited := time.Since(began); waited != time.Second {
			t.Errorf("the call took %v of virtual time, its context 1s", waited)
		}
		d.full.Store(false)
		close(d.room)
		if _, err := p.ProduceSync(t.Context(), "events", ekaf.Value("on a new connection")); err != nil {
			t.Error(err)
		}
	})
}

// Callers that wait are woken by one answer, and their next messages go out in one
// request: the first to run lets the others go first (see sender.gather). Without
// that each round of theirs takes two requests, the first with a single message.
func TestCallersThatWaitShareRequests(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // so that who runs first is no matter of luck
	synctest.Test(t, func(t *testing.T) {
		const callers, rounds = 16, 50
		c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1))
		p, err := ekaf.New(ekaf.Brokers(c.Addrs()...), ekaf.Dialer(c.Dialer()))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close(t.Context())
		if _, err := p.ProduceSync(t.Context(), "events", ekaf.Value("first")); err != nil {
			t.Fatal(err)
		}
		before := c.Requests(kmsg.Produce)
		var group sync.WaitGroup
		for range callers {
			group.Go(func() {
				for range rounds {
					if _, err := p.ProduceSync(t.Context(), "events", ekaf.Value("v")); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		if n := c.Requests(kmsg.Produce) - before; n > rounds*3/2 {
			t.Errorf("%d rounds of %d callers took %d requests", rounds, callers, n)
		}
	})
}
