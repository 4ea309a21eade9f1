package worker

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/memory"
)

// Lane is one worker of one partition. Its lock is short: it is held for the
// copy of a call's messages, and for moves of batches in the queue, never while
// anything waits. No two lanes' locks are ever held at once.
//
// What every message touches comes first and fills one line of the cache: of ten
// thousand lanes none is there when its next message comes.
type Lane struct {
	Partition *Partition
	cfg       *Config
	host      Host

	mu         sync.Mutex // guards the following
	generation uint64     // of the partition's number of workers
	open       *batch.Batch
	state      State
	force      bool  // PutAnyway
	flushing   bool  // the open batch is due although it is not full
	stirred    bool  // a batch was opened or closed since the last Commit
	marks      marks // up to here: the first line

	Worker   int    // never changes
	sender   Sender // nil: no leader
	epoch    int32  // leader epoch
	life     uint32 // of the topic: how often it was created again
	expected int    // bytes the next batch will likely take
	queue    queue
	unpacked int // closed batches that the pool may not have seen
	next     int // index in queue of the first batch not given to a connection
	ordinal  uint64
	taken    uint64 // largest ordinal given to a connection

	inFlight  int    // attempts of this term without an answer
	term      uint64 // attempts of earlier terms do not count any more
	confirmed uint64 // connection that confirmed the lane, 0: none
	rewind    bool   // start again from the head once nothing is in flight
	failures  int    // in a row, for the back-off
	notBefore time.Time

	chain        chain
	doubting     bool      // the host was asked what became of the unresolved batches
	pendingDoubt *Question // what it is to be asked, or was
	questions    uint64    // asked so far
	checked      bool      // ... and said that they may be sent again as they are, once
	askedOn      uint64    // connection on which batches at the head answered OUT_OF_ORDER, 0: none did
	ackedEnd     int64     // offset behind the last acked record, -1: none
	ackedAt      int64     // its largest timestamp
	floor        floor
	opened       bool // a batch that left let others go, of other lanes too: see Partition.count

	untold    []Event // noted, and not yet told
	reporting bool    // somebody tells them

	stats counters

	following sync.Mutex // one takes the partition's leader at a time (see follow); taken outside mu

	// telling counts batches that left the queue and whose callers are being
	// told. It rises under the lock, so that who finds a batch gone sees it.
	telling atomic.Int32
}

// marks say in which of its sender's queues the lane stands.
type marks struct{ ready, idle bool }

// chain is the identity of a lane: an id, and the number of its next batch.
type chain struct {
	number  uint64 // 0: none yet
	id      ID
	next    int32
	acked   bool   // a batch of it had its OK
	life    uint32 // of the topic, when it began
	broken  bool   // a gap: the next batch needs a new chain
	waiting bool   // the host was asked for an id
	denied  bool   // and there was none: it is asked again for a batch only
}

func newLane(p *Partition, worker int) *Lane {
	return &Lane{
		Partition: p, Worker: worker, cfg: p.cfg, host: p.host, epoch: -1, ackedEnd: -1, floor: floor{offset: -1},
		stats: counters{latency: p.cfg.Latency},
	}
}

// Begin locks the lane for the messages of one call. Not ok: the partition's
// number of workers changed since the caller chose by it (see Partition.Choice),
// or the lane was stopped; it is not locked then.
func (l *Lane) Begin(generation uint64) (ok, stopped bool) {
	l.mu.Lock()
	if l.generation == generation && l.state != Stopped {
		return true, false
	}
	stopped = l.state == Stopped
	l.mu.Unlock()
	return false, stopped
}

// PutOne is Begin, Put and Commit for a call of one message, the way most come;
// with drain it is CommitAndDrain. Not ok: the message is not taken, and Begin or Put says why.
func (l *Lane) PutOne(generation uint64, m *batch.Message, done batch.Completer, arg int32, immediate, drain bool) (buffered int, ok bool) {
	l.mu.Lock()
	if l.generation != generation || l.state == Stopped {
		l.mu.Unlock()
		return 0, false
	}
	if full := l.Put(m, done, arg); full != nil {
		l.unlock()
		return 0, false
	}
	return l.commit(immediate, drain), true
}

// PutPlain is PutOne for a message without headers or timestamp. Not ok: it is not
// taken; PutOne may take it.
func (l *Lane) PutPlain(generation uint64, key, value []byte, done batch.Completer, arg int32, immediate, drain bool) (buffered int, ok bool) {
	l.mu.Lock()
	if l.generation != generation || l.state == Stopped {
		l.mu.Unlock()
		return 0, false
	}
	b, delta := l.fitting()
	if b == nil {
		l.mu.Unlock()
		return 0, false
	}
	at, ok := b.AppendPlain(key, value, delta, l.cfg.BatchBytes)
	if !ok {
		l.mu.Unlock()
		return 0, false
	}
	if done != nil {
		l.note(b, done, at, 1, arg, delta)
	}
	return l.commit(immediate, drain), true
}

