package ekaftest_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/ekaf-go/ekaf/ekaftest/identity"
)

// embedded runs the identity table on this package's own brokers.
type embedded struct {
	*ekaftest.Cluster
	release identity.Release
	expiry  [2]time.Duration
	stopped int32
}

func (e *embedded) Release() identity.Release              { return e.release }
func (e *embedded) Brokers() int                           { return len(e.Addrs()) }
func (e *embedded) Expiry() (time.Duration, time.Duration) { return e.expiry[0], e.expiry[1] }
func (e *embedded) Restart(context.Context) error          { return e.Cluster.Restart() }

func (e *embedded) Dial(ctx context.Context, broker int32) (net.Conn, error) {
	var conn net.Conn
	var err error
	for id, addr := range e.Addrs() {
		if broker >= 0 && broker != int32(id) {
			continue
		}
		if conn, err = e.Dialer()(ctx, "tcp", addr); err == nil {
			return conn, nil
		}
	}
	return nil, err
}

func (e *embedded) FailOver(_ context.Context, topic string) error {
	e.stopped = e.Leader(topic, 0)
	if err := e.StopBroker(e.stopped); err != nil {
		return err
	}
	return e.Cluster.FailOver(e.stopped)
}

func (e *embedded) FailBack(_ context.Context, topic string) error {
	if err := e.StartBroker(e.stopped); err != nil {
		return err
	}
	return e.MoveLeader(topic, 0, e.stopped)
}

// tableTarget is a cluster to run cases on.
type tableTarget struct {
	name    string
	release identity.Release
	expiry  [2]time.Duration
	opts    []ekaftest.Option
	cases   int // at least so many apply
}

// run carries out one case in a bubble, and reports whether it applied.
func (target tableTarget) run(t *testing.T, c identity.Case) (ran bool) {
	synctest.Test(t, func(t *testing.T) {
		opts := append([]ekaftest.Option{ekaftest.InMemory(), ekaftest.ProducerExpiry(target.expiry[0], target.expiry[1])}, target.opts...)
		e := &embedded{Cluster: ekaftest.Start(t, opts...), release: target.release, expiry: target.expiry}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		why, err := identity.Applies(ctx, e, c)
		if err != nil {
			t.Fatal(err)
		}
		if why != "" {
			t.Log("not for this cluster:", why)
			return
		}
		ran = true
		if err := identity.Run(ctx, e, c); err != nil {
			t.Error(err)
		}
	})
	return ran
}

// The same table runs on real brokers elsewhere. Here time is synthetic: the
// cases that wait for seconds take none.
func TestProducerStateTable(t *testing.T) {
	long := [2]time.Duration{24 * time.Hour, 10 * time.Minute}
	short := [2]time.Duration{5 * time.Second, time.Second}
	targets := []tableTarget{
		{"newest", identity.Release{Major: 4, Minor: 4}, long, nil, 35},
		{"newest, ids expiring", identity.Release{Major: 4, Minor: 4}, short, nil, 7},
		{"three brokers", identity.Release{Major: 4, Minor: 4}, long, []ekaftest.Option{ekaftest.Brokers(3)}, 37},
		{"2.8", identity.Release{Major: 2, Minor: 8}, long, []ekaftest.Option{ekaftest.KafkaVersion("2.8")}, 30},
		{"0.11", identity.Release{Major: 0, Minor: 11}, long, []ekaftest.Option{ekaftest.KafkaVersion("0.11.0")}, 20},
	}
	for _, target := range targets {
		t.Run(target.name, func(t *testing.T) {
			ran := 0
			for _, c := range identity.Cases() {
				t.Run(c.Name, func(t *testing.T) {
					if target.run(t, c) {
						ran++
					}
				})
			}
			if ran < target.cases {
				t.Errorf("%d cases ran, want %d or more", ran, target.cases)
			}
		})
	}
}
