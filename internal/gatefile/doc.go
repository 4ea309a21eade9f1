// Package gatefile reads the YAML file of "ekaf serve". It owns the file's
// sections and says of each fault on which line it stands.
//
//	listen: ":8080"          ─► Flags       one for each flag, by the flag's name
//	properties: {acks: all}  ─► Properties  Kafka's and librdkafka's names
//	producer: {linger: 5ms}  ─► Options     the library's names, for all topics
//	topics: {a: {acks: 1}}   ─► Options     ... and for one
//	principals: {shop: ...}  ─► Rules       who may do what
//
// All faults of a file are listed at once, and Where finds the lines for those that
// others see in what the file says. No value is quoted in one: it may be a
// secret.
package gatefile
