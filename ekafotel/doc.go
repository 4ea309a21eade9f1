// Package ekafotel traces a producer's calls with OpenTelemetry, and gives its
// metrics. It uses OpenTelemetry's API alone; the program chooses the SDK.
//
//	traced := ekafotel.Wrap(producer)
//	traced.ProduceAsync(ctx, "events", ekaf.Value("hello"))
//
//	ctx ── span of the caller
//	  └──► Wrap: span "send events" ──► W3C context into each message's headers ──► verb
//	            │                                                                    │
//	            └──────── ended by the last outcome of the call's messages ◄─────────┘
//
//	meter's reader ──► Metrics ──► Producer.Stats ──► internal/metrics.Table ──► observations
//
// Behind the HTTP gateway, which knows nothing of OpenTelemetry:
//
//	door, err := gateway.New(producer, gateway.Through(func(h *ekaf.TopicProducer) gateway.Verbs { return traced.Around(h) }))
//	http.ListenAndServe(":8080", ekafotel.Continue(door))
//
//	request's traceparent ──► Continue, or a middleware's span ──► context ──► span "send" ──► record's traceparent
//
// Names follow the semantic conventions for messaging and for Kafka, version
// 1.43. A span "send" covers a call from its beginning to the last outcome of its
// messages, also of an async verb. Its context goes with every message in the
// headers traceparent, tracestate and baggage, so that a consumer's span can link
// to it. A message that has a traceparent already keeps it, and the span links to that.
// With [PerMessage] each message gets a span "create" of its own, whose context
// travels, and the span "send" links to them.
//
// Brokers older than Kafka 0.11 cannot store headers, and refuse messages with them.
package ekafotel
