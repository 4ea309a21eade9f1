package gateway

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/ekaf-go/ekaf"
)

// probeRoutes are for load balancers and people. They are not guarded.
func probeRoutes() []*route {
	return []*route{
		{
			method: http.MethodGet, path: "/healthz", serve: (*exchange).serveHealth,
			doc: doc{tag: "probes", summary: "Is the process alive?", answers: map[int]string{200: `{"ok":true}`}},
		},
		{
			method: http.MethodGet, path: "/readyz", serve: (*exchange).serveReady,
			doc: doc{tag: "probes", summary: "Can it accept messages, and what is down?", answers: map[int]string{
				200: `{"ready":true,"down":[...]}: messages are accepted; what is down is named all the same`,
				503: `{"ready":false,"why":[...],"down":[...]}`,
			}},
		},
		{
			method: http.MethodGet, path: "/openapi.json", serve: (*exchange).serveOpenAPI,
			doc: doc{tag: "probes", summary: "This document", answers: map[int]string{200: "an OpenAPI 3.1 document"}},
		},
	}
}

func (x *exchange) serveHealth() {
	x.out = append(x.out[:0], `{"ok":true}`...)
	x.w.Header()["Cache-Control"] = noStore
	x.send(http.StatusOK, jsonType)
}

// smallestRoom is what a buffer must have left to be of use: a worker takes
// memory in pieces, the first of them of a KiB.
const smallestRoom = 4 << 10

// serveReady: ready means that messages are accepted, also while Kafka is away;
// what is down is named in any case.
func (x *exchange) serveReady() {
	var why []string
	if x.h.draining.Load() {
		why = append(why, "the gateway is shutting down")
	}
	if x.h.settings.ready != nil {
		why = append(why, x.h.settings.ready()...)
	}
	stats := x.h.producer.Stats()
	if stats.BufferLimit > 0 && stats.BufferedBytes > stats.BufferLimit-smallestRoom {
		why = append(why, "the buffer is full")
	}
	status := http.StatusOK
	if len(why) > 0 {
		status = http.StatusServiceUnavailable
	}
	out := append(x.out[:0], `{"ready":`...)
	out = strconv.AppendBool(out, len(why) == 0)
	if len(why) > 0 {
		out = appendTexts(append(out, `,"why":`...), why)
	}
	out = appendTexts(append(out, `,"down":`...), down(stats))
	out = append(out, `,"buffered_bytes":`...)
	out = strconv.AppendInt(out, stats.BufferedBytes, 10)
	out = append(out, `,"buffered_messages":`...)
	out = strconv.AppendInt(out, int64(stats.Buffered), 10)
	x.out = append(out, '}')
	x.w.Header()["Cache-Control"] = noStore
	x.send(status, jsonType)
}

// down names brokers and topics that cannot be reached.
func down(stats ekaf.Stats) []string {
	var names []string
	if stats.Err != nil {
		names = append(names, "kafka") // without the error, which names addresses
	}
	for name, t := range stats.Topics {
		if t.State == ekaf.TopicDowntime.String() {
			names = append(names, "topic "+name)
		}
	}
	for id, b := range stats.Brokers {
		if !b.Connected && b.Buffered > 0 {
			names = append(names, "broker "+strconv.Itoa(int(id)))
		}
	}
	slices.Sort(names)
	return names
}

func appendTexts(out []byte, texts []string) []byte {
	out = append(out, '[')
	for i, text := range texts {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendText(out, text)
	}
	return append(out, ']')
}
