package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Brokers by role, for Do.
const (
	AnyBroker  int32 = -1 // whichever the control connection goes to
	Controller int32 = -2 // the one the metadata names; in KRaft any broker, which forwards
)

// Do sends one request, once, to one broker, and answers its response, whose error codes are for the caller
// to read. It is for administrative calls. When no broker has been reached yet, it waits for the next
// attempt to do so, and answers its failure. An error may leave open whether the request was carried out.
func (c *Cluster) Do(ctx context.Context, broker int32, req kmsg.Request) (kmsg.Response, error) {
	l, err := c.linkFor(ctx, broker)
	if err != nil {
		return nil, err
	}
	defer c.release(l)
	if !l.knows(req, -1) {
		return nil, cannotAsk(kmsg.NameForKey(req.Key()), fmt.Errorf("broker %s does not offer it in a version we know", l.addr))
	}
	return l.ask(ctx, req, -1)
}

func (c *Cluster) linkFor(ctx context.Context, broker int32) (*link, error) {
	if broker == AnyBroker {
		return c.anyLink(ctx)
	}
	if c.Snapshot().Taken.IsZero() {
		// The first bootstrap is what tells who is who.
		l, err := c.anyLink(ctx)
		if err != nil {
			return nil, err
		}
		c.release(l)
		if err := c.firstSnapshot(ctx); err != nil {
			return nil, err
		}
	}
	if broker == Controller {
		if broker = c.Snapshot().Controller; broker < 0 {
			return c.anyLink(ctx)
		}
	}
	return c.to(ctx, broker)
}

// firstSnapshot waits for the first answer.
func (c *Cluster) firstSnapshot(ctx context.Context) error {
	for {
		c.mu.Lock()
		taken, changed, closed := c.Snapshot().Taken, c.changed, c.closed
		c.mu.Unlock()
		switch {
		case !taken.IsZero():
			return nil
		case closed:
			return ErrClosed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return because("learn which brokers there are", context.Cause(ctx), c.Trouble())
		}
	}
}

// anyLink answers the control connection, in use. Where there is none, the refresh loop is told to make
// one, so that there are never two who knock at a dead cluster's doors; its failure is the answer.
func (c *Cluster) anyLink(ctx context.Context) (*link, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before, asked := c.attempts, false
	for {
		switch {
		case c.closed:
			return nil, ErrClosed
		case c.control.usable(time.Now()):
			return c.control.takeLocked(), nil
		case c.attempts > before && c.schedule.failures > 0:
			return nil, c.lastErr
		case !asked:
			c.schedule.asked, asked = true, true
			c.kickLocked()
		}
		changed := c.changed
		c.mu.Unlock()
		var ended error
		select {
		case <-changed:
		case <-ctx.Done():
			ended = context.Cause(ctx)
		}
		c.mu.Lock()
		if ended != nil {
			return nil, because("reach the cluster", ended, c.troubleLocked())
		}
	}
}

// until asks again and again, with back-off, until there is an answer, the question turns out to be one
// that is not answered, or ctx ends. ask is told the how-manieth attempt it is, from 1.
func until[T any](ctx context.Context, c *Cluster, what string, ask func(n int) (T, error)) (T, error) {
	var none T
	last := c.LastError()
	for n := 1; ; n++ {
		answer, err := ask(n)
		switch {
		case err == nil:
			return answer, nil
		case errors.Is(err, ErrCannotAsk), errors.Is(err, ErrClosed):
			return none, err
		case ctx.Err() == nil:
			last = err
			c.cfg.Logger.Debug("question to the cluster failed", "question", what, "attempt", n, "error", err)
		case last == nil:
			last = err
		}
		if err := c.pause(ctx, n); err != nil {
			return none, because(what, err, last)
		}
	}
}

// pause waits out the back-off after the n-th failure in a row.
func (c *Cluster) pause(ctx context.Context, n int) error {
	s := schedule{backoffMin: c.cfg.BackoffMin, backoffMax: c.cfg.BackoffMax}
	s.failed(time.Now())
	timer := time.NewTimer(s.backoff(n))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-c.ctx.Done():
		return ErrClosed
	}
}

// patience is how long the n-th attempt to get an answer may take.
func (c *Cluster) patience(n int) time.Duration {
	limit := c.cfg.Conn.RequestTimeout
	return doubling(min(answerWithin, limit), limit, n)
}

// question is one request to be put to a link, with a bound on the wait. A broker that takes longer is
// taken for stuck, and its connection given up; the bound doubles with n.
func (c *Cluster) question(ctx context.Context, l *link, req kmsg.Request, highest int16, n int) (kmsg.Response, error) {
	if !l.knows(req, highest) {
		return nil, cannotAsk(kmsg.NameForKey(req.Key()), fmt.Errorf("broker %s does not offer it in a version we know", l.addr))
	}
	bounded, cancel := context.WithTimeout(ctx, c.patience(n))
	defer cancel()
	resp, err := l.ask(bounded, req, highest)
	if err != nil && ctx.Err() == nil {
		c.mu.Lock()
		c.retireLocked(l)
		c.mu.Unlock()
	}
	return resp, err
}

// leaderQuestion is a question only the leader of a partition can answer.
type leaderQuestion struct {
	topic     string
	partition int32
	highest   int16 // version; -1: the newest
	// build makes the request for a leader of this epoch (-1: unknown).
	build func(epoch int32) kmsg.Request
}

// atLeader puts a question to the leader, once.
func (c *Cluster) atLeader(ctx context.Context, n int, q leaderQuestion) (kmsg.Response, error) {
	if !c.Snapshot().Topics[q.topic].usable() {
		if _, err := c.Wait(ctx, q.topic); err != nil {
			if denied(err) || errors.Is(err, kerr.InvalidTopicException) {
				return nil, cannotAsk("about topic "+q.topic, err)
			}
			return nil, err
		}
	}
	b, epoch, ok := c.Snapshot().Leader(q.topic, q.partition)
	if !ok {
		c.Refresh()
		return nil, fmt.Errorf("cannot ask the leader of %s-%d: it has none", q.topic, q.partition)
	}
	// A dead leader's address may swallow the dial for long, while the partition moves elsewhere.
	bounded, cancel := context.WithTimeout(ctx, c.patience(n))
	l, err := c.to(bounded, b.ID)
	cancel()
	if err != nil {
		c.Refresh()
		return nil, err
	}
	defer c.release(l)
	return c.question(ctx, l, q.build(epoch), q.highest, n)
}

// judge turns the error code of an answer to a leader question into an error: one that Is ErrCannotAsk, or
// a retriable one, for which the metadata is asked for again.
func (c *Cluster) judge(question string, code int16) error {
	err := kerr.ErrorForCode(code)
	if err == nil {
		return nil
	}
	if denied(err) || errors.Is(err, kerr.UnsupportedVersion) || errors.Is(err, kerr.InvalidTopicException) {
		return cannotAsk(question, err)
	}
	c.Refresh()
	return fmt.Errorf("cannot ask %s: %w", question, err)
}
