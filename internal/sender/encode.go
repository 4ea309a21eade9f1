package sender

import (
	"encoding/binary"
	"sync/atomic"

	"github.com/ekaf-go/ekaf/internal/worker"
)

// Produce is api 0. We write its versions 0 (Kafka 0.8) to 13 (topic ids,
// KIP-516); version 3 is the first with record batches (Kafka 0.11, KIP-98), and 9
// the first flexible one (KIP-482).
const (
	produceKey   = 0
	produceMin   = 0
	produceMax   = 13
	throttleFrom = 1
	timesFrom    = 2 // messages and answers have timestamps (KIP-32)
	batchesFrom  = 3
	zstdFrom     = 7
	errorsFrom   = 8
	flexibleFrom = 9
	topicIDFrom  = 13

	unsupportedCompression = 76
)

type requestCounter struct{ n atomic.Uint64 }

func (c *requestCounter) next() uint64 { return c.n.Add(1) }

// encode writes the request around its batches: frame holds the head, meta all
// that stands between two batches, cut where a batch goes in.
func (r *request) encode() {
	r.sortByTopic()
	flexible := r.version >= flexibleFrom
	r.frame = r.conn.NextFrame(r.frame[:0], produceKey, r.version, flexible)
	r.meta, r.cuts, r.ids = r.meta[:0], r.cuts[:0], r.ids[:0]
	if flexible {
		r.encodeFlexible()
	} else {
		r.encodePlain()
	}
	r.assemble()
}

// negotiate picks the version. Topic ids are used only if all topics have one.
func (r *request) negotiate() bool {
	highest := int16(produceMax)
	for i := range r.attempts {
		if _, known := r.attempts[i].Lane.Partition.Config().ID.Load(); !known {
			highest = topicIDFrom - 1
			break
		}
	}
	version, ok := r.conn.Versions().Negotiate(produceKey, produceMin, highest)
	if !ok {
		version, ok = r.conn.Versions().Negotiate(produceKey, produceMin, produceMax)
	}
	r.version = version
	return ok
}

// topicRun is the number of batches, from i on, of one topic.
func (r *request) topicRun(i int) int {
	cfg := r.attempts[i].Lane.Partition.Config()
	n := 1
	for i+n < len(r.attempts) && r.attempts[i+n].Lane.Partition.Config() == cfg {
		n++
	}
	return n
}

func (r *request) topics() int {
	n := 0
	for i := 0; i < len(r.attempts); i += r.topicRun(i) {
		n++
	}
	return n
}

func (r *request) encodePlain() {
	be := binary.BigEndian
	m := r.meta
	if r.version >= batchesFrom {
		m = be.AppendUint16(m, 0xffff) // no transactional id
	}
	m = be.AppendUint16(m, uint16(r.acks))
	m = be.AppendUint32(m, uint32(r.timeout.Milliseconds()))
	m = be.AppendUint32(m, uint32(r.topics()))
	for i := 0; i < len(r.attempts); {
		n := r.topicRun(i)
		topic := r.attempts[i].Lane.Partition.Config().Topic
		m = be.AppendUint16(m, uint16(len(topic)))
		m = append(m, topic...)
		m = be.AppendUint32(m, uint32(n))
		for ; n > 0; n, i = n-1, i+1 {
			m = be.AppendUint32(m, uint32(r.attempts[i].Lane.Partition.ID))
			m = be.AppendUint32(m, uint32(r.size(i)))
			r.cuts = append(r.cuts, len(m))
		}
	}
	r.meta = m
}

func (r *request) encodeFlexible() {
	be := binary.BigEndian
	m := r.meta
	m = append(m, 0) // no transactional id
	m = be.AppendUint16(m, uint16(r.acks))
	m = be.AppendUint32(m, uint32(r.timeout.Milliseconds()))
	m = binary.AppendUvarint(m, uint64(r.topics())+1)
	for i := 0; i < len(r.attempts); {
		n := r.topicRun(i)
		m = r.appendTopic(m, r.attempts[i].Lane.Partition.Config())
		m = binary.AppendUvarint(m, uint64(n)+1)
		for ; n > 0; n, i = n-1, i+1 {
			a := &r.attempts[i]
			m = be.AppendUint32(m, uint32(a.Lane.Partition.ID))
			m = binary.AppendUvarint(m, uint64(a.Size())+1)
			r.cuts = append(r.cuts, len(m))
			r.ids = append(r.ids, r.topicID)
			m = append(m, 0) // partition's tagged fields
		}
		m = append(m, 0) // topic's
	}
	r.meta = append(m, 0) // request's
}

func (r *request) appendTopic(m []byte, cfg *worker.Config) []byte {
	if r.version >= topicIDFrom {
		r.topicID, _ = cfg.ID.Load()
		return append(m, r.topicID[:]...)
	}
	m = binary.AppendUvarint(m, uint64(len(cfg.Topic))+1)
	return append(m, cfg.Topic...)
}

// copiedBytes is the size up to which a batch is copied into the request's own
// buffer. A slice of its own costs more than that for small ones: 2,000 slices are
// 2,000 writes and records through TLS, and two system calls on a socket.
const copiedBytes = 4 << 10

// assemble lays out what is to be written: head, batch, what is between, batch, ...
// Small batches are copied, into the frame as long as only those came, and then
// into runs between large ones; the bytes of those are not copied.
func (r *request) assemble() {
	r.frame = append(r.frame, r.meta[:r.cuts[0]]...)
	r.wire, r.runs = r.wire[:0], r.runs[:0]
	run := &r.frame
	from := 0 // where the run of small things begins in runs
	for i := range r.attempts {
		if r.size(i) > copiedBytes {
			r.endRun(from)
			from, run = len(r.runs), &r.runs
			r.wire = r.records(r.wire, i)
		} else {
			r.slices = r.records(r.slices[:0], i)
			for _, b := range r.slices {
				*run = append(*run, b...)
			}
		}
		end := len(r.meta)
		if i+1 < len(r.cuts) {
			end = r.cuts[i+1]
		}
		*run = append(*run, r.meta[r.cuts[i]:end]...)
	}
	r.endRun(from)
	clear(r.slices[:cap(r.slices)])
	r.tail = r.wire
}

// endRun puts what was copied since the last large batch on the wire. When runs
// grows later, this part of it stays where it is, in the memory before.
func (r *request) endRun(from int) {
	if run := r.runs[from:]; len(run) > 0 {
		r.wire = append(r.wire, run)
	}
}
