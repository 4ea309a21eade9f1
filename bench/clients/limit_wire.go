package clients

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	produceVersion = 7 // the last whose answer has neither messages nor tags
	clientID       = "limit"
	maxAnswer      = 16 << 20 // bytes
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// cut is a place in a request's own bytes where a batch belongs.
type cut struct {
	at    int
	batch []byte
}

// ship sends one request with the open batch of every lane, if at least so
// many bytes wait. With locks, two goroutines may both see enough of them; the
// second finds them gone and leaves the rest for later.
func (m *limit) ship(least int) error {
	m.shipping.Lock()
	defer m.shipping.Unlock()
	waits := m.waiting
	if m.locked {
		waits = int(m.pending.Load())
	}
	if waits < least {
		return nil
	}
	s := <-m.slots
	if m.linger > 0 {
		m.shipped.Store(time.Now().UnixNano())
		m.look.Store(0)
	}
	taken, err := m.take(s)
	if m.locked {
		m.pending.Add(int64(-taken))
	} else {
		m.waiting = 0
	}
	if err != nil || len(s.parcels) == 0 {
		m.slots <- s
		return err
	}
	m.frame(s)
	m.sent <- s
	vectors := m.vectors
	if _, err := vectors.WriteTo(m.c); err != nil {
		return fmt.Errorf("cannot write a request: %w", err)
	}
	return nil
}

// take moves the open batch of each lane into s, stamped, and returns the
// bytes of their records.
func (m *limit) take(s *shipment) (bytes int, err error) {
	s.parcels = s.parcels[:0]
	lanes := m.depot.take(m.taken)
	m.taken = lanes
	for _, p := range lanes {
		m.lock(p)
		if p.count > 0 && err == nil {
			bytes += len(p.buf) - headerBytes
			err = m.compress(p)
			m.stamp(p)
			s.parcels = append(s.parcels, parcel{p, p.buf, p.done})
			p.buf, p.done, p.count = nil, nil, 0
		}
		m.unlock(p)
	}
	return bytes, err
}

// compress swaps the lane's batch for a compressed one, and keeps its memory
// for the next.
func (m *limit) compress(p *lane) error {
	if m.codec.encode == nil {
		return nil
	}
	small, err := m.codec.encode(append(m.raw[:0], p.buf[:headerBytes]...), p.buf[headerBytes:])
	if err != nil {
		return err
	}
	p.buf, m.raw = small, p.buf
	return nil
}

// stamp fills the header of a lane's batch: the one pass of the CRC is here.
func (m *limit) stamp(p *lane) {
	b := p.buf
	binary.BigEndian.PutUint64(b[0:], 0)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-12))
	binary.BigEndian.PutUint32(b[12:], math.MaxUint32) // leader epoch -1
	b[16] = 2
	binary.BigEndian.PutUint16(b[21:], m.codec.attributes)
	binary.BigEndian.PutUint32(b[23:], uint32(p.count-1))
	binary.BigEndian.PutUint64(b[27:], uint64(p.opened))
	binary.BigEndian.PutUint64(b[35:], uint64(p.opened))
	binary.BigEndian.PutUint64(b[43:], uint64(m.pid))
	binary.BigEndian.PutUint16(b[51:], 0)
	binary.BigEndian.PutUint32(b[53:], uint32(p.sequence))
	binary.BigEndian.PutUint32(b[57:], uint32(p.count))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[21:], castagnoli))
	p.sequence = int32((int64(p.sequence) + int64(p.count)) & math.MaxInt32)
}

