package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ekaf-go/ekaf/bench/load"
)

// column is one figure of the table.
type column struct {
	name   string
	figure func(Sample) float64
	format func(float64) string
	bounds bool // print least and most as well
}

var costs = []column{
	{"CPU ns/rec", func(s Sample) float64 { return s.CPUPerRecord }, digits(1), true},
	{"rec/s", func(s Sample) float64 { return s.RecordsPerS }, count, true},
	{"allocs/rec", func(s Sample) float64 { return s.AllocsPerRecord }, digits(3), false},
	{"B/rec", func(s Sample) float64 { return s.BytesPerRecord }, digits(1), false},
	{"GCs", func(s Sample) float64 { return float64(s.GCs) }, digits(0), false},
	{"RSS MiB", func(s Sample) float64 { return float64(s.PeakRSS) / (1 << 20) }, digits(0), false},
}

var batching = []column{
	{"rec/batch", func(s Sample) float64 { return s.BatchRecords }, count, false},
	{"wire B/rec", func(s Sample) float64 { return s.WireBytes }, digits(1), false},
	{"rec/request", func(s Sample) float64 { return s.Requests }, count, false},
	{"broker ns/rec", func(s Sample) float64 { return s.BrokerCPU }, digits(1), false},
}

var quantiles = []column{
	{"p50", func(s Sample) float64 { return float64(s.P50) }, duration, true},
	{"p99", func(s Sample) float64 { return float64(s.P99) }, duration, true},
	{"p99.9", func(s Sample) float64 { return float64(s.P999) }, duration, true},
}

var firstAck = []column{
	{"to first ack", func(s Sample) float64 { return float64(s.First) }, duration, true},
	{"round trips", func(s Sample) float64 { return s.Trips }, digits(0), false},
	{"requests", func(s Sample) float64 { return float64(s.Exchanges) }, digits(0), false},
}

var holdings = []column{
	{"held MiB", func(s Sample) float64 { return float64(s.Held) / (1 << 20) }, digits(1), true},
	{"held heap MiB", func(s Sample) float64 { return float64(s.HeldHeap) / (1 << 20) }, digits(1), true},
	{"peak RSS MiB", func(s Sample) float64 { return float64(s.PeakRSS) / (1 << 20) }, digits(0), false},
}

var rates = []column{
	{"calls/s", func(s Sample) float64 { return s.CallsPerS }, count, true},
	{"delivered/s", func(s Sample) float64 { return s.RecordsPerS }, count, true},
}

// columns are the figures that mean something in a row.
func columns(r load.Row) []column {
	if r.HTTP() {
		return doorColumns(r)
	}
	switch r.Measure {
	case load.FirstAck:
		if !r.DelayAll {
			return firstAck[:1]
		}
		return firstAck
	case load.Idle:
		return holdings
	case load.Rates:
		return slices.Concat(rates, costs[:1], costs[2:3])
	case load.Downtime:
		return costs
	case load.Pipe:
		return slices.Concat(costs[:2], costs[5:6])
	case load.Latency:
		return slices.Concat(quantiles, costs)
	}
	if r.Cluster == load.Kafka {
		return costs // a real broker does not tell what it saw
	}
	return slices.Concat(costs, batching)
}

func digits(n int) func(float64) string {
	return func(v float64) string { return fmt.Sprintf("%.*f", n, v) }
}

func count(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%.2fM", v/1e6)
	case v >= 1e4:
		return fmt.Sprintf("%.0fk", v/1e3)
	}
	return fmt.Sprintf("%.0f", v)
}

func duration(v float64) string { return time.Duration(v).Round(100 * time.Nanosecond).String() }

func printHead(w io.Writer, p plan) {
	pinned := "not pinned"
	if p.pin && runtime.GOOS == "linux" {
		pinned = "client and broker pinned to a CPU each"
	}
	fmt.Fprintf(w, "%s %s/%s, %d CPUs, %s; median of %d rounds [least-most]\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), pinned, p.rounds)
	if p.rounds < 3 {
		fmt.Fprintln(w, "Fewer than 3 rounds: do not quote these figures.")
	}
	if p.verify {
		fmt.Fprintln(w, "Every record is verified in the broker: times mean nothing.")
	}
}

// printRow prints one row of the benchmark: a line for each client, and how
// its CPU stands to ekaf's, or to the loop's where ekaf was not run.
func printRow(w io.Writer, row load.Row, cells []cell) {
	fmt.Fprintf(w, "\n%s (%s records)\n", row.Name(), count(float64(row.Records)))
	cols := columns(row)
	base, unit := baseline(row, cells)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	head := []string{"client"}
	for _, c := range cols {
		head = append(head, c.name)
	}
	if unit != "" {
		head = append(head, "CPU/"+unit)
	}
	fmt.Fprintln(tw, strings.Join(head, "\t")+"\t")
	for i := range cells {
		fmt.Fprintln(tw, strings.Join(line(&cells[i], cols, base), "\t")+"\t")
	}
	if err := tw.Flush(); err != nil {
		fmt.Fprintln(os.Stderr, "bench: cannot print the table:", err)
	}
	for _, c := range cells {
		if c.void != nil {
			fmt.Fprintf(w, "  %s is void: %s\n", c.client, strings.ReplaceAll(c.void.Error(), "\n", "; "))
		} else if n := c.repeated(); n > 0 {
			fmt.Fprintf(w, "  %s sent up to %d batches a round again, which the broker had and dropped\n", c.client, n)
		}
	}
}

// repeated is the most that the broker had to drop in a round.
func (c *cell) repeated() (most int64) {
	for _, s := range c.samples {
		most = max(most, s.Repeated)
	}
	return most
}

// baseline is the CPU by which a row's other clients are divided.
func baseline(row load.Row, cells []cell) (ns float64, name string) {
	switch row.Measure {
	case load.FirstAck, load.Idle, load.Connected, load.Away:
		return 0, ""
	}
	for _, name := range []string{"ekaf", ekafProduce, "limit", bareHTTP} {
		for i := range cells {
			if c := &cells[i]; c.client == name && c.void == nil && !c.notOffered && len(c.samples) > 0 {
				return c.spread(costs[0].figure).median, name
			}
		}
	}
	return 0, ""
}

func line(c *cell, cols []column, base float64) []string {
	fields := []string{c.client}
	switch {
	case c.void != nil:
		return append(fields, "VOID")
	case c.notOffered:
		return append(fields, "not offered")
	}
	for _, col := range cols {
		s := c.spread(col.figure)
		text := col.format(s.median)
		if col.bounds && len(c.samples) > 1 {
			text += fmt.Sprintf(" [%s-%s]", col.format(s.least), col.format(s.most))
		}
		fields = append(fields, text)
	}
	if base > 0 {
		fields = append(fields, fmt.Sprintf("%.2fx", c.spread(costs[0].figure).median/base))
	}
	return fields
}

// printLegend says what sets each client of the run apart.
func printLegend(w io.Writer, tasks []assignment) {
	fmt.Fprintln(w)
	seen := map[string]bool{}
	for _, a := range tasks {
		for _, e := range a.clients {
			if !seen[e.Name] {
				seen[e.Name] = true
				fmt.Fprintf(w, "%s: %s\n", e.Name, e.Note)
			}
		}
	}
}
