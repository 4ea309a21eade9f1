package worker

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/machine"
)

// The model of one lane: callers, connections that die, leaders that move, and a
// log with producer state as IDENTITY of Kafka has it. What the log holds at the
// end decides.

// modelBatch is a batch in the log, or what a leader remembers of one.
type modelBatch struct {
	id          int64
	first, last int32
	values      []string
	offset      int
}

// modelAttempt is an attempt on its way, with the bytes that it was taken with.
type modelAttempt struct {
	*Attempt
	broker     int32
	connection uint64
	slices     [][]byte
	bytes      []byte
}

type model struct {
	t *rapid.T
	*scripted
	used *numbers

	log    []modelBatch
	end    int
	former [][]modelBatch         // logs of the topic before it was created again
	untold bool                   // the lane does not know yet that it was
	state  map[int64][]modelBatch // newest last
	poison map[string]bool
	most   int // records that a batch may have
	rate   int // of poison, in twenty

	leader     int32
	epoch      int32
	connection uint64
	inFlight   []modelAttempt
	withdrawn  map[int]bool
	forgotten  map[int]bool // given up while it may have been on the wire

	should State // what the worker's state has to be
	told   State // what it is by its events, of which so many were looked at
	looked int
}

func newModel(t *rapid.T) *model {
	m := &model{
		t: t, state: map[int64][]modelBatch{}, poison: map[string]bool{}, most: 1 << 20,
		epoch: 1, connection: 1, withdrawn: map[int]bool{}, forgotten: map[int]bool{},
	}
	codec := rapid.SampledFrom([]batch.Codec{batch.None, batch.Snappy}).Draw(t, "codec")
	records := rapid.IntRange(1, 6).Draw(t, "batch records")
	m.scripted = newScript(t, func(c *Config) {
		c.Codec, c.BatchRecords, c.DeliveryTimeout = codec, records, time.Hour
	})
	m.held = rapid.Bool().Draw(t, "held pool")
	m.rate = rapid.SampledFrom([]int{0, 1, 10}).Draw(t, "poison rate")
	m.used = newNumbers(t)
	return m
}

func (m *model) put(t *rapid.T) {
	n := rapid.IntRange(1, 4).Draw(t, "messages")
	m.begin()
	for range n {
		note := m.add()
		if rapid.IntRange(0, 19).Draw(t, "poison") < m.rate {
			m.poison[fmt.Sprint("message ", note.id)] = true
		}
	}
	m.lane.Commit(rapid.Bool().Draw(t, "immediate"))
}

func (m *model) takeOne(t *rapid.T) {
	time.Sleep(time.Microsecond)
	if m.leader < 0 {
		return
	}
	a := m.take(m.leader, m.connection)
	if a == nil {
		return
	}
	m.used.note(m.scripted, a)
	taken := modelAttempt{Attempt: a, broker: m.leader, connection: m.connection, slices: a.Batch.Wire(nil)}
	taken.bytes = bytes.Clone(bytes.Join(taken.slices, nil))
	m.inFlight = append(m.inFlight, taken)
	here := 0
	for _, other := range m.inFlight {
		if other.connection == m.connection {
			here++
		}
	}
	if here > Window {
		t.Fatalf("%d batches are in flight: %s", here, m.describe())
	}
	if here > 1 && m.lane.confirmed != m.connection {
		t.Fatalf("%d batches are in flight and the lane is not confirmed: %s", here, m.describe())
	}
}

// deliver carries out the oldest request of a connection.
func (m *model) deliver(t *rapid.T) {
	if len(m.inFlight) == 0 {
		return
	}
	a := m.pop(0)
	if a.broker != m.leader || a.connection != m.connection {
		m.code(a.Attempt, 6)
		return
	}
	how := rapid.SampledFrom([]string{"well", "well", "well", "well", "after", "before"}).Draw(t, "how")
	switch how {
	case "well":
		m.carryOut(a)
	case "after":
		if code, _, _ := m.append(a); code == 0 {
			m.code(a.Attempt, rapid.SampledFrom([]int16{7, 6, 20, -1}).Draw(t, "code"))
		} else {
			m.code(a.Attempt, code)
		}
	default:
		m.code(a.Attempt, rapid.SampledFrom([]int16{6, 7, 19, 56, 3}).Draw(t, "code"))
	}
}

