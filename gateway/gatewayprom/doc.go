// Package gatewayprom shows a gateway to Prometheus. Beside ekafprom, which shows
// the producer behind it:
//
//	registry := prometheus.NewRegistry()
//	door, err := gateway.New(producer, gateway.Mount("/metrics", "Metrics for Prometheus", promhttp.HandlerFor(registry, promhttp.HandlerOpts{})))
//	registry.MustRegister(ekafprom.New(producer, ekafprom.MaxTopics(100)), gatewayprom.New(door))
//
//	scrape ──► Collector.Collect ──► Handler.Stats ──► Table ──► samples
//
// Requests are counted by the pattern of their route, never by their path, so that
// the number of series has a bound which clients cannot move. The metrics are
// listed in docs/metrics.md.
package gatewayprom
