package ekaftest

import (
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
)

// expiry is producer.id.expiration.ms and its check interval.
type expiry struct{ after, check time.Duration }

// producerRules is what differs between releases.
type producerRules struct {
	window    int  // batches remembered of each producer id
	fromStart bool // a producer without state must begin at sequence 0
}

// appended is a batch in the log, as far as identity goes.
type appended struct {
	identity
	baseOffset   int64
	lastSequence int32
	timestamp    int64 // the largest of its records, or the broker's (LogAppendTime)
	appendTime   int64 // -1 on CreateTime topics
	at           time.Time
}

// producer is what a replica remembers of one producer id on one partition.
type producer struct {
	epoch   int16
	batches []appended // the last few, oldest first; never empty
	updated time.Time  // when the last one was appended
}

func (p *producer) last() *appended { return &p.batches[len(p.batches)-1] }

// replica is one broker's producer state of one partition. It is a function
// of the log, except for what a restart and expiry made the broker forget.
type replica struct {
	up        bool
	applied   int // batches of the partition's journal this replica has seen
	loaded    time.Time
	checked   time.Time // the last check for expired producers that was counted
	producers map[int64]*producer
}

func newReplica(now time.Time, up bool) *replica {
	return &replica{up: up, loaded: now, checked: now, producers: make(map[int64]*producer)}
}

// verdict is what the producer state says about a batch.
type verdict struct {
	duplicate *appended // written before: success with the original offset
	err       *kerr.Error
}

// check decides on a batch as Kafka's ProducerStateManager does: first is it
// one of the last batches (same epoch, same first and last sequence), then the
// epoch, then the sequence.
func (r *replica) check(b *batchHeader, rules producerRules) verdict {
	p := r.producers[b.producerID]
	if p == nil {
		if rules.fromStart && b.sequence != 0 {
			return verdict{err: kerr.OutOfOrderSequenceNumber}
		}
		return verdict{}
	}
	if b.epoch == p.epoch {
		for i := range p.batches {
			if a := &p.batches[i]; a.sequence == b.sequence && a.lastSequence == b.lastSequence() {
				return verdict{duplicate: a}
			}
		}
	}
	switch {
	case b.epoch < p.epoch:
		return verdict{err: kerr.InvalidProducerEpoch}
	case b.epoch > p.epoch && b.sequence != 0,
		b.epoch == p.epoch && b.sequence != addSequence(p.last().lastSequence, 1):
		return verdict{err: kerr.OutOfOrderSequenceNumber}
	}
	return verdict{}
}

// apply takes up a batch the log has.
func (r *replica) apply(a appended, window int) {
	r.applied++
	p := r.producers[a.producerID]
	if p == nil {
		p = &producer{}
		r.producers[a.producerID] = p
	}
	if p.epoch != a.epoch {
		p.epoch, p.batches = a.epoch, nil
	}
	if len(p.batches) == window {
		copy(p.batches, p.batches[1:])
		p.batches = p.batches[:window-1]
	}
	p.batches = append(p.batches, a)
	p.updated = a.at
}

// expire carries out the last of the periodic checks due by now. Brokers check
// every so often from the moment they load a partition; a check drops the ids
// whose last record timestamp is too old at that moment. Earlier checks that
// were missed would have dropped nothing more.
func (r *replica) expire(now time.Time, ex expiry) {
	tick := r.loaded.Add(now.Sub(r.loaded) / ex.check * ex.check)
	if !tick.After(r.checked) {
		return
	}
	r.checked = tick
	for id, p := range r.producers {
		if !p.updated.After(tick) && p.expired(tick, ex) {
			delete(r.producers, id)
		}
	}
}

func (p *producer) expired(now time.Time, ex expiry) bool {
	return now.UnixMilli()-p.last().timestamp >= ex.after.Milliseconds()
}

// restart is what a broker knows after it was started again, cleanly or not:
// snapshots hold the last batch of each id, expired ids are not loaded, and of
// an empty log nothing is.
func (r *replica) restart(now time.Time, ex expiry, emptyLog bool) {
	r.up, r.loaded, r.checked = true, now, now
	for id, p := range r.producers {
		if emptyLog || p.expired(now, ex) {
			delete(r.producers, id)
			continue
		}
		p.batches = []appended{*p.last()}
	}
}
