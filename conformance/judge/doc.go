// Package judge decides, from what a topic holds, whether a producer kept its
// word: nothing lost, nothing twice, nothing out of order.
//
// It reads with an independent client (kgo) and never asks the producer under
// test. The test writes values of one form ([AppendValue]), notes what the
// producer said about each in an [Expectation], and compares:
//
//	test ── AppendValue ──► producer under test ──► Kafka
//	 │                          │ outcomes             │
//	 │                          ▼                      ▼
//	 │                     Expectation            Consume (kgo, read_uncommitted,
//	 │                     acked, maybe                │   start to high watermark)
//	 │                          └──────► Verify ◄──────┘
//	 ▼                                     │
//	t.Fatal(report.Err())  ◄──── Report: lost, duplicated, reordered, ...
//
// Two million records take about 24 bytes each in the [Log] and two bits each in
// the Expectation.
package judge
