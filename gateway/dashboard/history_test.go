package dashboard

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
)

// noon is when these tests begin.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// bucketOf is the bucket of a histogram whose upper bound is d.
func bucketOf(t *testing.T, d time.Duration) int {
	t.Helper()
	i := slices.Index(ekaf.LatencyBounds(), d)
	if i < 0 {
		t.Fatalf("%v is no bound", d)
	}
	return i
}

// TestRows: a row tells the differences since the one before, by the second.
func TestRows(t *testing.T) {
	h := newHistory(10)
	s := ekaf.Stats{
		Counters:      ekaf.Counters{Acked: 1000, Bytes: 5000, Retries: 3, Buffered: 10, InFlight: 2},
		BufferedBytes: 700, Dropped: map[string]int64{"a": 5}, Refused: map[string]int64{"b": 7},
	}
	h.add(noon, &s)
	first := h.rows[0]
	for _, c := range []int{colAccepted, colAcked, colBytes, colFailed, colRefused, colRetries} {
		if first[c] != 0 {
			t.Errorf("%s is %v in the first row: what was before is not ours to tell", columns[c], first[c])
		}
	}
	s.Acked, s.Bytes, s.Retries, s.Buffered, s.InFlight, s.BufferedBytes = 1100, 7000, 5, 40, 1, 900
	s.Dropped, s.Refused = map[string]int64{"a": 6, "c": 1}, map[string]int64{"b": 17}
	h.add(noon.Add(2*time.Second), &s)
	// 100 acked, 2 given up and 30 more that wait: 132 were accepted.
	want := map[int]float64{
		colTime: float64(noon.UnixMilli() + 2000), colAccepted: 66, colAcked: 50, colBytes: 1000, colFailed: 1, colRefused: 5, colRetries: 1,
		colBuffered: 900, colWaiting: 40, colInFlight: 1,
	}
	for c, v := range want {
		if got := h.rows[1][c]; got != v {
			t.Errorf("%s is %v, want %v", columns[c], got, v)
		}
	}
	if !math.IsNaN(h.rows[1][colP50]) || !math.IsNaN(h.rows[1][colP99]) {
		t.Error("there are percentiles of nothing")
	}
}

// TestCountersThatFall, as after a change of the clock or of a producer, are no
// negative rates.
func TestCountersThatFall(t *testing.T) {
	h := newHistory(10)
	h.add(noon, &ekaf.Stats{Counters: ekaf.Counters{Acked: 50}})
	h.add(noon.Add(time.Second), &ekaf.Stats{Counters: ekaf.Counters{Acked: 20}})
	h.add(noon.Add(time.Second), &ekaf.Stats{Counters: ekaf.Counters{Acked: 90}}) // no time has passed
	for i := range 3 {
		if h.rows[i][colAcked] != 0 {
			t.Errorf("row %d: %v", i, h.rows[i][colAcked])
		}
	}
}

// TestPercentiles are of what was acked in the last ten samples, and not of all
// since the start.
func TestPercentiles(t *testing.T) {
	h := newHistory(100)
	slow, fast := bucketOf(t, 10*time.Second), bucketOf(t, 2*time.Millisecond)
	var s ekaf.Stats
	at := noon
	add := func() row {
		at = at.Add(time.Second)
		h.add(at, &s)
		return h.rows[(h.next-1+len(h.rows))%len(h.rows)]
	}
	s.Latency.Delivery.Counts[slow] = 1_000_000 // before we came
	if r := add(); !math.IsNaN(r[colP99]) {
		t.Errorf("what was before the first sample shows: p99 %v", r[colP99])
	}
	s.Latency.Delivery.Counts[fast] += 100
	r := add()
	if r[colP50] != 1.5 || r[colP99] <= 1.9 || r[colP99] > 2 { // spread evenly from 1 to 2 ms
		t.Errorf("p50 %v ms, p99 %v ms", r[colP50], r[colP99])
	}
	s.Latency.Delivery.Counts[slow] += 5 // 5 of 105
	if r = add(); r[colP50] > 2 || r[colP99] < 5000 || r[colP99] > 10_000 {
		t.Errorf("p50 %v ms, p99 %v ms", r[colP50], r[colP99])
	}
	for range latencyWindow - 2 {
		if r = add(); math.IsNaN(r[colP99]) || r[colP99] < 5000 {
			t.Fatalf("p99 %v ms, within the window", r[colP99])
		}
	}
	for range 2 {
		r = add()
	}
	if !math.IsNaN(r[colP50]) || !math.IsNaN(r[colP99]) {
		t.Errorf("p50 %v ms, p99 %v ms, after the window", r[colP50], r[colP99])
	}
}

// TestHistoryIsBounded: the ring is allocated once, and gives the latest rows in
// their order.
func TestHistoryIsBounded(t *testing.T) {
	h := newHistory(4)
	var s ekaf.Stats
	for i := range 11 {
		h.add(noon.Add(time.Duration(i)*time.Second), &s)
		var rows [][]*float64
		if err := json.Unmarshal(h.appendRows(nil), &rows); err != nil {
			t.Fatal(err)
		}
		if len(rows) != min(i+1, 4) || len(h.rows) != 4 || len(rows[0]) != len(columns) {
			t.Fatalf("%d rows of %d after %d samples", len(rows), len(h.rows), i+1)
		}
		for j, r := range rows {
			if want := noon.Add(time.Duration(i-len(rows)+1+j) * time.Second).UnixMilli(); int64(*r[colTime]) != want {
				t.Errorf("after %d samples row %d is of %v", i+1, j, *r[colTime])
			}
			if r[colP99] != nil {
				t.Error("nothing is told as a number")
			}
		}
	}
	var last []*float64
	if err := json.Unmarshal(h.appendLast(nil), &last); err != nil || int64(*last[colTime]) != noon.Add(10*time.Second).UnixMilli() {
		t.Errorf("the last row is %v (%v)", last, err)
	}
}
