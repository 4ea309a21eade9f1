package ekaftest

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// maxRequestBytes is Kafka's socket.request.max.bytes.
const maxRequestBytes = 100 << 20

// errHangUp ends a session the way a broker does when it has no answer but
// closing the connection.
var errHangUp = errors.New("connection closed by the broker")

// session is one client connection. Requests are carried out one after the
// other, as brokers do; answers leave in the same order from a goroutine of
// their own, so that a delay is a latency and does not add up.
type session struct {
	b    *broker
	id   int64
	wire *wire
	conn net.Conn // the wire, or TLS over it
	auth saslState

	answers chan answer
	done    <-chan struct{} // closed with the wire, by end or by a broker that stops
	noInput chan struct{}   // closed once the client has closed its side

	mu     sync.Mutex // guards the following
	ended  bool
	parked bool     // a request that may wait long is with kfake
	busy   bool     // one that it answers at once is, see forward
	up     net.Conn // to kfake; dialed by the first request that needs it
}

type answer struct {
	frame []byte
	due   time.Time
}

// frame is one request as it came.
type frame struct {
	raw      []byte // without the length
	version  int16
	corr     int32
	clientID string
	body     kmsg.Request
}

func newSession(b *broker, w *wire, id int64) *session {
	s := &session{
		b: b, id: id, wire: w, conn: w,
		answers: make(chan answer, 64), done: w.done, noInput: make(chan struct{}),
	}
	if config := b.c.serverTLS; config != nil {
		s.conn = tls.Server(w, config)
	}
	return s
}

// end closes everything the session's goroutines may wait for.
func (s *session) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended = true
	s.wire.Close()
	if s.up != nil && !s.busy {
		s.up.Close()
	}
}

func (s *session) serve() {
	frames := make(chan []byte, 8)
	var wg sync.WaitGroup
	wg.Go(func() { s.read(frames) })
	wg.Go(func() {
		defer s.end()
		s.write()
	})
	for raw := range frames {
		if s.take(raw) != nil {
			break
		}
	}
	close(s.answers) // the writer sends what is queued, then ends the session
	wg.Wait()
}

// read looks ahead of the work. When the client closes, what it sent before is
// still carried out, as brokers do (an acks=0 producer has no other way to
// finish), but a parked Fetch is given up.
func (s *session) read(frames chan<- []byte) {
	defer close(frames)
	for {
		raw, err := readFrame(s.conn)
		if errors.Is(err, io.EOF) {
			s.endInput()
			return
		}
		if err != nil {
			s.end()
			return
		}
		select {
		case frames <- raw:
		case <-s.done:
			return
		}
	}
}

func (s *session) endInput() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.noInput)
	if s.parked && s.up != nil {
		s.up.Close()
	}
}

