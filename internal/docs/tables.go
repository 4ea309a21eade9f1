package docs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/internal/metrics"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// table renders rows as Markdown.
func table(head string, rows [][]string) string {
	var b strings.Builder
	columns := strings.Split(head, "|")
	b.WriteString("| " + strings.Join(columns, " | ") + " |\n|" + strings.Repeat("---|", len(columns)) + "\n")
	for _, row := range rows {
		for i, cell := range row {
			row[i] = strings.ReplaceAll(cell, "|", "\\|")
		}
		b.WriteString("| " + strings.Join(row, " | ") + " |\n")
	}
	return b.String()
}

func code(s string) string {
	if s == "" {
		return ""
	}
	return "`" + s + "`"
}

// Options is the table of all options.
func Options() string {
	var rows [][]string
	for _, o := range ekaf.OptionTable() {
		where := ""
		if o.PerTopic {
			where = "yes"
		}
		rows = append(rows, []string{code(o.Name), orDash(o.Default), where, code(o.Property), o.Doc})
	}
	return table("option|default|per topic|client property|what it does", rows)
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// Events is the table of all events, told as the comments in the source of
// their constants tell it.
func Events(source string) (string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), source, nil, parser.ParseComments)
	if err != nil {
		return "", fmt.Errorf("cannot read the comments of the events: %w", err)
	}
	comments := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && spec.Doc != nil {
			comments[spec.Names[0].Name] = strings.Join(strings.Fields(spec.Doc.Text()), " ")
		}
		return true
	})
	var rows [][]string
	for _, kind := range ekaf.EventKinds() {
		name := "Event" + camel(kind.String())
		text, fields, found := strings.Cut(strings.TrimPrefix(comments[name], name+": "), ". ")
		if comments[name] == "" {
			return "", fmt.Errorf("%s has no comment in %s", name, source)
		}
		if !found {
			text, fields = strings.TrimSuffix(text, "."), ""
		}
		rows = append(rows, []string{code(kind.String()), code(name), text, strings.TrimSuffix(fields, ".")})
	}
	return table("event|constant|what happened|fields, beside Kind, Time and Topic", rows), nil
}

// camel turns a name with underscores into Go's form.
func camel(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(name, "_") {
		b.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return b.String()
}

// lastCode is above every code that Kafka has given out.
const lastCode = 1000

// unruled is a code that Kafka does not use: it gets what all unknown codes get.
const unruled = lastCode + 1

// kafkaErrors lists every error of Kafka that is known, by code.
func kafkaErrors() (list []*kerr.Error) {
	for n := int16(-1); n < lastCode; n++ {
		if err, ok := kerr.ErrorForCode(n).(*kerr.Error); ok && err.Code == n {
			list = append(list, err)
		}
	}
	return list
}

// ProduceErrors is the table of the codes that have a ruling of their own.
func ProduceErrors() string {
	rows := [][]string{}
	for _, err := range kafkaErrors() {
		r := worker.RulingOf(err.Code)
		if r == worker.RulingOf(unruled) && err != kerr.UnknownServerError {
			continue
		}
		rows = append(rows, []string{fmt.Sprint(err.Code), code(err.Message), r.Verdict.String(), attempts(r), proof(r), retriable(err.Code, r)})
	}
	return table("code|name|what ekaf does with the batch|attempts|proves that nothing was written|produce it again?", rows)
}

func attempts(r worker.Ruling) string {
	switch {
	case r.Limit > 0:
		return fmt.Sprint(r.Limit)
	case r.Verdict == worker.Retry || r.Verdict == worker.RetryElsewhere:
		return "no limit"
	default:
		return ""
	}
}

func proof(r worker.Ruling) string {
	switch {
	case r.Verdict == worker.Written:
		return ""
	case r.Proof:
		return "yes, if it was the only attempt"
	default:
		return "no"
	}
}

func retriable(code int16, r worker.Ruling) string {
	switch {
	case r.Verdict == worker.Written:
		return ""
	case worker.Retriable(code):
		return "may succeed"
	default:
		return "will fail again"
	}
}

// OtherErrors lists the codes that have no ruling of their own.
func OtherErrors() string {
	var list []string
	for _, err := range kafkaErrors() {
		if worker.RulingOf(err.Code) == worker.RulingOf(unruled) && err != kerr.UnknownServerError {
			list = append(list, fmt.Sprintf("%d `%s`", err.Code, err.Message))
		}
	}
	r := worker.RulingOf(unruled)
	return fmt.Sprintf("Should a broker answer one of these to a batch, it is %s, %d times at most, and then fails with `MaybeWritten`:\n%s.\n",
		r.Verdict, r.Limit, strings.Join(list, ", "))
}

// Machine is the table of a state machine.
func Machine[S fmt.Stringer](states []S, canMove func(from, to S) bool) string {
	var rows [][]string
	for _, from := range states {
		var to []string
		for _, s := range states {
			if canMove(from, s) {
				to = append(to, s.String())
			}
		}
		rows = append(rows, []string{"**" + from.String() + "**", orDash(strings.Join(to, ", "))})
	}
	return table("from|to", rows)
}

// Metrics is the table of all metrics.
func Metrics() string {
	var rows [][]string
	for _, m := range metrics.Table() {
		labels := make([]string, len(m.Labels))
		for i, label := range m.Labels {
			labels[i] = code(label)
		}
		rows = append(rows, []string{code(m.Name), m.Kind.String(), strings.Join(labels, ", "), code(m.OTel), code(m.Unit), m.Help})
	}
	return table("Prometheus|kind|labels|OpenTelemetry|unit|what it says", rows)
}

// Buckets lists the bounds of the histograms' buckets.
func Buckets() string {
	var list []string
	for _, bound := range ekaf.LatencyBounds() {
		list = append(list, shortest(bound))
	}
	return strings.Join(list, ", ") + ", and above.\n"
}

// shortest is a duration without seconds that are none: 5m for 5m0s.
func shortest(d time.Duration) string {
	if text, minutes := strings.CutSuffix(d.String(), "m0s"); minutes {
		return text + "m"
	}
	return d.String()
}

// Reasons lists the values of the label reason.
func Reasons() string {
	var list []string
	for _, name := range append(metrics.Reasons(), metrics.Other) {
		list = append(list, code(name))
	}
	return strings.Join(list, ", ") + "; or the name of a Kafka error, as it is.\n"
}
