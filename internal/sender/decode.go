package sender

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/ekaf-go/ekaf/internal/worker"
)

var (
	errNoVersion  = errors.New("the broker speaks no version of Produce that ekaf does (0 to 13): it is no Kafka, or a proxy in between hides it")
	errCutShort   = errors.New("the Produce response is cut short")
	errUnanswered = errors.New("the Produce response does not name the partition")
)

// LeaderHint is what an answer says of a partition's new leader (KIP-951).
type LeaderHint struct {
	Partition int32
	Leader    int32
	Epoch     int32
	Host      string // empty: not told
	Port      int32
	Rack      string
}

// partitionAnswer is one partition of a Produce response.
type partitionAnswer struct {
	topic     []byte // the response's own memory
	topicID   [16]byte
	partition int32
	answer    worker.Answer
	hint      LeaderHint
	hinted    bool
}

// response reads a Produce response. It trusts no length: what is cut short or
// lies sets bad, and each loop ends with the bytes.
type response struct {
	rest     []byte
	version  int16
	bad      bool
	throttle time.Duration
	nodes    []LeaderHint // Leader, Host, Port, Rack
	current  partitionAnswer
}

func (d *response) take(n int) []byte {
	if n < 0 || n > len(d.rest) {
		d.bad = true
		d.rest = nil
		return nil
	}
	p := d.rest[:n]
	d.rest = d.rest[n:]
	return p
}

func (d *response) int16() int16 {
	if p := d.take(2); p != nil {
		return int16(binary.BigEndian.Uint16(p))
	}
	return 0
}

func (d *response) int32() int32 {
	if p := d.take(4); p != nil {
		return int32(binary.BigEndian.Uint32(p))
	}
	return 0
}

func (d *response) int64() int64 {
	if p := d.take(8); p != nil {
		return int64(binary.BigEndian.Uint64(p))
	}
	return 0
}

func (d *response) uvarint() int {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 || v > uint64(1<<31-1) {
		d.bad = true
		d.rest = nil
		return 0
	}
	d.rest = d.rest[n:]
	return int(v)
}

func (d *response) flexible() bool { return d.version >= flexibleFrom }

// array is a length; a null array has none.
func (d *response) array() int {
	if d.flexible() {
		return d.uvarint() - 1
	}
	return int(d.int32())
}

// bytes is a string, nil for null. It is the response's own memory.
func (d *response) bytes() []byte {
	n := 0
	if d.flexible() {
		n = d.uvarint() - 1
	} else {
		n = int(d.int16())
	}
	if n < 0 {
		return nil
	}
	return d.take(n)
}

// tags walks tagged fields; each gets its bytes as a decoder of its own.
func (d *response) tags(field func(tag int, in *response)) {
	if !d.flexible() {
		return
	}
	for n := d.uvarint(); n > 0 && !d.bad; n-- {
		tag, size := d.uvarint(), d.uvarint()
		in := response{rest: d.take(size), version: d.version}
		if d.bad {
			return
		}
		if field != nil {
			field(tag, &in)
			d.bad = d.bad || in.bad
		}
	}
}

// decode walks the response and gives each partition's answer to each, which
// must not keep it.
func (d *response) decode(each func(p *partitionAnswer)) error {
	p := &d.current // a local one would escape to the heap
	for topics := d.array(); topics > 0 && !d.bad; topics-- {
		if d.version >= topicIDFrom {
			copy(p.topicID[:], d.take(16))
		} else {
			p.topic = d.bytes()
		}
		for partitions := d.array(); partitions > 0 && !d.bad; partitions-- {
			d.partition(p)
			if d.bad {
				break
			}
			each(p)
		}
		d.tags(nil)
	}
	if d.version >= throttleFrom {
		d.throttle = time.Duration(d.int32()) * time.Millisecond
	}
	d.tags(func(tag int, in *response) {
		if tag == 0 {
			d.nodeEndpoints(in)
		}
	})
	if d.bad {
		return errCutShort
	}
	return nil
}

