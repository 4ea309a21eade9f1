// Package faults puts brokers and networks in the wrong, scenario by scenario,
// and asks whether ekaf kept its promises.
//
// A scenario has a name, which docs/faults.md lists with the promise it proves;
// [TestTheDocument] keeps the two together. It produces messages of the judge's
// form while something goes wrong. In the end each message must have exactly one
// outcome, and an independent consumer (kgo, through package judge) must agree
// with all of them:
//
//	            scenario ──────────────── fault ────────────────┐
//	               │ messages                                   ▼
//	               ▼                                     answers, network,
//	ledger ──► producer under test ═══════════════════► brokers, clock, limits
//	  ▲  │ outcomes    │                                        │
//	  │  └─────────────┘                                        │ kgo
//	  │       acked: there once, in order per key               ▼
//	  └── failed, MaybeWritten: there at most once ◄────────── judge
//	      failed, refused, withdrawn: not there
//
// Most run on the embedded broker, in memory and in virtual time (testing/synctest),
// so an outage of a day takes no time. Those about sockets, descriptors and
// proxies run on loopback. Those about brokers as processes run on three real
// brokers of Apache Kafka where EKAF_REAL_KAFKA is set, and on the embedded ones
// always.
//
// All of it is tests; nothing here is for other packages.
package faults
