package ekaf_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// What holds the producer's memory may be another topic's, whose partitions are not
// known either. DropOldest finds it there; and where only its own topic's limit is
// reached, others lose nothing.
func TestLimitDropOldestOfAnotherTopic(t *testing.T) {
	const most = 100
	synctest.Test(t, func(t *testing.T) {
		c, p := inMemory(t, 1, []ekaftest.Option{ekaftest.Topic("events", 1), ekaftest.Topic("late", 1)},
			ekaf.BufferMessages(most), ekaf.WhenFull(ekaf.DropOldest))
		abandon(t, p)
		c.Stop()
		for range most {
			if err := p.ProduceAsync(t.Context(), "events", padded(1)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond) // a page holds what comes within 100 ms
		}
		if err := p.ProduceAsync(t.Context(), "late", padded(1)); err != nil {
			t.Fatal(err)
		}
		left, dropped := p.Info("events").Waiting, p.Stats().Dropped[ekaf.ErrDropped.Error()]
		if p.Info("late").Waiting != 1 || dropped == 0 || left != most-int(dropped) || left < most/2 {
			t.Errorf("%d messages wait of the late topic, %d are left of the other, %d were dropped", p.Info("late").Waiting, left, dropped)
		}
	})
}

func TestLimitDropOldestSparesOtherTopics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := inMemory(t, 1, []ekaftest.Option{ekaftest.Topic("events", 1), ekaftest.Topic("full", 1)},
			ekaf.WhenFull(ekaf.DropOldest), ekaf.Topic("full", ekaf.TopicBufferMessages(10)))
		abandon(t, p)
		c.Stop()
		for range 50 {
			if err := p.ProduceAsync(t.Context(), "events", padded(1)); err != nil {
				t.Fatal(err)
			}
		}
		for range 1000 {
			if err := p.ProduceAsync(t.Context(), "full", padded(1)); err != nil {
				t.Fatal(err)
			}
		}
		if left := p.Info("events").Waiting; left != 50 {
			t.Errorf("%d of 50 messages are left of a topic that has room", left)
		}
	})
}

// A message that is refused leaves nothing behind, however many there are: not
// even an empty page, of which no account would know.
func TestRefusedMessagesTakeNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := inMemory(t, 1, []ekaftest.Option{ekaftest.Topic("events", 1)}, ekaf.BufferBytes(1<<20), ekaf.PartitionBufferBytes(1<<20))
		abandon(t, p)
		c.Stop()
		large := ekaf.Value(strings.Repeat("x", 100_000))
		refused := func(n int) {
			for range n {
				if err := p.ProduceAsync(t.Context(), "events", large); err != nil && !errors.Is(err, ekaf.ErrFull) {
					t.Fatal(err)
				}
			}
		}
		refused(100)
		before := heap()
		refused(20_000)
		if grown := heap() - before; grown > 1<<20 {
			t.Errorf("20,000 refused messages hold %d bytes", grown)
		}
	})
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// abandon closes a producer at the end of a test, whatever it holds.
func abandon(t *testing.T, p *ekaf.Producer) {
	t.Cleanup(func() {
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_ = p.Close(ended)
	})
}

// In an outage a batch grows to BatchBytes. The oldest part of it goes, not all
// that waits; what is left arrives in order.
func TestLimitDropOldestOfALargeBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const most = 5000
		c, p := inMemory(t, 1, []ekaftest.Option{ekaftest.Topic("events", 1)}, ekaf.TopicBufferMessages(most), ekaf.WhenFull(ekaf.DropOldest))
		abandon(t, p)
		if _, err := p.ProduceSync(t.Context(), "events", padded(0)); err != nil {
			t.Fatal(err)
		}
		c.Stop()
		for i := range most + 1 {
			if err := p.ProduceAsync(t.Context(), "events", ekaf.Value(fmt.Sprintf("%04d%0*d", i, 100, 0))); err != nil {
				t.Fatal(err)
			}
		}
		left := p.Info("events").Waiting
		if left < most*3/4 || left > most {
			t.Errorf("%d of %d messages are left", left, most+1)
		}
		if err := c.Restart(); err != nil {
			t.Fatal(err)
		}
		flush(t, p)
		there := numbersIn(t, c)[1:]
		if len(there) != left || !slices.IsSorted(there) || there[left-1] != most || there[2]-there[1] != 1 {
			t.Errorf("%d messages arrived, the first are %v, the last %v", len(there), there[:3], there[len(there)-1])
		}
	})
}
