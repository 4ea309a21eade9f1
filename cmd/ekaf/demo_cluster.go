package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/internal/cluster"
	"github.com/ekaf-go/ekaf/internal/properties"
)

// clusterStage is a real cluster. Nothing of it is stopped: for the outage the
// producer's connections are cut, and new ones refused, on our side. What was
// written is read back by an independent client, from where the log ended before.
type clusterStage struct {
	config *properties.Config
	topic  string
	tell   *narrator
	gate   gate
	from   int64
	run    []byte
}

func newClusterStage(ctx context.Context, config *properties.Config, topic string, tell *narrator) (stage, error) {
	s := &clusterStage{config: config, topic: topic, tell: tell, run: []byte(rand.Text())}
	ctx, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	c := dialCluster(config)
	defer c.Close()
	if err := ensureTopic(ctx, c, topic, &topicsCreate{partitions: 1, replication: -1}); err != nil {
		return nil, err
	}
	var err error
	if s.from, err = logEnd(ctx, c, topic); err != nil {
		return nil, fmt.Errorf("cannot find the end of %s: %w", topic, err)
	}
	tell.say("cluster up at %v; partition 0 of %s ends at %d", config.Brokers, topic, s.from)
	return s, nil
}

// ensureTopic creates the topic if it does not exist.
func ensureTopic(ctx context.Context, c *cluster.Cluster, topic string, create *topicsCreate) error {
	answer, err := metadata(ctx, c, []string{topic})
	if err != nil {
		return err
	}
	if len(answer.Topics) == 1 && !errors.Is(kerr.ErrorForCode(answer.Topics[0].ErrorCode), kerr.UnknownTopicOrPartition) {
		return codeError(answer.Topics[0].ErrorCode, nil)
	}
	request, err := create.request([]string{topic})
	if err != nil {
		return err
	}
	created, err := ask[*kmsg.CreateTopicsResponse](ctx, c, cluster.Controller, request)
	if err != nil {
		return err
	}
	for _, t := range created.Topics {
		if err := codeError(t.ErrorCode, t.ErrorMessage); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
			return fmt.Errorf("cannot create %s: %w", topic, err)
		}
	}
	return nil
}

// logEnd waits for the topic's leader, which a new topic gets a little later.
func logEnd(ctx context.Context, c *cluster.Cluster, topic string) (int64, error) {
	for {
		_, err := c.Wait(ctx, topic)
		if err == nil {
			var end int64
			if end, err = c.LogEnd(ctx, topic, 0); err == nil {
				return end, nil
			}
		}
		if !kerr.IsRetriable(err) {
			return 0, err
		}
		if stopped := sleep(ctx, 100*time.Millisecond); stopped != nil {
			return 0, err
		}
	}
}

func (s *clusterStage) options() []ekaf.Option {
	return append(slices.Clone(s.config.Options), ekaf.Dialer(s.gate.dial))
}

func (s *clusterStage) stop() error {
	s.tell.say("connections cut")
	s.gate.shut()
	return nil
}

func (s *clusterStage) start() error {
	s.tell.say("connections allowed again")
	s.gate.open()
	return nil
}

func (s *clusterStage) mark() []byte { return s.run }

func (s *clusterStage) close() {}

// read consumes from where the log ended before to where it ends now. What it
// cannot see to the end it does not judge: a cluster that is gone has lost nothing
// that anybody knows of.
func (s *clusterStage) read(ctx context.Context, n int) ([]string, error) {
	c := dialCluster(s.config)
	defer c.Close()
	_, err := metadata(ctx, c, []string{s.topic}) // does not wait for a cluster that is gone, as logEnd does
	var end int64
	if err == nil {
		end, err = logEnd(ctx, c, s.topic)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s back, so nothing is known of losses: %w", s.topic, err)
	}
	values, at, err := s.consume(ctx, n)
	if err != nil || len(values) < n && at < end {
		return nil, fmt.Errorf("cannot read %s back, so nothing is known of losses: only offsets %d to %d of %d came (%w)",
			s.topic, s.from, at, end, cmp.Or(err, errors.New("no broker answers")))
	}
	return values, nil
}

// consume reads until n messages of this run came and no more follow for a
// moment, in which a duplicate would show, or nothing comes at all. It answers
// the offset behind the last message too.
func (s *clusterStage) consume(ctx context.Context, n int) (values []string, at int64, err error) {
	options := []kgo.Opt{
		kgo.SeedBrokers(s.config.Brokers...), kgo.ClientID("ekaf-demo"),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{s.topic: {0: kgo.NewOffset().At(s.from)}}),
	}
	if s.config.TLS != nil {
		options = append(options, kgo.DialTLSConfig(s.config.TLS))
	}
	if s.config.Mechanism != nil {
		options = append(options, kgo.SASL(s.config.Mechanism))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		return nil, s.from, err
	}
	defer client.Close()
	at = s.from
	for {
		wait := 10 * time.Second
		if len(values) >= n {
			wait = time.Second
		}
		poll, stop := context.WithTimeout(ctx, wait)
		fetches := client.PollFetches(poll)
		stop()
		fetches.EachRecord(func(r *kgo.Record) {
			at = r.Offset + 1
			for _, h := range r.Headers {
				if h.Key == demoHeader && string(h.Value) == string(s.run) {
					values = append(values, string(r.Value))
				}
			}
		})
		if fetches.Empty() || fetches.Err0() != nil {
			if err := fetches.Err0(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				return values, at, err
			}
			return values, at, nil
		}
	}
}

// gate makes connections, and can cut and refuse them. Its zero value is open.
type gate struct {
	mu    sync.Mutex // guards the following
	down  bool
	conns map[net.Conn]struct{}
}

var errGateShut = errors.New("the demo refuses connections during its outage")

func (g *gate) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	g.mu.Lock()
	down := g.down
	g.mu.Unlock()
	if down {
		return nil, &net.OpError{Op: "dial", Net: network, Err: errGateShut}
	}
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.down { // shut while it was being made
		c.Close()
		return nil, &net.OpError{Op: "dial", Net: network, Err: errGateShut}
	}
	if g.conns == nil {
		g.conns = map[net.Conn]struct{}{}
	}
	g.conns[c] = struct{}{}
	return c, nil
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.down = true
	for c := range g.conns {
		c.Close()
	}
	clear(g.conns)
}

func (g *gate) open() {
	g.mu.Lock()
	g.down = false
	g.mu.Unlock()
}
