// Package dashboard is a page that shows what a producer does, live, and lets one
// try it. The gateway serves it at /, behind its guard.
//
//	producer.Stats ─► one tick a second ─► history: 15 minutes of samples
//	                                  └──► the latest snapshot ─┐
//	producer's events ─► Observe ─► ledger: kinds, recent, faults ─┤
//	                                                               ▼
//	                                     a frame, made once for all viewers, if any
//	                                                               │ server-sent events
//	browser ◄── page, style, scripts (embedded) ◄── assets         ▼
//	   └── try it: a call of the gateway's own routes          each viewer's request
//
// History and ledger have a fixed size: a board costs what it costs from the
// start, whoever watches and whatever happens. A viewer that reads too slowly
// misses frames, and is then sent the whole again; nothing is queued for it.
//
// # Concurrency
//
// All methods may be called from any goroutine. Watch starts the only goroutine,
// which Close ends; each viewer is served by the goroutine of its request.
package dashboard