// frame lays the request out as slices: a few bytes of its own before each
// batch, which is not copied.
func (m *limit) frame(s *shipment) {
	h := append(m.scratch[:0], 0, 0, 0, 0)
	h = binary.BigEndian.AppendUint16(h, uint16(kmsg.Produce))
	h = binary.BigEndian.AppendUint16(h, produceVersion)
	h = append(h, 0, 0, 0, 0) // correlation: answers come in order
	h = binary.BigEndian.AppendUint16(h, uint16(len(clientID)))
	h = append(h, clientID...)
	h = append(h, 0xff, 0xff) // no transactional id
	h = append(h, 0xff, 0xff) // acks all
	h = binary.BigEndian.AppendUint32(h, 30_000)
	h = binary.BigEndian.AppendUint32(h, 1)
	h = binary.BigEndian.AppendUint16(h, uint16(len(m.l.Topic)))
	h = append(h, m.l.Topic...)
	h = binary.BigEndian.AppendUint32(h, uint32(len(s.parcels)))
	size := 0
	m.cuts = m.cuts[:0]
	for _, p := range s.parcels {
		h = binary.BigEndian.AppendUint32(h, uint32(p.lane.number))
		h = binary.BigEndian.AppendUint32(h, uint32(len(p.buf)))
		m.cuts = append(m.cuts, cut{len(h), p.buf})
		size += len(p.buf)
	}
	binary.BigEndian.PutUint32(h, uint32(len(h)-4+size))
	m.scratch = h
	// WriteTo eats its receiver from the front, so it gets a copy of the slice
	// and this memory is laid out again for the next request.
	m.vectors = m.vectors[:0]
	from := 0
	for _, c := range m.cuts {
		m.vectors = append(m.vectors, h[from:c.at], c.batch)
		from = c.at
	}
}

// read takes the answers in order, runs completions and gives buffers back.
func (m *limit) read() {
	r := bufio.NewReaderSize(m.c, 64<<10)
	var body []byte
	var broken error
	for s := range m.sent {
		if broken == nil {
			body, broken = readAnswer(r, body)
		}
		err := broken
		if err == nil {
			err = answerError(body)
		}
		for i := range s.parcels {
			s.parcels[i].settle(err)
		}
		m.depot.recycle(s.parcels)
		m.slots <- s
	}
}

// settle tells the calls of a batch.
func (p *parcel) settle(err error) {
	for _, d := range p.done {
		d.fn(d.n, err)
	}
	clear(p.done)
}

// readAnswer reads one answer into body, which it may grow.
func readAnswer(r *bufio.Reader, body []byte) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return body, fmt.Errorf("cannot read an answer: %w", err)
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < 4 || n > maxAnswer {
		return body, fmt.Errorf("cannot read an answer of %d bytes", n)
	}
	if cap(body) < int(n) {
		body = make([]byte, n)
	}
	body = body[:n]
	if _, err := io.ReadFull(r, body); err != nil {
		return body, fmt.Errorf("cannot read an answer: %w", err)
	}
	return body, nil
}

// answerError finds the first error code in a Produce v7 answer.
func answerError(b []byte) error {
	short := errors.New("cannot read an answer: it is cut short")
	if len(b) < 10 {
		return short
	}
	topics := binary.BigEndian.Uint32(b[4:])
	name := int(binary.BigEndian.Uint16(b[8:]))
	b = b[10:]
	if topics != 1 || len(b) < name+4 {
		return short
	}
	partitions := binary.BigEndian.Uint32(b[name:])
	b = b[name+4:]
	const each = 4 + 2 + 8 + 8 + 8 // index, code, base offset, append time, log start
	if int64(len(b)) < int64(partitions)*each {
		return short
	}
	for range partitions {
		if code := int16(binary.BigEndian.Uint16(b[4:])); code != 0 {
			return kerr.ErrorForCode(code)
		}
		b = b[each:]
	}
	return nil
}

// initProducerID asks for the producer id of the loop.
func initProducerID(c net.Conn) (int64, error) {
	req := kmsg.NewPtrInitProducerIDRequest()
	if _, err := c.Write(kmsg.NewRequestFormatter().AppendRequest(nil, req, 0)); err != nil {
		return 0, fmt.Errorf("cannot ask for a producer id: %w", err)
	}
	body, err := readAnswer(bufio.NewReaderSize(c, 16), nil)
	if err != nil {
		return 0, err
	}
	resp := kmsg.NewPtrInitProducerIDResponse()
	if err := resp.ReadFrom(body[4:]); err != nil {
		return 0, fmt.Errorf("cannot read the producer id: %w", err)
	}
	return resp.ProducerID, kerr.ErrorForCode(resp.ErrorCode)
}
