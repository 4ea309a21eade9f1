package load

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/ekaf-go/ekaf/bench/broker"
)

func TestTheSameRowMakesTheSameRecords(t *testing.T) {
	for _, size := range []int{0, 10, 100, 1000} {
		row := Row{ValueBytes: size, Partitions: 3}
		a, b := New(row, "", ""), New(row, "", "")
		if a.Sum(5000) != b.Sum(5000) {
			t.Errorf("%d bytes: the values differ", size)
		}
		distinct := map[string]bool{}
		for i := range variety {
			if len(a.Value(i)) != size || len(a.Key(i)) != keySize || string(a.Key(i)) != string(b.Key(i)) {
				t.Fatalf("%d bytes: record %d has key %x and %d bytes", size, i, a.Key(i), len(a.Value(i)))
			}
			distinct[string(a.Key(i))] = true
		}
		if len(distinct) < variety-1 {
			t.Errorf("only %d keys differ", len(distinct))
		}
	}
}

func TestSumIsWhatTheBrokerSums(t *testing.T) {
	l := New(Row{ValueBytes: 10}, "", "")
	if got, want := l.Sum(2), broker.ValueSum(l.Value(0))+broker.ValueSum(l.Value(1)); got != want {
		t.Errorf("sum is %d, want %d", got, want)
	}
}

func TestWaitEndsWithTheLastOutcome(t *testing.T) {
	l := New(Row{}, "", "")
	for phase := range 3 {
		l.Expect((phase + 1) * 800)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 10 {
					l.Ack(7, nil)
					l.Ack(3, nil)
				}
			})
		}
		if err := l.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		wg.Wait()
		if got := l.Acked(); got != (phase+1)*800 {
			t.Errorf("%d are acked after phase %d", got, phase)
		}
	}
}

func TestAFailureIsAnOutcomeAndIsNamed(t *testing.T) {
	l := New(Row{}, "", "")
	l.Expect(3)
	cause := errors.New("refused")
	l.Ack(1, cause)
	l.Ack(2, nil)
	if err := l.Wait(t.Context()); !errors.Is(err, cause) || l.Acked() != 2 {
		t.Errorf("Wait gives %v with %d acked", err, l.Acked())
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	l := New(Row{}, "", "")
	l.Expect(1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Wait gives %v", err)
	}
}

func TestNamesTellRowsApart(t *testing.T) {
	r := Row{Measure: Throughput, ValueBytes: 100, Partitions: 12, Placement: Keyed, Call: Batch, Codec: "none", Goroutines: 1}
	names := map[string]bool{r.Name(): true}
	for _, change := range []func(*Row){
		func(r *Row) { r.ValueBytes = 10 }, func(r *Row) { r.Partitions = 1 }, func(r *Row) { r.Placement = Unkeyed },
		func(r *Row) { r.Call = Callback }, func(r *Row) { r.Codec = "lz4" }, func(r *Row) { r.Goroutines = 16 },
		func(r *Row) { r.Measure = Latency }, func(r *Row) { r.Measure = FirstAck },
	} {
		other := r
		change(&other)
		if names[other.Name()] {
			t.Errorf("two rows are called %q", other.Name())
		}
		names[other.Name()] = true
	}
}
