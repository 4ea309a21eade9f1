package ekaf

import (
	"slices"
	"sort"
	"time"
	"unsafe"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/memory"
)

// parking keeps messages of a topic whose partitions are unknown. They are
// encoded as in a batch, into pages that will never be sent; beside them stands,
// for each run of messages of a call, how the call wanted them handled.
// Guarded by the topic's lock.
type parking struct {
	topic *topic
	pages []*page
	n     int
	born  uint64      // pages so far
	index batch.Index // of many pages whose callers give up
	// partitions is their number once they are known and the topic's Picker is asked
	// for what waits (see pickParked); else 0.
	partitions int
}

// page is a batch used as memory, with the runs of messages in it.
type page struct {
	batch *batch.Batch
	runs  []run
	picks []int32 // of each message, what the topic's Picker chose; nil: it was not asked
}

// run is a call's messages, which stay together if they have no key.
type run struct {
	first, count int32
	partition    int32 // explicit partition plus one, or 0
	immediate    bool
}

// pageBytes bounds a page; a larger message gets one of its own. pageAge bounds
// its time, so that a delivery timeout, which ends pages, is not far off.
const (
	pageBytes = 64 << 10
	pageAge   = 100 * time.Millisecond
)

func (k *parking) count() int { return k.n }

// put encodes a message. join says that it belongs to the run before.
func (k *parking) put(m *batch.Message, partition int32, immediate bool, done batch.Completer, arg int32, join bool) (full *memory.Account) {
	pg := k.page(m)
	full = k.encode(pg, m, run{partition: partition, immediate: immediate}, done, arg, join)
	if full != nil && len(pg.runs) == 0 {
		// It was made for this message. An empty page is no memory to be dropped, and
		// one for each refused message would be memory that no account knows.
		k.pages = k.pages[:len(k.pages)-1]
		pg.batch.Recycle()
	}
	return full
}

// encode puts a message into a page, as a run of its own or, with join, of the last.
func (k *parking) encode(pg *page, m *batch.Message, own run, done batch.Completer, arg int32, join bool) (full *memory.Account) {
	t, b := k.topic, pg.batch
	if !m.Timed {
		m.Time = max(t.producer.clock.Now(), b.BaseTime())
	}
	size, body := b.RecordSize(m)
	if t.messages != nil {
		if full = t.messages.TryCharge(1); full != nil {
			return full
		}
		b.AddCharge(0, 1)
	}
	if need := b.Need(size, 0); need > 0 {
		if full = t.bytes.TryCharge(int64(need)); full != nil {
			// The next chunk would be too much; a small one may do.
			if need = b.Least(size); t.bytes.TryCharge(int64(need)) == nil {
				full = nil
			}
		}
		if full != nil {
			if t.messages != nil {
				t.messages.Credit(1)
				b.AddCharge(0, -1)
			}
			return full
		}
		b.Grow(need)
		b.AddCharge(int64(need), 0)
	}
	at := b.Append(m, size, body)
	k.n++
	if done != nil && b.Note(done, at, arg, 0) {
		pg.charge(t, batch.EntryBlockBytes)
	}
	if m.Also != nil && b.Note(m.Also, at, batch.OwnPlace, 0) {
		pg.charge(t, batch.EntryBlockBytes)
	}
	if n := len(pg.runs); join && n > 0 && pg.runs[n-1].partition == own.partition {
		pg.runs[n-1].count++
		return nil
	}
	own.first, own.count = at, 1
	pg.add(t, own)
	return nil
}

// add keeps a run. Calls of one small message are many, and weigh little more than
// their runs: those are charged, by the room that they take.
func (pg *page) add(t *topic, r run) {
	if n := cap(pg.runs); len(pg.runs) == n {
		pg.runs = slices.Grow(pg.runs, 1)
		pg.charge(t, (cap(pg.runs)-n)*int(unsafe.Sizeof(r)))
	}
	pg.runs = append(pg.runs, r)
}

// charge takes room for what stands beside a message that was accepted already.
func (pg *page) charge(t *topic, bytes int) {
	t.bytes.Charge(int64(bytes))
	pg.batch.AddCharge(int64(bytes), 0)
}

// page is the one that takes the message.
func (k *parking) page(m *batch.Message) *page {
	if n := len(k.pages); n > 0 {
		last := k.pages[n-1]
		b := last.batch
		young := k.topic.producer.clock.Now()-b.Opened.UnixMilli() < pageAge.Milliseconds()
		alike := (last.picks == nil) == (k.partitions == 0)
		if young && alike && b.Size()+batch.MaxRecordSize(m) <= pageBytes && (!m.Timed || b.FitsTime(m.Time)) {
			return last
		}
	}
	pg := &page{batch: k.topic.newPage(m)}
	k.born++
	pg.batch.Ordinal = k.born
	if k.partitions > 0 {
		pg.picks = []int32{}
	}
	k.pages = append(k.pages, pg)
	return pg
}

// picked notes what a Picker chose for the message that was put last.
func (k *parking) picked(pick int32) {
	last := k.pages[len(k.pages)-1]
	n := cap(last.picks)
	last.picks = append(last.picks, pick)
	last.charge(k.topic, (cap(last.picks)-n)*int(unsafe.Sizeof(pick)))
}

