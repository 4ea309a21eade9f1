package sender

import (
	"errors"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/conn"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// maxRequestBytes is the size from which a request takes no further batch. A
// single larger batch still goes.
const maxRequestBytes = 4 << 20

// requests numbers all requests, to mark the partitions that are in one.
var requests requestCounter

// request is one Produce request: the batches it carries, and the memory it is
// written from. It is reused, with its memory, once it is answered.
type request struct {
	sender   *Sender
	attempts []worker.Attempt
	bytes    int
	acks     int16
	timeout  time.Duration
	number   uint64
	version  int16
	conn     *conn.Conn
	inline   bool // a caller writes it

	frame    []byte
	meta     []byte
	cuts     []int
	ids      [][16]byte // topic id of each batch, from v13 on
	topicID  [16]byte
	answered int // batches answered in the order asked
	response response
	tail     net.Buffers
	wire     [][]byte
	runs     []byte   // small batches, copied
	slices   [][]byte // of one of them
	sets     []byte   // message sets for a broker before 0.11, one after another
	setEnds  []int
}

var requestPool = sync.Pool{New: func() any { return new(request) }}

// build takes batches from the ready lanes, one of a lane and then the next, and
// nil if there are none. idle: nothing is in flight, so open batches go too.
func (s *Sender) build(now time.Time, idle bool, limit int) *request {
	r := requestPool.Get().(*request)
	r.begin(s)
	s.mu.Lock()
	turns := len(s.classes)
	s.mu.Unlock()
	for range turns {
		s.mu.Lock()
		c := s.classes[s.turnOf%len(s.classes)]
		s.turnOf++
		s.mu.Unlock()
		r.acks, r.timeout = c.acks, c.timeout
		s.fill(r, c, false, idle, now, limit)
		if idle {
			s.fill(r, c, true, idle, now, limit)
		}
		if len(r.attempts) > 0 {
			return r
		}
	}
	requestPool.Put(r)
	return nil
}

// begin empties a reused request, for the sender's present connection.
func (r *request) begin(s *Sender) {
	r.sender, r.conn, r.number, r.bytes, r.answered, r.inline = s, s.conn, requests.next(), 0, 0, false
	r.attempts = r.attempts[:0]
}

// fill asks each lane that stands in a queue now, once.
func (s *Sender) fill(r *request, c *class, fromIdle, idle bool, now time.Time, limit int) {
	queue := &c.ready
	if fromIdle {
		queue = &c.idle
	}
	s.mu.Lock()
	n := queue.len()
	s.mu.Unlock()
	for ; n > 0 && r.bytes < limit; n-- {
		s.mu.Lock()
		if queue.len() == 0 {
			s.mu.Unlock()
			return
		}
		l := queue.pop()
		s.mu.Unlock()
		if l.Partition.InRequest.Load() == r.number {
			// Another worker of this partition is in already; its turn is next.
			s.back(queue, l, false)
			continue
		}
		room := limit - r.bytes
		if len(r.attempts) == 0 && !r.inline {
			room = 1 << 30
		}
		a, ok, again, blocked := l.Take(s, s.number, idle, fromIdle, now, room)
		if again {
			s.back(&c.ready, l, blocked)
		}
		if blocked {
			return
		}
		if ok {
			l.Partition.InRequest.Store(r.number)
			r.attempts = append(r.attempts, a)
			r.bytes += a.Size()
		}
	}
}

func (s *Sender) back(queue *ring, l *worker.Lane, front bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if front {
		queue.pushFront(l)
	} else {
		queue.push(l)
	}
}

// send stamps, encodes and writes a request.
func (s *Sender) send(r *request) {
	for i := range r.attempts {
		r.attempts[i].Stamp()
	}
	if !r.negotiate() {
		r.fail(errNoVersion, true)
		return
	}
	if r.version < batchesFrom {
		r.makeSets()
	} else {
		r.dropUnreadable()
	}
	if len(r.attempts) == 0 {
		r.recycle()
		return
	}
	r.encode()
	for i := range r.attempts {
		a := &r.attempts[i]
		a.Lane.Sent(a, s)
	}
	if r.acks == 0 {
		s.sendUnanswered(r)
		return
	}
	if err := r.write(); err != nil {
		r.fail(err, true)
	}
}

func (r *request) write() error {
	flexible := r.version >= flexibleFrom
	if r.inline {
		return r.conn.SendNow(r.frame, r.tail, flexible, r)
	}
	return r.conn.Send(r.frame, r.tail, flexible, r)
}

// sendUnanswered sends with acks=0: the batches are done when the write is.
func (s *Sender) sendUnanswered(r *request) {
	err := r.conn.Send(r.frame, r.tail, r.version >= flexibleFrom, nil)
	if err != nil {
		r.fail(err, errors.Is(err, conn.ErrNotWritten))
		return
	}
	now := time.Now()
	for i := range r.attempts {
		a := &r.attempts[i]
		a.Lane.Answered(a, worker.Answer{BaseOffset: -1, LogAppendTime: -1}, now)
	}
	r.recycle()
}

// fail answers all batches with an error that did not come from the broker.
func (r *request) fail(err error, notSent bool) {
	now := time.Now()
	for i := range r.attempts {
		a := &r.attempts[i]
		a.Lane.Answered(a, worker.Answer{Err: err, NotSent: notSent}, now)
	}
	s := r.sender
	r.recycle()
	s.poke()
}

func (r *request) recycle() {
	clear(r.attempts)
	clear(r.tail[:cap(r.tail)])
	clear(r.wire[:cap(r.wire)])
	r.tail, r.wire = r.tail[:0], r.wire[:0]
	if cap(r.sets) > maxRequestBytes {
		r.sets = nil
	}
	r.sender, r.conn, r.response = nil, nil, response{}
	requestPool.Put(r)
}

// sortByTopic brings the batches of one topic together.
func (r *request) sortByTopic() {
	first := r.attempts[0].Lane.Partition.Config()
	mixed := false
	for i := range r.attempts {
		if r.attempts[i].Lane.Partition.Config() != first {
			mixed = true
			break
		}
	}
	if mixed {
		slices.SortStableFunc(r.attempts, func(a, b worker.Attempt) int {
			return compare(a.Lane.Partition.Config().Topic, b.Lane.Partition.Config().Topic)
		})
	}
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// unreadable answers a batch that a broker of this version cannot read, as the
// broker would: zstd needs Produce v7 (KIP-110).
func (r *request) dropUnreadable() {
	if r.version >= zstdFrom {
		return
	}
	kept := r.attempts[:0]
	for i := range r.attempts {
		a := r.attempts[i]
		if a.Batch.Codec() == batch.Zstd {
			a.Lane.Answered(&a, worker.Answer{Code: unsupportedCompression}, time.Now())
			continue
		}
		kept = append(kept, a)
	}
	r.attempts = kept
}
