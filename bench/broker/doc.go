// Package broker is a counting Kafka broker: it speaks just enough of the
// protocol to be produced to, forgets every record, and remembers how many it
// was given. It owns the far side of every benchmark.
//
// A benchmark of producers wants a broker which costs little and lies never.
// Little: records are parsed as they stream through one read buffer, nothing is
// stored, and nothing is allocated per batch once a connection has warmed up.
// Never: each batch header is read, the sequence of every (producer id,
// partition) is checked as brokers check it, and with Config.Verify the CRC of
// every batch is computed and every record decoded.
//
//	client ──TCP──► conn.serve ──► frame (bounded stream reader)
//	                    │              │
//	                    │              ├── Produce ──► batch header ──► partition.append
//	                    │              │                   │             (sequence, offset)
//	                    │              │                   └─ Verify: CRC, every record
//	                    │              └── ApiVersions, Metadata, InitProducerId (kmsg)
//	                    ▼
//	              answers in order, each after Config.Delay
//
//	harness ──line protocol──► Control ──► Counters as one line of JSON
//
// Spoken versions: Produce v3-v13, Metadata v0-v12, InitProducerId v0-v5,
// ApiVersions v0-v4. Fetch and ListOffsets are announced, because librdkafka
// takes a broker without them for one that cannot read record batches, but a
// client which sends one is hung up on.
package broker
