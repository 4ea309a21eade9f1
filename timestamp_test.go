package ekaf_test

import (
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// TestTimestamps: only the zero time.Time means now. The beginning of 1970 is a time
// like any other, on each way of a message: parked while the topic's partitions are
// unknown, alone, and in a list.
func TestTimestamps(t *testing.T) {
	bubble(t, 1, nil, nil, func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer) {
		for _, given := range []time.Time{time.Unix(0, 0), time.Unix(0, 0), time.Unix(-5, 0), time.UnixMilli(1), {}} {
			want := given
			if given.IsZero() {
				want = time.Now()
			}
			for n := range 2 {
				messages := []ekaf.Message{ekaf.Value("x").At(given), ekaf.Value("y").At(given)}[:n+1]
				acked, err := p.ProduceSync(t.Context(), "events", messages...)
				if err != nil {
					t.Fatal(err)
				}
				for i, ack := range acked.All() {
					if off := ack.Timestamp.Sub(want); off < -time.Second || off > time.Second || !given.IsZero() && off != 0 {
						t.Errorf("message %d at %v: acked with %v", i, given.UnixMilli(), ack.Timestamp.UnixMilli())
					}
				}
			}
		}
		seen, err := c.Consume("events")
		if err != nil {
			t.Fatal(err)
		}
		if at := seen[0].Timestamp; !at.Equal(time.Unix(0, 0)) {
			t.Errorf("the log says %v", at)
		}
	})
}
