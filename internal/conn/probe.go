package conn

import (
	"context"
	"errors"
	"time"
)

// probeBytes make a line of HTTP of the request that was sent before them, whatever is in it: a web server has waited
// for the line's end, and now answers that it cannot read it. To a broker they are the size of a request far too large.
const probeBytes = " / HTTP/1.1\r\n\r\n"

// probeMoment is how long before the end of a Dial a silent port is probed, at most.
const probeMoment = time.Second

// probeBefore arranges that a port which has said nothing is probed shortly before ctx ends or the watchdog barks. What
// it returns is told the handshake's error, and answers the one to go by.
func (c *Conn) probeBefore(ctx context.Context) (after func(error) error) {
	patience := c.cfg.RequestTimeout
	if deadline, ok := ctx.Deadline(); ok {
		patience = min(patience, time.Until(deadline))
	}
	timer := time.AfterFunc(patience-min(patience/4, probeMoment), c.probe)
	return func(err error) error {
		timer.Stop()
		c.mu.Lock()
		probed := c.probed
		c.mu.Unlock()
		foreign := errors.Is(err, ErrHTTP) || errors.Is(err, ErrNeedsTLS) || errors.Is(err, ErrProtocol)
		if _, late := errors.AsType[*TimeoutError](err); !probed || foreign || late || ctx.Err() != nil {
			return err
		}
		// An answer after the probe may be a broker's own, to ApiVersions; but then the bytes of the probe are on
		// their way to it, and this connection will not live. That it hung up says nothing either.
		return &TimeoutError{Addr: c.addr, API: apiName(apiVersionsKey), After: patience, advice: silentPort}
	}
}

// probe asks a port that has said nothing to the first request whether it speaks HTTP. It ends what hope there was for
// the connection, so it comes last. The write is not in the way of another: that of the first request is over, and the
// next one follows upon an answer.
func (c *Conn) probe() {
	c.mu.Lock()
	silent := c.err == nil && c.stage == stageVersions && c.pending.count > 0 && c.writing.since.IsZero()
	c.probed = silent
	c.mu.Unlock()
	if silent {
		_, _ = c.nc.Write([]byte(probeBytes)) // what came of it the reader sees
	}
}
