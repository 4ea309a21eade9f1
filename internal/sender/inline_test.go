package sender

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf/internal/worker"
)

// idleScene is a sender whose connection stands, can be written to without
// waiting, and carries nothing; its n lanes are confirmed.
func idleScene(t *testing.T, n int, change func(*worker.Config)) (*scene, []*worker.Lane) {
	sc := newScene(t, func(sc *scene) { sc.broker.roomy = true })
	lanes := sc.lanes(n, sc.topic("t", change))
	if lanes[0].Partition.Config().Acks != 0 {
		sc.confirm(lanes...)
	}
	if got := sc.broker.promptWrites(); got != 0 {
		t.Fatalf("%d writes of the sender's goroutine were prompt, want none", got)
	}
	return sc, lanes
}

// prompt fails unless n writes were made by callers.
func (sc *scene) prompt(n int) {
	sc.t.Helper()
	if got := sc.broker.promptWrites(); got != n {
		sc.t.Fatalf("%d requests were written by their callers, want %d", got, n)
	}
}

// Rule 16: a sync caller that finds its sender idle writes the request itself.
func TestRule16SyncCallerWritesItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc, lanes := idleScene(t, 1, nil)
		for i := range 3 {
			value := fmt.Sprintf("message %d", i)
			sc.putSync(lanes[0], value)
			sc.prompt(i + 1) // no other goroutine had a part in it
			a := sc.one()
			if got := sent(t, a); !slices.Equal(got, []string{value}) {
				t.Errorf("request %d holds %q", i, got)
			}
			a.ok()
			sc.acked(i + 1)
		}
		sc.put(lanes[0], true, "of a caller that does not wait")
		sc.one().ok()
		sc.prompt(3)
	})
}

// Rule 16: only on an established connection. A caller does not dial, nor wait for
// whoever does.
func TestRule16NoConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, func(sc *scene) { sc.broker.roomy = true })
		sc.broker.gate = make(chan struct{})
		lanes := sc.lanes(2, sc.topic("t", nil))
		sc.putSync(lanes[0], "first") // nobody dials yet
		synctest.Wait()
		if n := sc.broker.dials(); n != 1 {
			t.Fatalf("%d dials, want 1", n)
		}
		start := time.Now()
		sc.putSync(lanes[1], "second") // the sender's goroutine has the turn, and dials
		if waited := time.Since(start); waited != 0 {
			t.Errorf("the caller waited %v for the dial", waited)
		}
		close(sc.broker.gate)
		a := sc.one()
		if got := sent(t, a); !slices.Equal(got, []string{"first", "second"}) {
			t.Errorf("sent %q", got)
		}
		a.ok()
		sc.acked(2)
		sc.prompt(0)
	})
}

// Rule 16: only with nothing in flight. What comes meanwhile gathers, and goes when
// the answer is there.
func TestRule16NothingInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc, lanes := idleScene(t, 2, nil)
		sc.putSync(lanes[0], "first")
		first := sc.one()
		sc.putSync(lanes[0], "second")
		sc.putSync(lanes[1], "third")
		sc.none()
		sc.prompt(1)
		first.ok()
		second := sc.one()
		if got := sent(t, second); !slices.Equal(slices.Sorted(slices.Values(got)), []string{"second", "third"}) {
			t.Errorf("sent %q", got)
		}
		second.ok()
		sc.acked(3)
		sc.prompt(1)
	})
}

// Rule 16: at most 32 KiB. A larger batch is left to the sender's goroutine, which
// may wait for the socket.
func TestRule16AtMost32KiB(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc, lanes := idleScene(t, 1, nil)
		sc.putSync(lanes[0], strings.Repeat("x", 33<<10))
		a := sc.one()
		if got := sent(t, a); len(got) != 1 || len(got[0]) != 33<<10 {
			t.Errorf("%d messages were sent", len(got))
		}
		a.ok()
		sc.acked(1)
		sc.prompt(0)
		sc.putSync(lanes[0], strings.Repeat("x", 31<<10))
		sc.one().ok()
		sc.acked(2)
		sc.prompt(1)
	})
}

// Rule 16: one request. A caller takes what others have ready as far as one
// request holds it, and leaves the rest.
func TestRule16OneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc, lanes := idleScene(t, 4, nil)
		release := sc.hold()
		for i, l := range lanes[:3] {
			sc.write(l, strings.Repeat(fmt.Sprint(i), 20<<10))
			l.Commit(true)
		}
		release(func() { sc.putSync(lanes[3], "small") })
		sc.prompt(1)
		list := sc.settled()
		if len(list) < 2 {
			t.Fatal("what the caller left waits for the answer to its request")
		}
		if size := len(strings.Join(sent(t, list[0]), "")); size > 32<<10 || size < 20<<10 {
			t.Errorf("the caller's request holds %d bytes", size)
		}
		for n := 0; n < 4; {
			for _, a := range list {
				n += len(sent(t, a))
				a.ok()
			}
			list = sc.settled()
		}
		sc.acked(4)
		sc.prompt(1)
	})
}