// moveTo gives all messages to the lanes of their partitions, whatever the
// limits: they were accepted. Each page's memory goes back once it is moved.
func (k *parking) moveTo(v *view) {
	pages := k.pages
	k.pages, k.n, k.index, k.partitions = nil, 0, batch.Index{}, 0
	for _, pg := range pages {
		k.movePage(pg, v)
		k.release(pg.batch)
	}
}

func (k *parking) movePage(pg *page, v *view) {
	entries := pg.batch.Entries()
	runs := pg.runs
	index, entry := int32(0), 0
	mover := mover{topic: k.topic, view: v}
	pg.batch.Each(func(m *batch.Message) {
		if len(runs) > 0 && index >= runs[0].first+runs[0].count {
			runs = runs[1:]
		}
		for entry < len(entries) && entries[entry].First+entries[entry].Count <= index {
			entry++
		}
		var done batch.Completer
		var arg int32
		m.Also = nil
		for k := entry; k < len(entries) && entries[k].First <= index; k++ {
			if e := &entries[k]; done == nil {
				done, arg = e.Done, e.Arg+index-e.First
			} else {
				m.Also = e.Done
			}
		}
		pick := int32(notAsked)
		if pg.picks != nil {
			pick = pg.picks[index]
		}
		if !pg.batch.IsWithdrawn(index) {
			mover.put(m, runs[0], pick, done, arg)
		}
		index++
	})
	mover.commit()
}

// release frees a page.
func (k *parking) release(b *batch.Batch) {
	bytes, messages := b.Charged()
	b.FreeBytes()
	b.Recycle()
	k.topic.bytes.Credit(bytes)
	if k.topic.messages != nil {
		k.topic.messages.Credit(messages)
	}
}

// fail gives all messages up and counts them.
func (k *parking) fail(err error) (failed int) {
	pages := k.pages
	failed = k.n
	k.pages, k.n, k.index = nil, 0, batch.Index{}
	k.topic.failures.count(err, failed)
	for _, pg := range pages {
		b := pg.batch
		bytes, messages := b.Charged()
		b.FreeBytes()
		k.topic.bytes.Credit(bytes)
		if k.topic.messages != nil {
			k.topic.messages.Credit(messages)
		}
		b.Acked = batch.Result{
			Topic: k.topic, Partition: -1, BaseOffset: -1, LogAppendTime: -1, Err: err,
		}
		k.topic.producer.complete(b, true)
	}
	return failed
}

// withdraw takes a call's messages out and answers their indexes in it. Their
// places are free at once, and the memory of a page that holds no other message:
// calls that give up one after another must not fill the buffer with nothing.
func (k *parking) withdraw(done batch.Completer) (args []int32) {
	first, last, through := k.index.Span(done, len(k.pages), func(i int) *batch.Batch { return k.pages[i].batch })
	args = k.withdrawBetween(first, last, done, args)
	args = k.withdrawBetween(through+1, k.born, done, args)
	k.n -= len(args)
	return args
}

// withdrawBetween is withdraw for the pages of some ordinals.
func (k *parking) withdrawBetween(first, last uint64, done batch.Completer, args []int32) []int32 {
	i := sort.Search(len(k.pages), func(i int) bool { return k.pages[i].batch.Ordinal >= first })
	for i < len(k.pages) && k.pages[i].batch.Ordinal <= last {
		b := k.pages[i].batch
		taken := b.WithdrawAll(done)
		args = append(args, taken...)
		if _, all := b.Withdrawn(); all && len(taken) > 0 {
			k.release(b)
			k.pages = slices.Delete(k.pages, i, i+1)
			continue
		}
		if n := int64(len(taken)); k.topic.messages != nil && n > 0 {
			k.topic.messages.Credit(n)
			b.AddCharge(0, -n)
		}
		i++
	}
	return args
}

// bytes is the memory that the pages hold.
func (k *parking) bytes() (held int64) {
	for _, pg := range k.pages {
		n, _ := pg.batch.Charged()
		held += n
	}
	return held
}

// dropOldest gives the oldest page up.
func (k *parking) dropOldest(err error) bool {
	if len(k.pages) == 0 {
		return false
	}
	one := parking{topic: k.topic, pages: k.pages[:1:1], n: k.pages[0].batch.Live()}
	k.pages = k.pages[1:]
	k.n -= one.n
	dropped := one.fail(err)
	k.topic.producer.emit(k.topic, Event{Kind: EventDropped, Messages: dropped, Err: err})
	return true
}

// expire gives up the pages whose first message came before a time.
func (k *parking) expire(before time.Time, err error) (expired int) {
	n := 0
	for n < len(k.pages) && k.pages[n].batch.Opened.Before(before) {
		n++
	}
	if n == 0 {
		return 0
	}
	old := parking{topic: k.topic, pages: k.pages[:n:n]}
	for _, pg := range old.pages {
		old.n += pg.batch.Live()
	}
	k.pages = k.pages[n:]
	k.n -= old.n
	return old.fail(err)
}
