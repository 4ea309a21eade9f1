package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekafprom"
	"github.com/ekaf-go/ekaf/gateway"
	"github.com/ekaf-go/ekaf/gateway/gatewayprom"
)

// exposition is what /metrics shows. It is mounted before there is a handler to
// show, and filled once there is one.
type exposition struct{ registry *prometheus.Registry }

func newExposition() *exposition { return &exposition{prometheus.NewRegistry()} }

// scrapes bounds those that are answered at once: each walks all workers.
const scrapes = 4

func (e *exposition) mount() gateway.Option {
	return gateway.Mount("/metrics", "Metrics for Prometheus", promhttp.HandlerFor(e.registry, promhttp.HandlerOpts{MaxRequestsInFlight: scrapes}))
}

// fill registers all there is: the producer, the gateway, the process.
func (e *exposition) fill(p *ekaf.Producer, h *gateway.Handler, topics int) {
	e.registry.MustRegister(
		ekafprom.New(p, ekafprom.MaxTopics(topics)), gatewayprom.New(h),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), collectors.NewBuildInfoCollector(),
	)
}
