package ekaf_test

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// A worker's handle refuses, drops, counts and tells as the verbs do.
func TestAPickedWorkerIsHeldToItsPartitionAndLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var events eventLog
		c, p := inMemory(t, 1, []ekaftest.Option{ekaftest.Topic("events", 2)},
			ekaf.TopicBufferMessages(5), ekaf.OnEvent(events.add), ekaf.Topic("events", ekaf.WhenFull(ekaf.Error)))
		abandon(t, p)
		if err := p.Prepare(t.Context(), "events"); err != nil {
			t.Fatal(err)
		}
		w, err := p.Pick("events", []byte("key"))
		if err != nil {
			t.Fatal(err)
		}
		other := 1 - w.Partition()
		if err := w.Produce(t.Context(), ekaf.Value("x"), ekaf.Value("y").OnPartition(other)); !errors.Is(err, ekaf.ErrUnknownPartition) {
			t.Errorf("a message of partition %d, by a worker of the other: %v", other, err)
		}
		if err := w.Produce(t.Context(), ekaf.Value("z").OnPartition(w.Partition())); err != nil {
			t.Error(err)
		}
		flush(t, p)
		c.Stop()
		synctest.Wait()
		for i := range 8 {
			if err := w.Produce(t.Context(), padded(i)); errors.Is(err, ekaf.ErrFull) != (i >= 5) {
				t.Errorf("message %d: %v", i, err)
			}
		}
		synctest.Wait()
		refused := p.Stats().Refused
		if n := refused[ekaf.ErrUnknownPartition.Error()] + refused[ekaf.ErrFull.Error()]; n != 2+3 {
			t.Errorf("refused are %v", refused)
		}
		if n := events.of(ekaf.EventDowntimeSaved); n != 5 {
			t.Errorf("%d messages were told as saved in downtime", n)
		}
	})
}
