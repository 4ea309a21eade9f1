package broker

import (
	"sync/atomic"
	"time"

	"github.com/ekaf-go/ekaf/bench/usage"
)

// Counters is what a broker has seen since it started or since the last reset.
type Counters struct {
	Connections int64 `json:"connections"` // accepted
	Requests    int64 `json:"requests"`    // Produce requests
	Others      int64 `json:"others"`      // requests other than Produce
	Batches     int64 `json:"batches"`     // appended; duplicates are not counted again
	Records     int64 `json:"records"`     // appended, as the batch headers say
	Bytes       int64 `json:"bytes"`       // of appended batches, headers included, as sent

	Duplicates int64 `json:"duplicates"`   // batches seen before, answered with their first offset
	OutOfOrder int64 `json:"out_of_order"` // batches refused for a gap in their sequence or a stale epoch
	Malformed  int64 `json:"malformed"`    // batches refused for their bytes, a wrong CRC included
	Unknown    int64 `json:"unknown"`      // batches for a topic or partition which does not exist

	// CPU is what the broker's process has cost since its start, user and
	// system. A reset does not change it.
	CPU time.Duration `json:"cpu_ns"`

	// The following stay 0 unless the broker verifies.
	VerifiedRecords int64  `json:"verified_records"` // decoded one by one
	KeyBytes        int64  `json:"key_bytes"`        // of the decoded records
	ValueBytes      int64  `json:"value_bytes"`      // of the decoded records
	ValueSum        uint64 `json:"value_sum"`        // sum of the CRC32C of each value, in any order
}

// Faults counts the batches a broker did not plainly append: 0 in a good run.
func (c Counters) Faults() int64 { return c.Duplicates + c.OutOfOrder + c.Malformed + c.Unknown }

type counters struct {
	connections, requests, others, batches, records, bytes atomic.Int64
	duplicates, outOfOrder, malformed, unknown             atomic.Int64
	verified, keyBytes, valueBytes                         atomic.Int64
	valueSum                                               atomic.Uint64
}

// tally is what one request adds. It is added in one go before the answer is
// written, so that whoever got an ack finds the record counted.
type tally struct {
	batches, records, bytes                    int64
	duplicates, outOfOrder, malformed, unknown int64
	verified, keyBytes, valueBytes             int64
	valueSum                                   uint64
}

func (c *counters) add(t *tally) {
	c.requests.Add(1)
	c.batches.Add(t.batches)
	c.records.Add(t.records)
	c.bytes.Add(t.bytes)
	if t.duplicates|t.outOfOrder|t.malformed|t.unknown != 0 {
		c.duplicates.Add(t.duplicates)
		c.outOfOrder.Add(t.outOfOrder)
		c.malformed.Add(t.malformed)
		c.unknown.Add(t.unknown)
	}
	if t.verified != 0 {
		c.verified.Add(t.verified)
		c.keyBytes.Add(t.keyBytes)
		c.valueBytes.Add(t.valueBytes)
		c.valueSum.Add(t.valueSum)
	}
}

// Counters returns the present counts. Each is exact; together they are one
// moment only while no request is being served.
func (b *Broker) Counters() Counters {
	c := &b.counters
	cpu, _ := usage.Read()
	return Counters{
		CPU:         cpu,
		Connections: c.connections.Load(), Requests: c.requests.Load(), Others: c.others.Load(),
		Batches: c.batches.Load(),
		Records: c.records.Load(), Bytes: c.bytes.Load(),
		Duplicates: c.duplicates.Load(), OutOfOrder: c.outOfOrder.Load(),
		Malformed: c.malformed.Load(), Unknown: c.unknown.Load(),
		VerifiedRecords: c.verified.Load(), KeyBytes: c.keyBytes.Load(),
		ValueBytes: c.valueBytes.Load(), ValueSum: c.valueSum.Load(),
	}
}

// ResetCounters sets all counts to 0. Offsets and sequences stay.
func (b *Broker) ResetCounters() {
	c := &b.counters
	for _, n := range []*atomic.Int64{
		&c.connections, &c.requests, &c.others, &c.batches, &c.records, &c.bytes, &c.duplicates, &c.outOfOrder,
		&c.malformed, &c.unknown, &c.verified, &c.keyBytes, &c.valueBytes,
	} {
		n.Store(0)
	}
	c.valueSum.Store(0)
}
