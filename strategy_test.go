package ekaf_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// A Picker is the program's code. It runs where the call is, or, for what was produced
// before the topic's partitions were known, on a goroutine of the producer. In
// neither place may a panic of it end more than its message.
func TestAPickerThatPanics(t *testing.T) {
	for _, known := range []bool{true, false} {
		var panics []error
		picker := func(_ string, key, _ []byte, _ int) int {
			if string(key) == "bad" {
				panic("a bad key")
			}
			return 1
		}
		options := opts(ekaf.Strategy(ekaf.Custom(picker)), ekaf.OnEvent(func(e ekaf.Event) {
			if e.Kind == ekaf.EventCallbackPanicked {
				panics = append(panics, e.Err)
			}
		}))
		bubble(t, 1, []ekaftest.Option{ekaftest.Topic("events", 3)}, options, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
			if known {
				if _, err := p.Metadata(t.Context(), "events"); err != nil {
					t.Fatal(err)
				}
			}
			acked, err := p.ProduceSync(t.Context(), "events",
				ekaf.KeyValue("good", "0"), ekaf.KeyValue("bad", "1"), ekaf.KeyValue("good", "2"))
			if !errors.Is(err, ekaf.ErrUnknownPartition) || acked.At(0).Err != nil || acked.At(1).Err == nil || acked.At(2).Err != nil {
				t.Errorf("known %v: %v; %+v", known, err, acked)
			}
			if _, err := p.ProduceSync(t.Context(), "events", ekaf.KeyValue("good", "3")); err != nil {
				t.Error(err)
			}
			synctest.Wait()
			if len(panics) != 1 {
				t.Errorf("known %v: told of %v", known, panics)
			}
			if seen, err := c.Consume("events"); err != nil || len(seen) != 3 {
				t.Errorf("known %v: %d messages are there, %v", known, len(seen), err)
			}
		})
	}
}

// A Picker may ask the producer, which then takes the topic's lock, and takes its
// time: calls do not wait for the one that chooses for what waited unassigned, and
// their messages, which choose for themselves, come behind those.
func TestAPickerThatAsksTheProducer(t *testing.T) {
	var p *ekaf.Producer
	calls := 0
	inPicker, leave := make(chan struct{}, 1), make(chan struct{})
	picker := func(_ string, key, _ []byte, _ int) int {
		calls++
		if string(key) == "slow" {
			inPicker <- struct{}{}
			<-leave
		}
		if n := p.Stats().Buffered; n < 0 {
			t.Error(n)
		}
		return 2
	}
	cluster := []ekaftest.Option{ekaftest.Topic("events", 3)}
	synctest.Test(t, func(t *testing.T) {
		var c *ekaftest.Cluster
		inPicker, leave = make(chan struct{}, 1), make(chan struct{})
		c, p = inMemory(t, 1, cluster, ekaf.Strategy(ekaf.Custom(picker)))
		defer c.Close()
		defer closeInAMinute(t, p)
		for _, m := range []ekaf.Message{ekaf.KeyValue("k", "0"), ekaf.KeyValue("slow", "1"), ekaf.KeyValue("k", "2")} {
			if err := p.ProduceAsync(t.Context(), "events", m); err != nil {
				t.Fatal(err)
			}
		}
		<-inPicker
		began := time.Now()
		if err := p.ProduceAsync(t.Context(), "events", ekaf.KeyValue("k", "3"), ekaf.KeyValue("k", "4")); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took > 0 {
			t.Errorf("the call waited %v", took)
		}
		close(leave)
		flush(t, p)
		expectInOrder(t, c, 2, "0", "1", "2", "3", "4")
		if calls != 5 {
			t.Errorf("asked %d times for 5 messages", calls)
		}
	})
}

// Messages of one call without a key stay together also where they had to wait for
// the topic's partitions, and the strategy is asked once for them.
func TestAPickerIsAskedOnceForMessagesWithoutAKey(t *testing.T) {
	asked := 0
	picker := func(string, []byte, []byte, int) int { asked++; return asked % 3 }
	options := opts(ekaf.Strategy(ekaf.Custom(picker)))
	bubble(t, 1, []ekaftest.Option{ekaftest.Topic("events", 3)}, options, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		for range 2 { // unknown, then known
			if err := p.ProduceAsync(t.Context(), "events", ekaf.Values("a", "b", "c")...); err != nil {
				t.Fatal(err)
			}
			flush(t, p)
		}
		if asked != 2 {
			t.Errorf("asked %d times for 2 calls", asked)
		}
		expectInOrder(t, c, 1, "a", "b", "c")
		expectInOrder(t, c, 2, "a", "b", "c")
	})
}

// Messages of one call without a key stay together, also around one with a key,
// and also where all had to wait for the topic's partitions.
func TestMessagesWithoutAKeyStayTogetherWhileUnknown(t *testing.T) {
	bubble(t, 1, []ekaftest.Option{ekaftest.Topic("events", 16)}, nil, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		acked, err := p.ProduceSync(t.Context(), "events", ekaf.Value("a"),
			ekaf.KeyValue("k1", "x"), ekaf.KeyValue("k2", "x"), ekaf.KeyValue("k3", "x"), ekaf.Value("b"), ekaf.KeyValue("k4", "x"), ekaf.Value("c"))
		if err != nil {
			t.Fatal(err)
		}
		if a, b, c := acked.At(0).Partition, acked.At(4).Partition, acked.At(6).Partition; a != b || b != c {
			t.Errorf("they are in partitions %d, %d and %d", a, b, c)
		}
	})
}
