// Command ekaf publishes lines to Apache Kafka, and shows what ekaf does when
// Kafka is away.
//
// It owns the command line: flags, their environment variables, what is printed
// and the exit codes. One file holds one command.
//
//	arguments ─► cobra ─► EKAF_... for flags not given ─► command ─► exit code
//	                                                         │
//	   --brokers, -X, --config ─► internal/properties ───────┤
//	                                                         ├─► ekaf.Producer   produce, demo, bench
//	                                                         ├─► internal/cluster topics, bench
//	                                                         ├─► ekaftest        mock, dev, demo, bench
//	                                                         └─► gateway         serve, dev
//
// Exit codes: 0 all delivered, or all done; 1 some not; 2 wrong usage.
package main
