package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ekaf-go/ekaf/bench/broker"
	"github.com/ekaf-go/ekaf/bench/load"
)

// cell is one client in one row: its samples of all rounds.
type cell struct {
	client     string
	samples    []Sample
	notOffered bool
	void       error // the first reason for which it does not count
}

// runRow runs all rounds of a row. Each round begins with another client.
func runRow(ctx context.Context, p plan, b *brokerProcess, a assignment, record *recorder) ([]cell, error) {
	row, cells := a.row, make([]cell, len(a.clients))
	for i, e := range a.clients {
		cells[i].client = e.Name
	}
	for round := range a.rounds {
		for i := range cells {
			c := &cells[(i+round)%len(cells)]
			if c.notOffered || c.void != nil {
				continue
			}
			s, err := runSample(ctx, p, b, row, c.client)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			s.Client, s.Row, s.Round = c.client, row, round
			s.Time = time.Now().UTC().Format(time.RFC3339)
			if err != nil {
				c.void, s.Void = err, err.Error()
			}
			record.add(s)
			c.notOffered = s.NotOffered
			c.samples = append(c.samples, s)
		}
	}
	return cells, nil
}

// runSample runs one client once and checks its word against the broker's.
func runSample(ctx context.Context, p plan, b *brokerProcess, row load.Row, client string) (Sample, error) {
	topic := fmt.Sprintf("bench-%d", row.Partitions)
	if err := b.prepare(topic, row.Partitions, row.Delay, p.verify); err != nil {
		return Sample{}, err
	}
	began, err := b.counters()
	if err != nil {
		return Sample{}, err
	}
	job := Job{Client: client, Row: row, Broker: b.addr, Topic: topic, Timeout: p.timeout}
	if p.profile != "" {
		if err := os.MkdirAll(p.profile, 0o755); err != nil {
			return Sample{}, fmt.Errorf("cannot write profiles: %w", err)
		}
		name := strings.NewReplacer(" ", "-", ",", "").Replace(row.Name() + "-" + client)
		job.Profile = filepath.Join(p.profile, name+".pprof")
	}
	s, err := measureIn(ctx, job, p.pin)
	if err != nil || s.NotOffered {
		return s, err
	}
	counted, err := b.counters()
	if err != nil {
		return s, err
	}
	if counted.Batches > 0 {
		s.BatchRecords = float64(counted.Records) / float64(counted.Batches)
		s.Requests = float64(counted.Records) / float64(counted.Requests)
		s.BrokerCPU = float64(counted.CPU-began.CPU) / float64(counted.Records)
	}
	return s, check(s, row, counted, p.verify)
}

// check holds what was to be sent against what the client was told and what
// the broker counted.
func check(s Sample, row load.Row, counted broker.Counters, verify bool) error {
	var errs []error
	if s.Acked != row.Total() {
		errs = append(errs, fmt.Errorf("%d records acked of %d", s.Acked, row.Total()))
	}
	if counted.Records != int64(row.Total()) {
		errs = append(errs, fmt.Errorf("the broker counted %d records of %d", counted.Records, row.Total()))
	}
	if n := counted.Faults(); n > 0 {
		errs = append(errs, fmt.Errorf("the broker saw %d batches repeated, out of order or malformed", n))
	}
	if verify && (counted.VerifiedRecords != counted.Records || counted.ValueSum != s.Sum) {
		errs = append(errs, errors.New("the broker got other values than were sent"))
	}
	return errors.Join(errs...)
}

// spread is the median of a figure over the rounds, with its bounds.
type spread struct{ median, least, most float64 }

func (c *cell) spread(figure func(Sample) float64) spread {
	values := make([]float64, 0, len(c.samples))
	for _, s := range c.samples {
		values = append(values, figure(s))
	}
	slices.Sort(values)
	n := len(values)
	return spread{median: (values[(n-1)/2] + values[n/2]) / 2, least: values[0], most: values[n-1]}
}
