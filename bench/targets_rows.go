package main

import (
	"slices"

	"github.com/ekaf-go/ekaf/bench/load"
)

// latencyRounds are more than other rows get: a tail needs them.
const latencyRounds = 5

// targetTasks are the rows which the targets name, each with the clients that a
// target compares.
func targetTasks() []task {
	var tasks []task
	for _, t := range assign(spreadRows()) {
		if t.row == standard() { // where every client is shown
			t.clients = []string{"ekaf", "all"}
		}
		tasks = append(tasks, t)
	}
	tasks = append(tasks, assign(largeRows())...)
	tasks = append(tasks, assign(wideRows())...)
	tasks = append(tasks, assign(targetCodecRows())...)
	tasks = append(tasks, assign(thousandRows())...)
	tasks = append(tasks, assign(goroutineRows(), "ekaf", "franz-go", "franz-go-pool", "limit-locks")...)
	latency := latencyRows()
	tasks = append(tasks,
		task{row: latency[0], clients: []string{"raw", "all"}, rounds: latencyRounds},
		task{row: latency[1], clients: []string{"ekaf", "franz-go", "sarama", "kafka-go", "confluent"}},
	)
	tasks = append(tasks, assign(firstRows(), "ekaf", "franz-go")...)
	tasks = append(tasks, assign(stateRows(), "ekaf", "franz-go")...)
	tasks = append(tasks, assign(pipeRows(), ekafProduce, kcat)...)
	tasks = append(tasks, assign(originalRows(), "ekaf", "franz-go")...)
	tasks = append(tasks, assign([]load.Row{kafkaRow()}, "all")...)
	tasks = append(tasks, gatewayTasks()...)
	return tasks
}

// spreadRows are small values over few partitions, in each call and placement:
// unkeyed and explicit in all sizes, and what differs from them in less.
func spreadRows() []load.Row {
	var rows []load.Row
	for _, call := range []string{load.Callback, load.Batch} {
		for _, size := range []int{10, 100} {
			for _, partitions := range []int{1, 12} {
				for _, placement := range []string{load.Unkeyed, load.Explicit} {
					if partitions == 1 && placement == load.Explicit {
						continue // the same work
					}
					r := standard()
					r.Call, r.ValueBytes, r.Partitions, r.Placement, r.Records = call, size, partitions, placement, 2_000_000
					rows = append(rows, r)
				}
			}
		}
	}
	for _, call := range []string{load.Callback, load.Batch} {
		r := standard()
		r.Call, r.Placement = call, load.Keyed
		rows = append(rows, r)
	}
	for _, call := range []string{load.Closure, load.Func} {
		for _, size := range []int{10, 100} {
			rows = append(rows, ownRow(size, call))
		}
	}
	return rows
}

// largeRows are values of 1000 bytes over any number of partitions.
func largeRows() []load.Row {
	var rows []load.Row
	for _, partitions := range []int{1, 12, 1_000, 10_000} {
		r := standard()
		r.ValueBytes, r.Partitions, r.Records, r.Warmup = 1000, partitions, 1_500_000, 100_000
		rows = append(rows, r)
	}
	spread, batch := rows[1], rows[1]
	spread.Placement, batch.Call = load.Explicit, load.Batch
	return append(rows, spread, batch)
}

// wideRows are 10,000 partitions.
func wideRows() []load.Row {
	var rows []load.Row
	for _, placement := range []string{load.Unkeyed, load.Keyed, load.Explicit} {
		r := standard()
		r.Partitions, r.Placement, r.Records = 10_000, placement, 1_000_000
		rows = append(rows, r)
	}
	return rows
}

// thousandRows are 1,000 partitions.
func thousandRows() []load.Row {
	return slices.DeleteFunc(partitionRows(), func(r load.Row) bool { return r.Partitions != 1_000 })
}

func targetCodecRows() []load.Row { return codecRows()[1:] }

// crowdRows are 16 goroutines on one producer and two CPUs.
func crowdRows() []load.Row {
	return slices.DeleteFunc(goroutineRows(), func(r load.Row) bool { return r.CPUs != 2 })
}
