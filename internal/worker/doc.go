// Package worker owns the lanes: a Lane is one worker of one partition, with
// batches, sequence numbers and an order of its own.
//
//	Put ──► open batch ──(full, linger, idle sender)──► prepare ──► queue ──► Take ──► a connection
//	                                              massage, compress   │                    │
//	                                                                  │   head … next      │
//	                     Resolved ◄── settle ◄── acked or failed ◄────┴──── Answer ◄───────┘
//
// The queue holds every closed batch without an outcome, oldest first. Batches
// before next were given to a connection; those from next on wait. A lane that is
// confirmed (an OK from its present leader, leader epoch, connection and id)
// may have five batches in flight, counted from the head; one that is not may
// have one. After an error, or a death of the connection, a lane waits until
// nothing of it is in flight and starts again from its head, one at a time.
//
// Sequence numbers belong to a chain: an id, and the numbers that follow from
// the counts of the batches sent under it. A number that was on the wire is never
// used for other records. Where a batch fails for good behind one that is taken
// there is a gap, and the lane goes on in a new chain under a fresh id, as soon as
// no batch of the old one is undecided.
package worker
