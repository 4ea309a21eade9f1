package gatewayprom

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ekaf-go/ekaf/ekafprom"
	"github.com/ekaf-go/ekaf/gateway"
	"github.com/ekaf-go/ekaf/internal/metrics"
)

// Source is what has statistics: a *gateway.Handler.
type Source interface{ Stats() gateway.Stats }

// Collector implements prometheus.Collector for one gateway. All methods may be
// called from any goroutine.
type Collector struct {
	source Source
	descs  []*prometheus.Desc // of the table's rows
}

// New makes a collector, to be registered.
func New(source Source) *Collector {
	c := &Collector{source: source}
	for _, m := range table {
		c.descs = append(c.descs, prometheus.NewDesc(m.Name, m.Help, m.Labels, nil))
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(descs chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		descs <- d
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(samples chan<- prometheus.Metric) {
	stats := c.source.Stats()
	for i, m := range table {
		desc, kind := c.descs[i], prometheus.GaugeValue
		if m.Kind == metrics.Counter {
			kind = prometheus.CounterValue
		}
		if m.values == nil {
			for _, r := range stats.Routes {
				samples <- ekafprom.NewHistogram(desc, r.Duration, r.Route, r.Method)
			}
			continue
		}
		m.values(&stats, func(value float64, labels ...string) {
			samples <- prometheus.MustNewConstMetric(desc, kind, value, labels...)
		})
	}
}
