// Package load produces messages as fast as it can, or at a rate, and says how
// fast they were acked and how long each took. It owns the callers, the clock
// and the figures of `ekaf bench`; it knows nothing of flags or clusters.
//
//	caller ── due? ──► verb ──► producer ──► ack ──► tally: counts, latency
//	 (Callers of them)                                 │         │
//	                                                  Live     Result
//
// With a rate, a message's latency counts from the moment at which it was due,
// whether or not a caller was free to produce it then: else a stall would hide
// the wait of all messages that it kept from being sent.
package load
