package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/rs/zerolog"
)

// proxy is a TCP proxy that spoils what passes.
type proxy struct {
	*toxiproxy.Proxy
	t *testing.T
}

// The directions of a toxic.
const (
	toBroker = "upstream"
	toClient = "downstream"
)

// proxies puts a proxy before each broker, and has the brokers advertise them.
func proxies(t *testing.T, kafka *ekaftest.Cluster) (list []*proxy) {
	t.Helper()
	for broker := range int32(len(kafka.Addrs())) {
		p := newProxy(t, kafka.ListenAddr(broker))
		if err := kafka.Advertise(broker, p.Listen); err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	return list
}

// newProxy starts a proxy, for the time of the test.
func newProxy(t *testing.T, upstream string) *proxy {
	t.Helper()
	zerolog.SetGlobalLevel(zerolog.Disabled) // toxics log through the global logger
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := &proxy{toxiproxy.NewProxy(server, "broker", "127.0.0.1:0", upstream), t}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// poison puts a toxic on one direction, until the function answered is called.
func (p *proxy) poison(kind, direction string, attributes map[string]int) (heal func()) {
	p.t.Helper()
	name := fmt.Sprint(kind, "-", direction)
	order, err := json.Marshal(map[string]any{"name": name, "type": kind, "stream": direction, "attributes": attributes})
	if err == nil {
		_, err = p.Toxics.AddToxicJson(bytes.NewReader(order))
	}
	if err != nil {
		p.t.Fatal(err)
	}
	return func() {
		if err := p.Toxics.RemoveToxic(context.Background(), name); err != nil {
			p.t.Error(err)
		}
	}
}
