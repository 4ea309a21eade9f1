// Command cmd runs the counting broker alone. Its first line on standard
// output is "kafka ADDRESS control ADDRESS"; it ends when standard input does,
// so it never outlives whoever started it, or on an interrupt.
//
//	go run ./broker/cmd -listen 127.0.0.1:0 -topic t:12
//
// All but the process itself is [broker.Main]:
//
//	flags ──► broker.Main ──► Broker ◄── Kafka protocol ── clients
//	            ▲    │           ◄── line protocol ─── who counts
//	  stdin ends┘    └──► stdout: the two addresses
package main

import (
	"flag"
	"os"

	"github.com/ekaf-go/ekaf/bench/broker"
)

func main() {
	os.Exit(broker.Main(flag.CommandLine, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
