// Package door puts "ekaf serve", as a program, between clients and brokers, and
// asks whether its answers were true.
//
//	64 clients, every producing route
//	     │ requests                 ▲ answers
//	     ▼                          │
//	ekaf serve (a process) ═════════╧═════► brokers, one killed after the other
//	                                           │ kgo
//	ledger: what each answer claimed ──► judge ◄┘
//
//	2xx that claims Kafka, or a record's own ok   there once
//	2xx that claims "accepted"                    there once, when the program has ended with 0
//	an error with "maybe_written":false           not there
//	any other answer, or none                     there at most once
//
// It runs on the embedded broker always, and on three of Apache Kafka where
// EKAF_REAL_KAFKA is set. There it also asks every route once, and lets a public
// client of the REST Proxy (npm's kafka-rest, in the folder that EKAF_NODE_MODULES
// names) work through the gateway unchanged.
//
// All of it is tests; nothing here is for other packages.
package door
