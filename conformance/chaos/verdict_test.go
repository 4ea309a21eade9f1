package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/conformance/judge"
	"github.com/twmb/franz-go/pkg/kgo"
)

// scene is a run whose messages a test makes up.
type scene struct {
	*chaosRun
	t      *testing.T
	stream *stream
	out    *bytes.Buffer
	next   int64 // offset
}

func newScene(t *testing.T) *scene {
	c, err := openEmbedded(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.CreateTopic(t.Context(), "chaos-0", 1); err != nil {
		t.Fatal(err)
	}
	out := &bytes.Buffer{}
	line := newTimeline(out, false)
	r := &chaosRun{cluster: c, line: line, ledger: newLedger(line), topics: []string{"chaos-0"}, grown: map[string]bool{}}
	one := &source{number: 1, choice: &choice{keyed: true}}
	caller := &caller{source: one, ledger: r.ledger, verbs: verbs()}
	s := &stream{caller: caller, topic: "chaos-0", key: "k", keyed: true}
	r.ledger.open(s)
	return &scene{chaosRun: r, t: t, stream: s, out: out}
}

// write puts a message into the topic, as ekaf would.
func (s *scene) write(sequence int64) (offset int64) {
	s.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(s.cluster.Addrs()...))
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	value := judge.AppendValue(nil, s.stream.message(sequence), 20)
	record := &kgo.Record{Topic: "chaos-0", Key: []byte("k"), Value: value}
	if err := client.ProduceSync(s.t.Context(), record).FirstErr(); err != nil {
		s.t.Fatal(err)
	}
	s.next++
	return s.next - 1
}

// sent makes n messages, written and acked as they should be.
func (s *scene) sent(n int) {
	for range n {
		sequence := s.ledger.opened(s.stream, 0)
		s.ledger.settle(s.stream, sequence, ekaf.Ack{Offset: s.write(sequence)}, nil)
	}
}

// TestVerdict: each way to break the word is found, counted as what it is, and
// told with the history of its message.
func TestVerdict(t *testing.T) {
	unsure := &ekaf.DeliveryError{MaybeWritten: true, Err: ekaf.ErrTimeout}
	for _, test := range []struct {
		name string
		do   func(*scene)
		want func(*verdict) int // the count that must be 1; nil: no violation at all
		says string
	}{
		{"all is well", func(s *scene) {}, nil, ""},
		{"left open and there", func(s *scene) {
			s.ledger.settle(s.stream, s.ledger.opened(s.stream, 0), ekaf.Ack{}, errors.Join(unsure, ekaf.ErrWithdrawn))
			s.write(3)
		}, nil, ""},
		{"lost", func(s *scene) {
			s.ledger.settle(s.stream, s.ledger.opened(s.stream, 0), ekaf.Ack{Offset: 2}, nil)
		}, func(v *verdict) int { return v.report.Lost }, "seen nowhere"},
		{"doubled", func(s *scene) { s.write(2) }, func(v *verdict) int { return v.report.Duplicated }, "seen at partition 0 offset 3"},
		{"failed and there", func(s *scene) {
			s.ledger.settle(s.stream, s.ledger.opened(s.stream, 0), ekaf.Ack{}, ekaf.ErrWithdrawn)
			s.write(3)
		}, func(v *verdict) int { return v.report.Unexpected }, "failed: withdrawn"},
		{"never sent", func(s *scene) { s.write(9) }, func(v *verdict) int { return v.report.Unexpected }, "nobody sent it"},
		{"failed needlessly", func(s *scene) {
			s.ledger.settle(s.stream, s.ledger.opened(s.stream, 0), ekaf.Ack{}, ekaf.ErrDropped)
		}, func(v *verdict) int { return v.needless }, "failed: dropped"},
		{"no outcome", func(s *scene) { s.ledger.opened(s.stream, 0) }, func(v *verdict) int { return v.missing }, "it never got an outcome"},
		{"two outcomes", func(s *scene) { s.ledger.settle(s.stream, 0, ekaf.Ack{}, nil) }, func(v *verdict) int { return v.twice }, "2 outcomes"},
		{"refused with an outcome", func(s *scene) {
			sequence := s.ledger.opened(s.stream, 0)
			s.ledger.settle(s.stream, sequence, ekaf.Ack{}, ekaf.ErrFull)
			s.ledger.refuse(s.stream, sequence, ekaf.ErrFull)
		}, func(v *verdict) int { return v.twice }, "refused, and 1 outcomes"},
		{"misplaced", func(s *scene) {
			s.ledger.settle(s.stream, s.ledger.opened(s.stream, 0), ekaf.Ack{Offset: 7}, nil)
			s.write(3)
		}, func(v *verdict) int { return v.misplaced }, "at 0/3, but acked for 0/7"},
		{"behind a later one of its key", func(s *scene) {
			early, late := s.ledger.opened(s.stream, 0), s.ledger.opened(s.stream, 0)
			s.ledger.settle(s.stream, late, ekaf.Ack{Offset: s.write(late)}, nil)
			// In another worker: only the key's order is broken.
			s.ledger.settle(s.stream, early, ekaf.Ack{Worker: 1, Offset: s.write(early)}, nil)
		}, func(v *verdict) int { return v.reordered }, "behind a later one of its key"},
		{"behind a later one of its worker", func(s *scene) {
			s.stream.caller.source.choice.keyed = false
			early := s.ledger.opened(s.stream, 0)
			s.stream.caller.calls++
			late := s.ledger.opened(s.stream, 0)
			s.ledger.settle(s.stream, late, ekaf.Ack{Offset: s.write(late)}, nil)
			s.ledger.settle(s.stream, early, ekaf.Ack{Offset: s.write(early)}, nil)
		}, func(v *verdict) int { return v.reordered }, "behind a later one of its caller in partition 0, worker 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := newScene(t)
			s.sent(3)
			test.do(s)
			v, err := s.judge(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if test.want == nil {
				if err := v.err(); err != nil {
					t.Error(err)
				}
				return
			}
			if test.want(v) != 1 || v.err() == nil {
				t.Errorf("not found: %+v", v)
			}
			if said := s.out.String(); !strings.Contains(said, "VIOLATION: 1:") || !strings.Contains(said, test.says) {
				t.Errorf("the history does not say %q:\n%s", test.says, said)
			}
		})
	}
}
