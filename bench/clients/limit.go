package clients

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ekaf-go/ekaf/bench/load"
)

const (
	requestBytes   = 512 << 10 // a request is shipped when this much waits
	stickyBytes    = 64 << 10  // unkeyed records stay on a partition this long
	usefulBytes    = 32 << 10  // of a batch; lanes that would have less in a request linger
	lookBytes      = 64 << 10  // between two looks at the clock, of lanes that linger
	inFlight       = 5         // requests, as idempotence allows
	headerBytes    = 61        // of a record batch
	firstLaneSize  = 16 << 10
	firstLaneLeast = 1 << 10 // of lanes that linger: there are many
)

// limit is what a producer could cost at best: each value is copied once into
// the bytes of its batch, each batch gets one CRC32C, each request one writev.
// It does not retry, refresh metadata, bound anything or spread load: it is a
// yardstick, not a producer. Where records are spread over so many partitions that
// a request's share of each is a few records, they linger as long as the row says,
// as they do in every client; else the loop would pay for batches of one.
//
//	Produce ──► lane.buf (one per partition) ──► ship: header, CRC, writev ──► broker
//	                   ▲                              │ at most 5 in flight
//	                   └───── depot ◄──── read ◄──────┘ completions run here
type limit struct {
	l      *load.Load
	c      net.Conn
	locked bool // take lane.mu, and count pending atomically
	codec  codec
	pid    int64

	lanes   []lane
	depot   depot
	pending atomic.Int64 // bytes in all lanes, when locked
	waiting int          // the same, when not
	sticky  atomic.Int32 // the lane of unkeyed records

	linger  time.Duration // 0: a request is shipped as soon as it is full
	shipped atomic.Int64  // when the last request was, in nanoseconds; of loops that linger
	look    atomic.Int64  // bytes that must wait before the clock is looked at again

	shipping sync.Mutex // guards the following, and the order of requests
	taken    []*lane    // memory for the lanes of the next request
	scratch  []byte     // request header and the bytes between batches
	cuts     []cut
	vectors  net.Buffers
	raw      []byte // the memory of a batch which was compressed, for the next one

	slots chan *shipment // requests which may be sent
	sent  chan *shipment // requests to be answered, in order
	ended sync.WaitGroup
}

// depot is what lanes share: the lanes that have a batch, and the memory that
// answered batches left, to be filled again by whichever lane opens one next.
type depot struct {
	firstSize int // of a batch's memory

	mu    sync.Mutex // guards the following; the reader takes it too
	open  []*lane
	spare []parcel
}

// lane is the open batch of one partition.
type lane struct {
	depot *depot

	mu       sync.Mutex // guards the following, when locked
	buf      []byte     // header and records
	count    int32
	opened   int64 // milliseconds
	number   int32 // its partition; never changes
	sequence int32
	done     []completion
}

// completion is told the outcome of n records of one call.
type completion struct {
	fn   func(n int, err error)
	call int // the call's first record
	n    int
}

// parcel is a batch on the wire.
type parcel struct {
	lane *lane
	buf  []byte
	done []completion
}

// shipment is a request on the wire.
type shipment struct {
	parcels []parcel
}

func newLimit(ctx context.Context, l *load.Load) (Client, error) {
	if l.Goroutines > 1 {
		return nil, ErrNotOffered
	}
	return dialLimit(ctx, l, false)
}

func newLimitLocks(ctx context.Context, l *load.Load) (Client, error) {
	return dialLimit(ctx, l, true)
}

func dialLimit(ctx context.Context, l *load.Load, locked bool) (Client, error) {
	if l.Measure == load.Downtime {
		return nil, ErrNotOffered // it bounds nothing and never connects again
	}
	m, err := openLimit(ctx, l, locked)
	if err != nil {
		return nil, err
	}
	m.ended.Go(m.read)
	return m, nil
}

