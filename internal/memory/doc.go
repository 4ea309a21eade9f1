// Package memory owns the bytes of batches and the limits on them.
//
//	Take(n) ──► Chunk (1, 4, 16, 64, 256 KiB, 1 MiB; larger ones exact) ──► Give
//	Account.TryCharge(n) ── partition ──► topic ──► producer   Credit wakes who waits
//
// Chunks are charged by their capacity, not by what is used of them: 10,000
// lanes that each hold a chunk of 16 KiB hold 160 MB, however little is in them.
package memory