func (d *response) partition(p *partitionAnswer) {
	p.hinted = false
	p.partition = d.int32()
	a := worker.Answer{Code: d.int16(), BaseOffset: d.int64(), LogAppendTime: -1}
	if d.version >= timesFrom {
		a.LogAppendTime = d.int64()
	}
	if d.version >= 5 {
		d.int64() // log start offset
	}
	if d.version >= errorsFrom {
		for n := d.array(); n > 0 && !d.bad; n-- {
			bad := worker.BadRecord{Index: d.int32(), Message: string(d.bytes())}
			d.tags(nil)
			if !d.bad {
				a.Bad = append(a.Bad, bad)
			}
		}
		a.Message = string(d.bytes())
	}
	d.tags(func(tag int, in *response) {
		if tag == 0 {
			p.hint = LeaderHint{Partition: p.partition, Leader: in.int32(), Epoch: in.int32()}
			p.hinted = !in.bad
		}
	})
	p.answer = a
}

func (d *response) nodeEndpoints(in *response) {
	for n := in.array(); n > 0 && !in.bad; n-- {
		node := LeaderHint{Leader: in.int32(), Host: string(in.bytes()), Port: in.int32(), Rack: string(in.bytes())}
		in.tags(nil)
		if !in.bad {
			d.nodes = append(d.nodes, node)
		}
	}
}

// Answer implements conn.Handler. It runs on the connection's reader.
func (r *request) Answer(body []byte, err error) {
	if err != nil {
		r.fail(err, false)
		return
	}
	now := time.Now()
	s := r.sender
	d := &r.response
	*d = response{rest: body, version: r.version}
	var hints []hinted
	err = d.decode(func(p *partitionAnswer) {
		i := r.find(p)
		if i < 0 {
			return
		}
		a := &r.attempts[i]
		if p.hinted && p.hint.Leader >= 0 {
			hints = append(hints, hinted{a.Lane.Partition.Config().Topic, p.hint})
		}
		lane := a.Lane
		attempt := *a
		a.Lane = nil // answered
		lane.Answered(&attempt, p.answer, now)
	})
	if err == nil {
		s.proven.Store(true)
	}
	r.answerRest(err, now)
	s.tell(hints, d.nodes)
	if d.throttle > 0 {
		s.pause(now, d.throttle)
	}
	if err != nil {
		c := r.conn
		go c.Kill(fmt.Errorf("%w: the connection is closed", err))
	}
	r.recycle()
	s.answered()
}

// find gives the attempt that an answer is for. Brokers answer in the order
// asked, as a rule, so the first look is at the first one left.
func (r *request) find(p *partitionAnswer) int {
	if r.answered < len(r.attempts) && r.matches(r.answered, p) {
		r.answered++
		return r.answered - 1
	}
	for i := range r.attempts {
		if r.matches(i, p) {
			return i
		}
	}
	return -1
}

func (r *request) matches(i int, p *partitionAnswer) bool {
	l := r.attempts[i].Lane
	if l == nil || l.Partition.ID != p.partition {
		return false
	}
	if r.version < topicIDFrom {
		return l.Partition.Config().Topic == string(p.topic)
	}
	return r.ids[i] == p.topicID
}

// answerRest tells the lanes that the response left out. Nothing is known of
// their batches.
func (r *request) answerRest(err error, now time.Time) {
	if err == nil {
		err = errUnanswered
	}
	for i := range r.attempts {
		if a := &r.attempts[i]; a.Lane != nil {
			a.Lane.Answered(a, worker.Answer{Err: err}, now)
		}
	}
}

type hinted struct {
	topic string
	hint  LeaderHint
}

func (s *Sender) tell(hints []hinted, nodes []LeaderHint) {
	for _, h := range hints {
		for _, n := range nodes {
			if n.Leader == h.hint.Leader {
				h.hint.Host, h.hint.Port, h.hint.Rack = n.Host, n.Port, n.Rack
			}
		}
		s.cfg.Host.Hint(h.topic, h.hint)
	}
}
