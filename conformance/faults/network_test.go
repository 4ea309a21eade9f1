package faults

import (
	"fmt"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// hasty producers notice in a part of a second that nobody answers.
var hasty = []ekaf.Option{
	ekaf.BatchRecords(5), ekaf.RequestTimeout(300 * time.Millisecond), ekaf.DialTimeout(300 * time.Millisecond),
	ekaf.Backoff(5*time.Millisecond, 50*time.Millisecond),
}

func networks() []scenario {
	proxied := func(name string, run func(*stage), options ...ekaf.Option) scenario {
		return scenario{name: name, proxied: true, brokers: 2, cluster: []ekaftest.Option{ekaftest.Topic(topic, 4)},
			run: run, options: append(hasty[:len(hasty):len(hasty)], options...)}
	}
	return []scenario{
		proxied("latency and jitter", func(s *stage) {
			s.spoil("latency", toClient, map[string]int{"latency": 30, "jitter": 25})
		}),
		proxied("latency on the way to the broker", func(s *stage) {
			s.spoil("latency", toBroker, map[string]int{"latency": 30, "jitter": 25})
		}),
		proxied("bytes that come in slices of a few", func(s *stage) {
			s.spoil("slicer", toClient, map[string]int{"average_size": 7, "size_variation": 5, "delay": 20})
		}),
		proxied("a bandwidth of 1 KB/s to the broker", func(s *stage) {
			s.spoil("bandwidth", toBroker, map[string]int{"rate": 1})
		}, ekaf.RequestTimeout(time.Minute)),
		proxied("a bandwidth of 1 KB/s from the broker", func(s *stage) {
			s.spoil("bandwidth", toClient, map[string]int{"rate": 1})
		}, ekaf.RequestTimeout(time.Minute)),
		proxied("connections cut inside a request", cutAfter(toBroker)),
		proxied("connections cut inside an answer", cutAfter(toClient)),
		proxied("connections reset by the peer", func(s *stage) {
			s.spoil("reset_peer", toClient, map[string]int{"timeout": 5})
		}),
		proxied("connections reset while requests are written", func(s *stage) {
			s.spoil("reset_peer", toBroker, map[string]int{"timeout": 5})
		}),
		proxied("a black hole for answers", func(s *stage) { s.spoil("timeout", toClient, nil) }),
		proxied("a black hole for requests", func(s *stage) { s.spoil("timeout", toBroker, nil) }),
		proxied("connections that were dropped in silence while idle", droppedWhileIdle),
		proxied("connections are closed before they idle long enough to be dropped", closedWhileIdle, ekaf.IdleTimeout(100*time.Millisecond)),
		proxied("all addresses change and the old ones are dead", addressesChange),
		proxied("the address of one broker changes", oneAddressChanges),
	}
}

// load produces a message to each of eight keys, so to both brokers, and does not wait.
func (s *stage) load() {
	s.T.Helper()
	for key := range 8 {
		s.send(fmt.Sprint("key ", key), 1)
	}
}

// spoil puts a toxic before both brokers while messages flow, for so long that
// requests meet it, heals, and waits for all.
func (s *stage) spoil(kind, direction string, attributes map[string]int) {
	s.T.Helper()
	s.load()
	s.flush()
	var heal []func()
	for _, p := range s.proxies {
		heal = append(heal, p.poison(kind, direction, attributes))
	}
	for range 20 {
		s.load()
		time.Sleep(25 * time.Millisecond)
	}
	for _, done := range heal {
		done()
	}
	s.load()
	s.flush()
	s.expectAcked()
}

func cutAfter(direction string) func(*stage) {
	return func(s *stage) {
		for _, n := range []int{0, 1, 3, 10, 60, 150, 400, 1000} {
			var heal []func()
			for _, p := range s.proxies {
				heal = append(heal, p.poison("limit_data", direction, map[string]int{"bytes": n}))
			}
			for range 4 {
				s.load()
				time.Sleep(10 * time.Millisecond)
			}
			for _, done := range heal {
				done()
			}
			s.load()
			s.flush()
		}
		s.expectAcked()
	}
}

// A load balancer forgets connections that idle, and tells nobody: what is sent
// then goes nowhere.
func droppedWhileIdle(s *stage) {
	s.load()
	s.flush()
	for range 3 {
		var heal []func()
		for _, p := range s.proxies {
			heal = append(heal, p.poison("timeout", toBroker, nil), p.poison("timeout", toClient, nil))
		}
		time.Sleep(50 * time.Millisecond)
		s.load() // into the void
		time.Sleep(50 * time.Millisecond)
		for _, done := range heal {
			done() // for new connections: toxiproxy closes those that it held
		}
		s.flush()
	}
	s.expectAcked()
}

// With IdleTimeout below the load balancer's, no message is ever sent into the void.
// The connection that metadata comes by stays: MetadataRefresh keeps it from idling.
func closedWhileIdle(s *stage) {
	for range 4 {
		s.load()
		s.flush()
		for deadline := time.Now().Add(10 * time.Second); s.connections() > 1; time.Sleep(5 * time.Millisecond) {
			if time.Now().After(deadline) {
				s.Fatalf("%d connections are still open", s.connections())
			}
		}
	}
	s.expectAcked()
}

// connections counts those that are open at the brokers.
func (s *stage) connections() (open int) {
	for broker := range s.proxies {
		_, n := s.kafka.Connections(int32(broker))
		open += n
	}
	return open
}

// addressesChange: the cluster moves. Only the name that the producer was given
// leads to it still (KIP-899).
func addressesChange(s *stage) {
	bootstrap := newProxy(s.T, s.kafka.ListenAddr(0))
	s.reopen(append(hasty[:len(hasty):len(hasty)], ekaf.Brokers(bootstrap.Listen))...)
	for range 3 {
		s.load()
		s.flush()
		old := s.proxies
		s.proxies = proxies(s.T, s.kafka)
		for _, p := range old {
			p.Stop()
		}
		for range 5 {
			s.load()
			time.Sleep(10 * time.Millisecond)
		}
		s.flush()
	}
	s.expectAcked()
}

func oneAddressChanges(s *stage) {
	for range 3 {
		s.load()
		s.flush()
		old := s.proxies[1]
		s.proxies[1] = newProxy(s.T, s.kafka.ListenAddr(1))
		s.check(s.kafka.Advertise(1, s.proxies[1].Listen))
		old.Stop()
		for range 5 {
			s.load()
			time.Sleep(10 * time.Millisecond)
		}
		s.flush()
	}
	s.expectAcked()
}

// TestNetwork: a proxy stands between the producer and each broker.
func TestNetwork(t *testing.T) { play(t, networks()) }
