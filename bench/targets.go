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
	// sameRatio allows for where the last batches happen to be cut.
	sameRatio = 1.01
)

// rivals are the clients against which ekaf is held.
var rivals = []string{"franz-go", "franz-go-pool", "sarama", "kafka-go", "confluent", javaProducer}

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
		judgeSpread(r, load.Callback, "callback per message", 1.6, 40, 3),
		judgeSpread(r, load.Batch, "batch call of 100", 1.5, 15, 5),
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

// partOf is a bound of one nth of a client's CPU.
func partOf(r results, row load.Row, client string, n float64) (value, string) {
	v := r.median(row, client, cpu)
	from := fmt.Sprintf("%s's %.1f / %.0f", client, v.v, n)
	v.v /= n
	return v, from
}

func judgeSpread(r results, call, what string, factor, plus, part float64) (verdicts []verdict) {
	for _, row := range spreadRows() {
		if row.Call != call {
			continue
		}
		bound, from := timesLimit(r, row, "limit", factor, plus)
		verdicts = append(verdicts, nanos(what+": the limit", r, row, bound, from))
		bound, from = partOf(r, row, "franz-go", part)
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
		bound, from := partOf(r, row, "franz-go", 1)
		verdicts = append(verdicts, nanos("1000 B: never above franz-go", r, row, bound, from))
	}
	return verdicts
}

func judgeCodecs(r results) (verdicts []verdict) {
	plain := standard()
	ours, theirs := r.median(plain, "ekaf", cpu), r.median(plain, "franz-go", cpu)
	for _, row := range targetCodecRows() {
		packed := r.median(row, "franz-go", cpu)
		bound := value{v: packed.v - theirs.v + 1.2*ours.v, missing: cmp.Or(packed.missing, theirs.missing, ours.missing)}
		from := fmt.Sprintf("franz-go's %.1f - %.1f, + 1.2 × %.1f", packed.v, theirs.v, ours.v)
		verdicts = append(verdicts, nanos("codec: cost", r, row, bound, from))
		size := r.median(row, "franz-go", wire)
		size.v *= sameRatio
		verdicts = append(verdicts, verdict{
			target: "codec: ratio", row: row.Name(), figure: r.median(row, "ekaf", wire), bound: size,
			from: "franz-go's bytes a record, and 1 %", atMost: true, format: digits(1),
		})
	}
	return verdicts
}

func judgeWide(r results) (verdicts []verdict) {
	for _, row := range wideRows() {
		bound, from := timesLimit(r, row, "limit", 3, 0)
		verdicts = append(verdicts, nanos("10,000 partitions: the limit", r, row, bound, from))
		bound, from = partOf(r, row, "franz-go", 3)
		verdicts = append(verdicts, nanos("10,000 partitions: franz-go", r, row, bound, from))
	}
	idle := stateRows()[0]
	return append(verdicts, verdict{
		target: "10,000 idle partitions: memory", row: idle.Name(), figure: r.median(idle, "ekaf", held),
		bound: value{v: idleMiB}, from: "64 MiB", atMost: true, format: mebibytes,
	})
}

func mebibytes(v float64) string { return fmt.Sprintf("%.1f MiB", v) }

func judgeCrowd(r results) []verdict {
	row := crowdRow()
	bound, from := timesLimit(r, row, "limit-locks", 1.6, 40)
	return []verdict{nanos("16 goroutines, 2 CPUs", r, row, bound, from)}
}

func judgeMemory(r results) (verdicts []verdict) {
	for _, row := range append(spreadRows(), crowdRow()) {
		verdicts = append(verdicts, verdict{
			target: "allocations per record", row: row.Name(), figure: r.median(row, "ekaf", allocs),
			bound: value{v: noAllocation}, from: "0.00", atMost: true, format: digits(3),
		})
	}
	row := standard()
	return append(verdicts, verdict{
		target: "peak RSS at full speed", row: row.Name(), figure: r.median(row, "ekaf", peak),
		bound: r.median(row, "franz-go", peak), from: "franz-go's", atMost: true, format: mebibytes,
	})
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
		verdicts = append(verdicts, timed("sync, one caller: "+q.name+", every rival", one, q.f, bound, "the best rival's, "+whose))
	}
	twice := r.median(many, "franz-go", rate)
	from = "2 × franz-go's " + count(twice.v)
	twice.v *= 2
	verdicts = append(verdicts, verdict{
		target: "sync, 64 callers: records/s", row: many.Name(), figure: r.median(many, "ekaf", rate),
		bound: twice, from: from, format: count,
	})
	return append(verdicts, timed("sync, 64 callers: p99", many, p99, r.median(many, "franz-go", p99), "franz-go's"))
}

func judgeKafka(r results) []verdict {
	row := kafkaRow()
	bound, from := partOf(r, row, "franz-go", 3)
	fastest, whose := r.best(row, rivals, rate, true)
	return []verdict{
		nanos("real Kafka: CPU", r, row, bound, from),
		{
			target: "real Kafka: records/s", row: row.Name(), figure: r.median(row, "ekaf", rate),
			bound: fastest, from: "the fastest rival's, " + whose, format: count,
		},
	}
}

func judgePipe(r results) []verdict {
	row := pipeRow()
	bound, from := partOf(r, row, kcat, 3)
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
		{
			target: "a message in downtime: allocations", row: down.Name(), figure: r.median(down, "ekaf", allocs),
			bound: value{v: noAllocation}, from: "0.00", atMost: true, format: digits(3),
		},
	}
}
