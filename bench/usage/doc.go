// Package usage reads what the present process has cost: the client's columns
// come from it, and the broker's own cost, which must stay small beside them.
//
//	getrusage(2) or GetProcessTimes ──► Read ──► measure (client), counters (broker)
package usage
