package broker

import (
	"math"
	"sync"
)

// Error codes of the Kafka protocol which this broker answers.
const (
	errNone                 int16 = 0
	errCorruptMessage       int16 = 2
	errUnknownTopic         int16 = 3
	errOutOfOrder           int16 = 45
	errInvalidProducerEpoch int16 = 47
	errUnsupportedVersion   int16 = 35
	errUnknownTopicID       int16 = 100
)

const (
	remembered   = 5  // batches per producer, as Kafka's ProducerStateEntry
	maxProducers = 64 // per partition; the oldest is forgotten
)

// partition holds what a broker must remember to judge the next batch.
type partition struct {
	mu         sync.Mutex // guards the following
	nextOffset int64
	producers  []producer
}

// producer is the state of one producer id on one partition.
type producer struct {
	pid    int64
	epoch  int16
	next   int32 // the sequence number which continues the last batch
	recent [remembered]span
	filled int // spans in use
	at     int // where the next span goes
}

// span is an appended batch: its first and last sequence and first offset.
type span struct {
	first, last int32
	offset      int64
}

// append judges a batch as a Kafka leader does and returns the base offset to
// answer. An exact repeat of one of the last five batches is a duplicate: a
// success, with the offset of the first time. A producer id not seen before may
// start at any sequence.
func (p *partition) append(h *batchHeader) (offset int64, code int16, duplicate bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if h.producerID >= 0 {
		s := p.producer(h)
		switch {
		case h.epoch < s.epoch:
			return -1, errInvalidProducerEpoch, false
		case h.epoch > s.epoch:
			if h.baseSequence != 0 {
				return -1, errOutOfOrder, false
			}
			*s = producer{pid: h.producerID, epoch: h.epoch}
		}
		if h.baseSequence != s.next {
			if offset, seen := s.find(h); seen {
				return offset, errNone, true
			}
			return -1, errOutOfOrder, false
		}
		s.remember(h, p.nextOffset)
	}
	offset = p.nextOffset
	p.nextOffset += int64(h.records)
	return offset, errNone, false
}

// producer finds or begins the state of the batch's producer.
func (p *partition) producer(h *batchHeader) *producer {
	for i := range p.producers {
		if p.producers[i].pid == h.producerID {
			return &p.producers[i]
		}
	}
	fresh := producer{pid: h.producerID, epoch: h.epoch, next: h.baseSequence}
	if len(p.producers) == maxProducers {
		copy(p.producers, p.producers[1:])
		p.producers[maxProducers-1] = fresh
	} else {
		p.producers = append(p.producers, fresh)
	}
	return &p.producers[len(p.producers)-1]
}

func (s *producer) find(h *batchHeader) (int64, bool) {
	for _, b := range s.recent[:s.filled] {
		if b.first == h.baseSequence && b.last == h.lastSequence() {
			return b.offset, true
		}
	}
	return 0, false
}

func (s *producer) remember(h *batchHeader, offset int64) {
	s.recent[s.at] = span{first: h.baseSequence, last: h.lastSequence(), offset: offset}
	s.at = (s.at + 1) % remembered
	s.filled = min(s.filled+1, remembered)
	s.next = addSequence(h.baseSequence, h.records)
}

// addSequence counts on from a sequence number; after MaxInt32 comes 0.
func addSequence(sequence, n int32) int32 {
	return int32((int64(sequence) + int64(n)) & math.MaxInt32)
}
