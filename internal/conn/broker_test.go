package conn

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// peer is the broker's end of a connection in tests: a script reads requests and writes answers through it.
type peer struct {
	net.Conn
}

type received struct {
	key, version int16
	correlation  int32
	client       string
	rest         []byte // after the client id: tags if flexible, then the body
}

func (p *peer) frame() ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(p, size[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(p, b)
	return b, err
}

// request reads the next request; ok is false when the client has gone.
func (p *peer) request() (r received, ok bool) {
	b, err := p.frame()
	if err != nil || len(b) < 10 {
		return r, false
	}
	r.key = int16(binary.BigEndian.Uint16(b))
	r.version = int16(binary.BigEndian.Uint16(b[2:]))
	r.correlation = int32(binary.BigEndian.Uint32(b[4:]))
	n := int(binary.BigEndian.Uint16(b[8:]))
	r.client, r.rest = string(b[10:10+n]), b[10+n:]
	return r, true
}

func framed(parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body))), body...)
}

func be32(v int32) []byte { return binary.BigEndian.AppendUint32(nil, uint32(v)) }

// answer writes a response with header v0.
func (p *peer) answer(correlation int32, body []byte) {
	// An error means that the client hung up, which the client's side of the test judges.
	_, _ = p.Write(framed(be32(correlation), body))
}

// answerFlexible writes a response with header v1 and one tagged field, which a client must pass over.
func (p *peer) answerFlexible(correlation int32, body []byte) {
	_, _ = p.Write(framed(be32(correlation), []byte{1, 7, 3, 'a', 'b', 'c'}, body))
}

func versionsAnswer(version int16, keys ...[3]int16) []byte {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.Version = version
	for _, k := range keys {
		e := kmsg.NewApiVersionsResponseApiKey()
		e.ApiKey, e.MinVersion, e.MaxVersion = k[0], k[1], k[2]
		resp.ApiKeys = append(resp.ApiKeys, e)
	}
	return resp.AppendTo(nil)
}

// usual is what scripted brokers offer: Produce, Metadata (not flexible), ListOffsets (flexible), ApiVersions, SASL.
var usual = [][3]int16{{0, 0, 9}, {3, 0, 1}, {2, 6, 6}, {17, 0, 1}, {18, 0, 3}, {36, 0, 2}}

// greet serves ApiVersions.
func (p *peer) greet() bool {
	r, ok := p.request()
	if !ok || r.key != 18 {
		return false
	}
	p.answer(r.correlation, versionsAnswer(r.version, usual...))
	return true
}

// over returns a copy of cfg whose Dial gives one end of a pipe and runs script on the other.
func over(t *testing.T, cfg Config, script func(p *peer)) *Config {
	var running sync.WaitGroup
	t.Cleanup(running.Wait)
	cfg.Dial = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		running.Go(func() {
			defer server.Close()
			script(&peer{Conn: server})
		})
		return client, nil
	}
	return &cfg
}

// dialed connects to a scripted broker, past its greeting.
func dialed(t *testing.T, cfg Config, script func(p *peer)) *Conn {
	t.Helper()
	c, err := Dial(t.Context(), over(t, cfg, func(p *peer) {
		if p.greet() {
			script(p)
		}
	}), "broker.test:9092")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// drain reads until the client hangs up.
func (p *peer) drain() { _, _ = io.Copy(io.Discard, p) }

// listening runs script for each connection to a TCP port, whose address it returns.
func listening(t *testing.T, script func(p *peer)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	t.Cleanup(func() { l.Close(); running.Wait() })
	running.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer nc.Close()
				script(&peer{Conn: nc})
			})
		}
	})
	return l.Addr().String()
}

// recorder is a Handler that reports to a log shared by many.
type recorder struct {
	name string
	log  *answerLog
}

type answerLog struct {
	mu    sync.Mutex
	lines []string
	errs  []error
	got   chan struct{}
}

func newAnswerLog() *answerLog { return &answerLog{got: make(chan struct{}, 1000)} }

func (l *answerLog) handler(name string) Handler { return &recorder{name, l} }

func (r *recorder) Answer(body []byte, err error) {
	line := fmt.Sprintf("%s=%s", r.name, body)
	if err != nil {
		line = r.name + " failed"
	}
	r.log.mu.Lock()
	r.log.lines = append(r.log.lines, line)
	r.log.errs = append(r.log.errs, err)
	r.log.mu.Unlock()
	r.log.got <- struct{}{}
}

func (l *answerLog) wait(n int) {
	for range n {
		<-l.got
	}
}

func (l *answerLog) snapshot() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]string(nil), l.lines...)
}

// produce builds a Produce request frame without a real body.
func produce(c *Conn, body string) []byte {
	return append(c.NextFrame(nil, 0, 8, false), body...)
}
