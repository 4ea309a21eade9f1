// Package metrics owns the table of the metrics that a producer has: their names
// for Prometheus and for OpenTelemetry, kinds, units, labels, and where in
// ekaf.Stats their values stand. The collectors and docs/metrics.md are made from it.
//
//	ekaf.Stats ──► Take: topics grouped, reasons named ──► Snapshot
//	                                                          │
//	Table ──► Metric ── Values, Histograms ◄──────────────────┘
//	            │
//	            └──► ekafprom, ekafotel, docs/metrics.md, and the check of deploy/
package metrics
