// Package gateway is an HTTP door to Kafka: a handler that anyone mounts in a
// server of their own, and that the program "ekaf serve" serves. It owns the
// routes, how a request becomes messages, and what is answered; everything
// behind the answer is the producer's.
//
//	request ─► route ─► guard ─► admission ─► body ─► messages ─► Rewrite ─► producer
//	           table    who may,  /safe/ and  bounded, one, lines,  hook       │ buffered: handed over
//	           404 405  and how   sync waits  gunzip   array, form             │ kafka:    acked
//	                    often     503                  422                     ▼
//	answer ◄── dialect ◄────────────── status table ◄───────────── accepted, acked or an error
//	           kafboy's, ours,         one table from ekaf's errors
//	           or a route's own        to status and Retry-After
//
// An answer tells the truth: no status of the 2xx class is given unless what it
// claims has happened. "Buffered" claims that the producer accepted the message;
// "kafka" that the brokers acknowledged it.
//
// A body is read to its end before anything of it is produced: a client that
// hangs up while it sends has produced nothing. Streams of records (the REST
// Proxy's v3) are the exception: each record is produced as it has come in whole,
// and answered when Kafka has it. Once messages are accepted they
// stay accepted, whether or not the client is still there to hear it.
//
// # Concurrency
//
// A Handler may serve any number of requests at once. A stream of records is read
// by a goroutine that ends with its request, and what a Rewrite hook spreads over
// topics is waited for by one for each; there are no others. Hooks are called from the goroutines of requests, several at a time.
package gateway