func (m *model) pop(i int) modelAttempt {
	a := m.inFlight[i]
	m.inFlight = slices.Delete(m.inFlight, i, i+1)
	if !bytes.Equal(a.bytes, bytes.Join(a.slices, nil)) {
		m.t.Fatalf("the bytes of batch %d changed while an attempt was outstanding", a.Batch.Ordinal)
	}
	return a
}

func (m *model) carryOut(a modelAttempt) {
	code, bad, offset := m.append(a)
	if code == 0 {
		m.ok(a.Attempt, int64(offset))
		return
	}
	m.code(a.Attempt, code, bad...)
}

// append is what a leader does with a batch: it looks at sizes and records
// first, then for duplicates, then at the sequence.
func (m *model) append(a modelAttempt) (code int16, bad []BadRecord, offset int) {
	h, cursor, err := batch.OpenBatch(a.bytes, 1<<24)
	if err != nil {
		m.t.Fatalf("the broker cannot read batch %d: %v", a.Batch.Ordinal, err)
	}
	b := modelBatch{id: h.ProducerID, first: h.BaseSequence, last: h.LastSequence(), offset: m.end}
	for cursor.Next() {
		value := string(cursor.Record().Value)
		if m.poison[value] {
			bad = append(bad, BadRecord{Index: int32(len(b.values))})
		}
		b.values = append(b.values, value)
	}
	switch {
	case len(b.values) > m.most:
		return 10, nil, 0
	case bad != nil:
		return 87, bad, 0
	}
	known := m.state[b.id]
	for _, k := range known {
		if k.first == b.first && k.last == b.last {
			return 0, nil, k.offset
		}
	}
	if n := len(known); n > 0 && b.first != advance(known[n-1].last, 1) {
		return 45, nil, 0
	}
	m.log = append(m.log, b)
	m.end += len(b.values)
	known = append(known, b)
	m.state[b.id] = known[max(len(known)-5, 0):]
	return 0, nil, b.offset
}

// cut ends the connection: of what is in flight some may have been carried out.
func (m *model) cutConnection(t *rapid.T) {
	written := rapid.IntRange(0, Window).Draw(t, "carried out before the cut")
	sent := rapid.IntRange(written, Window).Draw(t, "given to write before the cut")
	m.connection++
	m.dropConnections(written, sent)
}

func (m *model) dropConnections(written, sent int) {
	for ; len(m.inFlight) > 0; sent-- {
		a := m.pop(0)
		if written > 0 && a.broker == m.leader && a.connection == m.connection-1 {
			m.append(a)
			written--
		} else if sent <= 0 {
			m.notSent(a.Attempt)
			continue
		}
		m.scripted.cut(a.Attempt)
	}
}

// hangOrMove moves the leader. What was in flight at the old one stays so.
func (m *model) moveLeader(t *rapid.T) {
	before := m.leader
	m.leader = rapid.Int32Range(-1, 2).Draw(t, "leader")
	m.movedFrom(before)
	m.epoch++
	m.connection++
	m.partition.SetLeader(m.leader, m.epoch)
}

// restart leaves a leader with the last batch of each id.
func (m *model) restart(t *rapid.T) {
	m.cutConnection(t)
	for id, known := range m.state {
		m.state[id] = known[len(known)-1:]
	}
}

