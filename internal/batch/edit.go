package batch

import (
	"bytes"
	"fmt"
)

// WithdrawAll marks the records of one completer to be left out before the batch is
// sent: they were never on the wire, and now never will be. Their completions are
// taken out at once. It answers their indexes in their call.
func (b *Batch) WithdrawAll(done Completer) (args []int32) {
	for _, e := range b.takeOut(done) {
		for i := range e.Count {
			b.withdraw(e.First + i)
			args = append(args, e.Arg+i)
		}
	}
	return args
}

func (b *Batch) withdraw(index int32) {
	for len(b.withdrawn) <= int(index/64) {
		b.withdrawn = append(b.withdrawn, 0)
	}
	b.withdrawn[index/64] |= 1 << (index % 64)
	b.gone++
}

// Withdrawn reports whether records are marked, and whether these are all.
func (b *Batch) Withdrawn() (some, all bool) { return b.gone > 0, b.gone == b.count }

// IsWithdrawn reports whether a record is marked.
func (b *Batch) IsWithdrawn(index int32) bool {
	return int(index/64) < len(b.withdrawn) && b.withdrawn[index/64]&(1<<(index%64)) != 0
}

// WithoutWithdrawn gives the batch without the marked records.
func (b *Batch) WithoutWithdrawn() *Batch {
	return b.Extract(func(i int32) bool { return !b.IsWithdrawn(i) })
}

// Extract copies the records that keep names, with their completions, into a
// batch of its own that is sealed. Offset deltas are counted anew, which is why
// this is only for a batch that was never tried, or whose only attempt was
// refused. The new batch is charged for what it took; the caller charges its account.
func (b *Batch) Extract(keep func(index int32) bool) *Batch {
	nb := New(b.Opened)
	nb.Inherit(b)
	nb.Massaged, nb.Shared = b.Massaged, b.Shared
	next := 0
	index := int32(0)
	b.Each(func(m *Message) {
		for next < len(b.entries) && b.entries[next].First+b.entries[next].Count <= index {
			next++
		}
		if keep(index) {
			at := nb.Add(m)
			if !b.Shared {
				for k := next; k < len(b.entries) && b.entries[k].First <= index; k++ {
					nb.copyEntry(&b.entries[k], index, at)
				}
			} else if index == 0 {
				nb.CopyEntries(b) // all calls share the first record's outcome
			}
		}
		index++
	})
	return nb
}

// copyEntry gives the record at of this batch the completion that covered it
// before, joining it to the run that ended one record earlier with the same timestamp.
func (b *Batch) copyEntry(e *Entry, old, at int32) {
	if e.Done == nil {
		return
	}
	arg := e.Arg + (old - e.First)
	if n := len(b.entries); n > 0 && e.Count > 1 {
		last := &b.entries[n-1]
		if last.First+last.Count == at && last.Arg+last.Count == arg && sameCompleter(last.Done, e.Done) && last.TimeDelta == e.TimeDelta {
			last.Count++
			return
		}
	}
	b.PutEntry(Entry{Done: e.Done, First: at, Count: 1, Arg: arg, TimeDelta: e.TimeDelta})
}

// Add encodes a message, taking memory as it goes and noting the charge for it.
// It is the slow way in, for records that were accepted before.
func (b *Batch) Add(m *Message) int32 {
	size, body := b.RecordSize(m)
	if need := b.Need(size, 0); need > 0 {
		b.Grow(need)
		b.charged += int64(need)
	}
	b.messages++
	return b.Append(m, size, body)
}

// PutEntry notes a completion and the charge for it.
func (b *Batch) PutEntry(e Entry) {
	if b.addEntry(e) {
		b.charged += EntryBlockBytes
	}
}

// Each decodes the records, in order. The message is valid until the next one;
// its bytes are the batch's own.
func (b *Batch) Each(visit func(m *Message)) {
	cursor := b.records()
	m := Message{Timed: true}
	for cursor.Next() {
		r := cursor.Record()
		m.Key, m.Value, m.Time = r.Key, r.Value, b.baseTime+r.TimestampDelta
		m.Headers = m.Headers[:0]
		for r.Headers.Next() {
			m.Headers = append(m.Headers, MessageHeader{Key: string(r.Headers.Key()), Value: r.Headers.Value()})
		}
		visit(&m)
	}
	if err := cursor.Err(); err != nil {
		panic(fmt.Sprintf("BUG: a batch's own records do not decode: %v", err))
	}
}

// Chunks counts the chunks, for tests.
func (b *Batch) Chunks() int { return len(b.chunks) }

// Forget takes the completions of one completer out and counts their records.
func (b *Batch) Forget(done Completer) (records int) {
	for _, e := range b.takeOut(done) {
		records += int(e.Count)
	}
	return records
}

// Detach moves all completions to a batch of no records, which can be resolved
// in the place of one that must stay until its sequence is decided.
func (b *Batch) Detach() *Batch {
	told := New(b.Opened)
	told.baseTime = b.baseTime
	told.Generation = b.Generation
	told.Told = int(b.count)
	// Copied: either list may lie in its own batch.
	told.entries = append(told.entries, b.entries...)
	clear(b.entries)
	b.entries, b.finder = b.entries[:0], nil
	told.Move(Sealed)
	told.Move(Failed)
	return told
}

// Messages decodes all records, for MassageBuffer. They share no bytes with the batch.
func (b *Batch) Messages() []Message {
	list := make([]Message, 0, b.count)
	b.Each(func(m *Message) {
		kept := Message{Key: bytes.Clone(m.Key), Value: bytes.Clone(m.Value), Time: m.Time}
		for _, h := range m.Headers {
			kept.Headers = append(kept.Headers, MessageHeader{Key: h.Key, Value: bytes.Clone(h.Value)})
		}
		list = append(list, kept)
	})
	return list
}

// Inherit takes over what a batch made of another's records keeps of it.
func (b *Batch) Inherit(from *Batch) {
	b.baseTime = from.baseTime
	b.Immediate, b.Generation = from.Immediate, from.Generation
	b.Closed = from.Closed
}

// CopyEntries gives each record the completion that the record of the same
// index has in another batch.
func (b *Batch) CopyEntries(from *Batch) {
	for _, e := range from.entries {
		if e.Done != nil {
			b.PutEntry(e)
		}
	}
}

// ShareEntries answers all completions of another batch with the first record's outcome.
func (b *Batch) ShareEntries(from *Batch) {
	for _, e := range from.entries {
		if e.Done != nil {
			e.First = 0
			b.PutEntry(e)
		}
	}
	b.Shared = true
}
