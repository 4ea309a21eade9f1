// Command chaos sends messages through many producers while brokers and networks
// fail at random, then asks an independent consumer whether ekaf kept its word.
//
//	go run ./conformance/chaos -embedded -time 10s
//	go run ./conformance/chaos -brokers 3 -time 60s -faults 20
//	go run ./conformance/chaos -seed 7 -only kill,pause -workers 3
//	go run ./conformance/chaos -outage 60s -rate 100000
//
// It owns the plan of faults, the load and the verdict. The plan is a function of
// the seed, which is printed first: the same seed gives the same producers, the
// same faults in the same order at the same times. What the machine makes of it
// differs from run to run, so a violation is chased by narrowing the flags.
//
//	         seed
//	  ┌───────┴────────┐
//	  ▼                ▼
//	plan             load: producers × callers ── verbs ──► ekaf
//	  │                │                                      │ some directly,
//	  │ begin, end     │ call, outcome                        ▼ some through
//	  ▼                ▼                                   network (toxiproxy)
//	faults ─────┐    ledger: one fate per message             │
//	  │         ▼      │                                      ▼
//	  └────► timeline  │                        cluster: realkafka or ekaftest
//	            │      ▼                                      │
//	            └──► verdict ◄──── judge (kgo) ◄──── topics ──┘
//
// The verdict asks of each message: exactly one outcome; in the topic once if it
// was acked, where its ack says; at most once if it was left open (MaybeWritten);
// not at all if it was refused or failed; and it failed only if its call's context
// or the producer's options (a delivery timeout, a small buffer) allow that. Of each caller: its messages lie in the
// order of its calls within each worker and, where the strategy looks at keys,
// within each key.
//
// The last line of the output is a JSON object with the figures. Exit code 1: a
// violation, or the run could not be carried out; 2: wrong usage.
package main
