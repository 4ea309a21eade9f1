package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// part is what this program writes of a document, between two markers.
type part struct {
	begin, end string
	http       bool // it has the rows of servers, else those of clients
	brief      bool // it is a table of few rows, see summary
	judge      func(results) []verdict
	note       string // below the rows
}

var parts = []part{
	{begin: "<!-- written by bench: begin -->", end: "<!-- written by bench: end -->", judge: judgeClients},
	{begin: "<!-- written by bench: gateway: begin -->", end: "<!-- written by bench: gateway: end -->", http: true, judge: judgeGateway, note: kafboyWas},
	{begin: "<!-- written by bench: summary: begin -->", end: "<!-- written by bench: summary: end -->", brief: true},
}

// document replaces in the plan's documents the parts that they have, and of which
// rows were run.
func (p *plan) document(done results) error {
	for _, name := range strings.Split(p.doc, ",") {
		if err := p.rewrite(name, done); err != nil {
			return err
		}
	}
	return nil
}

func (p *plan) rewrite(name string, done results) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("cannot write the document: %w", err)
	}
	found := false
	for _, part := range parts {
		before, rest, begins := bytes.Cut(text, []byte(part.begin))
		_, after, ends := bytes.Cut(rest, []byte(part.end))
		found = found || begins && ends
		tasks, own := part.of(p.tasks, done)
		if !begins || !ends || len(own) == 0 {
			continue
		}
		var b bytes.Buffer
		b.Write(before)
		b.WriteString(part.begin + "\n")
		if part.brief {
			own.summary(&b)
		} else if err := p.report(&b, part, tasks, own); err != nil {
			return err
		}
		b.WriteString(part.end)
		b.Write(after)
		text = b.Bytes()
	}
	if !found {
		return fmt.Errorf("cannot write %s: it lacks lines such as %q and %q", name, parts[0].begin, parts[0].end)
	}
	if err := os.WriteFile(name, text, 0o644); err != nil {
		return fmt.Errorf("cannot write the document: %w", err)
	}
	return nil
}

// of picks the part's tasks, and what came out of them.
func (q part) of(all []assignment, done results) (tasks []assignment, own results) {
	own = results{}
	for _, a := range all {
		if a.row.HTTP() != q.http {
			continue
		}
		tasks = append(tasks, a)
		if cells := done[a.row.Name()]; len(cells) > 0 {
			own[a.row.Name()] = cells
		}
	}
	return tasks, own
}

// report writes the results of a part in Markdown: the targets first, if they
// were judged, and then each row's table as it stood on the terminal.
func (p *plan) report(b *bytes.Buffer, q part, tasks []assignment, done results) error {
	fmt.Fprintf(b, "\n%s\n\n", done.origin())
	if p.judged {
		b.WriteString("### Targets\n\n")
		if err := printVerdicts(b, q.judge(done)); err != nil {
			return err
		}
		b.WriteString("\n")
	}
	b.WriteString("### Rows\n\n```")
	for _, a := range tasks {
		if cells := done.ordered(a); len(cells) > 0 {
			b.WriteString("\n")
			printRow(b, a.row, cells)
		}
	}
	b.WriteString("```\n")
	printLegend(b, tasks)
	b.WriteString("\n")
	if q.note != "" {
		b.WriteString(q.note + "\n\n")
	}
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
