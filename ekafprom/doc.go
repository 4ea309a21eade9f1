// Package ekafprom shows a producer to Prometheus.
//
//	reg.MustRegister(ekafprom.New(producer))
//
//	scrape ──► Collector.Collect ──► Producer.Stats ──► internal/metrics.Table ──► samples
//
// A scrape takes one snapshot of the producer; between scrapes the collector
// costs nothing, and it keeps nothing. The metrics are listed in docs/metrics.md.
// A dashboard for Grafana and alert rules are in the folder deploy.
//
// Several producers in one registry need a label each to be told apart:
//
//	prometheus.WrapRegistererWith(prometheus.Labels{"producer": "audit"}, reg).MustRegister(ekafprom.New(p))
package ekafprom
