package conn

import (
	"bytes"
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// call is the Handler of a request somebody waits for.
type call struct{ answered chan answer }

type answer struct {
	body []byte
	err  error
}

func newCall() *call { return &call{answered: make(chan answer, 1)} }

// Answer copies the body, as it is decoded by another goroutine, and decoded messages refer to it.
func (k *call) Answer(body []byte, err error) { k.answered <- answer{bytes.Clone(body), err} }

// Do sends a request in the newest version both sides know, and waits for its answer, whose error codes are for the
// caller to look at. When ctx ends first, the request may or may not have been written; its answer is dropped, and the
// connection stays good. An error that Is ErrNotWritten says that nothing was written.
//
// Requests that the broker does not answer (Produce with acks=0) must not be given to Do.
func (c *Conn) Do(ctx context.Context, req kmsg.Request) (kmsg.Response, error) {
	return c.DoRange(ctx, req, 0, req.MaxVersion())
}

// DoRange is Do with a version between ourMin and ourMax, for apis of which the caller does not know all.
func (c *Conn) DoRange(ctx context.Context, req kmsg.Request, ourMin, ourMax int16) (kmsg.Response, error) {
	version, ok := c.versions.Negotiate(req.Key(), ourMin, ourMax)
	if !ok {
		return nil, c.unsupported(req.Key(), ourMin, ourMax)
	}
	req.SetVersion(version)
	frame := c.encode(req)
	k := newCall()
	// The write has a goroutine of its own: a full socket may hold it up long after ctx has ended, and giving it a
	// deadline would kill a connection that others use. It ends with the write, at the latest with the connection.
	go func() {
		if err := c.send(ctx.Done(), frame, nil, req.IsFlexible() && req.Key() != apiVersionsKey, k); err != nil {
			k.Answer(nil, err)
		}
	}()
	select {
	case a := <-k.answered:
		return c.decode(req, a)
	case <-ctx.Done():
		return nil, fmt.Errorf("cannot wait for the answer of broker %s to %s: %w", c.addr, apiName(req.Key()), context.Cause(ctx))
	}
}

// exchange is one request and its answer with the writer token held: the steps of a handshake, during which no other
// request may come between. It waits for the death of the connection too, not only for its own answer: that comes from
// finish, which waits for the token held here.
func (c *Conn) exchange(req kmsg.Request) (kmsg.Response, error) {
	flexible := req.IsFlexible() && req.Key() != apiVersionsKey
	a, err := c.exchangeBytes(c.encode(req), request{apiKey: req.Key(), flexible: flexible})
	if err != nil {
		return nil, err
	}
	return c.decode(req, a)
}

func (c *Conn) exchangeBytes(frame []byte, q request) (answer, error) {
	k := newCall()
	q.h = k
	if err := c.sendHeld(frame, nil, q); err != nil {
		if dead := c.Err(); dead != nil {
			err = dead // why it died says more than that nothing was written
		}
		return answer{}, err
	}
	select {
	case a := <-k.answered:
		return a, nil
	case <-c.dying:
		// A broker that refuses credentials says so and hangs up at once: the answer, if there is one, says more.
		select {
		case a := <-k.answered:
			return a, nil
		default:
			return answer{}, c.Err()
		}
	}
}

func (c *Conn) encode(req kmsg.Request) []byte {
	return req.AppendTo(c.NextFrame(nil, req.Key(), req.GetVersion(), req.IsFlexible()))
}

func (c *Conn) decode(req kmsg.Request, a answer) (kmsg.Response, error) {
	if a.err != nil {
		return nil, a.err
	}
	resp := req.ResponseKind()
	resp.SetVersion(req.GetVersion())
	if err := resp.ReadFrom(a.body); err != nil {
		return nil, c.broken("its %s v%d response of %d bytes cannot be read: %w", apiName(req.Key()), req.GetVersion(), len(a.body), err)
	}
	return resp, nil
}
