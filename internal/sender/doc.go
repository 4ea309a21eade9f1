// Package sender carries the lanes' batches to one broker.
//
//	Ready(lane) ──► ready queues ──► drain ──► one Produce request ──► connection
//	Later(lane) ──► schedule ──┘     (fair: one batch of a lane, then the next)  │
//	                                                                            ▼
//	lane.Answered ◄── one answer for each batch ◄── response, in order ◄── reader goroutine
//
// A Sender has one goroutine, which connects, drains and sleeps; answers arrive
// on the connection's reader. While nothing is in flight, open batches with
// immediate messages are sent as they are; while something is, they grow, and
// only full batches follow it, up to five requests. So an idle producer sends at
// once, and a busy one in large batches, without a timer for either.
//
// The connection is a state machine (state.go); each move is told to the Host:
//
//	unused, idle ──► connecting ──► up ──► idle
//	                     │           │ ◄──► authenticating
//	                     └──► down ◄─┘
//	                          │  ▲
//	                          ▼  │
//	                      reconnecting ──► up              any ──► stopped
//
// A caller that waits for its ack and finds nothing in flight writes the request
// itself (see Drain). Whoever drains holds the turn; the order of locks is turn,
// lane, and the sender's own mutex last, held over no call.
//
// A request holds at most one batch of a partition (Kafka looks only at the last
// one), and only topics that agree on acks and timeout.
package sender