// hold keeps the sender's goroutine from draining until release, which lets do run
// first, as if that goroutine had not come to it yet.
func (sc *scene) hold() (release func(do func())) {
	sc.sender.turn <- struct{}{}
	return func(do func()) {
		synctest.Wait() // the sender's goroutine waits for the turn
		sc.sender.mu.Lock()
		c := sc.sender.classes[0]
		idle, ready := c.idle, c.ready
		c.idle, c.ready = ring{}, ring{}
		sc.sender.mu.Unlock()
		<-sc.sender.turn
		synctest.Wait() // it found nothing, and sleeps
		sc.sender.mu.Lock()
		c.idle, c.ready = idle, ready
		sc.sender.mu.Unlock()
		do()
	}
}

// Rule 16: a full socket breaks neither the caller's context nor the connection.
// The caller goes on at once; a goroutine writes the rest; nobody sets a deadline.
func TestRule16FullSocket(t *testing.T) {
	for _, room := range []int{1, 100} {
		synctest.Test(t, func(t *testing.T) {
			sc, lanes := idleScene(t, 2, nil)
			sc.broker.set(func() { sc.broker.room, sc.broker.deadlines = room, 0 })
			value := strings.Repeat("x", 500)
			sc.putSync(lanes[0], value) // would hang here for ever in the bubble
			sc.prompt(1)
			sc.putSync(lanes[1], "next")
			a := sc.one()
			if got := sent(t, a); !slices.Equal(got, []string{value}) {
				t.Fatalf("the broker read %q", got)
			}
			a.ok()
			sc.one().ok()
			sc.acked(2)
			if sc.broker.deadlines != 0 {
				t.Errorf("%d deadlines were set for writes of a shared connection", sc.broker.deadlines)
			}
			if sc.broker.dials() != 1 {
				t.Errorf("%d connections were made", sc.broker.dials())
			}
		})
	}
}

// Rule 16, with acks=0: nothing ever is in flight, so a full socket cannot be told
// from an empty one, and a write of it would have to wait.
func TestRule16NotWithoutAcks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, func(sc *scene) { sc.broker.roomy, sc.broker.deaf = true, true })
		l := sc.lanes(1, sc.topic("t", func(c *worker.Config) { c.Acks, c.Idempotent = 0, false }))[0]
		sc.put(l, true, "so that there is a connection")
		sc.acked(1)
		sc.broker.set(func() { sc.broker.room = 1 })
		start := time.Now()
		sc.putSync(l, "into a full socket")
		if waited := time.Since(start); waited != 0 {
			t.Errorf("the caller waited %v for the socket", waited)
		}
		sc.prompt(0)
	})
}

// Rule 16: what the broker asked for holds for callers too: a pause (KIP-219) and a
// new authentication (KIP-368), which the sender's goroutine sees to.
func TestRule16BrokerWantsAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc, lanes := idleScene(t, 1, nil)
		sc.putSync(lanes[0], "first")
		a := sc.one()
		resp := a.response()
		resp.ThrottleMillis = 700
		a.answer(resp)
		sc.acked(1)
		sc.putSync(lanes[0], "second")
		sc.none()
		sc.prompt(1)
		sc.waitFor(700 * time.Millisecond)[0].ok()
		sc.acked(2)
		sc.prompt(1)
	})
}

func TestRule16SessionIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, func(sc *scene) {
			sc.broker.roomy, sc.broker.lifetime = true, 10*time.Second
			sc.cfg.Conn.SASL = plainLogin
		})
		l := sc.lanes(1, sc.topic("t", nil))[0]
		sc.confirm(l)
		// The sender's goroutine is not waked for the end of a session on which nothing waits.
		time.Sleep(11 * time.Second)
		sc.putSync(l, "after the session's end")
		sc.one().ok()
		sc.acked(1)
		sc.prompt(0)
		if sc.broker.logins != 2 {
			t.Errorf("%d logins, want 2", sc.broker.logins)
		}
	})
}

// An answer wakes the sender's goroutine where that waits for it: to authenticate
// again, nothing may be in flight.
func TestAnswerWakesForReauthentication(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, func(sc *scene) {
			sc.broker.roomy, sc.broker.lifetime = true, 10*time.Second
			sc.cfg.Conn.SASL = plainLogin
		})
		l := sc.lanes(1, sc.topic("t", nil))[0]
		sc.confirm(l)
		sc.putSync(l, "in flight as the session ends")
		a := sc.one()
		time.Sleep(11 * time.Second)
		sc.sender.Warm() // anything that wakes the loop
		synctest.Wait()
		if sc.broker.logins != 1 {
			t.Fatalf("%d logins while a request is in flight", sc.broker.logins)
		}
		a.ok()
		sc.acked(1)
		if sc.broker.logins != 2 {
			t.Errorf("%d logins, want a second as soon as nothing is in flight", sc.broker.logins)
		}
	})
}

// A connection that only callers write on is closed when it has been idle.
func TestInlineConnectionIsClosedWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, func(sc *scene) {
			sc.broker.roomy = true
			sc.cfg.IdleTimeout = time.Second
		})
		l := sc.lanes(1, sc.topic("t", nil))[0]
		sc.confirm(l)
		for i := range 10 {
			time.Sleep(900 * time.Millisecond)
			sc.putSync(l, "kept alive")
			sc.one().ok()
			sc.acked(i + 1)
		}
		sc.prompt(10)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		sc.putSync(l, "on a new connection")
		sc.one().ok()
		sc.prompt(10)
		if n := sc.broker.dials(); n != 2 {
			t.Errorf("%d dials, want 2", n)
		}
	})
}
