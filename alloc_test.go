//go:build !race

package ekaf_test

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// TestAsyncAllocates nothing per message: neither the call, nor the batch, nor the
// outcome. The embedded broker allocates for each request, so few and large ones
// are made, and what the calls themselves allocate is measured while it is silent.
func TestAsyncAllocatesNothing(t *testing.T) {
	var outcomes atomic.Int64
	callback := func(ekaf.Ack, error) { outcomes.Add(1) }
	value := make([]byte, 100)
	plain := ekaf.Value(value)
	keyed := ekaf.KeyValue([]byte("a key"), value)
	told := plain.Then(callback)
	hundred := make([]ekaf.Message, 100)
	for i := range hundred {
		hundred[i] = ekaf.KeyValue(fmt.Sprint("key", i), value)
	}
	cases := map[string][]ekaf.Message{
		"without a callback": {plain}, "with a key": {keyed}, "with a callback": {told}, "a hundred": hundred,
	}
	for name, messages := range cases {
		t.Run(name, func(t *testing.T) {
			c := ekaftest.Start(t, ekaftest.Topic("events", 4))
			p := newProducer(t, c)
			h, err := p.Topic("events")
			if err != nil {
				t.Fatal(err)
			}
			round := func(calls int) {
				for range calls {
					if err := h.ProduceAsync(t.Context(), messages...); err != nil {
						t.Fatal(err)
					}
				}
			}
			for range 3 { // fills the pools
				round(20_000 / len(messages))
				if err := p.Flush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			// The broker hangs: what is allocated now is ours.
			c.Network(0).Blackhole()
			time.Sleep(20 * time.Millisecond)
			round(100)
			const calls = 2_000
			least := uint64(1 << 60)
			for range 5 {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				round(calls / len(messages))
				runtime.ReadMemStats(&after)
				least = min(least, after.Mallocs-before.Mallocs)
			}
			if err := c.Network(0).Heal(); err != nil {
				t.Fatal(err)
			}
			if err := p.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			// Chunks, batches and the growth of lists: some per batch, not per message.
			per := float64(least) / calls
			t.Logf("%.4f allocations per message", per)
			if per > 0.01 {
				t.Errorf("%.3f allocations per message", per)
			}
		})
	}
	if outcomes.Load() == 0 {
		t.Error("no callback ran")
	}
}
