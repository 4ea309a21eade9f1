package worker

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/memory"
)

// failer is what a test of package testing and one of rapid have in common.
type failer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// note is the completer of one test message: it collects its outcomes.
type note struct {
	id       int
	outcomes []batch.Result
	index    []int32 // of the message in the batch of each outcome
}

func (n *note) Inline() bool { return true }

func (n *note) Complete(e batch.Entry, r *batch.Result) {
	for i := range e.Count {
		n.outcomes = append(n.outcomes, *r)
		n.index = append(n.index, e.First+i)
	}
}

// scripted is a lane with the host and the senders that a test plays.
type scripted struct {
	t         failer
	cfg       *Config
	partition *Partition
	lane      *Lane
	bytes     *memory.Account
	messages  *memory.Account
	senders   map[int32]*endpoint

	ids       int64
	withhold  bool // ids are not there yet
	wanting   bool // the lane was told to wait for one
	fresh     int  // ids asked for as fresh ones
	questions []Question
	events    []Event
	refreshes int
	ends      []uint64 // questions for the log's end
	unnoted   bool     // they are left without an answer
	held      bool     // jobs for the pool wait for runPool
	pool      []*batch.Batch
	released  int
	resolved  int
	notes     []*note
}

// endpoint is a sender whose tests call Take themselves, but as a real one would:
// only for a lane that said that it has something.
type endpoint struct {
	broker int32
	ready  bool
	idle   bool
	warmed bool
	later  []time.Time
	lanes  map[*Lane]bool // attached
}

func (e *endpoint) Ready(_ *Lane, idle bool) {
	if idle {
		e.idle = true
	} else {
		e.ready = true
	}
}
func (e *endpoint) Drain(l *Lane, idle bool)    { e.Ready(l, idle) }
func (e *endpoint) Later(_ *Lane, at time.Time) { e.later = append(e.later, at) }
func (e *endpoint) Warm()                       { e.warmed = true }
func (e *endpoint) Detach(l *Lane)              { delete(e.lanes, l) }
func (e *endpoint) Broker() int32               { return e.broker }

// keepAppointments calls Due where the time has come.
func (e *endpoint) keepAppointments(l *Lane, now time.Time) {
	left := e.later[:0]
	due := false
	for _, at := range e.later {
		if at.After(now) {
			left = append(left, at)
		} else {
			due = true
		}
	}
	e.later = left
	if due {
		l.Due(now)
	}
}

func newScript(t failer, change func(*Config)) *scripted {
	s := &scripted{t: t, senders: map[int32]*endpoint{}}
	s.cfg = &Config{
		Topic: "t", ID: &TopicID{}, Acks: -1, Idempotent: true, BatchBytes: 1 << 20, Workers: 1,
		RequestTimeout: time.Second, StateLifetime: 12 * time.Hour,
		// The least back-off there is: scripts do not wait.
		BackoffMin: 1, BackoffMax: 1,
	}
	if change != nil {
		change(s.cfg)
	}
	producer := memory.NewAccount("producer", 0, nil)
	s.bytes = memory.NewAccount("partition", 0, producer)
	s.messages = memory.NewAccount("partition", 0, nil)
	for id := range int32(3) {
		s.senders[id] = &endpoint{broker: id, lanes: map[*Lane]bool{}}
	}
	s.partition = NewPartition(0, s.cfg, Limits{Bytes: s.bytes, Messages: s.messages}, s)
	s.partition.SetLeader(0, 1)
	s.lane = s.partition.Lane(0)
	return s
}

// withoutID is newScript where no id is there yet.
func withoutID(t failer) *scripted {
	s := newScript(t, nil)
	s.withhold, s.ids = true, 0
	s.lane.StopWith(ErrStopped)
	s.partition = NewPartition(0, s.cfg, s.partition.limits, s)
	s.partition.SetLeader(0, 1)
	s.lane = s.partition.Lane(0)
	return s
}

func (s *scripted) Clock() int64 { return time.Now().UnixMilli() }

func (s *scripted) PrepareBatch(l *Lane, b *batch.Batch) {
	if s.held {
		s.pool = append(s.pool, b)
		return
	}
	_ = l.Prepare(b)
}

