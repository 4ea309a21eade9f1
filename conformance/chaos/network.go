package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// network is a proxy before each broker. Producers come to it by their Dialer,
// so brokers go on advertising their own addresses.
type network struct {
	proxies  map[int]*toxiproxy.Proxy // by broker
	entrance map[string]string        // the proxy's address, by the broker's
	attempts map[string]*atomic.Int64 // direct connection attempts, by the broker's address
}

func openNetwork(c cluster) (*network, error) {
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxics log through the global logger
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	n := &network{proxies: map[int]*toxiproxy.Proxy{}, entrance: map[string]string{}, attempts: map[string]*atomic.Int64{}}
	for i, addr := range c.Addrs() {
		broker := c.Brokers()[i]
		proxy := toxiproxy.NewProxy(server, fmt.Sprint("broker-", broker), "127.0.0.1:0", addr)
		if err := proxy.Start(); err != nil {
			n.close()
			return nil, fmt.Errorf("cannot start a proxy before broker %d: %w", broker, err)
		}
		// A proxy that is stopped and started takes the port it had.
		n.proxies[broker], n.entrance[addr], n.attempts[addr] = proxy, proxy.Listen, new(atomic.Int64)
	}
	return n, nil
}

func (n *network) close() {
	for _, proxy := range n.proxies {
		proxy.Stop()
	}
}

// dial connects to a broker through its proxy.
func (n *network) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	entrance, known := n.entrance[addr]
	if !known {
		return nil, fmt.Errorf("cannot dial %s: no broker has this address", addr)
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, entrance)
}

// direct connects to a broker, and counts.
func (n *network) direct(ctx context.Context, network, addr string) (net.Conn, error) {
	if count := n.attempts[addr]; count != nil {
		count.Add(1)
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, network, addr)
}

// The directions of a toxic.
const (
	toBroker = "upstream"
	toClient = "downstream"
)

// toxic is what happens to the bytes of one direction.
type toxic struct {
	kind      string
	direction string
	values    map[string]int // its attributes: ms, bytes, or KB a second
}

func (t toxic) String() string {
	values, _ := json.Marshal(t.values)
	return fmt.Sprintf("%s %s %s", t.kind, t.direction, bytes.ReplaceAll(values, []byte(`"`), nil))
}

// poison puts toxics on the way to a broker until the function answered is called.
func (n *network) poison(broker int, toxics ...toxic) (heal func() error, err error) {
	collection := n.proxies[broker].Toxics
	var names []string
	heal = func() error {
		var errs []error
		for _, name := range names {
			errs = append(errs, collection.RemoveToxic(context.Background(), name))
		}
		return errors.Join(errs...)
	}
	for _, t := range toxics {
		name := fmt.Sprintf("%s-%s", t.kind, t.direction)
		order, err := json.Marshal(map[string]any{"name": name, "type": t.kind, "stream": t.direction, "attributes": t.values})
		if err == nil {
			_, err = collection.AddToxicJson(bytes.NewReader(order))
		}
		if err != nil {
			return nil, errors.Join(fmt.Errorf("cannot add the toxic %v: %w", t, err), heal())
		}
		names = append(names, name)
	}
	return heal, nil
}

// counts are the direct connection attempts so far, by the broker's address.
func (n *network) counts() map[string]int64 {
	counts := map[string]int64{}
	for addr, count := range n.attempts {
		counts[addr] = count.Load()
	}
	return counts
}

// since is what was added to counts.
func since(before, after map[string]int64) map[string]int64 {
	added := map[string]int64{}
	for addr, n := range after {
		added[addr] = n - before[addr]
	}
	return added
}
