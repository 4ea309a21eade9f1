package cluster

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

func TestNothingStartsBeforeItIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1)
		c := s.start(t, Config{}, "one:9092")
		time.Sleep(time.Hour)
		if got := s.dialed(); len(got) != 0 || c.Reachable() || c.Snapshot() == nil {
			t.Errorf("dialed %v", got)
		}
	})
}

func TestBootstrapPastDeadSeeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1)
		s.topic("orders", 1, 0, 1)
		s.set("swallowing:9092", swallows)
		s.set("mute:9092", mute)
		c := s.start(t, Config{}, "refusing:9092", "swallowing", "one:9092", "swallowing:9092", "mute:9092", "refusing2:1")
		if _, err := c.Wait(within(t, 10*time.Second), "orders"); err != nil {
			t.Fatal(err)
		}
		if !c.Reachable() || c.LastError() != nil || c.Snapshot().ClusterID != "one" {
			t.Errorf("reachable %v, last error %v, snapshot %+v", c.Reachable(), c.LastError(), c.Snapshot())
		}
	})
}

func TestIPv6Seed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := Broker{ID: 1, Host: "::1", Port: 9092}
		s := newScript(b)
		s.topic("orders", 1, 0, 1)
		c := s.start(t, Config{}, "::1")
		if _, err := c.Wait(within(t, 5*time.Second), "orders"); err != nil {
			t.Fatal(err)
		}
		if got := s.dialed(); !slices.Equal(got, []string{"[::1]:9092"}) {
			t.Errorf("dialed %v", got)
		}
	})
}

func TestSeedAddr(t *testing.T) {
	for in, want := range map[string]string{
		"kafka": "kafka:9092", "kafka:": "kafka:9092", " kafka:9093 ": "kafka:9093", "::1": "[::1]:9092", "[::1]": "[::1]:9092",
		"[::1]:9093": "[::1]:9093", "2001:db8::": "[2001:db8::]:9092", "10.0.0.1": "10.0.0.1:9092",
	} {
		if got := seedAddr(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestBrokersMoveToOtherAddresses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1, b2)
		s.topic("orders", 1, 0, 1)
		s.set("seed:9092", answers)
		var mu sync.Mutex
		failures := 0
		c := s.start(t, Config{OnFailure: func(error) { mu.Lock(); failures++; mu.Unlock() }}, "seed:9092")
		if _, err := c.Wait(within(t, time.Second), "orders"); err != nil {
			t.Fatal(err)
		}
		for _, addr := range []string{"one:9092", "two:9092", "seed:9092"} {
			s.set(addr, refuses)
		}
		c.Refresh()
		time.Sleep(time.Minute)
		if c.Reachable() || c.LastError() == nil {
			t.Fatal("all brokers are gone, yet the cluster is called reachable")
		}
		mu.Lock()
		if failures < 40 || failures > 100 {
			t.Errorf("%d attempts in a minute: the back-off reaches 1 s", failures)
		}
		mu.Unlock()
		s.brokers(Broker{ID: 1, Host: "uno", Port: 9092}, Broker{ID: 2, Host: "due", Port: 9092})
		s.set("seed:9092", answers)
		time.Sleep(2 * time.Second)
		if b, _, ok := c.Snapshot().Leader("orders", 0); !ok || b.Addr() != "uno:9092" || !c.Reachable() {
			t.Errorf("leader %+v, reachable %v, %v", b, c.Reachable(), c.LastError())
		}
	})
}

func TestRebootstrapRequired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1)
		s.topic("orders", 1, 0, 1)
		c := s.start(t, Config{}, "seed:9092")
		s.set("seed:9092", answers)
		if _, err := c.Wait(within(t, time.Second), "orders"); err != nil {
			t.Fatal(err)
		}
		s.set("seed:9092", refuses) // so that the control connection goes to broker 1
		c.Refresh()
		time.Sleep(time.Second)
		expired := kmsg.NewPtrMetadataResponse()
		expired.ErrorCode = kerr.RebootstrapRequired.Code
		s.mu.Lock()
		s.byAddr["one:9092"] = func() *kmsg.MetadataResponse { return expired }
		s.dials = nil
		s.mu.Unlock()
		s.set("seed:9092", answers)
		c.Refresh()
		time.Sleep(time.Second)
		if got := s.dialed(); !c.Reachable() || !slices.Equal(got, []string{"seed:9092"}) {
			t.Errorf("reachable %v, %v; dialed %v", c.Reachable(), c.LastError(), got)
		}
	})
}

func TestForeignClusterIsNotBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1)
		s.topic("orders", 1, 0, 1)
		s.set("seed:9092", answers)
		c := s.start(t, Config{}, "seed:9092")
		if _, err := c.Wait(within(t, time.Second), "orders"); err != nil {
			t.Fatal(err)
		}
		foreign := kmsg.NewPtrMetadataResponse()
		foreign.ClusterID = kmsg.StringPtr("two")
		foreign.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 1, Host: "stranger", Port: 9092}}
		s.mu.Lock()
		s.byAddr["one:9092"] = func() *kmsg.MetadataResponse { return foreign }
		s.mu.Unlock()
		s.set("seed:9092", refuses)
		c.Refresh()
		time.Sleep(10 * time.Second)
		if c.Reachable() || c.Snapshot().ClusterID != "one" {
			t.Errorf("believed: %+v", c.Snapshot())
		}
		if err := c.LastError(); !strings.Contains(err.Error(), "belongs to cluster two, not one") {
			t.Errorf("last error %v", err)
		}
		s.mu.Lock()
		s.metadata = foreign
		s.mu.Unlock()
		s.set("seed:9092", answers)
		time.Sleep(3 * time.Second)
		if c.Snapshot().ClusterID != "two" {
			t.Error("a seed that names another cluster is to be believed")
		}
	})
}

func TestStuckBrokerIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1, b2)
		s.topic("orders", 1, 0, 1)
		c := s.start(t, Config{}, "one:9092")
		if _, err := c.Wait(within(t, time.Second), "orders"); err != nil {
			t.Fatal(err)
		}
		s.set("one:9092", mute)
		s.topic("orders", 1, 1, 2)
		c.Refresh()
		time.Sleep(7 * time.Second)
		if b, _, _ := c.Snapshot().Leader("orders", 0); b != b2 || !c.Reachable() {
			t.Errorf("leader %+v, %v", b, c.LastError())
		}
	})
}

// TestAWaitThatEndsNamesTheAddress: while nothing has failed yet, that is all that can be said.
func TestAWaitThatEndsNamesTheAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript()
		s.set("one:9092", swallows)
		c := s.start(t, Config{}, "one:9092")
		_, asked := c.Do(within(t, 3*time.Second), AnyBroker, kmsg.NewPtrMetadataRequest())
		_, waited := c.Wait(within(t, 3*time.Second), "orders")
		for _, err := range []error{asked, waited} {
			if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no answer yet from one:9092") {
				t.Errorf("got %v", err)
			}
		}
		time.Sleep(5 * time.Second)
		if err := c.Trouble(); err == nil || strings.Contains(err.Error(), "no answer yet") {
			t.Errorf("after the attempt has ended: %v", err)
		}
	})
}

func TestAdvertisedListener(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1, b2)
		s.topic("orders", 1, 0, 2)
		s.set("two:9092", refuses)
		c := s.start(t, Config{}, "one:9092")
		_, err := c.LogEnd(within(t, 3*time.Second), "orders", 0)
		if _, ok := errors.AsType[*AdvertisedError](err); !ok || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got %v", err)
		}
		for _, word := range []string{"broker 2 advertises two:9092", "metadata of one:9092", "check advertised.listeners"} {
			if !strings.Contains(err.Error(), word) {
				t.Errorf("%q is not in %v", word, err)
			}
		}
	})
}

// A cluster which was thrown away and made anew at the same addresses, before topic ids: epochs begin at 0.
func TestClusterMadeAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1)
		s.topic("orders", 0, 9, 1, 1, 1)
		c := s.start(t, Config{}, "one:9092")
		c.Want("orders")
		c.Want("missing")
		if _, err := c.Wait(within(t, time.Second), "orders"); err != nil {
			t.Fatal(err)
		}
		s.mu.Lock()
		anew := *s.metadata
		anew.ClusterID = kmsg.StringPtr("two")
		s.metadata = &anew
		s.mu.Unlock()
		s.topic("orders", 0, 0, 1)
		time.Sleep(3 * time.Second)
		if got := c.Snapshot(); got.ClusterID != "one" && len(got.Topics["orders"].Partitions) != 1 {
			t.Errorf("half believed: %+v", got.Topics["orders"])
		}
		s.set("one:9092", refuses)
		s.set("one:9092", answers)
		c.Refresh()
		time.Sleep(3 * time.Second)
		got := c.Snapshot()
		if got.ClusterID != "two" || len(got.Topics["orders"].Partitions) != 1 || got.Topics["missing"] == nil {
			t.Errorf("got %+v, %v", got, c.LastError())
		}
	})
}

// A broker that ends SASL sessions (KIP-368) cuts connections used beyond them; each is replaced in time.
func TestSessionsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1)
		s.topic("orders", 1, 0, 1)
		s.on(17, func(string, kmsg.Request) kmsg.Response {
			resp := kmsg.NewPtrSASLHandshakeResponse()
			resp.SupportedMechanisms = []string{"PLAIN"}
			return resp
		})
		s.on(36, func(string, kmsg.Request) kmsg.Response {
			resp := kmsg.NewPtrSASLAuthenticateResponse()
			resp.SessionLifetimeMillis = 100_000
			return resp
		})
		var failures atomic.Int32
		c := s.start(t, Config{OnFailure: func(error) { failures.Add(1) }}, "one:9092")
		c.cfg.Conn.SASL = func(context.Context) (sasl.Mechanism, error) {
			return plain.Auth{User: "u", Pass: "p"}.AsMechanism(), nil
		}
		c.Want("orders")
		time.Sleep(10*time.Minute + time.Second)
		if n := len(s.dialed()); n < 5 || n > 7 || failures.Load() != 0 {
			t.Errorf("%d connections and %d failures in ten minutes, of sessions of 100 s", n, failures.Load())
		}
	})
}
