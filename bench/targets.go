package main

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ekaf-go/ekaf/bench/load"
)

const (
	// noAllocation is what 0.00 allocations per record means: batches and
	// requests still have some, a handful for thousands of records.
	noAllocation = 0.005
	idleMiB      = 64
	firstTrips   = 4
)

// rivals are the clients against which ekaf is held.
var rivals = []string{"franz-go", "franz-go-pool", "sarama", "kafka-go", "confluent", javaProducer}

// franzGo are the two ways to use franz-go. A target that names it means the better
// of them in that row: its examples make a Record for each call, but nothing that it
// documents speaks against a pool.
var franzGo = []string{"franz-go", "franz-go-pool"}

// judge holds the results against the targets of a suite.
func judge(suite string, r results) []verdict {
	if suite == "gateway" {
		return judgeGateway(r)
	}
	return slices.Concat(judgeClients(r), judgeGateway(r))
}

// judgeClients holds the results against the producer's targets, in their order.
func judgeClients(r results) []verdict {
	return slices.Concat(
		judgeSpread(r, []string{load.Callback, load.Closure, load.Func}, "callback per message", 1.6, 40, 3),
		judgeSpread(r, []string{load.Batch}, "batch call of 100", 1.5, 15, 5),
		judgeLarge(r), judgeCodecs(r), judgeWide(r), judgeCrowd(r), judgeMemory(r),
		judgeLatency(r), judgeKafka(r), judgePipe(r), judgeStates(r),
	)
}

// nanos is a verdict on CPU for each record.
func nanos(target string, r results, row load.Row, bound value, from string) verdict {
	return verdict{
		target: target, row: row.Name(), figure: r.median(row, "ekaf", cpu),
		bound: bound, from: from, atMost: true, format: nsPerRecord,
	}
}

func nsPerRecord(v float64) string { return fmt.Sprintf("%.1f ns", v) }

// timesLimit is a bound of so many times another client's CPU, and something.
func timesLimit(r results, row load.Row, client string, factor, plus float64) (value, string) {
	v := r.median(row, client, cpu)
	from := fmt.Sprintf("%.4g × %s's %.1f", factor, client, v.v)
	if plus > 0 {
		from += fmt.Sprintf(" + %.0f", plus)
	}
	v.v = v.v*factor + plus
	return v, from
}

// partOf is a bound of one nth of the CPU of that of the clients which takes least.
func partOf(r results, row load.Row, clients []string, n float64) (value, string) {
	v, whose := r.best(row, clients, cpu, false)
	from := fmt.Sprintf("%s's %.1f", whose, v.v)
	if n != 1 {
		from += fmt.Sprintf(" / %.0f", n)
	}
	v.v /= n
	return v, from
}

func judgeSpread(r results, calls []string, what string, factor, plus, part float64) (verdicts []verdict) {
	for _, row := range spreadRows() {
		if !slices.Contains(calls, row.Call) {
			continue
		}
		bound, from := timesLimit(r, row, "limit", factor, plus)
		verdicts = append(verdicts, nanos(what+": the limit", r, row, bound, from))
		bound, from = partOf(r, row, franzGo, part)
		verdicts = append(verdicts, nanos(what+": franz-go", r, row, bound, from))
	}
	return verdicts
}

func judgeLarge(r results) (verdicts []verdict) {
	for _, row := range largeRows() {
		if row.Partitions == 12 {
			bound, from := timesLimit(r, row, "limit", 1.3, 0)
			verdicts = append(verdicts, nanos("1000 B: the limit", r, row, bound, from))
		}
		bound, from := partOf(r, row, franzGo, 1)
		verdicts = append(verdicts, nanos("1000 B: never above franz-go", r, row, bound, from))
	}
	return verdicts
}

func judgeCodecs(r results) (verdicts []verdict) {
	plain := standard()
	ours := r.median(plain, "ekaf", cpu)
	for _, row := range targetCodecRows() {
		packed, whose := r.best(row, franzGo, cpu, false)
		theirs := r.median(plain, whose, cpu)
		bound := value{v: packed.v - theirs.v + 1.2*ours.v, missing: cmp.Or(packed.missing, theirs.missing, ours.missing)}
		from := fmt.Sprintf("%s's %.1f - %.1f, + 1.2 × %.1f", whose, packed.v, theirs.v, ours.v)
		verdicts = append(verdicts, nanos("codec: cost", r, row, bound, from))
		size, whose := r.best(row, franzGo, wire, false)
		verdicts = append(verdicts, verdict{
			target: "codec: ratio", row: row.Name(), figure: r.median(row, "ekaf", wire), bound: size,
			from: whose + "'s bytes a record", atMost: true, format: digits(2),
		})
	}
	return verdicts
}

