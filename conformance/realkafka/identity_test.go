package realkafka

import (
	"context"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/ekaftest/identity"
)

// producerState runs the table of producer state on a cluster.
type producerState struct {
	*Cluster
	expiration, check time.Duration
	stopped           *Broker // by FailOver
}

func (p *producerState) Release() identity.Release {
	return identity.Release{Major: p.release.numbers[0], Minor: p.release.numbers[1]}
}

func (p *producerState) Brokers() int { return len(p.Cluster.Brokers()) }

func (p *producerState) Expiry() (expiration, check time.Duration) { return p.expiration, p.check }

func (p *producerState) Dial(ctx context.Context, broker int32) (net.Conn, error) {
	for _, b := range p.Cluster.Brokers() {
		if broker == int32(b.ID()) || broker < 0 && b.serving() {
			return new(net.Dialer).DialContext(ctx, "tcp", b.Addr())
		}
	}
	return nil, fmt.Errorf("there is no broker %d", broker)
}

func (p *producerState) Restart(ctx context.Context) error {
	for _, b := range p.Cluster.Brokers() {
		if err := b.Stop(); err != nil {
			return err
		}
		if err := b.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (p *producerState) FailOver(ctx context.Context, topic string) error {
	leader, err := p.Leader(ctx, topic, 0)
	if err != nil {
		return err
	}
	p.stopped = p.Broker(leader)
	if err := p.stopped.Kill(); err != nil {
		return err
	}
	return p.awaitLeader(ctx, topic, func(now int) bool { return now != leader })
}

func (p *producerState) FailBack(ctx context.Context, topic string) error {
	if err := p.stopped.Start(ctx); err != nil {
		return err
	}
	// The preferred leader is elected once it is in sync, so ask until it is.
	for {
		err := p.ElectPreferred(ctx, topic, 0)
		if err == nil {
			return p.awaitLeader(ctx, topic, func(now int) bool { return now == p.stopped.ID() })
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func (p *producerState) awaitLeader(ctx context.Context, topic string, done func(int) bool) error {
	for {
		leader, err := p.Leader(ctx, topic, 0)
		if err != nil || done(leader) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the leader of %s is still %d: %w", topic, leader, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func TestIdentityOnRealKafka(t *testing.T) {
	const day = 24 * time.Hour
	for _, target := range []struct {
		version           string
		brokers           int
		expiration, check time.Duration
	}{
		{"4.4.0", 1, day, 10 * time.Minute},
		{"4.4.0", 1, 5 * time.Second, time.Second},
		{"4.4.0", 3, day, 10 * time.Minute},
		{"3.9.1", 1, day, 10 * time.Minute},
		{"3.9.1", 1, 5 * time.Second, time.Second},
		{"2.8.2", 1, day, 10 * time.Minute},
		{"0.11.0.3", 1, day, 10 * time.Minute},
	} {
		t.Run(fmt.Sprintf("%s brokers=%d expiry=%v", target.version, target.brokers, target.expiration), func(t *testing.T) {
			properties := map[string]string{}
			if target.expiration < day {
				properties["producer.id.expiration.ms"] = fmt.Sprint(target.expiration.Milliseconds())
				properties["producer.id.expiration.check.interval.ms"] = fmt.Sprint(target.check.Milliseconds())
			}
			c := start(t, Config{Version: target.version, Brokers: target.brokers, Properties: properties})
			runIdentityTable(t, &producerState{Cluster: c, expiration: target.expiration, check: target.check})
		})
	}
}

// runIdentityTable runs every case that applies, one after the other: cases
// restart the brokers under each other's feet.
func runIdentityTable(t *testing.T, target *producerState) {
	ran := 0
	for _, c := range identity.Cases() {
		if target.Brokers() > 1 && c.Needs.Brokers < 2 {
			continue // one broker ran it
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		why, err := identity.Applies(ctx, target, c)
		if err == nil && why == "" {
			ran++
			err = identity.Run(ctx, target, c)
		}
		cancel()
		if err != nil {
			t.Error(err)
		}
	}
	if ran == 0 {
		t.Error("no case applies to this cluster")
	}
	t.Logf("%d cases ran", ran)
}
