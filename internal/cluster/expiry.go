package cluster

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The broker configs that say how long a partition remembers a producer id. Before Kafka 3.4 it was the one
// of transactional ids, which is there in later releases too, with another meaning.
const (
	producerIDExpiration      = "producer.id.expiration.ms"
	transactionalIDExpiration = "transactional.id.expiration.ms"
)

// expiryAttempts is how many brokers in a row may fail over the question. A gateway that hangs up when it is
// asked must not be asked for ever: the same connection carries the metadata.
const expiryAttempts = 3

// ProducerExpiry asks a broker how long after its last record a partition forgets a producer id
// (DescribeConfigs of that broker). It needs DESCRIBE_CONFIGS on the cluster. An error that Is ErrCannotAsk
// is final; while no broker can be reached it is asked again until ctx ends.
func (c *Cluster) ProducerExpiry(ctx context.Context) (time.Duration, error) {
	failed := 0
	return until(ctx, c, "learn how long brokers remember producer ids", func(n int) (time.Duration, error) {
		l, id, err := c.namedLink(ctx, n)
		if err != nil {
			return 0, err
		}
		defer c.release(l)
		expiry, err := c.askExpiry(ctx, l, id, n)
		if failed++; err != nil && failed >= expiryAttempts && ctx.Err() == nil {
			err = cannotAsk("for the expiry of producer ids", err)
		}
		return expiry, err
	})
}

// namedLink is a connection to a broker whose id is known, in use: brokers answer for themselves alone, and
// by their id. Mostly it is the control connection.
func (c *Cluster) namedLink(ctx context.Context, n int) (l *link, id int32, err error) {
	if l, err = c.anyLink(ctx); err != nil {
		return nil, 0, err
	}
	if err = c.firstSnapshot(ctx); err != nil {
		c.release(l)
		return nil, 0, err
	}
	brokers := c.Snapshot().Brokers
	for id, b := range brokers {
		if b.Addr() == l.addr {
			return l, id, nil
		}
	}
	c.release(l) // a seed, by another name
	for id := range brokers {
		bounded, cancel := context.WithTimeout(ctx, c.patience(n))
		l, err = c.to(bounded, id)
		cancel()
		return l, id, err
	}
	return nil, 0, fmt.Errorf("cannot ask any broker: the metadata of %s names none", orNobody(c.Snapshot().Source))
}

func (c *Cluster) askExpiry(ctx context.Context, l *link, id int32, n int) (time.Duration, error) {
	req := kmsg.NewPtrDescribeConfigsRequest()
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeBroker, strconv.Itoa(int(id))
	resource.ConfigNames = []string{producerIDExpiration, transactionalIDExpiration}
	req.Resources = append(req.Resources, resource)
	resp, err := c.question(ctx, l, req, -1, n)
	if err != nil {
		return 0, err
	}
	r, ok := resp.(*kmsg.DescribeConfigsResponse)
	if !ok || len(r.Resources) != 1 {
		return 0, fmt.Errorf("cannot read the configs of broker %d: the answer is a %T of another resource", id, resp)
	}
	return expiryIn(&r.Resources[0])
}

// expiryIn reads the answer. What the broker refuses it will refuse again.
func expiryIn(r *kmsg.DescribeConfigsResponseResource) (time.Duration, error) {
	const question = "for the expiry of producer ids"
	if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
		if kerr.IsRetriable(err) {
			return 0, err
		}
		return 0, cannotAsk(question, err)
	}
	values := map[string]time.Duration{}
	for _, config := range r.Configs {
		if config.Value == nil {
			continue
		}
		if ms, err := strconv.ParseInt(*config.Value, 10, 64); err == nil && ms > 0 {
			values[config.Name] = time.Duration(min(ms, int64(maxExpiry/time.Millisecond))) * time.Millisecond
		}
	}
	for _, name := range []string{producerIDExpiration, transactionalIDExpiration} {
		if expiry, ok := values[name]; ok {
			return expiry, nil
		}
	}
	return 0, cannotAsk(question, fmt.Errorf("the broker does not list %s", producerIDExpiration))
}

// maxExpiry keeps what a broker says within what a duration holds.
const maxExpiry = 100 * 365 * 24 * time.Hour
