// Package ekaf publishes events to Apache Kafka. It never makes its caller wait
// for the network, and it does not lose what it accepted while the process
// lives: brokers may be away at the start, for a second or for a day.
//
//	p, err := ekaf.New(ekaf.Brokers("localhost:9092"))
//	...
//	err = p.ProduceAsync(ctx, "events", ekaf.Value("hello"))   // hand over, go on
//	ack, err := p.ProduceSync(ctx, "events", ekaf.Value("hi")) // wait for the ack
//	...
//	err = p.Close(ctx)                                         // deliver the rest
//
// New touches no network. Every message that a verb accepted gets exactly one
// outcome, an [Ack] or a [*DeliveryError], also when the producer is closed. A
// verb that does not wait for acks and returns an error accepted nothing, or not
// the messages that its [*RefusedError] names. Delivery is idempotent by
// default, with acks=all.
//
// # The verbs
//
//	                    sent                        waits for         answers
//	ProduceSync         at once                     the acks          Acked
//	ProduceAsync        at once                     nothing           outcomes go to callbacks
//	ProduceSyncBatched  when full or after Linger   room, partitions  Receipt
//	ProduceAsyncBatched when full or after Linger   nothing           Receipt
//
// ProduceAsyncFunc and ProduceAsyncBatchedFunc take one callback for the whole
// call; [Message.Then] gives a single message its own. Publish and Batch are the
// original ekaf's names of ProduceAsync and ProduceSyncBatched.
//
// # The flow
//
//	caller                                                                  Kafka
//	  │ Produce*(ctx, topic, messages...)                                     ▲
//	  ▼                                                                       │
//	Producer ── look up ──► topic ── strategy ──► worker ── batch ──► sender ─┘
//	limits, policy            │  ▲                  │                 one per broker:
//	                          ▼  │ metadata         │ encodes the     many batches in a request,
//	                      bootstrapping             │ record straight up to five of a worker in
//	                      ready ⇄ downtime          │ into the bytes  flight, answers in order
//	                          ▲                     │ of the batch      │
//	                          │                     ▼                   ▼
//	                          └──────────── acked, sent again, or failed ──► callbacks, events
//
// A topic is bootstrapping until its partitions are known, and in downtime while
// none of them can be reached; in both, messages wait in memory, under the limits
// of [BufferBytes], [PartitionBufferBytes] and their kin, and [WhenFull] says what
// happens at a limit. A worker is one of the lanes of a partition ([Workers]), with
// batches, sequence numbers and an order of its own. A [Strategy] chooses it.
//
// # Concurrency
//
// All methods may be called from any goroutine. Callbacks run one after another
// on a goroutine of their own, and event handlers on another; both may produce.
// The caller may reuse its byte slices as soon as a call returns.
package ekaf
