// Package batch owns the bytes of a record batch (message format v2).
//
//	Append ──► record encoded in place into the last chunk ──► Close
//	                                                             │ compress (a pool's work)
//	                                                             ▼
//	chunk 0              chunk 1         chunk 2               Stamp: producer id, epoch,
//	┌────────┬─────────┐ ┌─────────────┐ ┌──────────┐          sequence, CRC
//	│ header │ records │ │ records     │ │ records  │ ──────►  Wire: slices for one writev
//	└────────┴─────────┘ └─────────────┘ └──────────┘
//
// A record is encoded at the call that brings it and never again: what Append
// writes is what goes on the wire. Nothing is kept per message but those bytes;
// a completion is kept per call, beside them. Producer id, epoch, sequence and
// CRC are holes until the batch is first sent. No record spans two chunks.
//
// The batch also knows how often it was tried, because its bytes may be patched
// or recycled only when each attempt was answered or its writer has returned on
// a closed connection.
package batch
