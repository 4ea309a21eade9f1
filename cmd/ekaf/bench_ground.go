package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/ekaf-go/ekaf/internal/cluster"
	"github.com/ekaf-go/ekaf/internal/properties"
)

// groundTimeout bounds what is asked of a cluster before and after a run.
const groundTimeout = 30 * time.Second

// ground is where a run produces to: a topic, of the embedded broker or of a cluster.
type ground struct {
	brokers    []string
	topic      string
	partitions int
	embedded   bool
	close      func() // gives back what was made for the run
}

func (b *bench) ground(ctx context.Context, config *properties.Config, screen *console) (*ground, error) {
	own := b.topic == ""
	g := &ground{brokers: config.Brokers, topic: b.topic, partitions: int(b.partitions), close: func() {}}
	if own {
		g.topic = "ekaf-bench-" + strings.ToLower(rand.Text()[:10])
	}
	if len(config.Brokers) == 0 {
		embedded, err := ekaftest.New(ekaftest.Topic(g.topic, b.partitions))
		if err != nil {
			return nil, fmt.Errorf("cannot start the embedded broker: %w", err)
		}
		g.brokers, g.embedded, g.close = embedded.Addrs(), true, func() { embedded.Close() }
		return g, nil
	}
	ctx, stop := context.WithTimeout(ctx, groundTimeout)
	defer stop()
	c := dialCluster(config)
	defer c.Close()
	if err := ensureTopic(ctx, c, g.topic, &topicsCreate{partitions: b.partitions, replication: b.replication}); err != nil {
		return nil, err
	}
	if own {
		g.close = func() { deleteTopic(context.WithoutCancel(ctx), config, g.topic, screen) }
	}
	n, err := partitionsOf(ctx, c, g.topic)
	if err != nil {
		g.close()
		return nil, err
	}
	g.partitions = n
	return g, nil
}

// partitionsOf waits until the brokers know the topic: a new one takes a moment.
func partitionsOf(ctx context.Context, c *cluster.Cluster, topic string) (int, error) {
	for {
		answer, err := metadata(ctx, c, []string{topic})
		if err == nil && len(answer.Topics) == 1 {
			if err = codeError(answer.Topics[0].ErrorCode, nil); err == nil {
				return len(answer.Topics[0].Partitions), nil
			}
		}
		if err != nil && !kerr.IsRetriable(err) {
			return 0, fmt.Errorf("cannot describe %s: %w", topic, err)
		}
		if stopped := sleep(ctx, 100*time.Millisecond); stopped != nil {
			return 0, fmt.Errorf("cannot describe %s: %w", topic, errors.Join(err, stopped))
		}
	}
}

// deleteTopic deletes the run's own topic, or says that it stays.
func deleteTopic(ctx context.Context, config *properties.Config, topic string, screen *console) {
	ctx, stop := context.WithTimeout(ctx, groundTimeout)
	defer stop()
	c := dialCluster(config)
	defer c.Close()
	named := kmsg.NewDeleteTopicsRequestTopic()
	named.Topic = kmsg.StringPtr(topic)
	request := kmsg.NewPtrDeleteTopicsRequest()
	request.TimeoutMillis = int32(groundTimeout.Milliseconds())
	request.TopicNames = []string{topic}
	request.Topics = append(request.Topics, named)
	answer, err := ask[*kmsg.DeleteTopicsResponse](ctx, c, cluster.Controller, request)
	if err == nil {
		for _, t := range answer.Topics {
			err = errors.Join(err, codeError(t.ErrorCode, t.ErrorMessage))
		}
	}
	if err != nil {
		screen.say("the topic %s stays, it cannot be deleted: %v", topic, err)
	}
}
