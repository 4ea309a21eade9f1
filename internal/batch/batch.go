package batch

import (
	"math"
	"sync"
	"time"
	"unsafe"

	"github.com/ekaf-go/ekaf/internal/memory"
)

// MaxChunk bounds the chunks of a batch: small enough to stay in a core's cache
// between the copy and the checksum.
const MaxChunk = 64 << 10

// Completer hears what became of the messages of a call. Its dynamic type is a
// pointer or a function.
type Completer interface {
	// Complete is called once for each entry of a resolved batch.
	Complete(e Entry, r *Result)
	// Inline says that Complete runs no user code and may run on the goroutine
	// that read the answer.
	Inline() bool
}

// Entry is a run of records with one completer.
type Entry struct {
	Done      Completer // nil: taken out, as its caller has gone
	First     int32     // index of the run's first record in the batch
	Count     int32
	Arg       int32 // the completer's own: the index of the first message in its call
	TimeDelta int32 // the first record's timestamp less the batch's base, in milliseconds
}

// Result is what became of a batch.
type Result struct {
	// Topic is what the owner of the lanes knows the topic by.
	Topic         any
	Partition     int32
	Worker        int
	BaseOffset    int64 // -1 where Kafka does not tell
	BaseTime      int64
	LogAppendTime int64 // -1 on topics with create time
	Shared        bool  // MassageBuffer changed the count: all share the first offset
	Code          int16
	Retriable     bool
	MaybeWritten  bool
	Err           error // nil: acked
	// Failure is Err as callers get it: made for the first of them, shared by the
	// others, who may be very many. Nil: nobody has asked yet.
	Failure *error
}

// Batch is one record batch, from its first record to its outcome. Its fields
// are guarded by the lock of the lane that owns it, except where a method says
// otherwise.
//
// What every message touches comes first and fills two lines of the cache: of ten
// thousand open batches none is there when its next message comes.
type Batch struct {
	chunks    []*memory.Chunk
	fewChunks [2]*memory.Chunk // room for the chunks of most batches
	size      int              // bytes on the wire without compression, header included
	baseTime  int64
	count     int32

	// Immediate: it holds a message that waits for no linger.
	Immediate bool
	// Lingering: its linger was announced to the sender.
	Lingering bool
	// State is the batch's place in its machine.
	State State
	// Raw: it will be sent as it is, so that its checksum can be taken as it grows.
	Raw bool // up to here: the first line

	maxTime    int64
	entries    []Entry
	fewEntries [2]Entry // room for the completions of most batches; the first of them ends the second line

	charged   int64 // bytes charged for chunks and entries
	messages  int64 // messages charged
	recordCRC uint32
	summed    int // chunks that recordCRC covers: all but the last one while the batch grows

	codec      Codec // of the compressed form, None if there is none
	compressed []byte

	header [HeaderSize]byte // of the compressed form

	// Ordinal numbers the batches of a lane from 1.
	Ordinal uint64
	// Generation of the partition's worker count (see worker.Partition).
	Generation uint64
	// Attempts is how often it was given to a connection; Outstanding how many
	// of those were neither answered nor ended by their connection's death.
	Attempts    int
	Outstanding int
	// Unsure: it was unresolved when its last attempt began, so that a refusal of
	// that one proves nothing about those before.
	Unsure bool
	// Undecided: nobody could tell whether it was written, and it is sent again.
	Undecided bool
	// Survivor: it was tried, without an outcome, before its topic was deleted and
	// created again.
	Survivor bool
	// Stamped identity; valid once Attempts > 0.
	ProducerID int64
	Epoch      int16
	Sequence   int32
	Chain      uint64
	// Stamped: the header carries this identity.
	Stamped bool
	// Opened is the monotonic time of the first record, for linger and timeouts.
	Opened time.Time
	// Closed is when it was closed; of one made of another's records, when that was.
	Closed time.Time
	// SentAt is when it was last given to a connection.
	SentAt time.Time
	// Expired: its callers were told; the bytes wait for their sequence.
	Expired bool
	// Told is how many records a batch of none stands for (see Detach).
	Told int
	// Massaged: MassageBuffer has run; Shared: it changed the count.
	Massaged bool
	Shared   bool
	// OutOfOrder: the last answer was OUT_OF_ORDER_SEQUENCE_NUMBER.
	OutOfOrder bool
	// Acked is the outcome, which may wait for those of earlier batches.
	Acked Result
	// LastCode is the last error answered.
	LastCode int16
	// Left: it has left its lane's queue with its outcome. Free: no attempt of it was
	// left then, so that its bytes may be recycled; otherwise a connection that the
	// lane left may still be reading them.
	Left, Free bool
	// Next links batches whose callers are to be told.
	Next *Batch
	// withdrawn marks records to be left out before it is sent, a bit for each; gone
	// is how many.
	withdrawn []uint64
	gone      int32
	// searches counts the looks for a completer; finder speeds them up once they are many.
	searches int
	finder   *finder
	// Compressing: the pool has it; Packed: it went through the pool.
	Compressing bool
	Packed      bool
}

var batches = sync.Pool{New: func() any {
	b := new(Batch)
	b.chunks, b.entries = b.fewChunks[:0], b.fewEntries[:0]
	return b
}}

// New takes an empty batch from the pool. It owns no chunk yet.
func New(now time.Time) *Batch {
	b := batches.Get().(*Batch)
	b.baseTime = now.UnixMilli()
	b.maxTime = noTime
	b.Opened = now
	b.size = HeaderSize
	return b
}

// Count is the number of records, those withdrawn included until they are left out.
func (b *Batch) Count() int { return int(b.count) }