// Put encodes a message into the open batch. done hears of it, if not nil, with
// arg. The account whose limit refused the message is returned, and nothing has
// changed then. Between Begin and Commit.
func (l *Lane) Put(m *batch.Message, done batch.Completer, arg int32) (full *memory.Account) {
	if b := l.open; b != nil && l.append(b, m, done, arg) {
		return nil
	}
	return l.putSlowly(m, done, arg)
}

// append is Put for a message that fits the open batch without more memory, and
// is not the last one that the batch takes.
func (l *Lane) append(b *batch.Batch, m *batch.Message, done batch.Completer, arg int32) (ok bool) {
	if l.Partition.limits.Messages != nil || b.Count()+1 == l.cfg.BatchRecords {
		return false
	}
	stamped := m.Time
	if !m.Timed {
		// Never below the base: the clock of every few milliseconds may lag
		// behind the one that was read when the batch opened.
		m.Time = max(l.host.Clock(), b.BaseTime())
	}
	at, ok := b.TryAppend(m, l.cfg.BatchBytes)
	if ok {
		l.noteOne(b, m, done, at, arg)
	}
	m.Time = stamped
	return ok
}

func (l *Lane) putSlowly(m *batch.Message, done batch.Completer, arg int32) (full *memory.Account) {
	stamped := m.Time
	b := l.open
	if b == nil {
		b = l.openBatch()
	}
	if !m.Timed {
		m.Time = max(l.host.Clock(), b.BaseTime())
	}
	size, body := b.RecordSize(m)
	if b.Count() > 0 && (b.Size()+size > l.cfg.BatchBytes || !b.FitsTime(m.Time)) {
		l.close(l.now())
		b = l.openBatch()
		m.Time = stamped
		if !m.Timed {
			m.Time = b.BaseTime()
		}
		size, body = b.RecordSize(m)
	}
	if !b.FitsTime(m.Time) {
		b.Rebase(m.Time)
		size, body = b.RecordSize(m)
	}
	if full = l.charge(b, size); full != nil {
		m.Time = stamped
		return full
	}
	at := b.Append(m, size, body)
	l.noteOne(b, m, done, at, arg)
	if b.Count() == l.cfg.BatchRecords {
		l.close(l.now())
	}
	m.Time = stamped
	return nil
}

// PutAnyway is Put for a message that was accepted before, whatever the limits.
func (l *Lane) PutAnyway(m *batch.Message, done batch.Completer, arg int32) {
	l.force = true
	l.Put(m, done, arg)
	l.force = false
}

func (l *Lane) openBatch() *batch.Batch {
	// The real clock: after a suspend the other one is stale (ENGINE_RULES 17).
	b := batch.New(time.Now())
	b.Generation = l.generation
	b.Raw = !l.prepares()
	l.stirred = true
	l.Partition.count(b.Generation, 1)
	l.open = b
	return b
}

// charge takes room for a record and for its place among the messages.
func (l *Lane) charge(b *batch.Batch, size int) (full *memory.Account) {
	limits := &l.Partition.limits
	if l.force {
		need := b.Need(size, l.expected)
		if need > 0 {
			b.Grow(need)
		}
		limits.Charge(int64(need), 1)
		b.AddCharge(int64(need), 1)
		return nil
	}
	if limits.Messages != nil {
		if full = limits.Messages.TryCharge(1); full != nil {
			return full
		}
	}
	if need := b.Need(size, l.expected); need > 0 {
		if full = limits.Bytes.TryCharge(int64(need)); full != nil {
			// The next chunk would be too much; a small one may do.
			if need = b.Least(size); limits.Bytes.TryCharge(int64(need)) == nil {
				full = nil
			}
		}
		if full != nil {
			if limits.Messages != nil {
				limits.Messages.Credit(1)
			}
			return full
		}
		b.Grow(need)
		b.AddCharge(int64(need), 0)
	}
	if limits.Messages != nil {
		b.AddCharge(0, 1)
	}
	return nil
}

// noteOne keeps the completions of one message.
func (l *Lane) noteOne(b *batch.Batch, m *batch.Message, done batch.Completer, at, arg int32) {
	delta := int32(m.Time - b.BaseTime())
	if done != nil {
		l.note(b, done, at, 1, arg, delta)
	}
	if m.Also != nil {
		l.note(b, m.Also, at, 1, batch.OwnPlace, delta)
	}
}

// note keeps a completion. Its block is charged whatever the limits: the message
// is in the batch already.
func (l *Lane) note(b *batch.Batch, done batch.Completer, at, count, arg, timeDelta int32) {
	if b.NoteRun(done, at, count, arg, timeDelta) {
		l.Partition.limits.Bytes.Charge(batch.EntryBlockBytes)
		b.AddCharge(batch.EntryBlockBytes, 0)
	}
}

