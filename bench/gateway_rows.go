package main

import (
	"fmt"

	"github.com/ekaf-go/ekaf/bench/load"
)

// Targets of the gateway.
const (
	bareShare    = 0.7       // of the bare handler's requests/s
	bareTail     = 1.5       // times its p99
	bareAllocs   = 2         // allocations a request above it
	lineCPU      = 1000      // ns a message in bodies of many: a million a second and core
	awayShare    = 0.9       // of the requests/s with Kafka are kept without
	refusalTime  = 1_000_000 // ns
	connectedMiB = 400
)

// kafboyWas is what the original did, measured by another tool on another
// machine: it is told, not judged.
const kafboyWas = "kafboy, the Erlang original, for comparison (wrk, 64 connections, 10 s, on a machine of its own): /batch/async 18-20k requests/s, p50 2.9 ms, p99 8.3 ms; /async 16.6k, p50 3.5 ms, p99 10 ms."

// doorRow is POST /async of a message, as web pages and services send them.
func doorRow() load.Row {
	return load.Row{
		Measure: load.Requests, ValueBytes: 100, Partitions: 12, Placement: load.Unkeyed, Codec: "none",
		Goroutines: 64, Records: 200_000, Warmup: 20_000,
	}
}

// linesRow is NDJSON, as shippers of logs send it.
func linesRow() load.Row {
	r := doorRow()
	r.Lines, r.Goroutines, r.Records, r.Warmup = 1000, 8, 1_000_000, 200_000
	return r
}

// awayRow is the first row in an outage.
func awayRow() load.Row {
	r := doorRow()
	r.Measure, r.Records, r.Buffer = load.Away, 100_000, 16<<20
	return r
}

// connectedRow is many connections with nothing to say.
func connectedRow() load.Row {
	r := doorRow()
	r.Measure, r.Goroutines, r.Records, r.Warmup = load.Connected, 10_000, 10_000, 0
	return r
}

func gatewayRows() []load.Row {
	return []load.Row{doorRow(), linesRow(), awayRow(), connectedRow()}
}

// gatewayTasks ask a tail of the first row, which needs more rounds.
func gatewayTasks() []task {
	tasks := assign(gatewayRows(), ekafServe, bareHTTP)
	tasks[0].rounds = latencyRounds
	return tasks
}

// doorColumns are the figures that mean something of a server.
func doorColumns(r load.Row) []column {
	perSecond := column{"records/s", func(s Sample) float64 { return s.RecordsPerS }, count, true}
	memory := column{"peak RSS MiB", func(s Sample) float64 { return float64(s.PeakRSS) / (1 << 20) }, digits(0), false}
	switch r.Measure {
	case load.Connected:
		return []column{{"RSS MiB", func(s Sample) float64 { return float64(s.Held) / (1 << 20) }, digits(1), true}, memory}
	case load.Away:
		return []column{
			perSecond,
			{"away, 2xx/s", func(s Sample) float64 { return s.AwayPerS }, count, true},
			{"full, 1 connection: p50", func(s Sample) float64 { return float64(s.P50) }, duration, true},
			{"p99", func(s Sample) float64 { return float64(s.P99) }, duration, true},
			{"p99.9", func(s Sample) float64 { return float64(s.P999) }, duration, true},
			{"in the handler: p99 ≤", func(s Sample) float64 { return float64(s.HandlerP99) }, duration, true},
			{"503s", func(s Sample) float64 { return float64(s.Refused) }, count, false},
			memory,
		}
	}
	columns := []column{perSecond}
	columns = append(columns, quantiles...)
	columns = append(columns,
		column{"CPU ns/rec", func(s Sample) float64 { return s.CPUPerRecord }, digits(0), true},
		column{"rec/s per core", perCore, count, false},
		column{"allocs/rec", func(s Sample) float64 { return s.AllocsPerRecord }, digits(3), false},
		column{"B/rec", func(s Sample) float64 { return s.BytesPerRecord }, digits(0), false},
		column{"GCs", func(s Sample) float64 { return float64(s.GCs) }, digits(0), false},
		column{"busy", func(s Sample) float64 { return s.Busy }, digits(2), false},
		column{"asking ns/request", func(s Sample) float64 { return s.Asking }, digits(0), false},
	)
	return append(columns, memory)
}

func perCore(s Sample) float64 {
	if s.CPUPerRecord == 0 {
		return 0
	}
	return 1e9 / s.CPUPerRecord
}

// kept is the part of the requests/s that stays when Kafka goes.
func kept(s Sample) float64 {
	if s.RecordsPerS == 0 {
		return 0
	}
	return s.AwayPerS / s.RecordsPerS
}

// judgeGateway holds the gateway against its targets.
func judgeGateway(r results) []verdict {
	door, lines, away, idle := doorRow(), linesRow(), awayRow(), connectedRow()
	of := func(row load.Row, f figure) value { return r.median(row, ekafServe, f) }
	bareRate, bareP99, bareCount := r.median(door, bareHTTP, rate), r.median(door, bareHTTP, p99), r.median(door, bareHTTP, allocs)
	verdicts := []verdict{
		{
			target: "/async: requests/s", row: door.Name(), figure: of(door, rate), format: count,
			bound: bareRate.by(bareShare, 0), from: fmt.Sprintf("%.1f × the bare handler's %s", bareShare, count(bareRate.v)),
		},
		{
			target: "/async: p99", row: door.Name(), figure: of(door, p99), atMost: true, format: duration,
			bound: bareP99.by(bareTail, 0), from: fmt.Sprintf("%.1f × the bare handler's %s", bareTail, duration(bareP99.v)),
		},
		{
			target: "/async: allocations a request", row: door.Name(), figure: of(door, allocs), atMost: true, format: digits(2),
			bound: bareCount.by(1, bareAllocs), from: fmt.Sprintf("the bare handler's %.2f + %d", bareCount.v, bareAllocs),
		},
		nanos("NDJSON: CPU a message", r, lines, value{v: lineCPU}, "a million messages/s for each core"),
		{
			target: "Kafka away: rate kept", row: away.Name(), figure: of(away, kept),
			bound: value{v: awayShare}, from: "of the requests/s before", format: digits(2),
		},
		{
			target: "Kafka away, buffer full: 503, p99", row: away.Name(), figure: of(away, handlerP99), atMost: true, format: duration,
			bound: value{v: refusalTime}, from: "1 ms, by the gateway's own histogram",
		},
		{
			target: "10,000 idle connections: memory", row: idle.Name(), figure: of(idle, held), atMost: true, format: mebibytes,
			bound: value{v: connectedMiB}, from: "400 MiB",
		},
	}
	verdicts[3].figure = of(lines, cpu)
	return verdicts
}
