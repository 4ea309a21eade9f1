package listen

import (
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"golang.org/x/net/netutil"
)

// Limits of a listener.
type Limits struct {
	// Connections at once; more wait to be accepted, in the system's queue. 0: no limit.
	Connections int
	// Write is how long a client may take to make room for what is written to it; then
	// it is cut off. An answer may take longer as a whole, as long as it gets on. 0: no limit.
	Write time.Duration
}

// Open listens on a TCP address, or on the socket that systemd has opened
// (socket activation, sd_listen_fds(3)): then the address is not used, and
// activated is true.
func Open(address string, limits Limits) (l net.Listener, activated bool, err error) {
	given, err := activation.Listeners()
	if err != nil {
		return nil, false, fmt.Errorf("cannot use the socket that systemd has opened: %w", err)
	}
	switch len(given) {
	case 0:
		l, err = net.Listen("tcp", address)
	case 1:
		l, activated = given[0], true
		if l == nil {
			err = errors.New("the socket that systemd has opened is not one of streams: ListenStream makes one")
		}
	default:
		for _, one := range given {
			if one != nil {
				err = errors.Join(err, one.Close())
			}
		}
		err = errors.Join(fmt.Errorf("systemd has opened %d sockets; one ListenStream is used", len(given)), err)
	}
	if err != nil {
		return nil, activated, err
	}
	return limits.Around(l), activated, nil
}

// Around puts the limits around a listener.
func (limits Limits) Around(l net.Listener) net.Listener {
	if limits.Write > 0 {
		l = patient{l, limits.Write}
	}
	if limits.Connections > 0 {
		l = netutil.LimitListener(l, limits.Connections)
	}
	return l
}

// patient is a listener whose connections wait for their reader, but not for ever.
type patient struct {
	net.Listener
	write time.Duration
}

func (p patient) Accept() (net.Conn, error) {
	c, err := p.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &patientConn{Conn: c, write: p.write}, nil
}

// patientConn bounds each write, not all of an answer: a server's WriteTimeout
// would cut off answers that take long because they have much to say, such as
// those that are written as messages are acknowledged.
type patientConn struct {
	net.Conn
	write time.Duration
}

func (c *patientConn) Write(b []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.write)); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
