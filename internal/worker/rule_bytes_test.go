package worker

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/memory"
)

// Rule 8: bytes are recycled only when each attempt is over.

// The writer of the first attempt hangs; the batch is resent to another leader
// and acked there. Its bytes stay until the first writer has returned.
func TestRule08BytesOutliveAHangingWriter(t *testing.T) {
	s := newScript(t, nil)
	list := s.batch(3)
	hanging := s.must(0, 1)
	slices := hanging.Batch.Wire(nil)
	before := bytes.Clone(bytes.Join(slices, nil))
	s.partition.SetLeader(1, 2)
	s.ok(s.must(1, 2), 0)
	s.acked(list...)
	if s.bytes.Used() == 0 || s.released != 0 {
		t.Fatal("the memory was given back while a writer may read it")
	}
	// Memory that was given back would be filled with these now.
	for range 50 {
		s.batch(3)
		s.ok(s.must(1, 2), 9)
	}
	if !bytes.Equal(before, bytes.Join(slices, nil)) {
		t.Fatal("the bytes changed under a writer")
	}
	s.cut(hanging)
	if s.released != 1 {
		t.Fatalf("%d batches were released", s.released)
	}
	s.empty()
}

// The same where the second leader refuses the batch, so that it would be cut,
// unpacked or numbered anew: that, and the question whether it is in the log, wait
// for the end of the first attempt.
func TestRule08CutBatchOutlivesAHangingWriter(t *testing.T) {
	cases := map[string]struct {
		codec batch.Codec
		code  int16
		bad   []BadRecord
	}{
		"halved":          {code: 10},
		"a bad record":    {code: 87, bad: []BadRecord{{Index: 0}}},
		"unreadable":      {code: 76, codec: batch.Zstd},
		"failed for good": {code: 29},
		"forgotten":       {code: 59},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, func(cfg *Config) { cfg.Codec = c.codec })
			list := s.batch(100)
			hanging := s.must(0, 1)
			slices := hanging.Batch.Wire(nil)
			before := bytes.Clone(bytes.Join(slices, nil))
			s.partition.SetLeader(1, 2)
			s.code(s.must(1, 2), c.code, c.bad...)
			s.none(1, 2)
			if len(s.questions) != 0 {
				t.Fatal("the log was asked while an attempt may still be written")
			}
			for range 20 {
				s.begin()
				s.add()
				s.lane.Commit(false)
			}
			if !bytes.Equal(before, bytes.Join(slices, nil)) {
				t.Fatal("the bytes changed under a writer")
			}
			s.cut(hanging)
			s.settle(Finding{})
			s.lane.Mark()
			for s.lane.queue.len() > 0 {
				s.ok(s.must(1, 2), 500)
			}
			for _, n := range list {
				s.outcome(n)
			}
			s.empty()
		})
	}
}

// Answers match attempts: a late one of a connection that the lane left decides nothing.
func TestRule08LateAnswersAreIgnored(t *testing.T) {
	late := map[string]func(s *scripted, a *Attempt){
		"ok":      func(s *scripted, a *Attempt) { s.ok(a, 0) },
		"refused": func(s *scripted, a *Attempt) { s.code(a, 29) },
		"cut":     func(s *scripted, a *Attempt) { s.cut(a) },
	}
	for name, answer := range late {
		t.Run(name, func(t *testing.T) {
			s := newScript(t, nil)
			list := s.batch(1)
			old := s.must(0, 1)
			s.partition.SetLeader(1, 2)
			a := s.must(1, 2)
			answer(s, old)
			s.pending(list...)
			if a.Batch.State != batch.InFlight {
				t.Fatalf("the batch is %v", a.Batch.State)
			}
			s.ok(a, 7)
			if r := s.outcome(list[0]); r.BaseOffset != 7 {
				t.Fatalf("%+v", r)
			}
			s.empty()
		})
	}
}

// A stopped lane tells its callers at once and keeps the bytes until the writer has returned.
func TestRule08StopKeepsBytesOfWriters(t *testing.T) {
	s := newScript(t, nil)
	onWire, waiting := s.batch(1), s.batch(1)
	a := s.must(0, 1)
	s.lane.StopWith(errors.New("closed"))
	if r := s.outcome(onWire[0]); !r.MaybeWritten {
		t.Fatalf("%+v", r)
	}
	if r := s.outcome(waiting[0]); r.MaybeWritten {
		t.Fatalf("%+v", r)
	}
	if s.bytes.Used() == 0 {
		t.Fatal("the memory was given back while a writer may read it")
	}
	s.cut(a)
	s.empty()
}

// The leader moves between Take and Stamp: the header is written once, before
// the next attempt takes the bytes.
func TestRule08HeaderIsStampedOnce(t *testing.T) {
	s := newScript(t, nil)
	s.batch(1)
	s.none(2, 1) // asks for the id
	e := s.senders[0]
	var a Attempt
	for range 3 {
		var ok bool
		if a, ok, _, _ = s.lane.Take(e, 1, true, true, time.Now(), 1<<30); ok {
			break
		}
	}
	if a.Batch == nil {
		t.Fatal("no batch")
	}
	s.partition.SetLeader(1, 2)
	s.none(1, 2)
	a.Stamp()
	before := wire(&a)
	b := s.must(1, 2)
	if !bytes.Equal(before, wire(b)) {
		t.Fatal("the header was written again")
	}
	s.ok(b, 0)
	s.cut(&a)
	s.empty()
}

