package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// The part of a document which this program writes.
const (
	docBegin = "<!-- written by bench: begin -->"
	docEnd   = "<!-- written by bench: end -->"
)

// document replaces the part of the plan's document between the markers.
func (p *plan) document(done results) error {
	text, err := os.ReadFile(p.doc)
	if err != nil {
		return fmt.Errorf("cannot write the document: %w", err)
	}
	before, rest, begins := bytes.Cut(text, []byte(docBegin))
	_, after, ends := bytes.Cut(rest, []byte(docEnd))
	if !begins || !ends {
		return fmt.Errorf("cannot write %s: it lacks the lines %q and %q", p.doc, docBegin, docEnd)
	}
	var b bytes.Buffer
	b.Write(before)
	b.WriteString(docBegin + "\n")
	if err := p.report(&b, done); err != nil {
		return err
	}
	b.WriteString(docEnd)
	b.Write(after)
	if err := os.WriteFile(p.doc, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("cannot write the document: %w", err)
	}
	return nil
}

// report writes all results in Markdown: the targets first, if they were
// judged, and then each row's table as it stood on the terminal.
func (p *plan) report(b *bytes.Buffer, done results) error {
	fmt.Fprintf(b, "\n%s\n\n", done.origin())
	if p.judged {
		b.WriteString("### Targets\n\n")
		if err := printVerdicts(b, judge(done)); err != nil {
			return err
		}
		b.WriteString("\n")
	}
	b.WriteString("### Rows\n\n```")
	for _, a := range p.tasks {
		if cells := done.ordered(a); len(cells) > 0 {
			b.WriteString("\n")
			printRow(b, a.row, cells)
		}
	}
	b.WriteString("```\n")
	printLegend(b, p.tasks)
	b.WriteString("\n")
	return nil
}

// ordered are the cells of a row, in the order of its clients.
func (r results) ordered(a assignment) (cells []cell) {
	for _, e := range a.clients {
		if c := r[a.row.Name()][e.Name]; c != nil {
			cells = append(cells, *c)
		}
	}
	return cells
}

// origin says of a run what the samples know: machine, Go, day, least rounds.
func (r results) origin() string {
	var last Sample
	rounds := 0
	for _, cells := range r {
		for _, c := range cells {
			if n := len(c.samples); !c.notOffered && c.void == nil && (rounds == 0 || n < rounds) {
				rounds = n
			}
			for _, s := range c.samples {
				if s.Time > last.Time && s.Go != "" {
					last = s
				}
			}
		}
	}
	day, _, _ := strings.Cut(last.Time, "T")
	return fmt.Sprintf("%s; %s; %s; medians of %d or more rounds [least-most].", last.Machine, last.Go, day, rounds)
}
