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
	"quick":      {of(quickRows), []string{"ekaf", "franz-go", "franz-go-pool", "limit"}},
	"calls":      {of(callRows), []string{"all"}},
	"sizes":      {of(sizeRows), []string{"all"}},
	"codecs":     {of(codecRows), []string{"all"}},
	"partitions": {of(partitionRows), []string{"all"}},
	"goroutines": {of(goroutineRows), []string{"all"}},
	"latency":    {of(latencyRows), []string{"all"}},
	"states":     {of(stateRows), []string{"all"}},
	"original":   {of(originalRows), []string{"ekaf", "franz-go"}},
	"pipe":       {of(pipeRows), []string{"all"}},
	"real":       {realTasks, []string{"all"}},
	"gateway":    {gatewayTasks, []string{ekafServe, bareHTTP}},
	"targets":    {targetTasks, []string{"ekaf", "franz-go", "franz-go-pool", "limit"}},
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

// standard is the row from which all others differ in one thing. Its warm-up is more
// than fills the buffer, so that what is measured is not the growing of pools.
func standard() load.Row {
	return load.Row{
		Measure: load.Throughput, ValueBytes: 100, Partitions: 12, Placement: load.Unkeyed, Call: load.Callback,
		Codec: "none", Goroutines: 1, Records: 2_000_000, Warmup: 700_000,
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
	return append(rows, ownRow(100, load.Closure))
}

// ownRow is the standard row with a function of its own for each record.
func ownRow(size int, call string) load.Row {
	r := standard()
	r.ValueBytes, r.Call = size, call
	return r
}

func callRows() []load.Row {
	var rows []load.Row
	for _, placement := range []string{load.Unkeyed, load.Explicit, load.Keyed} {
		for _, call := range []string{load.Callback, load.Closure, load.Func, load.Batch} {
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
		r.Codec, r.Records = codec, 1_000_000
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
	return append([]load.Row{one, many}, firstRows()...)
}

// firstRows are the first ack at once, and with answers so late that only round
// trips count.
func firstRows() []load.Row {
	first := standard()
	first.Measure, first.Call, first.Records, first.Warmup = load.FirstAck, "", 1, 0
	late := first
	late.Delay, late.DelayAll = 500*time.Millisecond, true // what a busy machine adds must not count
	return []load.Row{first, late}
}

// stateRows are what a client costs which has nothing to do, or nowhere to send.
func stateRows() []load.Row {
	idle := standard()
	idle.Measure, idle.Partitions, idle.Placement, idle.Records, idle.Warmup = load.Idle, 10_000, load.Explicit, 10_000, 0
	down := standard()
	down.Measure, down.Records, down.Buffer = load.Downtime, 1_000_000, 1<<30
	return []load.Row{idle, down}
}

// pipeRow is lines from a pipe, as `tail -F | ekaf produce` has them.
func pipeRow() load.Row {
	r := standard()
	r.Measure, r.Call, r.Warmup = load.Pipe, "", 0
	return r
}

func pipeRows() []load.Row { return []load.Row{pipeRow()} }

// kafkaRow is the standard row on a real cluster.
func kafkaRow() load.Row {
	r := standard()
	r.Cluster, r.Records = load.Kafka, 1_000_000
	return r
}

// realTasks are what a real cluster can be asked for.
func realTasks() []task {
	var rows []load.Row
	for _, change := range []func(*load.Row){
		func(*load.Row) {},
		func(r *load.Row) { r.Call = load.Batch },
		func(r *load.Row) { r.Placement = load.Keyed },
		func(r *load.Row) { r.ValueBytes, r.Records = 1000, 200_000 },
		func(r *load.Row) { r.Codec = "zstd" },
		func(r *load.Row) { r.Measure, r.Call, r.Records, r.Warmup = load.Latency, "", 5_000, 500 },
		func(r *load.Row) {
			r.Measure, r.Call, r.Goroutines, r.Records, r.Warmup = load.Latency, "", 64, 50_000, 5_000
		},
	} {
		r := kafkaRow()
		change(&r)
		rows = append(rows, r)
	}
	return assign(rows)
}

// originalRows are the benchmarks of the original's README: its two charts,
// and its three calls for 1,000 to 100,000 messages.
func originalRows() []load.Row {
	var rows []load.Row
	for _, placement := range []string{load.Random, load.Sticky} {
		r := standard()
		r.Measure, r.Placement, r.Goroutines, r.Records, r.Warmup = load.Rates, placement, 100, 30_000, 3_000
		rows = append(rows, r)
	}
	for _, call := range []string{load.Multi, load.Callback, load.Immediate} {
		for _, n := range []int{1_000, 10_000, 100_000} {
			r := standard()
			r.Measure, r.Call, r.Placement, r.ValueBytes, r.Records, r.Warmup = load.Rates, call, load.Random, 10, n, 1_000
			if call == load.Immediate {
				r.Linger = 0
			}
			rows = append(rows, r)
		}
	}
	return rows
}

func allRows() []load.Row {
	var rows []load.Row
	seen := map[string]bool{} // the suites share the standard row
	for _, f := range []func() []load.Row{callRows, sizeRows, codecRows, partitionRows, goroutineRows, latencyRows, stateRows, pipeRows, originalRows, gatewayRows} {
		for _, r := range f() {
			if !seen[r.Name()] {
				seen[r.Name()] = true
				rows = append(rows, r)
			}
		}
	}
	return rows
}
