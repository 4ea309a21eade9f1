package door

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ekaf-go/ekaf/conformance/judge"
	"github.com/ekaf-go/ekaf/conformance/realkafka"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// brokers is a cluster whose brokers can be killed.
type brokers interface {
	Addrs() []string
	// kill ends a broker, counted from 0, and says whether messages that name a
	// partition have to wait for longer than their requests do.
	kill(t *testing.T, n int) (waiting bool)
	start(t *testing.T, n int)
	opts() []kgo.Opt
}

// clients is how many post at once.
const clients = 64

// faultRun has clients post by every route while each broker in turn is killed and
// comes back, and then holds the answers against what is in Kafka.
func faultRun(t *testing.T, b brokers, topic string, each int, args ...string) {
	g := serve(t, append([]string{"-b", strings.Join(b.Addrs(), ","), "--grace", "2m"}, args...)...)
	l := newLedger()
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	var enough atomic.Bool
	var running sync.WaitGroup
	for c := range clients {
		running.Go(func() {
			for n := c; !enough.Load(); n++ {
				r := &routes[n%len(routes)]
				ids := make([]string, r.messages)
				for i := range ids {
					ids[i] = fmt.Sprintf("%d-%d-%d", c, n, i)
				}
				status, claims := r.post(client, g.url, topic, ids)
				l.note(r.name, ids, claims)
				if status == http.StatusServiceUnavailable || status == 0 {
					time.Sleep(20 * time.Millisecond) // as a client would, though not for as long as Retry-After says
				}
			}
		})
	}
	end := sync.OnceFunc(func() {
		enough.Store(true)
		running.Wait()
	})
	defer end()
	l.await(t, each, false)
	for n := range b.Addrs() {
		l.await(t, each, b.kill(t, n))
		b.start(t, n)
		l.await(t, each, false)
	}
	end()
	code := g.stop()
	if code != 0 {
		t.Errorf("ekaf serve ends with %d", code)
	}
	seen := consume(t, b, topic)
	l.verify(t, seen, code == 0)
	for i := range routes {
		counts := l.routes[routes[i].name]
		if counts == nil || counts[inKafka]+counts[accepted] == 0 {
			t.Errorf("%s produced nothing", routes[i].name)
		}
	}
}

// consume is how often an independent consumer sees each id.
func consume(t *testing.T, b brokers, topic string) map[string]int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	seen := map[string]int{}
	err := judge.ConsumeFunc(ctx, b.Addrs(), topic, func(r *kgo.Record) {
		var message struct{ ID string }
		if err := json.Unmarshal(r.Value, &message); err != nil || string(r.Value) != value(message.ID) {
			t.Errorf("a consumer sees %q", r.Value)
		}
		seen[message.ID]++
	}, b.opts()...)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// embedded are the brokers of package ekaftest. What the one that goes has led is
// led by the next, as a controller has it.
type embedded struct{ *ekaftest.Cluster }

func (e embedded) opts() []kgo.Opt { return nil }

func (e embedded) kill(t *testing.T, n int) bool {
	t.Helper()
	if err := e.StopBroker(int32(n)); err != nil {
		t.Fatal(err)
	}
	if n == 1 {
		return true // its partitions, of which 1 is one, wait for it
	}
	if err := e.FailOver(int32(n)); err != nil {
		t.Fatal(err)
	}
	return false
}

func (e embedded) start(t *testing.T, n int) {
	t.Helper()
	if err := e.StartBroker(int32(n)); err != nil {
		t.Fatal(err)
	}
}

// TestAnswersAreTrueWhileBrokersDie on embedded brokers.
func TestAnswersAreTrueWhileBrokersDie(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Brokers(3), ekaftest.Topic("events", 6))
	faultRun(t, embedded{c}, "events", 300, "--sync-timeout", "500ms")
}

// apache are real ones, killed as kill -9 does.
type apache struct{ *realkafka.Cluster }

func (a apache) opts() []kgo.Opt { return a.ClientOpts() }

func (a apache) kill(t *testing.T, n int) bool {
	t.Helper()
	leader, err := a.Leader(t.Context(), "events", 1)
	if err == nil {
		err = a.Broker(n + 1).Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
	return leader == n+1 // Kafka takes nine seconds to see that it is gone
}

func (a apache) start(t *testing.T, n int) {
	t.Helper()
	if err := a.Broker(n + 1).Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestAnswersAreTrueWhileRealBrokersDie on three of Apache Kafka.
func TestAnswersAreTrueWhileRealBrokersDie(t *testing.T) {
	c := realkafka.StartT(t, realkafka.Config{Brokers: 3})
	if err := c.CreateTopic(t.Context(), "events", 6, 3, nil); err != nil {
		t.Fatal(err)
	}
	faultRun(t, apache{c}, "events", 3000, "--sync-timeout", "2s")
}
