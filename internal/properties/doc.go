// Package properties reads the client properties that Kafka users know, those
// of Kafka's own clients and those of librdkafka, and makes a producer's options
// of them. It owns the two file syntaxes, the JAAS line, the key and trust
// stores, the SASL mechanisms named by properties, and the table that says of
// each known name what it means here.
//
//	-X name=value ─┐                                      ┌─► Options  ──► ekaf.New
//	--config FILE ─┼─► Set ──► resolve ──► apply, group ──┼─► TLS, SASL ─► admin requests
//	flags ─────────┘  (rank)  (aliases,    by group       └─► Notes ────► standard error
//	                          unknown names)
//	                              └────────────┴──► *ekaf.ConfigError: every fault at once
//
// A name that exists in Kafka but means nothing to a Go producer
// (key.serializer, client.dns.lookup) is accepted, and a note says why it is
// ignored. A name that nobody knows is a fault that names the nearest known one.
// No value of a secret property ever enters an error or a note.
//
// The arrow is cmd → properties → ekaf: this package imports the root package,
// never the other way round.
package properties
