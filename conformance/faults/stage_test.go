package faults

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/conformance/judge"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"
)

// A link of toxiproxy that is changed while its connection ends may leave two
// goroutines of the library behind; they are no part of what is tested.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/stream.(*ChanWriter).Write"))
}

// topic is where scenarios produce to.
const topic = "events"

// scenario is something that goes wrong, in virtual time and in memory.
type scenario struct {
	name    string
	brokers int               // default 1
	cluster []ekaftest.Option // default: the topic, with one partition
	options []ekaf.Option
	order   judge.Order // default: per key
	// alone: the scenario closes its producer itself.
	alone bool
	// proxied: on TCP and in real time, with a proxy before each broker.
	proxied bool
	run     func(*stage)
}

// stage is a scenario being run.
type stage struct {
	*testing.T
	*ledger
	kafka    *ekaftest.Cluster
	producer *ekaf.Producer
	events   *events
	traffic  *traffic
	dials    atomic.Int64     // attempts to connect
	aliases  map[string]int32 // other addresses of brokers; set before anyone dials
	judge    []kgo.Opt        // what the consumer needs to be let in
	proxies  []*proxy         // before the brokers, by number, if the scenario is proxied
	bubbled  bool             // in virtual time
}

// play runs scenarios in bubbles of their own. When one ends all messages must
// have their outcome, the producer must close with nothing held, and the judge
// must agree.
func play(t *testing.T, list []scenario) {
	for _, sc := range list {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			if sc.proxied {
				sc.play(t)
				return
			}
			synctest.Test(t, func(t *testing.T) { sc.play(t) })
		})
	}
}

func (sc scenario) play(t *testing.T) {
	cluster := append([]ekaftest.Option{ekaftest.Brokers(max(sc.brokers, 1))}, sc.cluster...)
	if sc.cluster == nil {
		cluster = append(cluster, ekaftest.Topic(topic, 1))
	}
	if !sc.proxied {
		cluster = append(cluster, ekaftest.InMemory())
	}
	kafka := ekaftest.Start(t, cluster...)
	defer kafka.Close()
	s := &stage{T: t, ledger: newLedger(t, topic), kafka: kafka, events: &events{}, traffic: &traffic{t: t}, bubbled: !sc.proxied}
	if sc.proxied {
		s.proxies = proxies(t, kafka)
	}
	s.producer = s.open(append(s.options(), sc.options...)...)
	kafka.OnRequest(s.traffic.hear)
	defer s.abandon()
	sc.run(s)
	if !sc.alone {
		s.end()
	}
	if !sc.proxied {
		s.judge = append(s.judge, kgo.Dialer(kafka.Dialer()))
	}
	s.verify(sc.order, kafka.Addrs(), s.judge...)
}

// dial is the producer's way to the brokers.
func (s *stage) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	s.dials.Add(1)
	return s.direct(ctx, network, addr)
}

// direct connects to a broker, also by an alias.
func (s *stage) direct(ctx context.Context, network, addr string) (net.Conn, error) {
	if broker, alias := s.aliases[addr]; alias {
		addr = s.kafka.ListenAddr(broker)
	}
	return s.kafka.Dialer()(ctx, network, addr)
}

// options are what every producer of a scenario has.
func (s *stage) options() []ekaf.Option {
	return []ekaf.Option{ekaf.Brokers(s.kafka.Addrs()...), ekaf.Dialer(s.dial), ekaf.OnEvent(s.events.hear)}
}

// reopen replaces the scenario's producer by one with other options.
func (s *stage) reopen(options ...ekaf.Option) {
	s.T.Helper()
	s.check(s.producer.Close(s.Context()))
	s.producer = s.open(append(s.options(), options...)...)
}

// open makes a producer.
func (s *stage) open(options ...ekaf.Option) *ekaf.Producer {
	s.T.Helper()
	p, err := ekaf.New(options...)
	if err != nil {
		s.Fatal(err)
	}
	return p
}

// end closes the producer with everything delivered, within a day of virtual time.
func (s *stage) end() {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), 24*time.Hour)
	defer cancel()
	if err := s.producer.Close(ctx); err != nil {
		s.Errorf("cannot close: %v", err)
	}
	if held := s.producer.Stats().BufferedBytes; held != 0 {
		s.Errorf("%d bytes are still held", held)
	}
}

// abandon stops the producer of a scenario that failed half-way: a bubble waits
// for its goroutines.
func (s *stage) abandon() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = s.producer.Close(ctx) // closed long since, where all went well
}

// send produces n messages of a key, asynchronously.
func (s *stage) send(key string, n int) (sent []entry) {
	s.T.Helper()
	for range n {
		m := s.message(key)
		sent = append(sent, m)
		if err := s.producer.ProduceAsync(s.Context(), s.topic, m.Message); err != nil {
			s.refuse(m.name)
			s.Errorf("message %v: %v", m.name, err)
		}
	}
	return sent
}

// flush waits until all messages have their outcome, for a day of virtual time.
func (s *stage) flush() {
	s.T.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 24*time.Hour)
	defer cancel()
	if err := s.producer.Flush(ctx); err != nil {
		s.Fatal(err)
	}
	if s.bubbled {
		synctest.Wait() // handlers of events have a goroutine of their own
	}
}

// begin has some messages acked, so that the lane is confirmed and may have five
// batches in flight.
func (s *stage) begin() {
	s.T.Helper()
	s.send("k", 3)
	s.flush()
}

// check fails the scenario at once if err is set.
func (s *stage) check(err error) {
	s.T.Helper()
	if err != nil {
		s.Fatal(err)
	}
}
