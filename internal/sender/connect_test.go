package sender

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf/internal/worker"
)

// attempts is a bound for ten seconds of failing: the pauses double from 50 ms to
// 1 s, less a quarter of jitter.
const attempts = 20

// A refused connection is tried again after pauses, whatever happens meanwhile:
// new lanes, new messages, lingers that end.
func TestRefusedConnectionIsTriedWithPauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, func(sc *scene) { sc.broker.refusing = true })
		cfg := sc.topic("t", func(c *worker.Config) { c.Linger = 7 * time.Millisecond })
		messages := 0
		for i := range 500 {
			l := sc.partition(int32(i), cfg).Lane(0)
			sc.put(l, true, "immediate")
			sc.put(l, false, "lingering")
			messages += 2
			time.Sleep(20 * time.Millisecond)
		}
		if n := sc.broker.dials(); n < 5 || n > attempts {
			t.Errorf("%d attempts in 10 s, want 5 to %d", n, attempts)
		}
		if sc.sender.Up() || !sc.sender.Down() || !errors.Is(sc.sender.LastError(), errRefused) {
			t.Errorf("up %v, down %v, last error %v", sc.sender.Up(), sc.sender.Down(), sc.sender.LastError())
		}
		sc.mu.Lock()
		if !sc.firsts[0] || len(sc.firsts) != sc.broker.dials() || sc.firsts[1] {
			t.Errorf("the host heard %d times of no connection, as the first time: %v", len(sc.firsts), sc.firsts)
		}
		sc.mu.Unlock()
		sc.broker.set(func() { sc.broker.refusing, sc.broker.auto = false, (*asked).ok })
		time.Sleep(sc.cfg.BackoffMax)
		sc.acked(messages)
		if !sc.sender.Up() || sc.sender.Down() {
			t.Errorf("up %v, down %v once connected", sc.sender.Up(), sc.sender.Down())
		}
	})
}

// A broker that metadata does not name is asked metadata for, and not dialled.
func TestUnknownBrokerIsNotDialled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, func(sc *scene) { sc.unknown, sc.broker.auto = true, (*asked).ok })
		sc.put(sc.lanes(1, sc.topic("t", nil))[0], true, "m")
		time.Sleep(10 * time.Second)
		sc.mu.Lock()
		if n := sc.refreshes; sc.broker.dials() != 0 || n < 5 || n > attempts {
			t.Errorf("%d dials, %d requests for metadata; want none, and 5 to %d", sc.broker.dials(), n, attempts)
		}
		sc.unknown = false
		sc.mu.Unlock()
		time.Sleep(sc.cfg.BackoffMax)
		sc.acked(1)
	})
}

// A broker that takes connections and ends each at its first request is not
// stormed.
func TestConnectionsThatNeverAnswerAreMadeWithPauses(t *testing.T) {
	answers := map[string]func(a *asked){
		"hangs up": func(a *asked) { a.wire.Close() },
		"garbage":  func(a *asked) { a.write([]byte{1, 2, 3}) },
	}
	for name, answer := range answers {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sc := newScene(t, func(sc *scene) { sc.broker.auto = answer })
				for _, l := range sc.lanes(3, sc.topic("t", nil)) {
					sc.put(l, true, "m")
				}
				time.Sleep(10 * time.Second)
				if n := sc.broker.dials(); n < 5 || n > attempts {
					t.Errorf("%d connections in 10 s, want 5 to %d", n, attempts)
				}
				sc.broker.set(func() { sc.broker.auto = (*asked).ok })
				time.Sleep(5 * sc.cfg.BackoffMax)
				sc.acked(3)
			})
		})
	}
}

// A connection that did its work and is lost is made again at once.
func TestLostConnectionIsMadeAgainAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, nil)
		l := sc.lanes(1, sc.topic("t", nil))[0]
		sc.confirm(l)
		sc.backlog(l, 2)
		sc.settled()
		start := time.Now()
		sc.broker.hangUp()
		a := sc.one()
		if passed := time.Since(start); passed != 0 || a.connection != 2 {
			t.Errorf("connection %d after %v of virtual time, want number 2 at once", a.connection, passed)
		}
		a.ok()
		sc.one().ok()
		sc.acked(2)
	})
}

// A broker without a version of Produce that we speak is down, with a clear
// error, and asked again with pauses: it may be upgraded.
func TestBrokerWithoutOurProduceIsDown(t *testing.T) {
	for name, versions := range map[string][2]int16{"too new": {14, 20}, "a range that makes no sense": {13, 3}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sc := newScene(t, func(sc *scene) { sc.broker.produceMin, sc.broker.produceMax = versions[0], versions[1] })
				sc.put(sc.lanes(1, sc.topic("t", nil))[0], true, "m")
				time.Sleep(10 * time.Second)
				if n := sc.broker.dials(); n < 5 || n > attempts {
					t.Errorf("%d connections in 10 s, want 5 to %d", n, attempts)
				}
				if !sc.sender.Down() || !errors.Is(sc.sender.LastError(), errNoVersion) {
					t.Errorf("down %v with %v, want %v", sc.sender.Down(), sc.sender.LastError(), errNoVersion)
				}
				sc.broker.set(func() { sc.broker.produceMin, sc.broker.produceMax = 0, produceMax })
				time.Sleep(sc.cfg.BackoffMax)
				sc.one().ok()
				sc.acked(1)
			})
		})
	}
}

