package ekaf

import (
	"context"
	"errors"
	"slices"
	"sync"
)

// split is the scratch of a call whose messages go to several workers. The
// messages are counted by worker, in the order of the workers' first, and then
// laid out one worker's behind the other's:
//
//	messages   0  1  2  3  4  5        runOf  0  1  0  2  1  0
//	order      0  2  5 │ 1  4 │ 3      runs   from 0, 3, 5
type split struct {
	runs  []splitRun
	runOf []int32 // of each message, its place among runs; -1: no partition takes it
	order []int32 // the messages, run by run
	slots []int32 // by partition and worker: index into runs plus one
}

type splitRun struct {
	choice
	count int32
	from  int32 // where its messages begin in order; while they are laid out, where the next one goes
	slot  int
}

var splits = sync.Pool{New: func() any { return new(split) }}

// produceSplit gives each message to the worker of its key, all messages of one
// worker under one lock. Messages without a key stay together.
func (t *topic) produceSplit(ctx context.Context, v *view, msgs []Message, o *order) {
	s := splits.Get().(*split)
	defer s.release()
	width := max(t.lanes.Workers, t.lanes.WorkersMax, 1)
	s.prepare(len(msgs), len(v.partitions)*width)
	var unkeyed choice
	for i := range msgs {
		m := &msgs[i]
		c, err := unkeyed, error(nil)
		if c.partition == nil || m.Key != nil || m.partition != 0 {
			c, err = t.route(v, m, 1, len(m.Key)+len(m.Value)+16)
		}
		if err != nil {
			o.refusals.add(int(o.base)+i, err)
			s.runOf[i] = -1
			continue
		}
		if m.Key == nil && m.partition == 0 {
			unkeyed = c
		}
		s.runOf[i] = s.add(c, int(c.partition.ID)*width+c.worker)
	}
	s.layOut()
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
	if len(places) == 0 {
		places = slices.Grow(places, o.call.acked.n)[:o.call.acked.n]
		for i := range places {
			places[i] = int32(i)
		}
		o.call.places = places
	}
	places = places[o.base:]
	for place, i := range s.order {
		places[i] = o.base + int32(place)
	}
	// What no partition takes comes last.
	place := o.base + int32(len(s.order))
	for r := range o.refusals.all() {
		if i := int32(r.index) - o.base; i >= 0 && int(i) < n {
			places[i] = place
			place++
		}
	}
}

// putSplit puts one run; if its worker is gone, its messages choose again one by one.
func (t *topic) putSplit(ctx context.Context, s *split, k int, msgs []Message, o *order) {
	run := &s.runs[k]
	l := &list{msgs, s.order[run.from : run.from+run.count]}
	at, err := t.putRun(ctx, run.choice, l, 0, o)
	switch {
	case err == nil:
	case errors.Is(err, errChooseAgain):
		base := o.base
		for ; at < l.len(); at++ {
			i := l.index(at)
			o.base = base + int32(i)
			t.produce(ctx, msgs[i:i+1], o)
		}
		o.base = base
	default:
		o.refuseFrom(l, at, err)
	}
}

func (s *split) prepare(messages, slots int) {
	if cap(s.runOf) < messages {
		s.runOf, s.order = make([]int32, messages), make([]int32, messages)
	}
	s.runOf = s.runOf[:messages]
	if len(s.slots) < slots {
		s.slots = make([]int32, slots)
	}
	s.runs = s.runs[:0]
}

// add counts a message for a worker, and answers the worker's run.
func (s *split) add(c choice, slot int) (run int32) {
	if k := s.slots[slot]; k > 0 {
		s.runs[k-1].count++
		return k - 1
	}
	s.runs = append(s.runs, splitRun{choice: c, count: 1, slot: slot})
	s.slots[slot] = int32(len(s.runs))
	return int32(len(s.runs)) - 1
}

// layOut orders the messages by their runs, once all are counted.
func (s *split) layOut() {
	total := int32(0)
	for k := range s.runs {
		s.runs[k].from = total
		total += s.runs[k].count
	}
	s.order = s.order[:total]
	for i, k := range s.runOf {
		if k >= 0 {
			run := &s.runs[k]
			s.order[run.from] = int32(i)
			run.from++
		}
	}
	for k := range s.runs {
		s.runs[k].from -= s.runs[k].count
	}
}

func (s *split) release() {
	for i := range s.runs {
		s.slots[s.runs[i].slot] = 0
	}
	clear(s.runs)
	s.runs = s.runs[:0]
	splits.Put(s)
}
