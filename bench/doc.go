// Command bench compares Kafka producers by what they cost their process.
//
//	bench ──┬── "bench broker"   one process, on a CPU of its own: counts
//	        │        ▲
//	        │        │ Kafka protocol over loopback
//	        │        │
//	        └── "bench measure"  one process for each (row, client, round), on
//	                             another CPU: warms up, measures, prints a Sample
//
// The rounds of a row are interleaved: each round runs every client once, and
// each round begins with another client, so that a machine which slows down
// slows all of them. A sample counts only if the records sent, acked and counted
// by the broker are the same number; otherwise its cell is void.
//
// See README.md for how to run it, and what not to conclude.
package main
