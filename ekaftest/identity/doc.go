// Package identity states, as data, what Kafka brokers answer when a batch is
// sent again: after a lost ack, a broker restart, a leader change, the expiry
// of a producer id, a deletion.
//
// It owns the table and the way to run it, and knows nothing of the cluster it
// runs on, so that the same cases judge the embedded cluster and real brokers:
//
//	Cases ──► Run ──► Produce, DescribeProducers, Fetch ... ──► net.Conn ──► any cluster
//	            │                                                  ▲
//	            └──► Target: Dial, Restart, FailOver, FailBack ────┘
//
// Every expectation was measured on Apache Kafka 4.4.0, 3.9.1, 2.8.2 and
// 0.11.0.3; where releases differ a case names those it holds for.
package identity
