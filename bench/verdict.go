package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/ekaf-go/ekaf/bench/load"
)

// figure reads one number of a sample.
type figure func(Sample) float64

var (
	cpu        figure = func(s Sample) float64 { return s.CPUPerRecord }
	rate       figure = func(s Sample) float64 { return s.RecordsPerS }
	allocs     figure = func(s Sample) float64 { return s.AllocsPerRecord }
	wire       figure = func(s Sample) float64 { return s.WireBytes }
	peak       figure = func(s Sample) float64 { return float64(s.PeakRSS) / (1 << 20) }
	held       figure = func(s Sample) float64 { return float64(s.Held) / (1 << 20) }
	trips      figure = func(s Sample) float64 { return s.Trips }
	p50        figure = func(s Sample) float64 { return float64(s.P50) }
	p99        figure = func(s Sample) float64 { return float64(s.P99) }
	handlerP99 figure = func(s Sample) float64 { return float64(s.HandlerP99) }
)

// results are the cells of a run by row and client.
type results map[string]map[string]*cell

func (r results) add(row load.Row, cells []cell) {
	byClient := map[string]*cell{}
	for i := range cells {
		byClient[cells[i].client] = &cells[i]
	}
	r[row.Name()] = byClient
}

// voids counts the cells which do not count.
func (r results) voids() (n int) {
	for _, cells := range r {
		for _, c := range cells {
			if c.void != nil {
				n++
			}
		}
	}
	return n
}

// value is a median, or why there is none.
type value struct {
	v       float64
	missing string
}

// by is a bound made of the value.
func (v value) by(factor, plus float64) value { return value{v: v.v*factor + plus, missing: v.missing} }

// median of a client's figure in a row.
func (r results) median(row load.Row, client string, f figure) value {
	c := r[row.Name()][client]
	switch {
	case c == nil || len(c.samples) == 0:
		return value{missing: client + " was not run"}
	case c.void != nil:
		return value{missing: client + " is void"}
	case c.notOffered:
		return value{missing: client + " does not offer it"}
	}
	return value{v: c.spread(f).median}
}

// best is the median nearest to the good end among those clients that were run:
// the least of them, or the most. If none was, it says of the first why.
func (r results) best(row load.Row, clients []string, f figure, most bool) (best value, whose string) {
	whose = clients[0]
	best = r.median(row, whose, f)
	for _, name := range clients[1:] {
		v := r.median(row, name, f)
		if v.missing == "" && (best.missing != "" || (v.v < best.v) != most) {
			best, whose = v, name
		}
	}
	return best, whose
}

// among says which of the clients that can do a row were run, and which were not.
func (r results) among(row load.Row, clients []string) string {
	var run, not []string
	for _, name := range clients {
		c := r[row.Name()][name]
		switch {
		case c != nil && c.notOffered || name == javaProducer && !onKafka(row):
		case r.median(row, name, cpu).missing == "":
			run = append(run, name)
		default:
			not = append(not, name)
		}
	}
	text := "of " + strings.Join(run, ", ")
	if len(not) > 0 {
		text += "; not run or void: " + strings.Join(not, ", ")
	}
	return text
}

// outcome says how a target came out in one row.
type outcome string

const (
	met    outcome = "met"
	missed outcome = "missed"
	notRun outcome = "not run"
)

// verdict is one target in one row.
type verdict struct {
	target string
	row    string
	figure value
	bound  value
	from   string // how the bound was reckoned, or what is missing
	atMost bool   // else at least
	format func(float64) string
}

func (v *verdict) outcome() outcome {
	switch {
	case v.figure.missing != "" || v.bound.missing != "":
		return notRun
	case v.atMost && v.figure.v <= v.bound.v, !v.atMost && v.figure.v >= v.bound.v:
		return met
	}
	return missed
}

// cells are the fields of the verdict's line in a table.
func (v *verdict) cells() []string {
	sign := "≥"
	if v.atMost {
		sign = "≤"
	}
	got, allowed, from := "–", "–", v.from
	if v.figure.missing == "" {
		got = v.format(v.figure.v)
	} else {
		from = v.figure.missing
	}
	if v.bound.missing == "" {
		allowed = sign + " " + v.format(v.bound.v)
	} else if v.figure.missing == "" {
		from = v.bound.missing
	}
	return []string{v.target, v.row, got, allowed, from, string(v.outcome())}
}

var verdictHead = []string{"target", "row", "ekaf", "allowed", "which is", "outcome"}

// printVerdicts writes the table of targets in Markdown, which a terminal shows
// well enough.
func printVerdicts(w io.Writer, verdicts []verdict) error {
	counts := map[outcome]int{}
	var b strings.Builder
	write := func(fields []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(fields, " | ")) }
	write(verdictHead)
	write(strings.Split("---|---|--:|--:|---|---", "|"))
	for i := range verdicts {
		counts[verdicts[i].outcome()]++
		write(verdicts[i].cells())
	}
	fmt.Fprintf(&b, "\n%d met, %d missed, %d not run.\n", counts[met], counts[missed], counts[notRun])
	_, err := io.WriteString(w, b.String())
	return err
}
