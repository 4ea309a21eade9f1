package load

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ekaf-go/ekaf"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func reason(err error) string {
	if errors.Is(err, ekaf.ErrTooLarge) {
		return "too_large"
	}
	return "other"
}

func TestTallyKeepsLatenciesInBuckets(t *testing.T) {
	y := newTally(reason)
	y.handed.Add(7)
	for _, took := range []time.Duration{0, time.Microsecond, 2 * time.Millisecond, 2001 * time.Microsecond, 30 * time.Millisecond, 2 * time.Hour} {
		y.settledOne(took, nil)
	}
	y.settledOne(0, ekaf.ErrTooLarge)
	if y.acked != 6 || y.failed != 1 || y.open() != 0 || y.errors["too_large"] != 1 {
		t.Errorf("%+v", y)
	}
	y.merge()
	got := map[float64]int64{}
	buckets := y.buckets()
	for _, b := range buckets {
		if b.Count > 0 {
			got[b.AtMost] = b.Count
		}
	}
	if got[0.001] != 2 || got[2] != 1 || got[5] != 1 || got[50] != 1 || got[5_000_000] != 1 || len(got) != 5 {
		t.Errorf("buckets are %v", buckets)
	}
}

func TestTheLiveViewShowsTheLastSecond(t *testing.T) {
	y := newTally(reason)
	y.start(time.Now().Add(-2 * time.Second))
	y.handed.Add(5)
	y.settledOne(3*time.Millisecond, nil)
	y.settledOne(0, ekaf.ErrTooLarge)
	acked, text := y.live()
	for _, want := range []string{"in flight 3", "/s, p50 3.00", "failed 1"} {
		if acked != 1 || !strings.Contains(text, want) {
			t.Errorf("%d, %q, without %q", acked, text, want)
		}
	}
	if y.recent.TotalCount() != 0 || y.latency.TotalCount() != 1 {
		t.Error("the last second must begin anew, and the whole run must not")
	}
}

// With a rate, a message is due at its own time, however late the caller is.
func TestMessagesAreDueByTheirNumber(t *testing.T) {
	d := New(Config{Rate: 10, Reason: reason}, nil)
	d.began = time.Now().Add(-time.Hour)
	for number, want := range map[int64]time.Duration{0: 0, 1: 100 * time.Millisecond, 25: 2500 * time.Millisecond} {
		if at, ok := d.due(t.Context(), number); !ok || at != want {
			t.Errorf("message %d is due after %v, %v", number, at, ok)
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok := d.due(over, 1_000_000); ok {
		t.Error("a caller waits on after the end")
	}
}

func TestLargeValuesAreFewer(t *testing.T) {
	for size, want := range map[int]int{0: mostValues, 100: mostValues, 1 << 20: 8, 5 << 20: 1} {
		if got := len(New(Config{Size: size, Reason: reason}, nil).values); got != want {
			t.Errorf("%d values of %d bytes, want %d", got, size, want)
		}
	}
}
