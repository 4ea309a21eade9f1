package broker

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	maxDelayed  = 256      // answers waiting on one connection
	flexProduce = 9        // first Produce version of compact fields
	recycleMax  = 64 << 10 // bytes; larger answer buffers are not kept
)

// conn serves one client. The reading goroutine owns every field; with a delay
// a second goroutine writes, and owns the answers sent to it.
type conn struct {
	b    *Broker
	c    net.Conn
	f    frame
	out  []byte    // the answer being built
	body []byte    // an admin request, or a batch being verified
	seen tally     // of the present request
	late *lateness // nil when answers go at once
}

// header is the part of a request which all requests share.
type header struct {
	key, version int16
	correlation  int32
}

func newConn(b *Broker, c net.Conn) *conn {
	b.counters.connections.Add(1)
	return &conn{b: b, c: c, f: frame{r: bufio.NewReaderSize(c, readBuffer)}, out: make([]byte, 0, 4<<10)}
}

// serve answers requests, in order, until the client hangs up or errs. What it
// errs in is worth no log line: the harness sees an ack missing.
func (c *conn) serve() {
	if d := time.Duration(c.b.delay.Load()); d > 0 {
		c.late = newLateness(c.c, d, c.b.delayAll.Load())
		defer c.late.stop()
	}
	for {
		if err := c.f.next(); err != nil {
			return
		}
		h := header{key: c.f.int16(), version: c.f.int16(), correlation: c.f.int32()}
		answer, err := c.handle(h)
		if err != nil {
			return
		}
		if !answer {
			continue
		}
		binary.BigEndian.PutUint32(c.out, uint32(len(c.out)-4))
		if err := c.reply(h); err != nil {
			return
		}
	}
}

// reply sends c.out, at once or after the delay.
func (c *conn) reply(h header) error {
	if c.late == nil {
		_, err := c.c.Write(c.out)
		return err
	}
	var due time.Time
	if c.late.all || h.key == int16(kmsg.Produce) {
		due = time.Now().Add(c.late.delay)
	}
	next, ok := c.late.swap(c.out, due)
	if !ok {
		return net.ErrClosed
	}
	c.out = next
	return nil
}

// handle reads the rest of a request and builds the answer in c.out.
func (c *conn) handle(h header) (answer bool, err error) {
	c.out = append(c.out[:0], 0, 0, 0, 0)
	c.out = binary.BigEndian.AppendUint32(c.out, uint32(h.correlation))
	c.f.name(false) // client id
	if h.key != int16(kmsg.Produce) {
		c.b.counters.others.Add(1)
	}
	if h.key == int16(kmsg.Produce) {
		if h.version < 3 || h.version > 13 {
			return false, fmt.Errorf("cannot serve Produce v%d", h.version)
		}
		answer = c.produce(h.version)
	} else {
		answer, err = true, c.admin(h)
	}
	if err == nil {
		err = c.f.err
	}
	if err == nil && c.f.left != 0 {
		err = fmt.Errorf("request has %d bytes too many", c.f.left)
	}
	return answer, err
}

// grow returns a scratch buffer of n bytes, kept for the next time.
func (c *conn) grow(n int) []byte {
	if cap(c.body) < n {
		c.body = make([]byte, n)
	}
	return c.body[:n]
}

// lateness writes answers in order, each when it is due.
//
// Buffers go round in a ring: the reader swaps a full one for an empty one, so
// a connection in steady state allocates none.
type lateness struct {
	delay time.Duration
	all   bool // not Produce alone
	queue chan lateAnswer
	free  chan []byte
	dead  chan struct{} // closed when the writer has ended
}

type lateAnswer struct {
	bytes []byte
	due   time.Time
}

func newLateness(w io.WriteCloser, delay time.Duration, all bool) *lateness {
	l := &lateness{
		delay: delay, all: all, queue: make(chan lateAnswer, maxDelayed),
		free: make(chan []byte, maxDelayed), dead: make(chan struct{}),
	}
	go l.run(w)
	return l
}

// swap queues an answer and returns a buffer for the next one. It waits while
// the queue is full, and says false once nobody writes any more.
func (l *lateness) swap(answer []byte, due time.Time) ([]byte, bool) {
	select {
	case l.queue <- lateAnswer{answer, due}:
	case <-l.dead:
		return nil, false
	}
	select {
	case b := <-l.free:
		return b[:0], true
	default:
		return make([]byte, 0, 4<<10), true
	}
}

func (l *lateness) run(w io.WriteCloser) {
	defer close(l.dead)
	defer w.Close() // the reader must not wait for a client nobody answers
	for a := range l.queue {
		time.Sleep(time.Until(a.due))
		if _, err := w.Write(a.bytes); err != nil {
			return
		}
		if cap(a.bytes) > recycleMax {
			continue
		}
		select {
		case l.free <- a.bytes:
		default:
		}
	}
}

// stop ends the writer; answers still queued are written first, if the client
// listens.
func (l *lateness) stop() {
	close(l.queue)
	<-l.dead
}
