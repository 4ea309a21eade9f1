package batch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"pgregory.net/rapid"

	"github.com/ekaf-go/ekaf/internal/machine"
)

// heard is a completer that does nothing: only who it is counts.
type heard struct{ id int }

func (*heard) Inline() bool            { return true }
func (*heard) Complete(Entry, *Result) {}

// drawMessage is any message that Kafka takes.
func drawMessage(t *rapid.T, base int64) Message {
	some := func(name string, most int) []byte {
		if rapid.IntRange(0, 3).Draw(t, name+" is nil") == 0 {
			return nil
		}
		return bytes.Repeat([]byte{'x'}, rapid.IntRange(0, most).Draw(t, name))
	}
	m := Message{Key: some("key", 40), Value: some("value", 3000)}
	m.Time = base + rapid.Int64Range(-2_000_000_000, 2_000_000_000).Draw(t, "time")
	for i := range rapid.IntRange(0, 2).Draw(t, "headers") {
		m.Headers = append(m.Headers, MessageHeader{Key: fmt.Sprint("header", i), Value: some("header value", 9)})
	}
	return m
}

func sameMessage(a, b Message) bool {
	if (a.Key == nil) != (b.Key == nil) || (a.Value == nil) != (b.Value == nil) || len(a.Headers) != len(b.Headers) {
		return false
	}
	for i := range a.Headers {
		x, y := a.Headers[i], b.Headers[i]
		if x.Key != y.Key || (x.Value == nil) != (y.Value == nil) || !bytes.Equal(x.Value, y.Value) {
			return false
		}
	}
	return a.Time == b.Time && bytes.Equal(a.Key, b.Key) && bytes.Equal(a.Value, b.Value)
}

// TestRule12WithdrawAndExtract: what is left out is gone with its completion;
// the others keep theirs, at their new place.
func TestRule12WithdrawAndExtract(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := New(time.Now())
		var messages []Message
		var of []*heard // completer of each message, nil for none
		var argOf []int32
		for len(messages) < rapid.IntRange(1, 12).Draw(t, "at least") {
			h := &heard{id: len(of)}
			if rapid.IntRange(0, 4).Draw(t, "nobody hears") == 0 {
				h = nil
			}
			run := rapid.IntRange(1, 4).Draw(t, "run")
			for arg := range run {
				m := drawMessage(t, b.BaseTime())
				at := b.Add(&m)
				delta := int32(m.Time - b.BaseTime())
				if h != nil {
					b.Note(h, at, int32(arg), delta)
				}
				messages, of, argOf = append(messages, m), append(of, h), append(argOf, int32(arg))
			}
		}
		gone := map[*heard]bool{}
		for _, h := range of {
			if h == nil || gone[h] || rapid.Bool().Draw(t, "stays") {
				continue
			}
			gone[h] = true
			want := 0
			for i := range of {
				if of[i] == h {
					want++
				}
			}
			if args := b.WithdrawAll(h); len(args) != want {
				t.Fatalf("%d withdrawn, want %d", len(args), want)
			}
		}
		made := b.WithoutWithdrawn()
		if made.Count() != b.Live() {
			t.Fatalf("%d records, want %d", made.Count(), b.Live())
		}
		var left []int
		for i := range messages {
			if of[i] == nil || !gone[of[i]] {
				left = append(left, i)
			}
		}
		checkKept(t, made, messages, left)
		checkEntries(t, made, of, argOf, messages, left)
		if held, n := made.Charged(); n != int64(made.Count()) || made.Count() > 0 && held < int64(made.Size()) {
			t.Fatalf("%d bytes and %d messages are charged for %d and %d", held, n, made.Size(), made.Count())
		}
		b.FreeBytes()
		b.Recycle()
		made.FreeBytes()
		made.Recycle()
	})
}

// TestExtractKeepsTimes: two runs of one call that differ in their timestamps stay
// two, as an entry has one timestamp for all its records.
func TestExtractKeepsTimes(t *testing.T) {
	b := New(time.UnixMilli(1000))
	done := &heard{}
	for i, ms := range []int64{1000, 1001, 1001} {
		b.Add(&Message{Time: ms})
		b.Note(done, int32(i), int32(i), int32(ms-1000))
	}
	made := b.Extract(func(int32) bool { return true })
	if got := made.Entries(); len(got) != 2 || got[0].Count != 1 || got[1].Count != 2 || got[1].TimeDelta != 1 {
		t.Errorf("the entries are %+v", got)
	}
}

// TestExtractKeepsBothCompletions: a record may have two, of which the second may be
// one with that of the record before.
func TestExtractKeepsBothCompletions(t *testing.T) {
	b := New(time.UnixMilli(1000))
	calls, own := []*heard{{0}, {1}, {2}, {3}}, &heard{9}
	for i, call := range calls {
		b.Add(&Message{Time: 1000})
		if i != 1 { // it has but the one that is noted second of the others
			b.Note(call, int32(i), OwnPlace, 0)
		}
		b.Note(own, int32(i), OwnPlace, 0)
	}
	made := b.Extract(func(i int32) bool { return i != 0 })
	var got []string
	for _, e := range made.Entries() {
		got = append(got, fmt.Sprintf("%d: %d+%d", e.Done.(*heard).id, e.First, e.Count))
	}
	if want := "[9: 0+1 2: 1+1 9: 1+1 3: 2+1 9: 2+1]"; fmt.Sprint(got) != want {
		t.Errorf("the entries are %v, want %v", got, want)
	}
}

