package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// answerWithin is how long the first Metadata request may take before its broker is taken for stuck and
// another one is asked. It doubles with each failure in a row up to the RequestTimeout, so that a cluster
// which is merely slow is heard in the end.
const answerWithin = 5 * time.Second

// loop is the one goroutine that asks for metadata. It lives from the first question until Close.
func (c *Cluster) loop() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		c.mu.Lock()
		due := c.schedule.due()
		c.mu.Unlock()
		if wait := time.Until(due); !due.IsZero() && wait > 0 {
			timer.Reset(wait)
			select {
			case <-c.wake:
				continue
			case <-timer.C:
			case <-c.ctx.Done():
				return
			}
		}
		if c.ctx.Err() != nil {
			return
		}
		c.attempt()
	}
}

// attempt asks for metadata once, and records how it went. Where the connection at hand fails, which may
// only have been idle for too long, it is worth a second try on a new one before it counts as a failure.
func (c *Cluster) attempt() {
	var err error
	for range 2 {
		var l *link
		var used bool
		if l, used, err = c.controlLink(); err != nil {
			break
		}
		err = c.refresh(l)
		c.release(l)
		if err == nil || !used {
			break
		}
		c.mu.Lock()
		c.schedule.asked = true // what the lost request was to find out
		c.mu.Unlock()
	}
	if err == nil || c.ctx.Err() != nil {
		return
	}
	c.cfg.Logger.Debug("metadata refresh failed", "error", err)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.attempts++
	c.lastErr = err
	c.schedule.failed(time.Now())
	c.noteLocked(note{failure: err})
	c.signalLocked()
}

// controlLink answers the control connection, in use, and whether it has been used before. Only the
// refresh loop makes one.
func (c *Cluster) controlLink() (l *link, used bool, err error) {
	c.mu.Lock()
	if c.control.usable(time.Now()) {
		l = c.control.takeLocked()
		c.mu.Unlock()
		return l, true, nil
	}
	c.retireLocked(c.control)
	list := candidates(c.Snapshot(), c.cfg.Seeds, c.seedsOnly, c.avoid)
	c.mu.Unlock()

	l, err = c.dialAny(c.ctx, list)
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.avoid)
	if err != nil {
		return nil, false, err
	}
	c.open[l] = struct{}{}
	if c.closed {
		l.conn.Kill(ErrClosed) // Close has gone through the open ones already
	}
	c.control = l.takeLocked()
	c.signalLocked()
	return l, false, nil
}

// refresh asks one broker, and publishes what it says. When that fails, the connection is given up, and its
// address is tried last the next time.
func (c *Cluster) refresh(l *link) error {
	names, auto := c.toAsk()
	resp, err := c.metadata(l, names, auto)
	if err == nil {
		err = c.accept(l, names, resp)
	}
	if err != nil {
		c.mu.Lock()
		c.retireLocked(l)
		c.avoid[l.addr] = true
		c.mu.Unlock()
	}
	return err
}

// asking is what one request was made to find out.
type asking struct {
	names []string
	all   bool // all that are wanted
}

// toAsk lists the topics to ask for. Called as late as can be, so that what is wanted meanwhile shares the
// request. New and open topics alone are asked for where no more is due: with many topics, wanting one
// after the other would else cost the square of their number.
func (c *Cluster) toAsk() (asking, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := &c.schedule
	a := asking{all: s.wantsAll(time.Now())}
	left := 0
	for name, in := range c.wanted {
		switch {
		case len(name) == 0 || len(name) > 249:
		case a.all || !in.asked || !in.settled:
			a.names = append(a.names, name)
		default:
			left++
		}
	}
	a.all = left == 0
	// What is asked for from here on needs another request.
	s.asked, s.fresh = false, false
	return a, c.cfg.AllowAutoCreate
}

// metadata sends one Metadata request (KIP-4, KIP-516) and waits for the answer.
func (c *Cluster) metadata(l *link, ask asking, auto bool) (*kmsg.MetadataResponse, error) {
	c.mu.Lock()
	patience := c.patience(c.schedule.failures + 1)
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(c.ctx, patience)
	defer cancel()
	req := kmsg.NewPtrMetadataRequest()
	req.AllowAutoTopicCreation = auto
	req.Topics = make([]kmsg.MetadataRequestTopic, 0, len(ask.names)) // nil would mean all topics
	for _, name := range ask.names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = &name
		req.Topics = append(req.Topics, t)
	}
	resp, err := l.ask(ctx, req, -1)
	if err != nil {
		return nil, fmt.Errorf("cannot get metadata from %s: %w", l.addr, err)
	}
	m, ok := resp.(*kmsg.MetadataResponse)
	if !ok {
		return nil, fmt.Errorf("cannot get metadata from %s: it answered with a %T", l.addr, resp)
	}
	return m, nil
}

// accept judges an answer as a whole, and publishes what follows from it.
func (c *Cluster) accept(l *link, ask asking, resp *kmsg.MetadataResponse) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ErrClosed
	}
	if err := kerr.ErrorForCode(resp.ErrorCode); err != nil {
		c.seedsOnly = c.seedsOnly || errors.Is(err, kerr.RebootstrapRequired)
		return fmt.Errorf("cannot use the metadata of %s: %w", l.addr, err)
	}
	old := c.Snapshot()
	if resp.ClusterID != nil && old.ClusterID != "" && *resp.ClusterID != old.ClusterID && !l.seed {
		// The address of a former broker may belong to another cluster today. Only a seed is believed
		// when it names another: then the cluster itself was made anew.
		return fmt.Errorf("cannot use the metadata of %s: it belongs to cluster %s, not %s, and is no bootstrap broker",
			l.addr, *resp.ClusterID, old.ClusterID)
	}
	if len(brokersOf(resp)) == 0 {
		// A broker that is starting does not know of any yet, itself included.
		return fmt.Errorf("cannot use the metadata of %s: it names no broker with an address", l.addr)
	}
	if resp.ClusterID != nil && old.ClusterID != "" && *resp.ClusterID != old.ClusterID {
		old = c.forgetFactsLocked()
	}
	next, err := merge(old, l.addr, resp, c.wanted, time.Now())
	c.seedsOnly = false
	c.settleLocked(ask)
	c.attempts++
	c.lastErr = err
	if err != nil {
		c.noteLocked(note{failure: err})
	}
	c.publishLocked(next)
	return nil
}

// forgetFactsLocked begins anew with another cluster: nothing known of the former one counts for it. What
// the answer at hand does not speak of is asked for at once.
func (c *Cluster) forgetFactsLocked() *Snapshot {
	for _, in := range c.wanted {
		*in = interest{}
	}
	c.schedule.asked, c.schedule.fresh = true, true
	return emptySnapshot()
}

// settleLocked records which questions the answer has closed. A topic the answer left out stays open; one
// wanted since is not counted, as it is asked for at once.
func (c *Cluster) settleLocked(ask asking) {
	for _, name := range ask.names {
		if in := c.wanted[name]; in != nil {
			in.asked = true
		}
	}
	settled := true
	for _, in := range c.wanted {
		settled = settled && (in.settled || !in.asked)
	}
	c.schedule.answered(time.Now(), ask.all, settled)
}