// forget is a leader that starts without the state of any id (its log was emptied,
// or the last records are old). Batches that may be on the wire then are rule 2's
// "old records", which has tests of its own.
func (m *model) forget(*rapid.T) {
	for i := range m.lane.queue.len() {
		if b := m.lane.queue.at(i); b.State == batch.InFlight || b.State == batch.Unresolved {
			return
		}
	}
	m.connection++
	clear(m.state)
}

func (m *model) answerDoubt(t *rapid.T) {
	if len(m.questions) == 0 {
		return
	}
	q := m.questions[0]
	m.questions = m.questions[1:]
	if t != nil && rapid.IntRange(0, 9).Draw(t, "not allowed to ask") == 0 {
		m.lane.Settle(q, Finding{Undecidable: true, Err: errors.New("not permitted")})
		return
	}
	var f Finding
	for _, b := range m.log {
		if b.id != q.ID.Producer || int64(b.offset) < q.From {
			continue
		}
		if !f.Found {
			f.Since = b.first
		}
		if !f.Found || Behind(b.last, f.Through) {
			f.Found, f.Through = true, b.last
		}
	}
	if known := m.state[q.ID.Producer]; !f.Found && m.untold && len(known) > 0 && !Behind(q.First, known[len(known)-1].last) {
		if m.lane.Asks(q) {
			m.questions = append(m.questions, q) // the leader holds more than the log shows from there
		}
		return
	}
	m.lane.Settle(q, f)
}

func (m *model) withdraw(t *rapid.T) {
	if len(m.notes) == 0 {
		return
	}
	n := m.notes[rapid.IntRange(max(0, len(m.notes)-12), len(m.notes)-1).Draw(t, "which")]
	if len(n.outcomes) > 0 || m.withdrawn[n.id] || m.forgotten[n.id] {
		return
	}
	switch w := m.lane.Withdraw(n); {
	case len(w.Withdrawn) == 1 && w.OnTheWire == 0:
		m.withdrawn[n.id] = true
	case len(w.Withdrawn) == 0 && w.OnTheWire == 1:
		m.forgotten[n.id] = true
	default:
		t.Fatalf("message %d: %+v", n.id, w)
	}
}

// heal ends all trouble and drives the lane until it is empty.
func (m *model) heal() {
	m.learn(nil)
	m.most, m.held = 1<<20, false
	m.runPool()
	m.dropConnections(0, Window)
	if m.leader < 0 {
		m.leader = 0
		m.movedFrom(-1)
	}
	m.epoch++
	m.connection++
	m.partition.SetLeader(m.leader, m.epoch)
	m.lane.Mark()
	for step := 0; m.lane.queue.len() > 0; step++ {
		if step > 500 {
			m.t.Fatalf("the lane stands: %s; %d questions", m.describe(), len(m.questions))
		}
		m.answerDoubt(nil)
		m.takeOne(m.t)
		if len(m.inFlight) > 0 {
			m.carryOut(m.pop(0))
		}
	}
}

// judge compares outcomes with the log.
func (m *model) judge() {
	at := map[string][]int{}
	seen := map[string]int{}
	var order []string
	for _, b := range m.log {
		for i, v := range b.values {
			seen[v]++
			at[v] = append(at[v], b.offset+i)
			order = append(order, v)
		}
	}
	lost := m.judgeFormer(at)
	for _, n := range m.notes {
		v := fmt.Sprint("message ", n.id)
		switch {
		case m.withdrawn[n.id]:
			if seen[v] != 0 || len(n.outcomes) != 0 {
				m.t.Fatalf("%s was withdrawn, is in the log %d times and has %d outcomes", v, seen[v], len(n.outcomes))
			}
		case m.forgotten[n.id]:
			if seen[v] > 1 || len(n.outcomes) != 0 {
				m.t.Fatalf("%s was given up, is in the log %d times and has %d outcomes", v, seen[v], len(n.outcomes))
			}
		case len(n.outcomes) != 1:
			m.t.Fatalf("%s has %d outcomes", v, len(n.outcomes))
		default:
			m.judgeOne(n, v, seen[v], at[v])
		}
	}
	if len(m.former) == 0 {
		m.judgeOrder(order)
	}
	if n := m.eventsOf(EventDataLoss); n > 0 && !lost {
		m.t.Fatalf("%d losses are told, and nothing is lost", n)
	}
	if m.bytes.Used() != 0 || m.messages.Used() != 0 {
		m.t.Fatalf("%d bytes, %d messages are still charged", m.bytes.Used(), m.messages.Used())
	}
}

