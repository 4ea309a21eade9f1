// Package suite is ekaf's conformance suite: what a producer has to deliver,
// asked of any cluster.
//
// A [Scenario] is one question. It produces with ekaf, then judges by what an
// independent consumer (kgo, through package judge) finds in the topic. It sees
// the cluster through the interface [Cluster] alone, so the same scenarios run
// on the embedded broker, on real Apache Kafka and on a cluster somebody else
// runs:
//
//	                    ┌─ embedded (ekaftest)          always
//	Scenarios ─► Run ───┼─ Apache Kafka (realkafka)     EKAF_REAL_KAFKA=1
//	              │     └─ a cluster named by address   EKAF_TEST_BROKERS=host:port,...
//	              ▼
//	           Trial ── ekaf ──► topic ── kgo ──► judge
//	              │ acks                            │
//	              └───────── must agree ◄───────────┘
//
// EKAF_KAFKA_VERSIONS names the versions of Apache Kafka to run on, separated by
// commas (default 4.4.0); one broker and three of each, one with SASL_SSL, one
// with mTLS. With EKAF_REAL_KAFKA=require a missing JDK or Maven is a failure.
// EKAF_BIG=1 has TestBig send a million messages.
//
// A scenario says which capabilities it needs; a cluster without them does not
// run it. Nothing here asserts how long something takes.
package suite