// runPool prepares what waits for it.
func (s *scripted) runPool() {
	jobs := s.pool
	s.pool = nil
	for _, b := range jobs {
		_ = s.lane.Prepare(b)
	}
}

func (s *scripted) Resolved(l *Lane, b *batch.Batch, free bool) {
	s.resolved++
	if l.Passed(b.Ordinal) {
		s.t.Fatalf("batch %d counts as passed before its callers are told: a flush would end too early", b.Ordinal)
	}
	if free != (b.Outstanding == 0) {
		s.t.Fatalf("batch %d resolved with free=%v and %d attempts outstanding", b.Ordinal, free, b.Outstanding)
	}
	if free {
		s.free(b)
	}
	for _, e := range b.Entries() {
		if e.Done != nil {
			e.Done.Complete(e, &b.Acked)
		}
	}
	if free {
		b.Recycle()
	}
}

func (s *scripted) Told(*Lane) {}

func (s *scripted) Released(_ *Lane, b *batch.Batch) {
	s.released++
	if b.Outstanding != 0 {
		s.t.Fatalf("batch %d released with %d attempts outstanding", b.Ordinal, b.Outstanding)
	}
	s.free(b)
}

func (s *scripted) free(b *batch.Batch) {
	held, messages := b.Charged()
	b.FreeBytes()
	s.bytes.Credit(held)
	s.messages.Credit(messages)
}

func (s *scripted) NextID(_ *Lane, fresh bool) (ID, bool) {
	if s.withhold {
		s.wanting = true
		return ID{}, false
	}
	if fresh {
		s.fresh++
	}
	s.ids++
	return ID{Producer: s.ids}, true
}

func (s *scripted) Refresh()                  { s.refreshes++ }
func (s *scripted) Doubt(_ *Lane, q Question) { s.questions = append(s.questions, q) }
func (s *scripted) LogEnd(l *Lane, number uint64) {
	s.ends = append(s.ends, number)
	if !s.unnoted {
		l.Noted(number, -1)
	}
}
func (s *scripted) Resized(*Partition, int) {}
func (s *scripted) Event(e Event)           { s.events = append(s.events, e) }

// settle answers the newest question.
func (s *scripted) settle(f Finding) { s.lane.Settle(s.questions[len(s.questions)-1], f) }

func (s *scripted) eventsOf(k EventKind) (n int) {
	for _, e := range s.events {
		if e.Kind == k {
			n++
		}
	}
	return n
}

func (s *scripted) SenderFor(l *Lane, leader int32) Sender {
	if e := s.senders[leader]; e != nil {
		e.lanes[l] = true
		return e
	}
	return nil
}

// put gives the lane n messages of a batch of their own, and answers their notes.
func (s *scripted) put(n int) []*note {
	s.t.Helper()
	var list []*note
	generation := s.begin()
	_ = generation
	for range n {
		list = append(list, s.add())
	}
	s.lane.Commit(true)
	return list
}

// batch is put, and ends the batch.
func (s *scripted) batch(n int) []*note {
	s.t.Helper()
	list := s.put(n)
	s.lane.Mark()
	return list
}

func (s *scripted) begin() (generation uint64) {
	s.t.Helper()
	_, generation = s.partition.Choice()
	if ok, stopped := s.lane.Begin(generation); !ok {
		s.t.Fatalf("the lane takes no messages (stopped: %v)", stopped)
	}
	return generation
}

func (s *scripted) add() *note {
	s.t.Helper()
	n := &note{id: len(s.notes)}
	s.notes = append(s.notes, n)
	m := batch.Message{Value: fmt.Appendf(nil, "message %d", n.id)}
	if full := s.lane.Put(&m, n, 0); full != nil {
		s.t.Fatalf("no room for message %d in %s", n.id, full.Name)
	}
	return n
}

// take gives the next batch for a connection to a broker, nil if there is none.
func (s *scripted) take(broker int32, connection uint64) *Attempt {
	s.t.Helper()
	now := time.Now()
	e := s.senders[broker]
	e.keepAppointments(s.lane, now)
	for e.ready || e.idle {
		idle := !e.ready
		e.ready, e.idle = e.ready && idle, e.idle && !idle
		a, ok, again, _ := s.lane.Take(e, connection, idle, idle, now, 1<<30)
		e.ready = e.ready || again
		if ok {
			a.Stamp()
			return &a
		}
	}
	return nil
}