// Commit ends a call's messages: immediate ones wait for no linger. It unlocks
// the lane and answers how many messages its open batch holds.
func (l *Lane) Commit(immediate bool) (buffered int) { return l.commit(immediate, false) }

// CommitAndDrain is Commit of an immediate call that waits for its outcomes: an
// idle sender writes them to its connection on this goroutine (ENGINE_RULES 16).
func (l *Lane) CommitAndDrain() (buffered int) { return l.commit(true, true) }

func (l *Lane) commit(immediate, drain bool) (buffered int) {
	if b := l.open; b != nil && !l.stirred && (immediate && b.Immediate || !immediate && b.Lingering) && !l.Partition.limits.Bytes.Waiting() {
		// The batch has grown, and that is all: who is to hear of it has heard.
		buffered = b.Count()
		l.mu.Unlock()
		return buffered
	}
	l.stirred = false
	var linger time.Time
	if b := l.open; b != nil && b.Count() > 0 {
		buffered = b.Count()
		if immediate {
			b.Immediate = true
		} else if !b.Lingering {
			b.Lingering = true
			linger = b.Opened.Add(l.cfg.Linger)
		}
	} else {
		buffered = l.lastClosed()
	}
	prepare := l.unprepared()
	call := l.signal()
	call.drain = drain
	l.mu.Unlock()
	for _, b := range prepare {
		l.host.PrepareBatch(l, b)
	}
	if !linger.IsZero() && call.sender != nil {
		call.sender.Later(l, linger)
	}
	call.make(l)
	if call.backlogged {
		l.Partition.backlogged()
	}
	if call.ready {
		// A full batch is worth sending while it is in the cache: with a single
		// CPU the sender would otherwise wait until this goroutine is preempted.
		runtime.Gosched()
	}
	return buffered
}

// lastClosed is what the batch held that this call filled.
func (l *Lane) lastClosed() int {
	if n := l.queue.len(); n > 0 {
		return l.queue.at(n - 1).Count()
	}
	return 0
}

// close ends the open batch and puts it in the queue. Preparing it, where the
// topic asks for that, is left to whoever unlocks the lane.
func (l *Lane) close(now time.Time) {
	b := l.open
	l.open, l.flushing, l.stirred = nil, false, true
	if b == nil {
		return
	}
	b.Closed = now
	if some, all := b.Withdrawn(); all || b.Count() == 0 {
		l.discard(b)
		return
	} else if some {
		b = l.replace(b, b.WithoutWithdrawn())
	}
	l.expected = b.Size()
	l.ordinal++
	b.Ordinal = l.ordinal
	b.Move(batch.Sealed)
	l.queue.push(b)
	l.unpacked++
}

// discard frees a batch that holds nothing, owes no outcome, and has no attempt
// outstanding.
func (l *Lane) discard(b *batch.Batch) {
	if l.Partition.count(b.Generation, -1) {
		l.opened = true // told by signal: the lock is held here
	}
	l.credit(b)
	b.FreeBytes()
	b.Recycle()
}

func (l *Lane) credit(b *batch.Batch) {
	bytes, messages := b.Charged()
	l.Partition.limits.Credit(bytes, messages)
}

// replace takes the charge of a batch over to the one made from its records.
func (l *Lane) replace(old, made *batch.Batch) *batch.Batch {
	l.chargeMade(made)
	l.credit(old)
	old.FreeBytes()
	old.Recycle()
	return made
}

// chargeMade takes room for a batch made from another's records.
func (l *Lane) chargeMade(made *batch.Batch) {
	bytes, messages := made.Charged()
	if l.Partition.limits.Messages == nil {
		made.AddCharge(0, -messages)
	}
	l.Partition.limits.Charge(bytes, messages)
}

// nextGeneration closes the open batch: what follows belongs to another number
// of workers.
func (l *Lane) nextGeneration(generation uint64) {
	l.mu.Lock()
	l.close(l.now())
	l.generation = generation
	l.unlock()
}

// prepares reports whether closed batches go through the pool.
func (l *Lane) prepares() bool { return l.cfg.Codec != batch.None || l.cfg.Massage != nil }

// unprepared claims the closed batches that the pool has not seen, for the
// caller to hand over once the lane is unlocked. The claim counts as an
// outstanding attempt: the pool reads the bytes.
func (l *Lane) unprepared() []*batch.Batch {
	if l.unpacked == 0 || !l.prepares() {
		return nil
	}
	l.unpacked = 0
	var list []*batch.Batch
	for i := range l.queue.len() { // also before next: halves lie where the whole was
		if b := l.queue.at(i); b.State == batch.Sealed && !b.Compressing && !b.Packed {
			b.Compressing = true
			b.Outstanding++
			list = append(list, b)
		}
	}
	return list
}
