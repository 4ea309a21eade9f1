package sender

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

var errRefused = errors.New("connection refused")

// fakeBroker serves connections over net.Pipe. It answers ApiVersions and SASL
// by itself; Produce requests wait until the test answers them, or go to auto.
type fakeBroker struct {
	produceMin, produceMax int16
	lifetime               time.Duration // of a SASL session, 0: endless
	deaf                   bool          // reads nothing after the handshake
	roomy                  bool          // connections can be written to without waiting

	running sync.WaitGroup
	closing chan struct{} // closed at the test's end

	mu       sync.Mutex // guards the following
	refusing bool
	// refusingLogins: authentication fails
	refusingLogins bool
	live           int           // connections that stand
	gate           chan struct{} // dials wait until it is closed; nil: they do not
	dialled        []time.Time
	wires          []net.Conn
	waiting        []*asked
	received       int // Produce requests ever
	logins         int
	// atLogin is the number of unanswered Produce requests seen by each login.
	atLogin []int
	open    int // Produce requests without an answer
	// of a roomy broker's connections
	room      int // bytes of the send buffer; 0: 64 KiB
	prompt    int // writes that did not wait
	deadlines int // for writes
	auto      func(a *asked)
}

// asked is a Produce request that the broker has read whole.
type asked struct {
	broker      *fakeBroker
	wire        net.Conn
	connection  int
	correlation int32
	req         *kmsg.ProduceRequest
}

func newFakeBroker() *fakeBroker {
	return &fakeBroker{produceMax: produceMax, closing: make(chan struct{})}
}

// Dial is the Dial of a conn.Config.
func (b *fakeBroker) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	b.mu.Lock()
	b.dialled = append(b.dialled, time.Now())
	refusing, gate := b.refusing, b.gate
	b.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if refusing {
		return nil, errRefused
	}
	client, server := net.Pipe()
	b.mu.Lock()
	b.live++
	b.wires = append(b.wires, server)
	number := len(b.wires)
	b.mu.Unlock()
	b.running.Go(func() { b.serve(server, number) })
	if b.roomy {
		return newPromptWire(b, client), nil
	}
	return client, nil
}

func (b *fakeBroker) buffer() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.room > 0 {
		return b.room
	}
	return 64 << 10
}

// promptWrites is how many writes did not wait.
func (b *fakeBroker) promptWrites() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.prompt
}

func (b *fakeBroker) dials() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.dialled)
}

// set changes a field while connections are served.
func (b *fakeBroker) set(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}

func (b *fakeBroker) serve(wire net.Conn, number int) {
	defer func() {
		wire.Close()
		b.set(func() { b.live-- })
	}()
	for {
		var size [4]byte
		if _, err := io.ReadFull(wire, size[:]); err != nil {
			return
		}
		frame := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(wire, frame); err != nil {
			return
		}
		key := int16(binary.BigEndian.Uint16(frame))
		version := int16(binary.BigEndian.Uint16(frame[2:]))
		correlation := int32(binary.BigEndian.Uint32(frame[4:]))
		body := frame[10+binary.BigEndian.Uint16(frame[8:]):]
		switch kmsg.Key(key) {
		case kmsg.ApiVersions:
			write(wire, correlation, false, b.versions(version))
			if b.deaf {
				<-b.closing
				return
			}
		case kmsg.SASLHandshake:
			resp := kmsg.NewPtrSASLHandshakeResponse()
			resp.Version = version
			resp.SupportedMechanisms = []string{"PLAIN"}
			write(wire, correlation, false, resp.AppendTo(nil))
		case kmsg.SASLAuthenticate:
			b.login(wire, correlation, version)
		case kmsg.Produce:
			b.produce(wire, number, correlation, version, body)
		}
	}
}

func (b *fakeBroker) versions(version int16) []byte {
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.Version = version
	for _, k := range [][3]int16{{produceKey, b.produceMin, b.produceMax}, {17, 0, 1}, {18, 0, 3}, {36, 0, 1}} {
		e := kmsg.NewApiVersionsResponseApiKey()
		e.ApiKey, e.MinVersion, e.MaxVersion = k[0], k[1], k[2]
		resp.ApiKeys = append(resp.ApiKeys, e)
	}
	return resp.AppendTo(nil)
}

func (b *fakeBroker) login(wire net.Conn, correlation int32, version int16) {
	b.mu.Lock()
	b.logins++
	b.atLogin = append(b.atLogin, b.open)
	refusing := b.refusingLogins
	b.mu.Unlock()
	resp := kmsg.NewPtrSASLAuthenticateResponse()
	resp.Version = version
	resp.SessionLifetimeMillis = b.lifetime.Milliseconds()
	if refusing {
		resp.ErrorCode = 58 // SASL_AUTHENTICATION_FAILED
	}
	write(wire, correlation, false, resp.AppendTo(nil))
}

func (b *fakeBroker) produce(wire net.Conn, number int, correlation int32, version int16, body []byte) {
	req := kmsg.NewPtrProduceRequest()
	req.SetVersion(version)
	if version >= flexibleFrom {
		body = body[1:] // the header's tagged fields: none
	}
	a := &asked{broker: b, wire: wire, connection: number, correlation: correlation, req: req}
	if err := req.ReadFrom(body); err != nil {
		wire.Close() // the test misses its request
		return
	}
	b.mu.Lock()
	b.received++
	if req.Acks != 0 {
		b.open++
	}
	auto := b.auto
	if auto == nil {
		b.waiting = append(b.waiting, a)
	}
	b.mu.Unlock()
	if auto != nil {
		auto(a)
	}
}

// take gives the requests that wait, oldest first.
func (b *fakeBroker) take() []*asked {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.waiting
	b.waiting = nil
	return list
}

// close ends all connections and waits for whoever serves them.
func (b *fakeBroker) close() {
	close(b.closing)
	b.hangUp()
	b.running.Wait()
}

// hangUp closes all connections.
func (b *fakeBroker) hangUp() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, w := range b.wires {
		w.Close()
	}
}

// response accepts all batches.
func (a *asked) response() *kmsg.ProduceResponse {
	resp := a.req.ResponseKind().(*kmsg.ProduceResponse)
	for _, t := range a.req.Topics {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic, rt.TopicID = t.Topic, t.TopicID
		for _, p := range t.Partitions {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition, rp.BaseOffset, rp.LogAppendTime = p.Partition, 100, -1
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	return resp
}

// ok answers that all is written.
func (a *asked) ok() { a.answer(a.response()) }

func (a *asked) answer(resp *kmsg.ProduceResponse) { a.write(resp.AppendTo(nil)) }

func (a *asked) write(body []byte) {
	a.broker.set(func() { a.broker.open-- })
	write(a.wire, a.correlation, a.req.Version >= flexibleFrom, body)
}

// write sends a response. An error means that the client hung up, which its side
// of the test judges.
func write(wire net.Conn, correlation int32, flexible bool, body []byte) {
	size := 4 + len(body)
	if flexible {
		size++
	}
	frame := binary.BigEndian.AppendUint32(nil, uint32(size))
	frame = binary.BigEndian.AppendUint32(frame, uint32(correlation))
	if flexible {
		frame = append(frame, 0)
	}
	_, _ = wire.Write(append(frame, body...))
}
