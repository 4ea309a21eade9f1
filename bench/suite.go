package main

import (
	"maps"
	"slices"
	"time"

	"github.com/ekaf-go/ekaf/bench/load"
)

// suite is a set of rows, with the clients which do them by default.
type suite struct {
	rows    func() []load.Row
	clients []string
}

var suites = map[string]suite{
	"quick":      {quickRows, []string{"ekaf", "franz-go", "limit", "limit-locks"}},
	"calls":      {callRows, []string{"all"}},
	"sizes":      {sizeRows, []string{"all"}},
	"codecs":     {codecRows, []string{"all"}},
	"partitions": {partitionRows, []string{"all"}},
	"goroutines": {goroutineRows, []string{"all"}},
	"latency":    {latencyRows, []string{"all"}},
	"all":        {allRows, []string{"all"}},
}

func suiteNames() []string { return slices.Sorted(maps.Keys(suites)) }

// standard is the row from which all others differ in one thing.
func standard() load.Row {
	return load.Row{
		Measure: load.Throughput, ValueBytes: 100, Partitions: 12, Placement: load.Unkeyed, Call: load.Callback,
		Codec: "none", Goroutines: 1, Records: 2_000_000, Warmup: 200_000,
		Linger: 10 * time.Millisecond, Buffer: 64 << 20,
	}
}

// quickRows are the comparison that matters most, in under three minutes.
func quickRows() []load.Row {
	var rows []load.Row
	for _, call := range []string{load.Callback, load.Batch} {
		for _, placement := range []string{load.Unkeyed, load.Explicit} {
			r := standard()
			r.Call, r.Placement = call, placement
			rows = append(rows, r)
		}
	}
	return rows
}

func callRows() []load.Row {
	var rows []load.Row
	for _, placement := range []string{load.Unkeyed, load.Explicit, load.Keyed} {
		for _, call := range []string{load.Callback, load.Batch} {
			r := standard()
			r.Placement, r.Call = placement, call
			rows = append(rows, r)
		}
	}
	return rows
}

func sizeRows() []load.Row {
	var rows []load.Row
	for size, records := range map[int]int{10: 3_000_000, 100: 2_000_000, 1000: 500_000} {
		r := standard()
		r.ValueBytes, r.Records = size, records
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b load.Row) int { return a.ValueBytes - b.ValueBytes })
	return rows
}

func codecRows() []load.Row {
	var rows []load.Row
	for _, codec := range []string{"gzip", "snappy", "lz4", "zstd"} {
		r := standard()
		r.Codec, r.Records = codec, 500_000
		rows = append(rows, r)
	}
	return rows
}

func partitionRows() []load.Row {
	var rows []load.Row
	for _, n := range []int{1, 12, 1_000, 10_000} {
		for _, placement := range []string{load.Unkeyed, load.Keyed, load.Explicit} {
			r := standard()
			r.Partitions, r.Placement, r.Records = n, placement, 1_000_000
			rows = append(rows, r)
		}
	}
	return rows
}

func goroutineRows() []load.Row {
	r := standard()
	r.Goroutines = 16
	k := r
	k.Placement = load.Keyed
	return []load.Row{r, k}
}

func latencyRows() []load.Row {
	one := standard()
	one.Measure, one.Call, one.Records, one.Warmup = load.Latency, "", 20_000, 2_000
	many := one
	many.Goroutines, many.Records = 64, 200_000
	first := one
	first.Measure, first.Records, first.Warmup = load.FirstAck, 1, 0
	return []load.Row{one, many, first}
}

func allRows() []load.Row {
	var rows []load.Row
	seen := map[string]bool{} // the suites share the standard row
	for _, f := range []func() []load.Row{callRows, sizeRows, codecRows, partitionRows, goroutineRows, latencyRows} {
		for _, r := range f() {
			if !seen[r.Name()] {
				seen[r.Name()] = true
				rows = append(rows, r)
			}
		}
	}
	return rows
}
