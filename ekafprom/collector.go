package ekafprom

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/internal/metrics"
)

// Source is what has statistics: an *ekaf.Producer.
type Source interface{ Stats() ekaf.Stats }

// Option sets one thing of a Collector.
type Option func(*Collector)

// TopicLabel gives the value of the label "topic" for a topic's name. Topics with
// the same value are counted together, which bounds the number of series of a
// producer with many topics: each value stands for about 150 of them. Default: each
// topic's own name. It must be quick, answer the same for the same name, and may be
// called from any goroutine.
func TopicLabel(label func(topic string) string) Option {
	return func(c *Collector) { c.label = label }
}

// Collector implements prometheus.Collector for one producer. All methods may be
// called from any goroutine, also after the producer was closed.
type Collector struct {
	source Source
	label  func(string) string
	own    *ownLabels // nil: label decides
	rows   []row
}

// row is a metric with its descriptor.
type row struct {
	metrics.Metric
	desc *prometheus.Desc
	kind prometheus.ValueType
}

var kinds = map[metrics.Kind]prometheus.ValueType{
	metrics.Counter: prometheus.CounterValue, metrics.Gauge: prometheus.GaugeValue,
}

// New makes a collector, to be registered.
func New(source Source, options ...Option) *Collector {
	c := &Collector{source: source}
	for _, set := range options {
		set(c)
	}
	for _, m := range metrics.Table() {
		c.rows = append(c.rows, row{m, prometheus.NewDesc(m.Name, m.Help, m.Labels, nil), kinds[m.Kind]})
	}
	return c
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(descs chan<- *prometheus.Desc) {
	for i := range c.rows {
		descs <- c.rows[i].desc
	}
}

// Collect implements prometheus.Collector. It walks all workers once, and holds
// each one's lock for a moment.
func (c *Collector) Collect(samples chan<- prometheus.Metric) {
	stats, label := c.source.Stats(), c.label
	if c.own != nil {
		label = c.own.label(stats)
	}
	snapshot := metrics.Take(stats, label)
	for i := range c.rows {
		r := &c.rows[i]
		// A metric that cannot be one, such as a label that is not UTF-8, becomes
		// an error of the scrape that names it.
		r.Values(snapshot, func(value float64, labels ...string) {
			m, err := prometheus.NewConstMetric(r.desc, r.kind, value, labels...)
			if err != nil {
				m = prometheus.NewInvalidMetric(r.desc, err)
			}
			samples <- m
		})
		r.Histograms(snapshot, func(h ekaf.Histogram, labels ...string) {
			samples <- NewHistogram(r.desc, h, labels...)
		})
	}
}
