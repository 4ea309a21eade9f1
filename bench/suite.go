package main

import (
	"maps"
	"slices"
	"time"

	"github.com/ekaf-go/ekaf/bench/load"
)

// suite is a set of rows, with the clients which do them by default.
type suite struct {
	tasks   func() []task
	clients []string
}

// task is a row, and who does it how often.
type task struct {
	row     load.Row
	clients []string // empty: those of the suite
	rounds  int      // at least so many; the run may ask for more
}

var suites = map[string]suite{
	"quick":      {of(quickRows), []string{"ekaf", "franz-go", "limit", "limit-locks"}},
	"calls":      {of(callRows), []string{"all"}},
	"sizes":      {of(sizeRows), []string{"all"}},
	"codecs":     {of(codecRows), []string{"all"}},
	"partitions": {of(partitionRows), []string{"all"}},
	"goroutines": {of(goroutineRows), []string{"all"}},
	"latency":    {of(latencyRows), []string{"all"}},
	"targets":    {targetTasks, []string{"ekaf", "franz-go", "limit"}},
	"all":        {of(allRows), []string{"all"}},
}

func suiteNames() []string { return slices.Sorted(maps.Keys(suites)) }

// of makes tasks of rows which leave their clients to the suite.
func of(rows func() []load.Row) func() []task {
	return func() []task { return assign(rows()) }
}

// assign gives rows to clients.
func assign(rows []load.Row, clients ...string) []task {
	tasks := make([]task, 0, len(rows))
	for _, r := range rows {
		tasks = append(tasks, task{row: r, clients: clients})
	}
	return tasks
}

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

// records keeps a row of larger values as short as the others.
func records(size int) int { return max(200_000, min(2_000_000, 500_000_000/size)) }

func sizeRows() []load.Row {
	var rows []load.Row
	for _, size := range []int{10, 100, 1000} {
		for _, partitions := range []int{1, 12, 10_000} {
			for _, call := range []string{load.Callback, load.Batch} {
				r := standard()
				r.ValueBytes, r.Partitions, r.Call, r.Records = size, partitions, call, records(size)
				rows = append(rows, r)
			}
		}
	}
	return rows
}

func codecRows() []load.Row {
	var rows []load.Row
	for _, codec := range []string{"none", "gzip", "snappy", "lz4", "zstd"} {
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

// goroutineRows have 16 goroutines on one producer: on one CPU, as all rows,
// and on two, which the client then shares with the broker on a small machine.
func goroutineRows() []load.Row {
	var rows []load.Row
	for _, cpus := range []int{1, 2} {
		for _, placement := range []string{load.Unkeyed, load.Keyed} {
			r := standard()
			r.Goroutines, r.Placement, r.CPUs = 16, placement, cpus
			rows = append(rows, r)
		}
	}
	return rows
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