func (m *model) judgeOne(n *note, v string, seen int, at []int) {
	r := n.outcomes[0]
	switch {
	case r.Err == nil && seen != 1 && len(m.former) == 0:
		m.t.Fatalf("%s was acked and is in the log %d times", v, seen)
	case r.Err == nil && len(at) == 0:
		m.t.Fatalf("%s was acked and is in no log", v)
	case r.Err == nil && r.BaseOffset >= 0 && !slices.Contains(at, int(r.BaseOffset)+int(n.index[0])):
		m.t.Fatalf("%s was acked at %d and is at %d", v, int(r.BaseOffset)+int(n.index[0]), at)
	case r.Err != nil && !r.MaybeWritten && seen != 0:
		m.t.Fatalf("%s failed (%v), surely not written, and is in the log %d times", v, r.Err, seen)
	case seen > 1:
		m.t.Fatalf("%s is in the log %d times", v, seen)
	}
}

func (m *model) judgeOrder(order []string) {
	last := -1
	for _, v := range order {
		var id int
		if _, err := fmt.Sscanf(v, "message %d", &id); err != nil {
			m.t.Fatalf("%q is in the log", v)
		}
		if id <= last {
			m.t.Fatalf("message %d is in the log behind %d", id, last)
		}
		last = id
	}
}

// TestModelOfALane: whatever happens, every message has one outcome that the log
// confirms, no number is used for two records, the order holds, no bytes change
// under an attempt, the worker and its batches are in the states that follow from
// what happened, and all memory comes back.
func TestModelOfALane(t *testing.T) { runModel(t, false) }

// TestModelOfALaneReborn: the same where the topic is deleted and created again. The
// lane learns of it later, and meanwhile its batches go into the new log. Nothing is
// there twice; what was acked is there, or was in the old one; the order may change.
func TestModelOfALaneReborn(t *testing.T) { runModel(t, true) }

func runModel(t *testing.T, reborn bool) {
	illegal := machine.Count()
	rapid.Check(t, func(t *rapid.T) {
		m := newModel(t)
		actions := map[string]func(*rapid.T){
			"put": m.put, "put more": m.put,
			"take": m.takeOne, "take more": m.takeOne, "take again": m.takeOne,
			"deliver": m.deliver, "deliver more": m.deliver, "deliver again": m.deliver,
			"": m.checkStates, "connected": m.connected, "disconnected": m.disconnected,
			"cut": m.cutConnection, "move": m.moveLeader, "restart": m.restart, "forget": m.forget,
			"doubt": m.answerDoubt, "withdraw": m.withdraw,
			"prepare":  func(*rapid.T) { m.runPool() },
			"flush":    func(*rapid.T) { m.lane.Flush() },
			"resize":   func(t *rapid.T) { m.most = rapid.SampledFrom([]int{1, 2, 1 << 20}).Draw(t, "most") },
			"drop":     func(*rapid.T) { m.lane.DropOldest(errors.New("full")) },
			"too late": func(*rapid.T) { m.lane.Expire(time.Now().Add(2*time.Hour), errors.New("late")) },
		}
		if reborn {
			actions["recreate"], actions["learn"] = m.recreate, m.learn
		}
		t.Repeat(actions)
		m.heal()
		m.judge()
		m.retire()
	})
	if n := machine.Count() - illegal; n != 0 {
		t.Errorf("%d moves were illegal", n)
	}
}