// An idle connection is closed, and made again when there is something to send.
// The host hears nothing of the closing: the broker is not down.
func TestIdleConnectionIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, func(sc *scene) { sc.cfg.IdleTimeout = 9 * time.Minute })
		l := sc.lanes(1, sc.topic("t", nil))[0]
		sc.confirm(l)
		time.Sleep(8 * time.Minute)
		sc.put(l, true, "in time")
		sc.one().ok()
		time.Sleep(9*time.Minute - time.Second)
		if open(sc) != 1 {
			t.Fatal("the connection was closed too early")
		}
		time.Sleep(2 * time.Second)
		if open(sc) != 0 {
			t.Fatal("the idle connection is open")
		}
		time.Sleep(time.Hour)
		if sc.broker.dials() != 1 || len(sc.disconnected) != 0 || !sc.sender.Up() || sc.sender.Down() {
			t.Errorf("%d dials, host heard %v, up %v, down %v", sc.broker.dials(), sc.disconnected, sc.sender.Up(), sc.sender.Down())
		}
		sc.put(l, true, "later")
		a := sc.one()
		if a.connection != 2 {
			t.Errorf("the message went by connection %d", a.connection)
		}
		a.ok()
		sc.acked(2)
	})
}

// open counts connections that the client has not closed.
func open(sc *scene) (n int) {
	synctest.Wait()
	sc.broker.mu.Lock()
	defer sc.broker.mu.Unlock()
	for _, w := range sc.broker.wires {
		if w.SetDeadline(time.Time{}) == nil {
			n++
		}
	}
	return n
}

// Warm connects once; it does not keep an idle connection alive for ever.
func TestWarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, func(sc *scene) { sc.cfg.IdleTimeout = 9 * time.Minute })
		sc.lanes(1, sc.topic("t", nil))
		time.Sleep(time.Minute)
		if sc.broker.dials() != 0 {
			t.Error("it connected without a reason")
		}
		sc.sender.Warm()
		synctest.Wait()
		if !sc.sender.Up() || open(sc) != 1 {
			t.Error("it did not connect")
		}
		sc.sender.Warm()
		time.Sleep(time.Hour)
		if sc.broker.dials() != 1 || open(sc) != 0 {
			t.Errorf("%d dials and %d open connections after an hour, want 1 and none", sc.broker.dials(), open(sc))
		}
	})
}

// A session of SASL is renewed before it ends (KIP-368), with nothing in flight,
// and sending goes on by the same connection.
func TestReauthenticates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, func(sc *scene) {
			sc.cfg.Conn.SASL, sc.broker.lifetime = plainLogin, 10*time.Second
		})
		lanes := sc.lanes(2, sc.topic("t", nil))
		sc.confirm(lanes...)
		sc.backlog(lanes[0], 7)
		held := sc.settled()
		time.Sleep(9600 * time.Millisecond) // past 95 %, with five in flight
		sc.put(lanes[1], true, "due")
		for i, a := range held {
			sc.broker.mu.Lock()
			if sc.broker.logins != 1 {
				t.Errorf("it authenticated with %d requests in flight", len(held)-i)
			}
			sc.broker.mu.Unlock()
			a.ok()
			synctest.Wait()
		}
		for list := sc.settled(); len(list) > 0; list = sc.settled() {
			for _, a := range list {
				if a.connection != 1 {
					t.Errorf("sent by connection %d", a.connection)
				}
				a.ok()
			}
		}
		sc.acked(8)
		sc.broker.mu.Lock()
		defer sc.broker.mu.Unlock()
		if fmt.Sprint(sc.broker.atLogin) != "[0 0]" {
			t.Errorf("requests in flight at the logins: %v, want none at each of two", sc.broker.atLogin)
		}
	})
}

// Stop ends what is in flight: each lane is answered, and keeps its batches.
func TestStopAnswersWhatIsInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, nil)
		lanes := sc.lanes(4, sc.topic("t", nil))
		sc.confirm(lanes...)
		for _, l := range lanes {
			sc.backlog(l, 2)
		}
		if n := len(sc.settled()); n < 2 {
			t.Fatalf("%d requests in flight, want several", n)
		}
		sc.sender.Stop()
		for _, l := range lanes {
			if messages, _ := l.Waiting(); messages != 2 {
				t.Errorf("a lane holds %d messages, want 2", messages)
			}
			l.StopWith(errStopped)
		}
		sc.mu.Lock()
		defer sc.mu.Unlock()
		if len(sc.results) != 8 {
			t.Errorf("%d messages have an outcome, want 8", len(sc.results))
		}
		if used := sc.bytes.Used(); used != 0 {
			t.Errorf("%d bytes are still charged: an attempt was not answered", used)
		}
	})
}

// Stop does not wait for a broker that reads no more.
func TestStopEndsAWriteThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, func(sc *scene) { sc.broker.deaf = true })
		l := sc.lanes(1, sc.topic("t", nil))[0]
		sc.put(l, true, "m")
		synctest.Wait()
		start := time.Now()
		sc.sender.Stop()
		if passed := time.Since(start); passed != 0 {
			t.Errorf("Stop took %v of virtual time", passed)
		}
		if messages, _ := l.Waiting(); messages != 1 {
			t.Errorf("the lane holds %d messages, want 1", messages)
		}
	})
}

// Stop ends an attempt to connect.
func TestStopEndsADial(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, func(sc *scene) { sc.broker.gate = make(chan struct{}) })
		sc.put(sc.lanes(1, sc.topic("t", nil))[0], true, "m")
		synctest.Wait()
		start := time.Now()
		sc.sender.Stop()
		if passed := time.Since(start); passed != 0 || len(sc.disconnected) != 0 {
			t.Errorf("Stop took %v of virtual time; the host heard %v", passed, sc.disconnected)
		}
	})
}
