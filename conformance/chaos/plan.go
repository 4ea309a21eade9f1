package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// shortest is the shortest a fault lasts.
const shortest = 200 * time.Millisecond

// healing bounds the end of a fault: a broker that does not come back in that
// time makes the run void.
const healing = 3 * time.Minute

// fault is one fault of the plan.
type fault struct {
	number int
	kind   kind
	at     time.Duration // since the run began
	lasts  time.Duration
	rand   *rand.Rand // its own: whom it hits, and how
	run    *chaosRun
	held   []string // of run.claims
}

// plan makes the faults of a run, in order of time. All but whom they hit is
// fixed here; that is chosen when they begin, among what no other fault holds.
func (s settings) plan(r *chaosRun) (faults []*fault) {
	all := slices.DeleteFunc(pick(kinds(), s.only), func(k kind) bool {
		return slices.Contains(s.without, k.name) || !k.possible(s)
	})
	if len(all) == 0 {
		return nil
	}
	total := 0
	for _, k := range all {
		total += k.weight
	}
	random := s.random("plan", 0)
	// The last quarter of a gap is left to the last fault.
	gap := s.time / time.Duration(s.faults+1)
	for number := range s.faults {
		f := &fault{number: number + 1, run: r, rand: s.random("fault", number)}
		left := random.IntN(total)
		for _, k := range all {
			if left -= k.weight; left < 0 {
				f.kind = k
				break
			}
		}
		f.at = time.Duration((float64(number) + random.Float64()) * float64(gap))
		f.lasts = f.kind.duration(s, random)
		faults = append(faults, f)
	}
	return faults
}

// duration is drawn so that short ones are common: many things go wrong in the
// first second of a fault.
func (k kind) duration(s settings, random *rand.Rand) time.Duration {
	longest := min(s.longest, s.time/4)
	if !k.long {
		longest = min(longest, 10*time.Second)
	}
	x := random.Float64()
	return shortest + time.Duration(x*x*float64(max(longest-shortest, 0)))
}

// disturb lets the plan happen. It ends when all faults are over, or, early but
// healed, when ctx is.
func (r *chaosRun) disturb(ctx context.Context) {
	slots := make(chan struct{}, r.settings.overlap)
	var running sync.WaitGroup
	defer running.Wait()
	for _, f := range r.plan {
		wait := time.NewTimer(f.at - r.line.now())
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return
		}
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		running.Go(func() {
			f.happen(ctx)
			<-slots
		})
	}
}

// happen is a fault from its beginning to its end.
func (f *fault) happen(ctx context.Context) {
	r := f.run
	defer r.release(f)
	text, end, err := f.kind.begin(ctx, f)
	if err != nil {
		r.line.say("fault %d: %s did not happen: %v", f.number, f.kind.name, err)
		r.count(f.kind.name, false)
		f.undoHalf(ctx, end)
		return
	}
	r.count(f.kind.name, true)
	if end == nil {
		r.line.say("fault %d: %s", f.number, text)
		return
	}
	r.line.say("fault %d: %s, for %v", f.number, text, f.lasts.Round(time.Millisecond))
	lasts := time.NewTimer(f.lasts)
	defer lasts.Stop()
	select {
	case <-lasts.C:
	case <-ctx.Done():
	}
	healed, cancel := context.WithTimeout(context.WithoutCancel(ctx), healing)
	defer cancel()
	if err := end(healed); err != nil {
		r.line.say("fault %d: cannot be undone: %v", f.number, err)
		r.spoil(fmt.Errorf("cannot undo fault %d, %s: %w", f.number, text, err))
		return
	}
	r.line.say("fault %d: over", f.number)
}

// undoHalf undoes what may have happened in part: a broker that did not stop when
// asked was killed, and would stay away for the rest of the run.
func (f *fault) undoHalf(ctx context.Context, end func(context.Context) error) {
	if end == nil {
		return
	}
	healed, cancel := context.WithTimeout(context.WithoutCancel(ctx), healing)
	defer cancel()
	if err := end(healed); err != nil {
		f.run.line.say("fault %d: nothing to undo: %v", f.number, err)
	}
}

// claim waits until none of the candidates' needs is held by another fault and
// takes the first candidate that is free. What it names is freed when the fault
// is over. All needs of a candidate are taken at once: no fault waits for one
// thing while it holds another.
func (f *fault) claim(ctx context.Context, candidates ...[]string) (int, error) {
	r := f.run
	for {
		r.mu.Lock()
		for i, needs := range candidates {
			if !slices.ContainsFunc(needs, func(need string) bool { return r.claims[need] }) {
				for _, need := range needs {
					r.claims[need] = true
				}
				f.held = needs
				r.mu.Unlock()
				return i, nil
			}
		}
		r.mu.Unlock()
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (r *chaosRun) release(f *fault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, need := range f.held {
		delete(r.claims, need)
	}
}

// claimBroker takes a random broker of which no other fault holds the process or
// (of "network") the way to it.
func (f *fault) claimBroker(ctx context.Context, what string) (int, error) {
	brokers := slices.Clone(f.run.cluster.Brokers())
	f.rand.Shuffle(len(brokers), func(i, j int) { brokers[i], brokers[j] = brokers[j], brokers[i] })
	var candidates [][]string
	for _, b := range brokers {
		candidates = append(candidates, []string{fmt.Sprint(what, b)})
	}
	i, err := f.claim(ctx, candidates...)
	if err != nil {
		return 0, err
	}
	return brokers[i], nil
}

// What faults claim, with the broker's id.
const (
	theProcess = "process "
	theNetwork = "network "
	theTopics  = "topics"
	theConfig  = "config"
)

// claimAll takes the processes of all brokers.
func (f *fault) claimAll(ctx context.Context) error {
	var needs []string
	for _, b := range f.run.cluster.Brokers() {
		needs = append(needs, fmt.Sprint(theProcess, b))
	}
	_, err := f.claim(ctx, needs)
	return err
}