func checkKept(t *rapid.T, made *Batch, messages []Message, left []int) {
	k := 0
	made.Each(func(m *Message) {
		if k >= len(left) || !sameMessage(*m, messages[left[k]]) {
			t.Fatalf("record %d is %+v", k, *m)
		}
		k++
	})
	if k != len(left) {
		t.Fatalf("%d records, want %d", k, len(left))
	}
}

func checkEntries(t *rapid.T, made *Batch, of []*heard, argOf []int32, messages []Message, left []int) {
	next := int32(0)
	told := 0
	for _, e := range made.Entries() {
		if e.First < next || e.Count < 1 {
			t.Fatalf("entry %+v overlaps, or is empty", e)
		}
		next = e.First + e.Count
		for i := range e.Count {
			old := left[e.First+i]
			if e.Done != Completer(of[old]) || e.Arg+i != argOf[old] {
				t.Fatalf("record %d: completer %v, message %d of its call; want %v, %d", e.First+i, e.Done, e.Arg+i, of[old], argOf[old])
			}
			if int64(e.TimeDelta) != messages[old].Time-made.BaseTime() {
				t.Fatalf("record %d: a distance of %d, want %d", e.First+i, e.TimeDelta, messages[old].Time-made.BaseTime())
			}
			told++
		}
	}
	want := 0
	for _, i := range left {
		if of[i] != nil {
			want++
		}
	}
	if told != want {
		t.Fatalf("%d records have a completer, want %d", told, want)
	}
}

// TestRule09StampedHeaderIsKafkas: header and records are byte by byte what
// another encoder makes of the same, also when the header is stamped again.
func TestRule09StampedHeaderIsKafkas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := New(time.Now())
		var records []byte
		largest := int64(0)
		n := rapid.IntRange(1, 20).Draw(t, "records")
		for i := range n {
			m := drawMessage(t, b.BaseTime())
			b.Add(&m)
			if i == 0 || m.Time > largest {
				largest = m.Time
			}
			records = append(records, encodedByKmsg(&m, int32(i), b.BaseTime())...)
		}
		for range 2 {
			id := rapid.Int64Range(-1, 1<<62).Draw(t, "id")
			epoch := rapid.Int16Range(-1, 32767).Draw(t, "epoch")
			sequence := rapid.Int32Range(-1, 1<<31-1).Draw(t, "sequence")
			b.Stamp(id, epoch, sequence)
			want := kmsg.RecordBatch{
				Length: int32(HeaderSize - lengthEnd + len(records)), PartitionLeaderEpoch: -1, Magic: 2,
				LastOffsetDelta: int32(n - 1), FirstTimestamp: b.BaseTime(), MaxTimestamp: largest,
				ProducerID: id, ProducerEpoch: epoch, FirstSequence: sequence, NumRecords: int32(n), Records: records,
			}
			raw := want.AppendTo(nil)
			sum := crc32.Checksum(raw[crcEnd:], crc32.MakeTable(crc32.Castagnoli))
			binary.BigEndian.PutUint32(raw[atCRC:], sum)
			if got := bytes.Join(b.Wire(nil), nil); !bytes.Equal(got, raw) {
				t.Fatalf("%d bytes\n%x\nwant %d\n%x", len(got), got[:HeaderSize], len(raw), raw[:HeaderSize])
			}
			if b.WireSize() != len(raw) {
				t.Fatalf("%d bytes are said, %d are there", b.WireSize(), len(raw))
			}
		}
	})
}

func encodedByKmsg(m *Message, delta int32, base int64) []byte {
	r := kmsg.Record{TimestampDelta64: m.Time - base, OffsetDelta: delta, Key: m.Key, Value: m.Value}
	for _, h := range m.Headers {
		r.Headers = append(r.Headers, kmsg.Header{Key: h.Key, Value: h.Value})
	}
	body := len(r.AppendTo(nil)) - 1 // the length, of 0, takes one byte
	r.Length = int32(body)
	return r.AppendTo(nil)
}

// TestStates: only the moves of the table are legal, an outcome is final, and an
// illegal move panics or is counted.
func TestStates(t *testing.T) {
	for _, from := range Machine.States() {
		for _, to := range Machine.States() {
			b := &Batch{State: from}
			before := machine.Count()
			panicked := moved(b, to)
			counted := machine.Count() - before
			switch legal := Machine.CanMove(from, to); {
			case legal && (panicked || counted != 0 || b.State != to || from.Final()):
				t.Errorf("%v to %v: panicked %v, counted %d, now %v", from, to, panicked, counted, b.State)
			case !legal && (panicked != machine.Strict || !panicked && counted != 1):
				t.Errorf("%v to %v: panicked %v, counted %d", from, to, panicked, counted)
			case from.Final() && b.State != from:
				t.Errorf("%v became %v", from, b.State)
			}
		}
	}
}

// moved moves a batch, and says whether that panicked.
func moved(b *Batch, to State) (panicked bool) {
	defer func() { panicked = recover() != nil }()
	b.Move(to)
	return
}
