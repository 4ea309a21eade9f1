package ekaf

import (
	"context"
	"errors"
	"sync"
)

// split is the scratch of a call whose messages go to several workers: a linked
// list of messages for each, in the order of their first.
type split struct {
	runs  []splitRun
	next  []int32
	slots []int32 // by partition and worker: index into runs plus one
}

type splitRun struct {
	choice
	first, last int32
	slot        int
}

var splits = sync.Pool{New: func() any { return new(split) }}

// produceSplit gives each message to the worker of its key, all messages of one
// worker under one lock. Messages without a key stay together.
func (t *topic) produceSplit(ctx context.Context, v *view, msgs []Message, o *order) {
	s := splits.Get().(*split)
	defer s.release()
	s.prepare(len(msgs), len(v.partitions)*max(t.lanes.Workers, t.lanes.WorkersMax, 1))
	width := max(t.lanes.Workers, t.lanes.WorkersMax, 1)
	var unkeyed choice
	for i := range msgs {
		m := &msgs[i]
		c, err := unkeyed, error(nil)
		if c.partition == nil || m.Key != nil || m.partition != 0 {
			c, err = t.route(v, m, 1, len(m.Key)+len(m.Value)+16)
		}
		if err != nil {
			o.refusals = append(o.refusals, refusal{int(o.base) + i, err})
			continue
		}
		if m.Key == nil && m.partition == 0 {
			unkeyed = c
		}
		s.add(c, int(c.partition.ID)*width+c.worker, int32(i))
	}
	o.arrange(s, len(msgs))
	for k := range s.runs {
		t.putSplit(ctx, s, k, msgs, o)
	}
}

// arrange gives the messages of a call their places in the order in which they
// are put, so that each worker's are a run with a single completion.
func (o *order) arrange(s *split, n int) {
	if len(s.runs) < 2 {
		return
	}
	if !o.immediate && o.receipt.Rest == nil {
		o.receipt.Rest = receiptSlab.Take(len(s.runs) - 1)
	}
	if o.call == nil {
		return
	}
	o.call.expect(len(s.runs))
	places := o.call.places
	if places == nil {
		places = placeSlab.Take(o.call.acked.n)[:o.call.acked.n]
		for i := range places {
			places[i] = int32(i)
		}
		o.call.places = places
	}
	place := o.base
	for k := range s.runs {
		for i := s.runs[k].first; i >= 0; i = s.next[i] {
			places[o.base+i] = place
			place++
		}
	}
	// What no partition takes comes last.
	for _, r := range o.refusals {
		if i := int32(r.index) - o.base; i >= 0 && int(i) < n {
			places[r.index] = place
			place++
		}
	}
}

// putSplit puts one run; if its worker is gone, its messages choose again one by one.
func (t *topic) putSplit(ctx context.Context, s *split, k int, msgs []Message, o *order) {
	run := &s.runs[k]
	i, err := t.putRun(ctx, run.choice, msgs, int(run.first), s.next, o)
	switch {
	case err == nil:
	case errors.Is(err, errChooseAgain):
		base := o.base
		for ; i >= 0; i = int(s.next[i]) {
			o.base = base + int32(i)
			t.produce(ctx, msgs[i:i+1], o)
		}
		o.base = base
	default:
		o.refuseFrom(msgs, i, s.next, err)
	}
}

func (s *split) prepare(messages, slots int) {
	if cap(s.next) < messages {
		s.next = make([]int32, messages)
	}
	s.next = s.next[:messages]
	if len(s.slots) < slots {
		s.slots = make([]int32, slots)
	}
	s.runs = s.runs[:0]
}

func (s *split) add(c choice, slot int, i int32) {
	s.next[i] = -1
	if k := s.slots[slot]; k > 0 {
		run := &s.runs[k-1]
		s.next[run.last] = i
		run.last = i
		return
	}
	s.runs = append(s.runs, splitRun{choice: c, first: i, last: i, slot: slot})
	s.slots[slot] = int32(len(s.runs))
}

func (s *split) release() {
	for i := range s.runs {
		s.slots[s.runs[i].slot] = 0
	}
	clear(s.runs)
	s.runs = s.runs[:0]
	splits.Put(s)
}
