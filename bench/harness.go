package main

import (
	"context"
	"os"

	"github.com/ekaf-go/ekaf/bench/broker"
	"github.com/ekaf-go/ekaf/bench/load"
)

// site is where a row's records go: the counting broker, or a real cluster.
type site interface {
	// prepare makes a topic ready for one sample, with all counts at 0.
	prepare(ctx context.Context, row load.Row, verify bool) (place, error)
	// counted tells what came since then.
	counted(ctx context.Context) (broker.Counters, error)
}

// place is what a client needs to know of a site.
type place struct {
	broker  string // host:port, or several of them
	control string // the counting broker's control port, or empty
	topic   string
}

// harness runs a plan.
type harness struct {
	plan
	tools  tools
	record *recorder
	broker *brokerProcess
	kafka  *kafkaCluster // nil unless -brokers
}

// run does every task, prints each row when it is done, and returns all results.
func (h *harness) run(ctx context.Context) (results, error) {
	done := results{}
	printHead(os.Stdout, h.plan)
	for _, a := range h.tasks {
		cells, err := h.runRow(ctx, a)
		if err != nil {
			return done, err
		}
		printRow(os.Stdout, a.row, cells)
		done.add(a.row, cells)
	}
	printLegend(os.Stdout, h.tasks)
	return done, h.record.err
}

// open makes ready what the plan's rows need.
func (h *harness) open(ctx context.Context) (err error) {
	if h.record, err = newRecorder(h.results); err != nil {
		return err
	}
	if h.brokers != "" {
		if h.kafka, err = openKafka(ctx, h.brokers); err != nil {
			return err
		}
	}
	h.broker, err = startBroker(ctx, h.pin)
	return err
}

func (h *harness) close(ctx context.Context) {
	if h.record != nil {
		h.record.close()
	}
	if h.broker != nil {
		h.broker.stop()
	}
	if h.kafka != nil {
		h.kafka.close(ctx)
	}
	h.tools.close()
}

func (h *harness) site(row load.Row) site {
	if row.Cluster == load.Kafka {
		return h.kafka
	}
	return h.broker
}
