// Package ekaftest is an embedded Kafka cluster for tests and demonstrations.
//
// It owns a cluster of one or more brokers inside the process: real TCP
// listeners on loopback (or in-memory connections, which work under
// testing/synctest), the faults a producer meets in the field, and the answer
// to the one question that matters afterwards: what would a consumer see?
//
//	c := ekaftest.Start(t, ekaftest.Brokers(3), ekaftest.Topic("events", 3))
//	// ... produce to c.Addrs() with any Kafka client ...
//	messages, err := c.WaitFor(ctx, "events", 100)
//
// The protocol and the logs are those of franz-go's kfake. ekaftest stands in
// front of it, frame by frame:
//
//	client ── TCP or in memory ──► broker ──► session ── net.Pipe ──► kfake
//	           refuse, delay,        │          │  SASL, faults,        logs,
//	           cut, blackhole        │          │  throttle             groups,
//	           (Network)             │          │                       metadata
//	           stop, start ──────────┘          ▼
//	                                         Produce ──► validation ──► producer
//	                                         as a broker orders it      state, per
//	                                                                    partition and
//	                                                                    replica
//
// Producer state, which decides whether a batch sent again is written again,
// is kept as Apache Kafka keeps it and not as kfake does: per partition, five
// batches of each producer id, one after a broker restart, expiring by record
// timestamps, gone when an empty log is loaded. Package identity holds the
// table of cases, measured on real brokers, which proves it.
//
// A Cluster is safe for concurrent use.
package ekaftest
