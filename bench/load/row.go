package load

import (
	"fmt"
	"time"
)

// What is measured.
const (
	Throughput = "throughput" // many records, all acked
	Latency    = "latency"    // callers which each wait for an ack before the next record
	FirstAck   = "first ack"  // from the constructor's call to one record's ack
	Idle       = "idle"       // memory held when each partition got a record and all is acked
	Downtime   = "downtime"   // what handing over a record costs while the broker is away
	Rates      = "rates"      // how fast calls return, and how fast records are delivered
	Pipe       = "pipe"       // lines read from standard input by a program
	Requests   = "requests"   // HTTP requests to a server with Kafka behind it
	Away       = "away"       // the same while Kafka is away, until the buffer is full and beyond
	Connected  = "connected"  // memory of a server with idle connections
)

// How records are placed.
const (
	Unkeyed  = "unkeyed"  // no key: the client's own default strategy
	Explicit = "explicit" // round robin over partitions named by the caller
	Keyed    = "keyed"    // a key of 16 bytes, murmur2
	Random   = "random"   // no key: ekaf's Random strategy; the default one of the others
	Sticky   = "sticky"   // no key: ekaf's StickyRoundRobin(1000); the default one of the others
)

// How records are given to the client.
const (
	Callback  = "callback"  // one call and one callback for each record
	Batch     = "batch"     // one call for BatchSize records, where the client has such a call
	Multi     = "multi"     // one call for all records, where the client has such a call
	Immediate = "immediate" // as Callback, without linger
	Closure   = "closure"   // as Callback, with a function of its own for each record, where the client takes one
	Func      = "func"      // as Closure, where the client can by the call that takes the function for itself
)

// BatchSize is the number of records in a Batch call.
const BatchSize = 100

// Kafka says that a row runs on a real cluster instead of the counting broker.
const Kafka = "Kafka"

// Row is one line of the table: the same work for each client.
type Row struct {
	Measure    string        `json:"measure"`
	ValueBytes int           `json:"value_bytes"`
	Partitions int           `json:"partitions"`
	Placement  string        `json:"placement"`
	Call       string        `json:"call,omitempty"`
	Codec      string        `json:"codec"`
	Goroutines int           `json:"goroutines"`
	CPUs       int           `json:"cpus,omitempty"` // which the client may use; 0 is 1
	Records    int           `json:"records"`        // measured
	Warmup     int           `json:"warmup"`         // produced and acked before
	Linger     time.Duration `json:"linger_ns"`
	Buffer     int           `json:"buffer_bytes"`
	Delay      time.Duration `json:"delay_ns"` // of the broker's answers
	// DelayAll delays the answers to all requests, not to Produce alone.
	DelayAll bool `json:"delay_all,omitempty"`
	// Lines is the number of records in an HTTP request, one a line; 0 or 1: its
	// body is the record. Goroutines are connections then.
	Lines int `json:"lines,omitempty"`
	// Cluster is Kafka, or empty for the counting broker.
	Cluster string `json:"cluster,omitempty"`
}

// Name tells the rows of a table apart.
func (r Row) Name() string {
	name := r.shape()
	if r.CPUs > 1 {
		name += fmt.Sprintf(", %d CPUs", r.CPUs)
	}
	if r.Delay > 0 {
		name += fmt.Sprintf(", answers after %v", r.Delay)
	}
	if r.Cluster != "" {
		name += ", " + r.Cluster
	}
	return name
}

func (r Row) shape() string {
	s := fmt.Sprintf("%dB x%d %s", r.ValueBytes, r.Partitions, r.Placement)
	switch r.Measure {
	case FirstAck, Idle:
		return fmt.Sprintf("%s x%d", r.Measure, r.Partitions)
	case Latency:
		return fmt.Sprintf("%s %s, %d callers", r.Measure, s, r.Goroutines)
	case Rates:
		return fmt.Sprintf("%s %s %s, %d records, %d callers", r.Measure, s, r.Call, r.Records, r.Goroutines)
	case Pipe:
		return fmt.Sprintf("%s %s", r.Measure, s)
	case Downtime:
		s = Downtime + " " + s
	case Requests, Away:
		return r.httpShape()
	case Connected:
		return fmt.Sprintf("HTTP, %d idle connections", r.Goroutines)
	}
	s += " " + r.Call
	if r.Codec != "none" {
		s += " " + r.Codec
	}
	if r.Goroutines > 1 {
		s += fmt.Sprintf(", %d goroutines", r.Goroutines)
	}
	return s
}

func (r Row) httpShape() string {
	s := fmt.Sprintf("POST /async %dB", r.ValueBytes)
	if r.Lines > 1 {
		s = fmt.Sprintf("NDJSON %d x %dB", r.Lines, r.ValueBytes)
	}
	s += fmt.Sprintf(" x%d, %d connections", r.Partitions, r.Goroutines)
	if r.Measure == Away {
		s += ", Kafka away"
	}
	return s
}

// HTTP reports whether a row's records come by HTTP: then servers do it, not
// clients.
func (r Row) HTTP() bool {
	return r.Measure == Requests || r.Measure == Away || r.Measure == Connected
}

// Streams reports whether many records are given to the client before the
// first is acked; else a caller waits for each.
func (r Row) Streams() bool { return r.Measure != Latency && r.Measure != FirstAck }

// PerCall is the number of records given to a client in one call, where it has
// such a call.
func (r Row) PerCall() int {
	switch r.Call {
	case Batch:
		return BatchSize
	case Multi:
		return r.Records
	}
	return 1
}

// FuncEach reports whether each record has a function of its own, which knows the
// record: for a program that must know which of them was acked.
func (r Row) FuncEach() bool { return r.Call == Closure || r.Call == Func }

// Total is the number of records that the broker must have counted in the end.
func (r Row) Total() int { return r.Warmup + r.Records }
