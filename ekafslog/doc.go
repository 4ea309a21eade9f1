// Package ekafslog is a slog.Handler that writes to a topic of Kafka.
//
//	logs := ekafslog.New("logs")
//	p, err := ekaf.New(ekaf.Brokers("localhost:9092"), ekaf.Logger(slog.New(logs)))
//	...
//	err = logs.Attach(p)
//	slog.SetDefault(slog.New(logs))
//
//	slog.Info ──► Handler.Handle ──► encoder (JSON) ──► TopicProducer.ProduceAsync ──► Kafka
//	                  │                                      │
//	                  ├── a producer's own record ───────────┤ refused: the buffer is full, closed
//	                  └── not attached yet ──────────────────┴──► counted, and to Fallback
//
// A call of the logger never waits: neither for Kafka nor for room in the buffer.
// What has no room is counted as dropped, and given to the fallback, if there is one.
//
// It cannot feed itself: what producers log about their own work, recognised by
// ekaf.OwnLog, goes to the fallback and never to Kafka, whichever producer it is.
// Handlers between a producer's logger and this one must pass the context on, as
// slog asks of them. What a program itself logs in an OnEvent handler or a
// Callback of the log's own topic is its own loop to avoid; a Custom strategy of
// that topic runs within the logger's call, and must not log to it.
//
// The records of one goroutine stand in each partition in the order in which they
// were logged; with several workers, in what each of them writes.
package ekafslog