// Rule 9: raw records are kept, and charged, until resolved; what is not smaller goes raw.
func TestRule09RawRecordsStayCharged(t *testing.T) {
	s := newScript(t, func(c *Config) { c.Codec = batch.Gzip })
	s.batch(300)
	held := s.bytes.Used()
	a := s.must(0, 1)
	if a.Batch.Codec() != batch.Gzip || a.Size() >= a.Batch.Size() {
		t.Fatalf("codec %v, %d of %d bytes", a.Batch.Codec(), a.Size(), a.Batch.Size())
	}
	if s.bytes.Used() != held || held < int64(a.Batch.Size()) {
		t.Fatalf("%d bytes are charged, %d were, for %d", s.bytes.Used(), held, a.Batch.Size())
	}
	s.ok(a, 0)
	small := s.batch(1)
	if a = s.must(0, 1); a.Batch.Codec() != batch.None {
		t.Fatal("a batch that grows is compressed")
	}
	s.ok(a, 300)
	s.acked(small...)
	s.empty()
}

// An unresolved batch is sent as it was, compressed bytes included.
func TestRule09UnresolvedIsNotRecompressed(t *testing.T) {
	s := newScript(t, func(c *Config) { c.Codec = batch.Zstd })
	s.batch(100)
	a := s.must(0, 1)
	before := wire(a)
	s.cut(a)
	b := s.must(0, 2)
	if !bytes.Equal(before, wire(b)) {
		t.Fatal("other bytes are sent")
	}
	s.ok(b, 0)
	s.empty()
}

// A batch that is still in the pool is not sent, and those behind it wait.
func TestRule09PoolKeepsOrder(t *testing.T) {
	s := newScript(t, func(c *Config) { c.Codec = batch.LZ4 })
	s.held = true
	first := s.batch(50)
	s.none(0, 1)
	second := s.batch(50)
	s.none(0, 1)
	s.runPool()
	for _, list := range [][]*note{first, second} {
		a := s.must(0, 1)
		if _, values := s.numbers(a); values[0] != fmt.Sprint("message ", list[0].id) {
			t.Fatalf("%q is sent", values[0])
		}
		s.ok(a, 0)
	}
	s.empty()
}

// Rule 10: memory is charged by the capacity of chunks that grow from 1 KiB; an
// idle lane owns none.
func TestRule10ChunksAreCharged(t *testing.T) {
	s := newScript(t, nil)
	s.put(1)
	if used := s.bytes.Used(); used != 1024+batch.EntryBlockBytes {
		t.Fatalf("a small message is charged with %d bytes", used)
	}
	s.put(400)
	held := s.lane.open.Size()
	if used := s.bytes.Used(); used < int64(held) || used > int64(5*held)+8192 {
		t.Fatalf("%d bytes are charged for %d", used, held)
	}
	s.ok(s.must(0, 1), 0)
	s.empty()
}

// While anyone waits on a limit, linger is off.
func TestRule10WaitingTurnsLingerOff(t *testing.T) {
	s := newScript(t, func(c *Config) { c.Linger = time.Hour })
	s.confirm(0, 1)
	s.begin()
	s.add()
	s.lane.Commit(false)
	s.none(0, 1)
	freed := s.bytes.Wait()
	defer s.bytes.Leave()
	s.lane.Wake()
	s.ok(s.must(0, 1), 1)
	select {
	case <-freed:
	default:
		t.Fatal("the waiter was not woken")
	}
	s.empty()
}

func TestRule10LimitRefusesAndChangesNothing(t *testing.T) {
	s := newScript(t, nil)
	limited := memory.NewAccount("partition", 4000, nil)
	s.partition.limits.Bytes, s.bytes = limited, limited
	for i := 0; ; i++ {
		s.begin()
		m := batch.Message{Value: make([]byte, 300)}
		before := limited.Used()
		full := s.lane.Put(&m, nil, 0)
		s.lane.Commit(true)
		if limited.Used() > 4000 {
			t.Fatalf("%d bytes are charged", limited.Used())
		}
		if full == nil {
			continue
		}
		if full != limited || limited.Used() != before || s.messages.Used() != int64(i) || i == 0 {
			t.Fatalf("message %d: %v, %d bytes, %d messages", i, full, limited.Used(), s.messages.Used())
		}
		break
	}
	s.ok(s.must(0, 1), 0)
	s.empty()
}

// DropOldest takes what was never tried, and nothing else.
func TestRule10DropOldestTakesTheNeverTried(t *testing.T) {
	s := newScript(t, nil)
	onWire, oldest, newest := s.batch(1), s.batch(1), s.put(1)
	a := s.must(0, 1)
	why := errors.New("full")
	if n := s.lane.NeverTried(); n <= 0 {
		t.Fatalf("%d bytes could be freed", n)
	}
	for _, list := range [][]*note{oldest, newest} {
		if !s.lane.DropOldest(why) {
			t.Fatal("nothing was dropped")
		}
		if r := s.outcome(list[0]); r.Err != why || r.MaybeWritten {
			t.Fatalf("%+v", r)
		}
	}
	if s.lane.DropOldest(why) {
		t.Fatal("what is on the wire was dropped")
	}
	s.code(a, 7)
	if s.lane.DropOldest(why) || s.lane.NeverTried() != 0 {
		t.Fatal("an unresolved batch was dropped")
	}
	s.ok(s.must(0, 1), 0)
	s.acked(onWire...)
	s.empty()
}