// Outcomes is the number of records whose callers hear of its outcome. Those of a
// batch that expired have heard already.
func (b *Batch) Outcomes() int {
	if b.Expired {
		return 0
	}
	return b.Live() + b.Told
}

// Live is the number of records that are not withdrawn.
func (b *Batch) Live() int { return int(b.count - b.gone) }

// Size is the batch's size on the wire if it is not compressed.
func (b *Batch) Size() int { return b.size }

// BaseTime is the base timestamp in milliseconds.
func (b *Batch) BaseTime() int64 { return b.baseTime }

// MaxTime is the largest timestamp of a record in milliseconds. It may lie far
// below the base: brokers count the life of a producer id from it.
func (b *Batch) MaxTime() int64 { return b.maxTime }

// noTime is the largest timestamp of no record.
const noTime = math.MinInt64

// Entries are the completions, in the order of their records; of those taken out the
// completer is nil. A record may have two (Message.Also), and those of two records may
// be one; both the first records and the last ones of the entries never fall.
func (b *Batch) Entries() []Entry { return b.entries }

// Charged is what the batch holds of its account, in bytes and in messages.
func (b *Batch) Charged() (bytes, messages int64) { return b.charged, b.messages }

// AddCharge notes what was charged for the batch.
func (b *Batch) AddCharge(bytes, messages int64) {
	b.charged += bytes
	b.messages += messages
}

// Need says how much memory a record of this size needs before Append: 0 where
// the last chunk has room.
func (b *Batch) Need(recordSize, expected int) int {
	if len(b.chunks) == 0 {
		return memory.CapacityFor(max(recordSize+HeaderSize, min(expected, MaxChunk), 1))
	}
	last := b.chunks[len(b.chunks)-1]
	if cap(last.Buf)-len(last.Buf) >= recordSize {
		return 0
	}
	return memory.CapacityFor(max(recordSize, min(4*cap(last.Buf), MaxChunk)))
}

// Least is the smallest chunk that takes a record.
func (b *Batch) Least(recordSize int) int {
	if len(b.chunks) == 0 {
		recordSize += HeaderSize
	}
	return memory.CapacityFor(recordSize)
}

// Grow adds a chunk of the capacity that Need said. The one before is full: with
// Raw its checksum is taken here, while a core's cache holds it.
func (b *Batch) Grow(capacity int) {
	c := memory.Take(capacity)
	if len(b.chunks) == 0 {
		c.Buf = c.Buf[:HeaderSize]
	} else if b.Raw {
		b.sumChunks(len(b.chunks))
	}
	b.chunks = append(b.chunks, c)
}

// Note is NoteRun for one record.
func (b *Batch) Note(done Completer, at, arg, timeDelta int32) (grew bool) {
	return b.NoteRun(done, at, 1, arg, timeDelta)
}

// NoteRun keeps the completion of the last count records, from at on. It joins it
// to the completion before if that is the same completer's and ends one record,
// one argument and no time earlier, so that a call, or a callback that many
// messages share, costs one entry. An argument of OwnPlace is the record's index.
// It reports whether the list grew into a further block, to be charged.
func (b *Batch) NoteRun(done Completer, at, count, arg, timeDelta int32) (grew bool) {
	if arg == OwnPlace {
		arg = at
	}
	if n := len(b.entries); n > 0 {
		last := &b.entries[n-1]
		if last.First+last.Count == at && last.Arg+last.Count == arg && last.TimeDelta == timeDelta && sameCompleter(last.Done, done) {
			last.Count += count
			return false
		}
	}
	return b.addEntry(Entry{Done: done, First: at, Count: count, Arg: arg, TimeDelta: timeDelta})
}

// OwnPlace is the argument of a completer that has no use for one.
const OwnPlace = -1

// addEntry adds a completion.
func (b *Batch) addEntry(e Entry) (grew bool) {
	b.entries = append(b.entries, e)
	return len(b.entries)%EntryBlock == 1
}

// sameCompleter reports whether two completers are one: of one type, with one pointer.
// Functions cannot be compared, but what their interfaces hold can.
func sameCompleter(a, b Completer) bool {
	x, y := (*[2]unsafe.Pointer)(unsafe.Pointer(&a)), (*[2]unsafe.Pointer)(unsafe.Pointer(&b))
	return x[0] == y[0] && x[1] == y[1]
}

// EntryBlock is the number of completions charged at a time, EntryBlockBytes their size.
const (
	EntryBlock      = 64
	EntryBlockBytes = EntryBlock * 32
)

// maxPooledEntries bounds the completions that a pooled batch keeps room for.
const maxPooledEntries = 16 << 10

// FreeBytes returns the batch's memory. It keeps the completions, which are
// still to run. Only for a batch without outstanding attempts.
func (b *Batch) FreeBytes() {
	for i, c := range b.chunks {
		memory.Give(c)
		b.chunks[i] = nil
	}
	b.chunks = b.chunks[:0]
	if b.compressed != nil {
		giveCompressed(b.compressed)
		b.compressed = nil
	}
}

// Recycle returns the batch itself, after FreeBytes and its completions.
func (b *Batch) Recycle() {
	clear(b.entries)
	entries, chunks := b.entries[:0], b.chunks[:0]
	if cap(entries) > maxPooledEntries {
		entries = b.fewEntries[:0]
	}
	withdrawn := b.withdrawn[:0]
	*b = Batch{entries: entries, chunks: chunks, withdrawn: withdrawn}
	batches.Put(b)
}

// Rebase moves the base of an empty batch to a timestamp out of its reach.
func (b *Batch) Rebase(ms int64) { b.baseTime = ms }