// openLimit connects a loop whose answers nobody reads yet.
func openLimit(ctx context.Context, l *load.Load, locked bool) (*limit, error) {
	codec, err := newCodec(l.Codec)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", l.Broker)
	if err != nil {
		return nil, err
	}
	pid, err := initProducerID(c)
	if err != nil {
		c.Close()
		return nil, err
	}
	m := &limit{
		l: l, c: c, locked: locked, codec: codec, pid: pid, lanes: make([]lane, l.Partitions),
		slots: make(chan *shipment, inFlight), sent: make(chan *shipment, inFlight),
	}
	m.depot.firstSize = firstLaneSize
	spread := l.Placement == load.Explicit || l.Placement == load.Keyed
	if spread && l.Streams() && requestBytes/len(m.lanes) < usefulBytes {
		m.linger, m.depot.firstSize = l.Linger, firstLaneLeast
		m.shipped.Store(time.Now().UnixNano())
	}
	for i := range m.lanes {
		m.lanes[i].number, m.lanes[i].depot = int32(i), &m.depot
	}
	for range inFlight {
		m.slots <- new(shipment)
	}
	return m, nil
}

func (m *limit) Produce(_ context.Context, from, to int) error {
	if m.l.PerCall() > 1 {
		return m.produceBatches(from, to)
	}
	fn, each := m.l.Ack, m.l.FuncEach()
	for i := from; i < to; i++ {
		if each {
			fn = m.fn(i)
		}
		p := m.acquire(i)
		n := p.append(m.key(i), m.l.Value(i))
		p.done = append(p.done, completion{fn, i, 1})
		m.unlock(p)
		if err := m.added(n); err != nil {
			return err
		}
	}
	return nil
}

// fn is a function for the outcome of one record.
func (m *limit) fn(i int) func(int, error) {
	l := m.l
	return func(_ int, err error) { l.AckOne(i, err) }
}

// produceBatches keeps one completion for each call and lane.
func (m *limit) produceBatches(from, to int) error {
	fn := m.l.Ack
	for from < to {
		end, bytes := min(from+m.l.PerCall(), to), 0
		if m.l.Placement != load.Keyed && m.l.Placement != load.Explicit { // one lane takes the whole call
			p := m.acquire(from)
			for i := from; i < end; i++ {
				bytes += p.append(nil, m.l.Value(i))
			}
			p.done = append(p.done, completion{fn, from, end - from})
			m.unlock(p)
		} else {
			for i := from; i < end; i++ {
				p := m.acquire(i)
				bytes += p.append(m.key(i), m.l.Value(i))
				p.complete(fn, from)
				m.unlock(p)
			}
		}
		if err := m.added(bytes); err != nil {
			return err
		}
		from = end
	}
	return nil
}

func (m *limit) lock(p *lane) {
	if m.locked {
		p.mu.Lock()
	}
}

func (m *limit) unlock(p *lane) {
	if m.locked {
		p.mu.Unlock()
	}
}

func (m *limit) key(i int) []byte {
	if m.l.Placement == load.Keyed {
		return m.l.Key(i)
	}
	return nil
}

// acquire chooses the lane of record i, and locks it.
func (m *limit) acquire(i int) *lane {
	at := 0
	switch m.l.Placement {
	case load.Explicit:
		at = m.l.Partition(i)
	case load.Keyed:
		at = int(murmur2(m.l.Key(i))&0x7fffffff) % len(m.lanes)
	default:
		return m.acquireSticky()
	}
	m.lock(&m.lanes[at])
	return &m.lanes[at]
}

// acquireSticky stays on a lane until its batch is full. Of several goroutines
// which see that, one moves all of them on.
func (m *limit) acquireSticky() *lane {
	at := m.sticky.Load()
	p := &m.lanes[at]
	m.lock(p)
	if len(p.buf) < stickyBytes {
		return p
	}
	m.unlock(p)
	m.sticky.CompareAndSwap(at, (at+1)%int32(len(m.lanes)))
	p = &m.lanes[m.sticky.Load()]
	m.lock(p)
	return p
}

// added counts bytes appended and ships when there are enough.
func (m *limit) added(n int) error {
	var waits int
	if m.locked {
		waits = int(m.pending.Add(int64(n)))
	} else {
		m.waiting += n
		waits = m.waiting
	}
	if waits < requestBytes || m.linger > 0 && !m.due(waits) {
		return nil
	}
	return m.ship(requestBytes)
}

// due reports whether what waits has lingered: since the request before it, or
// until half of the row's buffer is full. It seldom looks at the clock.
func (m *limit) due(waits int) bool {
	if int64(waits) < m.look.Load() {
		return false
	}
	if waits < m.l.Buffer/2 && time.Now().UnixNano()-m.shipped.Load() < int64(m.linger) {
		m.look.Store(int64(waits + lookBytes))
		return false
	}
	return true
}