// must is take where there has to be a batch.
func (s *scripted) must(broker int32, connection uint64) *Attempt {
	s.t.Helper()
	time.Sleep(time.Microsecond) // the back-off of one nanosecond is over
	a := s.take(broker, connection)
	if a == nil {
		s.t.Fatalf("the lane gives no batch: %s", s.describe())
	}
	return a
}

// none fails if the lane gives a batch.
func (s *scripted) none(broker int32, connection uint64) {
	s.t.Helper()
	time.Sleep(time.Microsecond)
	if a := s.take(broker, connection); a != nil {
		s.t.Fatalf("the lane gives batch %d, attempt %d: %s", a.Batch.Ordinal, a.Batch.Attempts, s.describe())
	}
}

func (s *scripted) describe() string {
	l := s.lane
	out := fmt.Sprintf("next %d, in flight %d, confirmed %d, rewind %v, doubting %v, chain %+v; queue:",
		l.next, l.inFlight, l.confirmed, l.rewind, l.doubting, l.chain)
	for i := range l.queue.len() {
		b := l.queue.at(i)
		out += fmt.Sprintf(" [#%d %v attempts %d chain %d seq %d n %d ooo %v]", b.Ordinal, b.State, b.Attempts, b.Chain, b.Sequence, b.Count(), b.OutOfOrder)
	}
	return out
}

func (s *scripted) ok(a *Attempt, offset int64) {
	s.lane.Answered(a, Answer{BaseOffset: offset, LogAppendTime: -1}, time.Now())
}

func (s *scripted) code(a *Attempt, code int16, bad ...BadRecord) {
	s.lane.Answered(a, Answer{Code: code, BaseOffset: -1, LogAppendTime: -1, Bad: bad}, time.Now())
}

var errCut = errors.New("the connection was cut")

func (s *scripted) cut(a *Attempt) { s.lane.Answered(a, Answer{Err: errCut}, time.Now()) }

// confirm brings the lane to five in flight on a connection.
func (s *scripted) confirm(broker int32, connection uint64) {
	s.t.Helper()
	s.batch(1)
	s.ok(s.must(broker, connection), 0)
}

// wire is the batch's bytes as they would be written.
func wire(a *Attempt) []byte { return bytes.Join(a.Batch.Wire(nil), nil) }

// numbers decodes what a consumer would see of an attempt: identity and values.
func (s *scripted) numbers(a *Attempt) (h batch.Header, values []string) {
	s.t.Helper()
	h, cursor, err := batch.OpenBatch(wire(a), 1<<24)
	if err != nil {
		s.t.Fatalf("the wire bytes of batch %d: %v", a.Batch.Ordinal, err)
	}
	for cursor.Next() {
		values = append(values, string(cursor.Record().Value))
	}
	if err := cursor.Err(); err != nil {
		s.t.Fatalf("the wire bytes of batch %d: %v", a.Batch.Ordinal, err)
	}
	return h, values
}

// outcome is a message's only outcome.
func (s *scripted) outcome(n *note) batch.Result {
	s.t.Helper()
	if len(n.outcomes) != 1 {
		s.t.Fatalf("message %d has %d outcomes: %s", n.id, len(n.outcomes), s.describe())
	}
	return n.outcomes[0]
}

func (s *scripted) acked(list ...*note) {
	s.t.Helper()
	for _, n := range list {
		if r := s.outcome(n); r.Err != nil {
			s.t.Fatalf("message %d failed: %v", n.id, r.Err)
		}
	}
}

func (s *scripted) pending(list ...*note) {
	s.t.Helper()
	for _, n := range list {
		if len(n.outcomes) != 0 {
			s.t.Fatalf("message %d has an outcome: %+v", n.id, n.outcomes[0])
		}
	}
}

// empty fails unless all memory was given back and every message has one outcome.
func (s *scripted) empty() {
	s.t.Helper()
	if b, m := s.bytes.Used(), s.messages.Used(); b != 0 || m != 0 {
		s.t.Fatalf("%d bytes and %d messages are still charged: %s", b, m, s.describe())
	}
	for _, n := range s.notes {
		s.outcome(n)
	}
}

var _ Host = (*scripted)(nil)
