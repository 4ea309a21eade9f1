package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf/internal/conn"
)

// idleAfter is how long a connection to one broker is kept after its last question.
const idleAfter = 60 * time.Second

// link is one connection questions are asked on. All fields but conn, addr, seed and broker are guarded by
// Cluster.mu.
type link struct {
	conn   *conn.Conn
	addr   string
	seed   bool  // addr is one of Config.Seeds
	broker int32 // id of the broker the address was taken for; -1 for a seed

	users   int  // questions under way
	retired bool // not to be taken again; closed with its last user
	idle    *time.Timer
}

// dialing is one attempt to connect to a broker, which all who need the connection wait for.
type dialing struct {
	done chan struct{}
	err  error // set before done is closed
}

// usable tells whether a new question may be put on the link. A connection whose SASL session has run out
// is not re-authenticated (KIP-368) but replaced: nothing on it depends on its order.
func (l *link) usable(now time.Time) bool {
	if l == nil || l.retired || l.conn.Err() != nil {
		return false
	}
	ends, limited := l.conn.SessionEnds()
	return !limited || now.Before(ends)
}

// ask puts one question and waits for its answer. versions above highest are not used; -1: no limit.
func (l *link) ask(ctx context.Context, req kmsg.Request, highest int16) (kmsg.Response, error) {
	if highest < 0 {
		highest = req.MaxVersion()
	}
	return l.conn.DoRange(ctx, req, 0, highest)
}

// knows tells whether the broker offers an api in any version up to highest.
func (l *link) knows(req kmsg.Request, highest int16) bool {
	if highest < 0 {
		highest = req.MaxVersion()
	}
	_, ok := l.conn.Versions().Negotiate(req.Key(), 0, highest)
	return ok
}

// release ends a use of the link which takeLocked began.
func (c *Cluster) release(l *link) {
	c.mu.Lock()
	l.users--
	last := l.users == 0
	if last && !l.retired && l.idle != nil {
		l.idle.Reset(idleAfter)
	}
	closing := last && l.retired
	c.mu.Unlock()
	if closing {
		c.closeLink(l)
	}
}

// closeLink closes a link no one uses or will use.
func (c *Cluster) closeLink(l *link) {
	_ = l.conn.Close()
	c.mu.Lock()
	delete(c.open, l)
	c.mu.Unlock()
}

// takeLocked begins a use of the link.
func (l *link) takeLocked() *link {
	l.users++
	if l.idle != nil {
		l.idle.Stop()
	}
	return l
}

// retireLocked takes the link out of use; it is closed by its last user, or at once.
func (c *Cluster) retireLocked(l *link) {
	if l == nil || l.retired {
		return
	}
	l.retired = true
	if l.idle != nil {
		l.idle.Stop()
	}
	if c.control == l {
		c.control = nil
	}
	if c.links[l.broker] == l {
		delete(c.links, l.broker)
	}
	if l.users == 0 && !c.closed {
		c.wg.Go(func() { c.closeLink(l) })
	}
}

// to answers a connection to one broker, in use: the caller releases it. Of several callers one dials.
func (c *Cluster) to(ctx context.Context, id int32) (*link, error) {
	for {
		b, known := c.Snapshot().Brokers[id]
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			return nil, ErrClosed
		}
		if l := c.links[id]; l.usable(time.Now()) && (!known || l.addr == b.Addr()) {
			l.takeLocked()
			c.mu.Unlock()
			return l, nil
		} else if l != nil {
			c.retireLocked(l)
		}
		if !known {
			c.mu.Unlock()
			c.Refresh()
			return nil, fmt.Errorf("cannot ask broker %d: the metadata of %s does not name it", id, orNobody(c.Snapshot().Source))
		}
		d := c.dialing[id]
		if d == nil {
			d = &dialing{done: make(chan struct{})}
			c.dialing[id] = d
			c.wg.Go(func() { c.dialBroker(b, d) })
		}
		c.mu.Unlock()
		select {
		case <-d.done:
			if d.err != nil {
				return nil, d.err
			}
		case <-ctx.Done():
			return nil, fmt.Errorf("cannot wait for a connection to broker %d: %w", id, context.Cause(ctx))
		}
	}
}

// dialBroker connects on behalf of everyone who waits on d; the end of any one's context does not end it.
func (c *Cluster) dialBroker(b Broker, d *dialing) {
	nc, err := c.dial(c.ctx, b.Addr())
	c.mu.Lock()
	delete(c.dialing, b.ID)
	closed := c.closed
	switch {
	case err != nil:
		d.err = c.Snapshot().DialError(b.ID, err)
	case closed:
		d.err = ErrClosed
	default:
		l := &link{conn: nc, addr: b.Addr(), broker: b.ID}
		l.idle = time.AfterFunc(idleAfter, func() { c.closeIdle(l) })
		c.links[b.ID] = l
		c.open[l] = struct{}{}
	}
	close(d.done)
	c.mu.Unlock()
	if err == nil && closed {
		_ = nc.Close()
	}
}

// dial connects, and has the address named meanwhile by waits that end.
func (c *Cluster) dial(ctx context.Context, addr string) (*conn.Conn, error) {
	c.mu.Lock()
	c.trying[addr]++
	c.mu.Unlock()
	nc, err := conn.Dial(ctx, &c.cfg.Conn, addr)
	c.mu.Lock()
	if c.trying[addr]--; c.trying[addr] == 0 {
		delete(c.trying, addr)
	}
	c.mu.Unlock()
	return nc, err
}

// closeIdle runs when the link's idle time is over. The timer may have fired just before a use began, so
// the use decides.
func (c *Cluster) closeIdle(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l.users == 0 {
		c.retireLocked(l)
	}
}

func orNobody(source string) string {
	if source == "" {
		return "no broker, as none has answered yet,"
	}
	return source
}