func readFrame(r io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxRequestBytes {
		return nil, fmt.Errorf("cannot read a request of %d bytes: the limit is %d", n, maxRequestBytes)
	}
	// The buffer grows with what arrives, not with what was announced.
	var buf bytes.Buffer
	buf.Grow(int(min(n, 64<<10)))
	if _, err := io.CopyN(&buf, r, int64(n)); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func parseFrame(raw []byte) (*frame, error) {
	b := kbin.Reader{Src: raw}
	key, version := b.Int16(), b.Int16()
	f := &frame{raw: raw, version: version, corr: b.Int32()}
	if id := b.NullableString(); id != nil {
		f.clientID = *id
	}
	if !b.Ok() {
		return nil, errors.New("cannot parse a request header: it is too short")
	}
	body := kmsg.RequestForKey(key)
	if body == nil || version < 0 {
		return nil, fmt.Errorf("cannot serve API key %d version %d", key, version)
	}
	f.body = body
	if version > body.MaxVersion() {
		if key == kmsg.ApiVersions.Int16() {
			return f, nil // answered with UNSUPPORTED_VERSION, body unread (KIP-511)
		}
		return nil, fmt.Errorf("cannot serve %s version %d", kmsg.NameForKey(key), version)
	}
	body.SetVersion(version)
	if body.IsFlexible() {
		kmsg.SkipTags(&b)
	}
	if err := body.ReadFrom(b.Src); err != nil {
		return nil, fmt.Errorf("cannot parse %s version %d: %w", kmsg.NameForKey(key), version, err)
	}
	return f, nil
}

func (s *session) write() {
	for a := range s.answers {
		if !s.sleep(time.Until(a.due)) {
			return
		}
		if _, err := s.conn.Write(a.frame); err != nil {
			return
		}
	}
}

// sleep answers whether the session still lives afterwards.
func (s *session) sleep(d time.Duration) bool {
	if d <= 0 {
		select {
		case <-s.done:
			return false
		default:
			return true
		}
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-s.done:
		return false
	}
}

// take carries out what came in one frame.
func (s *session) take(raw []byte) error {
	if s.auth.raw {
		return s.rawToken(raw)
	}
	f, err := parseFrame(raw)
	if err != nil {
		return err
	}
	return s.handle(f)
}

// send queues an answer.
func (s *session) send(payload []byte, delay time.Duration) error {
	out := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(payload)), uint32(len(payload)))
	select {
	case s.answers <- answer{frame: append(out, payload...), due: time.Now().Add(delay)}:
		return nil
	case <-s.done:
		return errHangUp
	}
}

func encode(f *frame, resp kmsg.Response) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(f.corr))
	if resp.IsFlexible() && resp.Key() != kmsg.ApiVersions.Int16() {
		out = append(out, 0) // no header tags
	}
	return resp.AppendTo(out)
}

// decode reads an answer as kfake or a broker sends it into resp.
func decode(payload []byte, resp kmsg.Response) error {
	b := kbin.Reader{Src: payload}
	b.Int32()
	if resp.IsFlexible() && resp.Key() != kmsg.ApiVersions.Int16() {
		kmsg.SkipTags(&b)
	}
	if err := resp.ReadFrom(b.Src); err != nil {
		return fmt.Errorf("cannot parse the answer to %s: %w", kmsg.NameForKey(resp.Key()), err)
	}
	return nil
}

// forward hands a request to kfake and waits for its answer. A session that ends
// meanwhile leaves its way to kfake open for the answer: a broker that stopped
// between kfake's append and our journal would have a batch in its log that its
// producer state does not know, and would take it a second time.
func (s *session) forward(raw []byte, mayPark bool) ([]byte, error) {
	up, err := s.upstream(mayPark)
	if err != nil {
		return nil, err
	}
	payload, err := roundTrip(up, raw)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parked, s.busy = false, false
	if s.ended {
		up.Close()
	}
	return payload, err
}

func (s *session) upstream(mayPark bool) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return nil, errHangUp
	}
	select {
	case <-s.noInput:
		if mayPark {
			return nil, errHangUp // nobody is left to wait for the answer
		}
	default:
	}
	if s.up == nil {
		up, err := s.b.c.kafka().ups[s.b.id].dial()
		if err != nil {
			return nil, err
		}
		s.up = up
	}
	s.parked, s.busy = mayPark, !mayPark
	return s.up, nil
}

func roundTrip(conn net.Conn, raw []byte) ([]byte, error) {
	out := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(raw)), uint32(len(raw)))
	if _, err := conn.Write(append(out, raw...)); err != nil {
		return nil, err
	}
	var size [4]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return nil, err
	}
	payload := make([]byte, binary.BigEndian.Uint32(size[:]))
	_, err := io.ReadFull(conn, payload)
	return payload, err
}

// ask sends kfake a request of our own on the session's connection.
func (s *session) ask(req kmsg.Request) (kmsg.Response, error) {
	payload, err := s.forward(appendRequest(req), false)
	if err != nil {
		return nil, err
	}
	resp := req.ResponseKind()
	return resp, decode(payload, resp)
}

func appendRequest(req kmsg.Request) []byte {
	return kmsg.NewRequestFormatter().AppendRequest(nil, req, 0)[4:]
}