func judgeWide(r results) (verdicts []verdict) {
	for _, row := range wideRows() {
		bound, from := timesLimit(r, row, "limit", 3, 0)
		verdicts = append(verdicts, nanos("10,000 partitions: the limit", r, row, bound, from))
		bound, from = partOf(r, row, franzGo, 3)
		verdicts = append(verdicts, nanos("10,000 partitions: franz-go", r, row, bound, from))
	}
	idle := stateRows()[0]
	return append(verdicts, verdict{
		target: "10,000 idle partitions: memory", row: idle.Name(), figure: r.median(idle, "ekaf", held),
		bound: value{v: idleMiB}, from: "64 MiB", atMost: true, format: mebibytes,
	})
}

func mebibytes(v float64) string { return fmt.Sprintf("%.1f MiB", v) }

func judgeCrowd(r results) (verdicts []verdict) {
	for _, row := range crowdRows() {
		bound, from := timesLimit(r, row, "limit-locks", 1.6, 40)
		verdicts = append(verdicts, nanos("16 goroutines, 2 CPUs", r, row, bound, from))
	}
	return verdicts
}

// judgeMemory holds the allocations of every row that ekaf does against none. A
// function made for each record is the caller's, not the client's.
func judgeMemory(r results) (verdicts []verdict) {
	for _, t := range targetTasks() {
		row := t.row
		if !counted(row) || len(t.clients) > 0 && !slices.Contains(t.clients, "ekaf") && !slices.Contains(t.clients, "all") {
			continue
		}
		bound, from := noAllocation, "0.00"
		if row.FuncEach() {
			bound, from = 1+noAllocation, "0.00, and the caller's function"
		}
		verdicts = append(verdicts, verdict{
			target: "allocations per record", row: row.Name(), figure: r.median(row, "ekaf", allocs),
			bound: value{v: bound}, from: from, atMost: true, format: digits(3),
		})
	}
	row := standard()
	least, whose := r.best(row, franzGo, peak, false)
	return append(verdicts, verdict{
		target: "peak RSS at full speed", row: row.Name(), figure: r.median(row, "ekaf", peak),
		bound: least, from: whose + "'s", atMost: true, format: mebibytes,
	})
}

// counted reports whether the allocations of a row's clients are counted.
func counted(r load.Row) bool {
	switch r.Measure {
	case load.Throughput, load.Latency, load.Rates, load.Downtime:
		return true
	}
	return false
}

func judgeLatency(r results) (verdicts []verdict) {
	one, many := latencyRows()[0], latencyRows()[1]
	timed := func(target string, row load.Row, f figure, bound value, from string) verdict {
		return verdict{
			target: target, row: row.Name(), figure: r.median(row, "ekaf", f),
			bound: bound, from: from, atMost: true, format: duration,
		}
	}
	trip := r.median(one, "raw", p50)
	from := "1.3 × the raw " + duration(trip.v)
	trip.v *= 1.3
	verdicts = append(verdicts, timed("sync, one caller: p50, the limit", one, p50, trip, from))
	for _, q := range []struct {
		name string
		f    figure
	}{{"p50", p50}, {"p99", p99}} {
		bound, whose := r.best(one, rivals, q.f, false)
		verdicts = append(verdicts, timed("sync, one caller: "+q.name+", every rival", one, q.f, bound, whose+"'s is the best "+r.among(one, rivals)))
	}
	twice, whose := r.best(many, franzGo, rate, true)
	from = fmt.Sprintf("2 × %s's %s", whose, count(twice.v))
	twice.v *= 2
	verdicts = append(verdicts, verdict{
		target: "sync, 64 callers: records/s", row: many.Name(), figure: r.median(many, "ekaf", rate),
		bound: twice, from: from, format: count,
	})
	tail, whose := r.best(many, franzGo, p99, false)
	return append(verdicts, timed("sync, 64 callers: p99", many, p99, tail, whose+"'s"))
}

func judgeKafka(r results) []verdict {
	row := kafkaRow()
	bound, from := partOf(r, row, franzGo, 3)
	fastest, whose := r.best(row, rivals, rate, true)
	return []verdict{
		nanos("real Kafka: CPU", r, row, bound, from),
		{
			target: "real Kafka: records/s", row: row.Name(), figure: r.median(row, "ekaf", rate),
			bound: fastest, from: whose + "'s is the most " + r.among(row, rivals), format: count,
		},
	}
}

func judgePipe(r results) []verdict {
	row := pipeRow()
	bound, from := partOf(r, row, []string{kcat}, 3)
	v := nanos("`ekaf produce` from a pipe", r, row, bound, from)
	v.figure = r.median(row, ekafProduce, cpu)
	return []verdict{v}
}

func judgeStates(r results) []verdict {
	late, down := firstRows()[1], stateRows()[1]
	normal := r.median(standard(), "ekaf", cpu)
	from := fmt.Sprintf("2 × the normal %.1f", normal.v)
	normal.v *= 2
	return []verdict{
		{
			target: "connect to first ack", row: late.Name(), figure: r.median(late, "ekaf", trips),
			bound: value{v: firstTrips}, from: "round trips, dial aside", atMost: true, format: digits(0),
		},
		nanos("a message in downtime", r, down, normal, from),
	}
}
