// Package cluster knows which brokers there are, which of them leads each partition, and asks them the
// few questions a producer has beside Produce: a producer id, the producer state a leader remembers,
// what the log already holds, where the log ends.
//
// It owns the metadata and the connections those questions travel on. It owns no connection on which
// records are produced, and knows nothing of records, batches to be sent, lanes or callers.
//
//	Want, Refresh, Wait          Hint (KIP-951)          ProducerID, ProducerExpiry, Do, LastProducer, ReadBack, LogEnd
//	       │                        │                                     │
//	       ▼                        │                                     ▼
//	 schedule ── due ──► refresh loop (one goroutine)           any broker │ the leader
//	                        │       │                                  │   │
//	        no connection   ▼       │ Metadata                         │   ▼
//	     known brokers, then seeds  │                                  │ broker connections: one a broker,
//	     raced, 1 s apart           ▼                                  │ made when asked, closed when idle 60 s
//	                     control connection ◄──────────────────────────┘
//	                                │ answer
//	                                ▼
//	                 merge with the newest snapshot (stale facts are not believed)
//	                                │
//	                                ▼
//	                 new immutable Snapshot ──► atomic pointer ──► Snapshot()
//	                                └─────────► notes, in order ──► OnSnapshot, OnFailure
//
// What is believed: a partition's leader of an older epoch than the one known, fewer partitions than
// known, and the absence of a topic that was there are, as a rule, the answers of a broker that lags
// behind. Such an answer is believed only when it is given five times in a row over two seconds. A topic id
// that changed means the topic was deleted and made again: its new facts are taken whole.
//
// Nothing here waits for a user callback, and no lock is held across a wait.
package cluster
