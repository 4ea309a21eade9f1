package ekaf_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// What was not accepted is said by the call, with all its causes; callbacks are for
// what was.
func TestRefusalsAreTheCallsAndNotTheCallbacks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p := inMemory(t, 1, []ekaftest.Option{ekaftest.Topic("events", 2)})
		abandon(t, p)
		if err := p.Prepare(t.Context(), "events"); err != nil {
			t.Fatal(err)
		}
		var told []int
		message := func(i int, m ekaf.Message) ekaf.Message {
			return m.Then(func(ekaf.Ack, error) { told = append(told, i) })
		}
		large := ekaf.Value(strings.Repeat("x", 2_000_000))
		list := []ekaf.Message{
			message(0, ekaf.Value("a")), message(1, large), message(2, ekaf.Value("c").OnPartition(7)), message(3, ekaf.Value("d")),
		}
		acked, err := p.ProduceSync(t.Context(), "events", list...)
		if !slices.Equal(told, []int{0, 3}) {
			t.Errorf("callbacks of %v ran", told)
		}
		if !errors.Is(err, ekaf.ErrTooLarge) {
			t.Errorf("the call answers %v", err)
		}
		for i, want := range []error{nil, ekaf.ErrTooLarge, ekaf.ErrUnknownPartition, nil} {
			got := acked.At(i).Err
			failure, typed := errors.AsType[*ekaf.DeliveryError](got)
			if !errors.Is(got, want) || typed != (want != nil) || typed && failure.Topic != "events" {
				t.Errorf("ack %d tells %v", i, got)
			}
		}
		err = p.ProduceAsync(t.Context(), "events", list[1:3]...)
		if !errors.Is(err, ekaf.ErrTooLarge) || !errors.Is(err, ekaf.ErrUnknownPartition) {
			t.Errorf("a call refused for two reasons answers %v", err)
		}
		if err := p.ProduceAsync(t.Context(), "events", list[1]); !errors.Is(err, ekaf.ErrTooLarge) {
			t.Errorf("a call refused for one reason answers %v", err)
		}
	})
}

// A full buffer is told with the topic in an ack, too.
func TestAnAckOfAFullBufferIsTyped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := inMemory(t, 1, []ekaftest.Option{ekaftest.Topic("events", 1)}, ekaf.BufferMessages(1), ekaf.WhenFull(ekaf.Error))
		abandon(t, p)
		c.Stop()
		if err := p.ProduceAsync(t.Context(), "events", ekaf.Value("x")); err != nil {
			t.Fatal(err)
		}
		acked, err := p.ProduceSync(t.Context(), "events", ekaf.Value("y"))
		failure, typed := errors.AsType[*ekaf.DeliveryError](acked.At(0).Err)
		if !errors.Is(err, ekaf.ErrFull) || !typed || failure.Topic != "events" || !failure.Retriable || failure.MaybeWritten {
			t.Errorf("%v, %+v", err, failure)
		}
	})
}
