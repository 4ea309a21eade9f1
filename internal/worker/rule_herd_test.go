package worker

import (
	"math/rand/v2"
	"testing"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// Rule 12: thousands of calls that wait for an outage to end give up at once. Each is
// withdrawn, from whatever batch, what is left is sent as it was put, and the batches
// are not made anew for each of them.
func TestRule12AHerdGivesUp(t *testing.T) {
	const messages = 3000
	for name, change := range map[string]func(*Config){
		"an open batch":      func(c *Config) {},
		"batches of one":     func(c *Config) { c.BatchRecords = 1 },
		"batches of many":    func(c *Config) { c.BatchRecords = 700 },
		"compressed batches": func(c *Config) { c.BatchRecords, c.Codec = 700, batch.Snappy },
		"batches that a hook had": func(c *Config) {
			c.BatchRecords = 700
			c.Massage = func(in []batch.Message) []batch.Message { return in }
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, stay := range []int{0, 1, messages / 10} {
				s := newScript(t, change)
				s.partition.SetLeader(-1, 2)
				list := s.put(messages)
				random := rand.New(rand.NewPCG(1, uint64(stay)))
				order := random.Perm(messages)
				gone := map[int]bool{}
				made := 0
				for _, i := range order[stay:] {
					var before *batch.Batch
					if s.lane.queue.len() > 0 {
						before = s.lane.queue.at(0)
					}
					if w := s.lane.Withdraw(list[i]); len(w.Withdrawn) != 1 || w.OnTheWire != 0 {
						t.Fatalf("message %d: %+v", i, w)
					}
					gone[i] = true
					if s.lane.queue.len() > 0 && s.lane.queue.at(0) != before {
						made++
					}
					if left := int64(messages - len(gone)); s.messages.Used() != left {
						t.Fatalf("%d messages are charged, %d are left", s.messages.Used(), left)
					}
				}
				if s.cfg.BatchRecords == 700 && made > 50 {
					t.Errorf("%d withdrawals made the first batch anew %d times", len(gone), made)
				}
				s.partition.SetLeader(0, 3)
				offset := 0
				for s.lane.queue.len() > 0 || s.lane.open != nil {
					a := s.must(0, 1)
					n := a.Batch.Count()
					s.ok(a, int64(offset))
					offset += n
				}
				next := int64(0)
				for i, n := range list {
					if gone[i] {
						s.pending(n)
						continue
					}
					if r := s.outcome(n); r.Err != nil || r.BaseOffset+int64(n.index[0]) != next {
						t.Fatalf("message %d, the %dth that is left: record %d, %+v", i, next, n.index[0], r)
					}
					next++
				}
				if s.bytes.Used() != 0 || s.messages.Used() != 0 || next != int64(stay) {
					t.Fatalf("%d bytes, %d messages are charged; %d were sent", s.bytes.Used(), s.messages.Used(), next)
				}
			}
		})
	}
}

// Rule 12: what was withdrawn from a closed batch is left out when that is taken, be
// the batch one that has its numbers already.
func TestRule12MarkedIsNeverSent(t *testing.T) {
	for _, codec := range []batch.Codec{batch.None, batch.Gzip} {
		s := newScript(t, func(c *Config) { c.Codec = codec })
		s.confirm(0, 1)
		list := s.batch(30)
		s.notSent(s.must(0, 1)) // it has its numbers, and they were never used
		behind := s.batch(2)
		for _, n := range list[3:7] {
			if w := s.lane.Withdraw(n); len(w.Withdrawn) != 1 || w.OnTheWire != 0 {
				t.Fatalf("%+v", w)
			}
		}
		a := s.must(0, 1)
		if w := s.lane.Withdraw(list[0]); len(w.Withdrawn) != 0 || w.OnTheWire != 1 {
			t.Fatalf("%+v", w)
		}
		h, values := s.numbers(a)
		if h.ProducerID == 1 || h.BaseSequence != 0 || len(values) != 26 || values[2] != "message 3" || values[3] != "message 8" {
			t.Fatalf("%+v: %q is sent", h, values)
		}
		s.ok(a, 1)
		a = s.must(0, 1)
		if h, _ := s.numbers(a); h.BaseSequence != 26 {
			t.Fatalf("what is behind has sequence %d", h.BaseSequence)
		}
		s.ok(a, 27)
		s.acked(append(behind, list[1], list[29])...)
		s.pending(list[0], list[3], list[6])
		if s.bytes.Used() != 0 || s.messages.Used() != 0 {
			t.Fatalf("%d bytes, %d messages are charged", s.bytes.Used(), s.messages.Used())
		}
	}
}

// What is told of a batch that is given up counts only those who were still there.
func TestRule12WithdrawnAreNotCountedAsLost(t *testing.T) {
	s := newScript(t, nil)
	s.partition.SetLeader(-1, 2)
	list := s.batch(10)
	s.lane.Withdraw(list[0])
	if messages, _ := s.lane.Waiting(); messages != 9 {
		t.Fatalf("%d messages wait", messages)
	}
	s.lane.DropOldest(errCut)
	for _, e := range s.events {
		if e.Kind == EventDropped && e.Messages != 9 {
			t.Fatalf("%d messages are said to be dropped", e.Messages)
		}
	}
	if failed := s.lane.Stats().Failed; failed != 9 {
		t.Fatalf("%d messages failed", failed)
	}
	s.pending(list[0])
}
