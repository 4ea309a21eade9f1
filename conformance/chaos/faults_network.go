package main

import (
	"context"
	"fmt"
	"math/rand/v2"
)

// wire puts random toxics on the way to a broker, for the producers that go
// through its proxy.
func wire(draw func(*rand.Rand) []toxic) func(context.Context, *fault) (string, func(context.Context) error, error) {
	return func(ctx context.Context, f *fault) (string, func(context.Context) error, error) {
		broker, err := f.claimBroker(ctx, theNetwork)
		if err != nil {
			return "", nil, err
		}
		toxics := draw(f.rand)
		heal, err := f.run.network.poison(broker, toxics...)
		return fmt.Sprintf("network of broker %d: %v", broker, toxics), func(context.Context) error { return heal() }, err
	}
}

func latency(r *rand.Rand) []toxic {
	ms := 1 + r.IntN(400)
	values := map[string]int{"latency": ms, "jitter": r.IntN(ms)}
	return []toxic{{"latency", toBroker, values}, {"latency", toClient, values}}
}

func bandwidth(r *rand.Rand) []toxic {
	return []toxic{{"bandwidth", toBroker, map[string]int{"rate": 1 + r.IntN(50)}}}
}

// cut lets so many bytes of each connection pass. An answer has some dozens of
// bytes, a request some hundreds or more, after those of the greeting.
func cut(direction string) func(r *rand.Rand) []toxic {
	return func(r *rand.Rand) []toxic {
		bytes := 300 + r.IntN(1500)
		if direction == toBroker {
			bytes = 100 + r.IntN(20_000)
		}
		return []toxic{{"limit_data", direction, map[string]int{"bytes": bytes}}}
	}
}

func reset(r *rand.Rand) []toxic {
	return []toxic{{"reset_peer", toClient, map[string]int{"timeout": r.IntN(300)}}}
}

// blackhole swallows one direction or both, and ends the connections afterwards.
func blackhole(r *rand.Rand) []toxic {
	both := []toxic{{"timeout", toBroker, map[string]int{"timeout": 0}}, {"timeout", toClient, map[string]int{"timeout": 0}}}
	return [][]toxic{both, both[:1], both[1:]}[r.IntN(3)]
}

// unplug closes the proxy: its connections end and new ones are refused.
func unplug(ctx context.Context, f *fault) (string, func(context.Context) error, error) {
	broker, err := f.claimBroker(ctx, theNetwork)
	if err != nil {
		return "", nil, err
	}
	proxy := f.run.network.proxies[broker]
	proxy.Stop()
	return fmt.Sprintf("network of broker %d: unplugged", broker), func(context.Context) error { return proxy.Start() }, nil
}
