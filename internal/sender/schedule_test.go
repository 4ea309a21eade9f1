package sender

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/internal/worker"
)

// Lanes come out in the order of their times, none before it, each as often as
// it was put in.
func TestScheduleKeepsTime(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 1))
	start := time.Now()
	at := map[*worker.Lane]time.Time{}
	var s schedule
	var want, got []time.Time
	for step := range 5000 {
		if random.IntN(3) > 0 {
			l := new(worker.Lane)
			at[l] = start.Add(time.Duration(random.IntN(1000)) * time.Millisecond)
			earliest := len(s) == 0 || at[l].Before(s[0].at)
			if first := s.add(appointment{l, at[l]}); first != earliest {
				t.Fatalf("seed %d, step %d: add says first %v, want %v", seed, step, first, earliest)
			}
			want = append(want, at[l])
			continue
		}
		now := start.Add(time.Duration(random.IntN(1000)) * time.Millisecond)
		left := len(s)
		l := s.due(now)
		switch {
		case l == nil && left > 0 && !s[0].at.After(now):
			t.Fatalf("seed %d, step %d: nothing is due at %v, though an appointment at %v was kept", seed, step, now, s[0].at)
		case l != nil && at[l].After(now):
			t.Fatalf("seed %d, step %d: a lane came %v early", seed, step, at[l].Sub(now))
		case l != nil:
			got = append(got, at[l])
		}
	}
	var rest []time.Time
	for l := s.due(start.Add(time.Hour)); l != nil; l = s.due(start.Add(time.Hour)) {
		rest = append(rest, at[l])
	}
	if !slices.IsSortedFunc(rest, time.Time.Compare) {
		t.Errorf("seed %d: what was left came in the order %v", seed, rest)
	}
	got = append(got, rest...)
	slices.SortFunc(got, time.Time.Compare)
	slices.SortFunc(want, time.Time.Compare)
	if !slices.Equal(got, want) {
		t.Errorf("seed %d: %d appointments were put in, %d came out, or others", seed, len(want), len(got))
	}
}

func TestScheduleAllocatesNothing(t *testing.T) {
	s := make(schedule, 0, 16)
	l, now := new(worker.Lane), time.Now()
	if n := testing.AllocsPerRun(100, func() {
		for i := range 10 {
			s.add(appointment{l, now.Add(time.Duration(-i))})
		}
		for s.due(now) != nil {
		}
	}); n != 0 {
		t.Errorf("%v allocations for ten appointments, want none", n)
	}
}

// A ring gives back what it got, in order, over many turns and as it grows; what
// was put in front comes first.
func TestRing(t *testing.T) {
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 2))
	var r ring
	var model []*worker.Lane
	for step := range 5000 {
		l := new(worker.Lane)
		switch op := random.IntN(20); {
		case op < 10-step/1000:
			r.push(l)
			model = append(model, l)
		case op < 12-step/1000:
			r.pushFront(l)
			model = slices.Insert(model, 0, l)
		case len(model) > 0:
			if got := r.pop(); got != model[0] {
				t.Fatalf("seed %d, step %d: another lane than the first came out", seed, step)
			}
			model = model[1:]
		}
		if r.len() != len(model) {
			t.Fatalf("seed %d, step %d: %d lanes, want %d", seed, step, r.len(), len(model))
		}
	}
	for _, l := range r.items {
		if l != nil && !slices.Contains(model, l) {
			t.Fatal("the ring keeps a lane that came out")
		}
	}
}
