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
func (h *harness) runRow(ctx context.Context, a assignment) ([]cell, error) {
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
			s, err := h.runSample(ctx, row, c.client)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			s.Client, s.Row, s.Round = c.client, row, round
			s.Time = time.Now().UTC().Format(time.RFC3339)
			if err != nil {
				c.void, s.Void = err, err.Error()
			}
			h.record.add(s)
			c.notOffered = s.NotOffered
			c.samples = append(c.samples, s)
		}
	}
	return cells, nil
}

// runSample runs one client once and checks its word against the broker's.
func (h *harness) runSample(ctx context.Context, row load.Row, client string) (Sample, error) {
	at := h.site(row)
	where, err := at.prepare(ctx, row, h.verify)
	if err != nil {
		return Sample{}, err
	}
	began, err := at.counted(ctx)
	if err != nil {
		return Sample{}, err
	}
	job := Job{Client: client, Row: row, Broker: where.broker, Control: where.control, Topic: where.topic, Timeout: h.timeout}
	if h.profile != "" {
		if err := os.MkdirAll(h.profile, 0o755); err != nil {
			return Sample{}, fmt.Errorf("cannot write profiles: %w", err)
		}
		name := strings.NewReplacer(" ", "-", ",", "", "/", "").Replace(row.Name() + "-" + client)
		job.Profile = filepath.Join(h.profile, name+".pprof")
	}
	var s Sample
	program, isProgram := findProgram(client)
	sv, isServer := findServer(client)
	switch {
	case isProgram:
		s, err = h.runProgram(ctx, program, job)
	case isServer:
		s, err = h.runServer(ctx, sv, job)
	default:
		s, err = measureIn(ctx, job, roleClient, h.pin)
	}
	if err != nil || s.NotOffered {
		return s, err
	}
	counted, err := at.counted(ctx)
	if err != nil {
		return s, err
	}
	s.seen(row, began, counted)
	if isServer {
		return s, sv.check(s, row, counted, h.verify)
	}
	return s, check(s, row, counted, h.verify && row.Cluster == "")
}

// seen adds what the broker saw.
func (s *Sample) seen(row load.Row, began, counted broker.Counters) {
	if row.Measure == load.FirstAck {
		s.Exchanges = counted.Requests + counted.Others
	}
	s.Repeated = counted.Duplicates
	if counted.Batches > 0 {
		s.BatchRecords = float64(counted.Records) / float64(counted.Batches)
		s.Requests = float64(counted.Records) / float64(counted.Requests)
		s.WireBytes = float64(counted.Bytes) / float64(counted.Records)
		s.BrokerCPU = float64(counted.CPU-began.CPU) / float64(counted.Records)
	}
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
	if row.Measure == load.Downtime {
		counted.Duplicates = 0 // the broker has hung up on purpose; see Sample.Repeated
	}
	return errors.Join(append(errs, sound(s, counted, verify))...)
}

// sound reports what is wrong with what the broker got, but for its number.
func sound(s Sample, counted broker.Counters, verify bool) error {
	var errs []error
	if counted.Faults() > 0 {
		errs = append(errs, fmt.Errorf("the broker saw %d batches repeated, %d out of order, %d malformed, %d for no partition",
			counted.Duplicates, counted.OutOfOrder, counted.Malformed, counted.Unknown))
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
