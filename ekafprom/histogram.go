package ekafprom

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ekaf-go/ekaf"
)

// NewHistogram is a histogram as Prometheus has them, for collectors beside this
// package's own. Labels that do not fit the descriptor make a metric whose scrape
// says so.
func NewHistogram(desc *prometheus.Desc, h ekaf.Histogram, labels ...string) prometheus.Metric {
	buckets := make(map[float64]uint64, ekaf.LatencyBuckets-1)
	var below uint64
	for i, bound := range ekaf.LatencyBounds() {
		below += uint64(h.Counts[i])
		buckets[bound.Seconds()] = below
	}
	m, err := prometheus.NewConstHistogram(desc, uint64(h.Count()), h.Sum.Seconds(), buckets, labels...)
	if err != nil {
		return prometheus.NewInvalidMetric(desc, err)
	}
	return m
}
