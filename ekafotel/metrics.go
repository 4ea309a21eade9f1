package ekafotel

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/internal/metrics"
)

// Source is what has statistics: an *ekaf.Producer.
type Source interface{ Stats() ekaf.Stats }

// attributes are OpenTelemetry's names of the labels.
var attributes = map[string]attribute.Key{
	metrics.Topic: semconv.MessagingDestinationNameKey, metrics.Cause: semconv.ErrorTypeKey,
	metrics.State: "ekaf.state", metrics.Broker: "ekaf.broker.id",
}

// Metrics observes a producer whenever the meter's reader collects: the metrics of
// docs/metrics.md, and messaging.client.sent.messages of the conventions. The API
// knows no histogram that is observed, so each of docs/metrics.md becomes two
// counters, its name with .sum (seconds) and with .count. Whole histograms come by
// way of ekafprom and the SDK's bridge for Prometheus collectors, or of the
// durations that Wrap measures. Unregister ends it.
func Metrics(source Source, opts ...Option) (metric.Registration, error) {
	o := settled(opts)
	m := meter(o)
	var all []metric.Observable
	var rows []func(*metrics.Snapshot, metric.Observer)
	var faults []error
	for _, row := range metrics.Table() {
		instruments, observe, err := instrumentsOf(m, &row)
		all, rows, faults = append(all, instruments...), append(rows, observe), append(faults, err)
	}
	sent, err := m.Int64ObservableCounter("messaging.client.sent.messages", metric.WithUnit("{message}"),
		metric.WithDescription("Number of messages producer attempted to send to the broker."))
	all, faults = append(all, sent), append(faults, err)
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("cannot make the instruments: %w", err)
	}
	return m.RegisterCallback(func(_ context.Context, to metric.Observer) error {
		snapshot := metrics.Take(source.Stats(), o.label)
		for _, observe := range rows {
			observe(snapshot, to)
		}
		observeSent(snapshot, sent, to)
		return nil
	}, all...)
}

// instrumentsOf makes the instruments of a row of the table, and what observes them.
func instrumentsOf(m metric.Meter, row *metrics.Metric) ([]metric.Observable, func(*metrics.Snapshot, metric.Observer), error) {
	unit, help := metric.WithUnit(row.Unit), metric.WithDescription(row.Help)
	with := func(labels []string) metric.MeasurementOption {
		list := make([]attribute.KeyValue, len(labels))
		for i, value := range labels {
			list[i] = attributes[row.Labels[i]].String(value)
		}
		return metric.WithAttributes(list...)
	}
	if row.Kind == metrics.Histogram {
		sum, fault := m.Float64ObservableCounter(row.OTel+".sum", unit, help)
		count, err := m.Int64ObservableCounter(row.OTel+".count", metric.WithUnit("1"), help)
		return []metric.Observable{sum, count}, func(s *metrics.Snapshot, to metric.Observer) {
			row.Histograms(s, func(h ekaf.Histogram, labels ...string) {
				to.ObserveFloat64(sum, h.Sum.Seconds(), with(labels))
				to.ObserveInt64(count, h.Count(), with(labels))
			})
		}, errors.Join(fault, err)
	}
	var instrument metric.Int64Observable
	var err error
	if row.Kind == metrics.Counter {
		instrument, err = m.Int64ObservableCounter(row.OTel, unit, help)
	} else {
		instrument, err = m.Int64ObservableGauge(row.OTel, unit, help)
	}
	return []metric.Observable{instrument}, func(s *metrics.Snapshot, to metric.Observer) {
		row.Values(s, func(value float64, labels ...string) { to.ObserveInt64(instrument, int64(value), with(labels)) })
	}, err
}

// observeSent is the convention's own counter: outcomes, with error.type where they
// are failures.
func observeSent(s *metrics.Snapshot, sent metric.Int64Observable, to metric.Observer) {
	for _, row := range metrics.Table() {
		if row.Name != metrics.Acked && row.Name != metrics.Failed {
			continue
		}
		row.Values(s, func(value float64, labels ...string) {
			list := []attribute.KeyValue{
				semconv.MessagingSystemKafka, semconv.MessagingOperationName(sendName), semconv.MessagingDestinationName(labels[0]),
			}
			if len(labels) > 1 {
				if value == 0 {
					return
				}
				list = append(list, semconv.ErrorTypeKey.String(labels[1]))
			}
			to.ObserveInt64(sent, int64(value), metric.WithAttributes(list...))
		})
	}
}

// orHandled gives an instrument, which works or does nothing, and reports why.
func orHandled[I any](instrument I, err error) I {
	if err != nil {
		otel.Handle(err)
	}
	return instrument
}
