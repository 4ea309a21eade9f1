package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// recorder appends samples to a file of JSON lines.
type recorder struct {
	f   *os.File
	err error // the first
}

func newRecorder(dir string) (*recorder, error) {
	if dir == "" {
		return &recorder{}, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("cannot keep results: %w", err)
	}
	f, err := os.Create(filepath.Join(dir, time.Now().UTC().Format("20060102-150405")+".jsonl"))
	if err != nil {
		return nil, fmt.Errorf("cannot keep results: %w", err)
	}
	return &recorder{f: f}, nil
}

func (r *recorder) add(s Sample) {
	if r.f == nil {
		return
	}
	if err := json.NewEncoder(r.f).Encode(s); err != nil && r.err == nil {
		r.err = fmt.Errorf("cannot keep results: %w", err)
	}
}

func (r *recorder) close() {
	if r.f != nil {
		r.f.Close()
	}
}

// replay reads the samples of earlier runs. Of rows that several files have,
// the samples of the last file count.
func (p *plan) replay() (results, error) {
	done := results{}
	for _, name := range p.from {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("cannot read samples: %w", err)
		}
		err = done.read(bufio.NewScanner(f))
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("cannot read samples of %s: %w", name, err)
		}
	}
	for _, a := range p.tasks {
		if cells := done.ordered(a); len(cells) > 0 {
			printRow(os.Stdout, a.row, cells)
		}
	}
	return done, nil
}

func (r results) read(lines *bufio.Scanner) error {
	fresh := results{}
	for lines.Scan() {
		var s Sample
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			return err
		}
		row := s.Row.Name()
		if fresh[row] == nil {
			fresh[row] = map[string]*cell{}
		}
		c := fresh[row][s.Client]
		if c == nil {
			c = &cell{client: s.Client}
			fresh[row][s.Client] = c
		}
		c.samples = append(c.samples, s)
		c.notOffered = s.NotOffered
		if s.Void != "" {
			c.void = errors.New(s.Void)
		}
	}
	for row, cells := range fresh {
		if r[row] == nil {
			r[row] = map[string]*cell{}
		}
		for client, c := range cells {
			r[row][client] = c
		}
	}
	return lines.Err()
}