// append encodes a record at the end of the open batch and returns its bytes.
func (p *lane) append(key, value []byte) int {
	if len(p.buf) == 0 {
		p.open()
	}
	was := len(p.buf)
	body := 1 + 1 + varintSize(int64(p.count)) + varintSize(int64(len(value))) + len(value) + 1
	if key == nil {
		body++
	} else {
		body += varintSize(int64(len(key))) + len(key)
	}
	b := binary.AppendVarint(p.buf, int64(body))
	b = append(b, 0, 0) // attributes, timestamp delta: all carry the batch's
	b = binary.AppendVarint(b, int64(p.count))
	if key == nil {
		b = append(b, 1)
	} else {
		b = binary.AppendVarint(b, int64(len(key)))
		b = append(b, key...)
	}
	b = binary.AppendVarint(b, int64(len(value)))
	b = append(b, value...)
	p.buf = append(b, 0) // headers
	p.count++
	return len(p.buf) - was
}

func (p *lane) open() {
	d := p.depot
	d.mu.Lock()
	if n := len(d.spare); n > 0 && p.buf == nil {
		p.buf, p.done = d.spare[n-1].buf, d.spare[n-1].done
		d.spare = d.spare[:n-1]
	}
	d.open = append(d.open, p)
	d.mu.Unlock()
	if p.buf == nil {
		p.buf = make([]byte, 0, d.firstSize)
	}
	p.buf = p.buf[:headerBytes]
	p.opened = time.Now().UnixMilli()
}

// take returns the lanes that have a batch, and keeps next for those to come.
func (d *depot) take(next []*lane) []*lane {
	d.mu.Lock()
	defer d.mu.Unlock()
	lanes := d.open
	d.open = next[:0]
	return lanes
}

// recycle takes the memory of answered batches.
func (d *depot) recycle(answered []parcel) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range answered {
		p := &answered[i]
		d.spare = append(d.spare, parcel{buf: p.buf[:0], done: p.done[:0]})
	}
}

// complete adds one record of a call to the call's completion in this lane.
func (p *lane) complete(fn func(int, error), call int) {
	if n := len(p.done); n > 0 && p.done[n-1].call == call {
		p.done[n-1].n++
		return
	}
	p.done = append(p.done, completion{fn, call, 1})
}

func varintSize(v int64) int {
	n := 1
	for u := uint64(v)<<1 ^ uint64(v>>63); u >= 0x80; u >>= 7 {
		n++
	}
	return n
}

// Flush ships all that waits.
func (m *limit) Flush(context.Context) error { return m.ship(1) }

// Sync ships the record as a request of its own, with what waits.
func (m *limit) Sync(ctx context.Context, i int) error {
	outcome := make(chan error, 1)
	p := m.acquire(i)
	n := p.append(m.key(i), m.l.Value(i))
	p.done = append(p.done, completion{func(_ int, err error) { outcome <- err }, i, 1})
	m.unlock(p)
	if m.locked {
		m.pending.Add(int64(n))
	} else {
		m.waiting += n
	}
	if err := m.ship(1); err != nil {
		return err
	}
	select {
	case err := <-outcome:
		m.l.Ack(1, err)
		return err
	case <-ctx.Done():
		return fmt.Errorf("cannot wait for record %d: %w", i, ctx.Err())
	}
}

// Close waits for the answers under way and hangs up.
func (m *limit) Close() error {
	for range inFlight {
		<-m.slots
	}
	close(m.sent)
	m.ended.Wait()
	return m.c.Close()
}

// murmur2 is the hash by which the Java client places keys.
func murmur2(b []byte) uint32 {
	const m = 0x5bd1e995
	h := uint32(0x9747b28c) ^ uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		k := binary.LittleEndian.Uint32(b) * m
		h = h*m ^ (k^k>>24)*m
	}
	switch len(b) {
	case 3:
		h ^= uint32(b[2]) << 16
		fallthrough
	case 2:
		h ^= uint32(b[1]) << 8
		fallthrough
	case 1:
		h = (h ^ uint32(b[0])) * m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}
