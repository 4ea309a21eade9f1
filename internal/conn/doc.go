// Package conn owns one connection to one Kafka broker: dialling, TLS, SASL, version negotiation, framing and the
// pairing of answers with requests. It knows nothing of topics, batches or retries.
//
//	Send, Do (any goroutine)                                reader goroutine
//	       │                                                       ▲
//	       ▼                                                       │
//	writer token (channel of 1)                             frame: size, checked, buffer grows
//	       │ held over one whole write                      as bytes arrive, never before
//	       ▼                                                       │
//	stamp size and correlation id ──► pending ring ───────► front of the ring must carry the same id
//	       │                          (order of writes)            │
//	       ▼                                ▲                      ▼
//	one Write, or writev on TCP             │               Handler.Answer(body, nil)
//	       │                          watchdog timer: the oldest
//	       ▼                          request older than RequestTimeout
//	     broker                       kills the connection
//
// # Death
//
// A connection dies once, with the first error anyone met: a failed read or write, a foreign answer, a timeout, Kill or
// Close. What follows is always the same sequence, and its order is what makes recycling of a request's bytes safe:
//
//  1. Kill stores the error under the mutex; from now on no request can enter the pending ring.
//  2. Kill closes the socket. A writer that hangs in write or writev returns with an error; so does the reader.
//  3. The reader goroutine takes the writer token, and keeps it for ever. It gets it only when the last writer has
//     returned, so from here on nobody looks at the bytes of any request.
//  4. It answers every pending request with the error, in the order they were written, each exactly once.
//  5. It closes Done.
//
// Were step 4 to come before step 3, a batch could be sent again over another connection, acked there, and its memory
// refilled, while the first writer still sleeps inside writev; woken, it would send foreign bytes under a valid
// checksum (KAFKA-19012).
package conn
