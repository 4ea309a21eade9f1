package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/ekaf-go/ekaf/bench/load"
)

// digest is a row of the summary: one figure of ekaf, of the rival that is best in
// it, and of the limit.
type digest struct {
	what   string
	row    load.Row
	figure figure
	format func(float64) string
	ours   string
	rivals []string
	limit  string // empty: there is none
	who    bool   // name the rival
}

func digests() []digest {
	cost := func(what string, row load.Row) digest {
		return digest{what: what, row: row, figure: cpu, format: digits(0), ours: "ekaf", rivals: franzGo, limit: "limit"}
	}
	batch, keyed := standard(), standard()
	batch.Call = load.Batch
	keyed.Partitions, keyed.Placement, keyed.Records = 10_000, load.Keyed, 1_000_000
	lz4 := cost("lz4", codecRows()[3])
	kafka := cost("Apache Kafka 4.4.0, 12 partitions", kafkaRow())
	pipe := cost("lines from a pipe: `ekaf produce`, and kcat", pipeRow())
	pipe.ours, pipe.rivals, pipe.limit, pipe.who = ekafProduce, []string{kcat}, "", true
	wait := cost("one caller that waits for each ack, p50; the loop is a bare socket", latencyRows()[0])
	wait.figure, wait.format, wait.rivals, wait.limit, wait.who = p50, duration, rivals, "raw", true
	lz4.limit, kafka.limit = "", ""
	return []digest{
		cost("12 partitions, a callback for each message", standard()),
		cost("the same, each with a function of its own", ownRow(100, load.Closure)),
		cost("12 partitions, calls of a hundred", batch),
		cost("10,000 partitions, keyed", keyed),
		lz4, kafka, pipe, wait,
	}
}

// summary writes the table for those who read no other.
func (r results) summary(w io.Writer) {
	fmt.Fprint(w, "| | ekaf | franz-go | the loop |\n|---|---|---|---|\n")
	for _, d := range digests() {
		ours := r.median(d.row, d.ours, d.figure)
		best, whose := r.best(d.row, d.rivals, d.figure, false)
		cells := []string{d.what, d.cell(ours), d.cell(best), ""}
		if d.who && best.missing == "" {
			cells[2] += " (" + whose + ")"
		}
		if d.limit != "" {
			cells[3] = d.cell(r.median(d.row, d.limit, d.figure))
		}
		fmt.Fprintf(w, "| %s |\n", strings.TrimRight(strings.Join(cells, " | "), " "))
	}
}

func (d *digest) cell(v value) string {
	if v.missing != "" {
		return "–"
	}
	return d.format(v.v)
}
