package sender

import (
	"flag"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/ekaf-go/ekaf/internal/machine"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// connectionModel is a connection, and what is known of it from outside: the faults
// that the broker was told to show, and the wires that lead to it.
type connectionModel struct {
	t    *rapid.T
	sc   *scene
	lane *worker.Lane

	messages int
	lastPut  time.Time
	troubled bool // a fault was ever shown
	dark     bool // dials hang
	seen     int  // moves that were checked
}

func newConnectionModel(outer *testing.T, t *rapid.T) *connectionModel {
	m := &connectionModel{t: t}
	idle := rapid.SampledFrom([]time.Duration{0, 20 * time.Second}).Draw(t, "idle timeout")
	session := rapid.SampledFrom([]time.Duration{0, 3 * time.Second}).Draw(t, "session lifetime")
	m.sc = newScene(outer, func(sc *scene) {
		sc.cfg.IdleTimeout = idle
		if session > 0 {
			sc.broker.lifetime, sc.cfg.Conn.SASL = session, plainLogin
		}
		sc.broker.auto = (*asked).ok
	})
	m.lane = m.sc.lanes(1, m.sc.topic("t", func(c *worker.Config) { c.StateLifetime = 10_000 * time.Hour }))[0]
	return m
}

// inBubble is a test without Deadline, which rapid would ask, and synctest forbids.
type inBubble struct{ rapid.TB }

// trouble changes something of the broker, for the worse.
func (m *connectionModel) trouble(change func()) func(*rapid.T) {
	return func(*rapid.T) {
		m.troubled = true
		m.sc.broker.set(change)
	}
}

func (m *connectionModel) put(*rapid.T) {
	m.sc.put(m.lane, true, fmt.Sprint("message ", m.messages))
	m.messages++
	m.lastPut = time.Now()
}

func (m *connectionModel) wait(t *rapid.T) {
	time.Sleep(rapid.SampledFrom([]time.Duration{
		time.Millisecond, 60 * time.Millisecond, time.Second, 4 * time.Second, 25 * time.Second, time.Minute,
	}).Draw(t, "how long"))
}

func (m *connectionModel) hangDials(t *rapid.T) {
	m.dark = true
	m.trouble(func() {
		if m.sc.broker.gate == nil {
			m.sc.broker.gate = make(chan struct{})
		}
	})(t)
}

func (m *connectionModel) light() {
	m.dark = false
	m.sc.broker.set(func() {
		if m.sc.broker.gate != nil {
			close(m.sc.broker.gate)
			m.sc.broker.gate = nil
		}
	})
}

func (m *connectionModel) name(known bool) {
	m.sc.mu.Lock()
	defer m.sc.mu.Unlock()
	m.sc.unknown = !known
}

// check compares, once nothing moves any more, what the sender says with the wires
// and with what was done to them.
func (m *connectionModel) check(*rapid.T) {
	synctest.Wait()
	state := m.sc.sender.State()
	m.checkMoves(state)
	var wires int
	m.sc.broker.set(func() { wires = m.sc.broker.live })
	if want := map[State]int{Up: 1}[state]; wires != want {
		m.t.Fatalf("%v with %d wires", state, wires)
	}
	switch state {
	case Unused:
		if m.messages > 0 {
			m.t.Fatalf("unused, although %d messages were put", m.messages)
		}
	case Connecting, Reconnecting:
		if !m.dark {
			m.t.Fatalf("%v, and nothing holds it", state)
		}
	case Authenticating:
		m.t.Fatal("authenticating, although the broker answers at once")
	case Idle:
		if timeout := m.sc.cfg.IdleTimeout; timeout == 0 || time.Since(m.lastPut) < timeout {
			m.t.Fatalf("idle %v after the last message", time.Since(m.lastPut))
		}
	case Down:
		if !m.troubled {
			m.t.Fatalf("down without trouble: %v", m.sc.moves[len(m.sc.moves)-1].err)
		}
	}
	if m.sc.sender.Up() && m.sc.sender.Down() {
		m.t.Fatalf("%v is up and down", state)
	}
}

// checkMoves: what is told is a walk through the table, and ends where the sender is.
func (m *connectionModel) checkMoves(state State) {
	m.sc.mu.Lock()
	defer m.sc.mu.Unlock()
	at := Unused
	if m.seen > 0 {
		at = m.sc.moves[m.seen-1].to
	}
	for _, move := range m.sc.moves[m.seen:] {
		if move.from != at || !Machine.CanMove(move.from, move.to) || (move.to == Down) != (move.err != nil) {
			m.t.Fatalf("from %v it moves from %v to %v (%v)", at, move.from, move.to, move.err)
		}
		at = move.to
	}
	if at != state {
		m.t.Fatalf("it is %v, and was told to be %v", state, at)
	}
	m.seen = len(m.sc.moves)
}

// heal ends all trouble: what was put arrives, over a connection that is up.
func (m *connectionModel) heal() {
	m.light()
	m.name(true)
	m.sc.broker.set(func() {
		m.sc.broker.refusing, m.sc.broker.refusingLogins, m.sc.broker.auto = false, false, (*asked).ok
	})
	time.Sleep(2 * m.sc.cfg.Conn.RequestTimeout) // what was not answered is given up
	m.put(m.t)
	m.check(m.t)
	if state := m.sc.sender.State(); state != Up {
		m.t.Fatalf("%v in the end", state)
	}
	m.sc.mu.Lock()
	defer m.sc.mu.Unlock()
	if len(m.sc.results) != m.messages {
		m.t.Fatalf("%d of %d messages have an outcome", len(m.sc.results), m.messages)
	}
	for _, r := range m.sc.results {
		if r.Err != nil {
			m.t.Fatalf("a message failed: %v", r.Err)
		}
	}
}

// TestModelOfAConnection: whatever the network does, the connection's state is what
// the wires say, every move is in the table and told, and when the trouble is over
// everything arrives.
func TestModelOfAConnection(t *testing.T) {
	// The clock that bounds how long rapid looks for a shorter failure runs ahead here.
	if err := flag.Set("rapid.shrinktime", "12h"); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(outer *testing.T) {
		illegal := machine.Count()
		rapid.Check(inBubble{outer}, func(t *rapid.T) {
			m := newConnectionModel(outer, t)
			defer m.sc.sender.Stop()
			b := m.sc.broker
			t.Repeat(map[string]func(*rapid.T){
				"":              m.check,
				"message":       m.put,
				"message again": m.put,
				"wait":          m.wait,
				"wait again":    m.wait,
				"refuse":        m.trouble(func() { b.refusing = true }),
				"accept":        func(*rapid.T) { b.set(func() { b.refusing = false }) },
				"hang dials":    m.hangDials,
				"let dials be":  func(*rapid.T) { m.light() },
				"cut":           func(*rapid.T) { m.troubled = true; b.hangUp() },
				"fall silent":   m.trouble(func() { b.auto = nil }),
				"answer":        func(*rapid.T) { b.set(func() { b.auto = (*asked).ok }) },
				"refuse logins": m.trouble(func() { b.refusingLogins = true }),
				"accept logins": func(*rapid.T) { b.set(func() { b.refusingLogins = false }) },
				"forget":        func(*rapid.T) { m.troubled = true; m.name(false) },
				"remember":      func(*rapid.T) { m.name(true) },
			})
			m.heal()
			m.sc.sender.Stop()
			m.check(t)
			if state := m.sc.sender.State(); state != Stopped {
				t.Fatalf("%v after Stop", state)
			}
		})
		if n := machine.Count() - illegal; n != 0 {
			outer.Errorf("%d moves were illegal", n)
		}
	})
}
