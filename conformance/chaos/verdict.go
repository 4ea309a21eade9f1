package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ekaf-go/ekaf/conformance/judge"
)

// judging bounds the reading of one topic.
const judging = 5 * time.Minute

// How many violations are named, and how many of them with their history.
const (
	maxViolations = 30
	maxHistories  = 5
)

// verdict is what was found wrong, by number, and some of it by name.
type verdict struct {
	report judge.Report // sums over all topics

	missing   int // messages without an outcome
	twice     int // messages with several, or refused ones with any
	reordered int // behind a later one of their caller, in one worker or key
	moved     int // keys in a second partition though the topic did not grow
	misplaced int // not where the ack says
	needless  int // failed though nothing allows it

	// shuffled messages lie, in one worker, behind a later one of the same call
	// that has another key, or none. No fault: see positions.
	shuffled int

	violations []violation
}

// violation names a message and what is wrong with it.
type violation struct {
	what    string
	topic   string
	message judge.Message
}

func (v *verdict) violate(topic string, m judge.Message, what string, args ...any) {
	if len(v.violations) < maxViolations {
		v.violations = append(v.violations, violation{fmt.Sprintf(what, args...), topic, m})
	}
}

// faults is the number of violations.
func (v *verdict) faults() int {
	r := v.report
	return r.Lost + r.Duplicated + r.Unexpected + r.Foreign + r.WrongKey +
		v.missing + v.twice + v.reordered + v.moved + v.misplaced + v.needless
}

// err is nil if nothing was wrong.
func (v *verdict) err() error {
	if v.faults() == 0 {
		return nil
	}
	var what []string
	for _, one := range v.violations {
		what = append(what, fmt.Sprintf("%s: %s of %s", one.what, one.message, one.topic))
	}
	return fmt.Errorf("%d violations\n  %s", v.faults(), strings.Join(append(what, v.report.Samples...), "\n  "))
}

// judge reads all topics and compares them with the ledger.
func (r *chaosRun) judge(ctx context.Context) (*verdict, error) {
	v := &verdict{}
	r.outcomes(v)
	for _, topic := range r.topics {
		reading, cancel := context.WithTimeout(ctx, judging)
		log, err := judge.Consume(reading, r.cluster.Addrs(), topic, r.cluster.ClientOpts()...)
		cancel()
		if err != nil {
			return v, err
		}
		r.contents(v, topic, log)
		r.positions(v, topic, log)
		r.histories(v, topic, log)
	}
	r.line.say("%v", v.report)
	return v, nil
}

// outcomes: each message has exactly one, and a refused one none.
func (r *chaosRun) outcomes(v *verdict) {
	for _, s := range r.ledger.streams {
		for sequence, f := range s.fates {
			switch m := s.message(int64(sequence)); {
			case f.state == open:
				v.missing++
				v.violate(s.topic, m, "no outcome")
			case f.state == refused && f.outcomes > 0:
				v.twice++
				v.violate(s.topic, m, "refused, and %d outcomes", f.outcomes)
			case f.state != refused && f.outcomes != 1:
				v.twice++
				v.violate(s.topic, m, "%d outcomes", f.outcomes)
			case f.needless:
				v.needless++
				v.violate(s.topic, m, "failed, and neither its call nor its producer's options allow that")
			}
		}
	}
}

// contents: what was acked is there, what was left open may be, nothing else is,
// and nothing twice.
func (r *chaosRun) contents(v *verdict, topic string, log *judge.Log) {
	expected := judge.Expectation{Order: judge.Unordered} // see positions
	for _, s := range r.ledger.streams {
		if s.topic != topic {
			continue
		}
		for sequence, f := range s.fates {
			switch f.state {
			case acked:
				expected.Acked(s.message(int64(sequence)))
			case maybe, open:
				expected.Maybe(s.message(int64(sequence)))
			}
		}
	}
	report := judge.Verify(log, &expected)
	sum := &v.report
	sum.Acked += report.Acked
	sum.Read += report.Read
	sum.Lost += report.Lost
	sum.Duplicated += report.Duplicated
	sum.Unexpected += report.Unexpected
	sum.Foreign += report.Foreign
	sum.WrongKey += report.WrongKey
	sum.Maybe += report.Maybe
	sum.Samples = append(sum.Samples, report.Samples...)
	for _, m := range report.Concerned {
		v.violate(topic, m, "not as was said")
	}
}

// lane is within what a caller's messages keep their order: a worker of a
// partition, a stream in it (of is set) or a key within a partition (of is set,
// and the worker is anyWorker).
type lane struct {
	caller    *caller
	partition int32
	worker    int
	of        *stream
}

const anyWorker = -1

// positions: messages lie where their acks say and in the order of their calls.
// One that was left open has no worker to be compared with, but may have a key.
//
// Within a call the messages of a key are in order, and so are those without. A
// call's list is split by worker before the first message is put; if workers come
// or go before the last is, the rest chooses again and may join messages of other
// keys, of the same call, in their worker. So between keys whole calls are compared.
func (r *chaosRun) positions(v *verdict, topic string, log *judge.Log) {
	last := lanes{}
	home := map[*stream]int32{}
	for at, m := range log.Messages {
		s := r.ledger.streams[streamName{m.Producer, m.Key}]
		if s == nil || s.topic != topic || m.Sequence >= int64(len(s.fates)) {
			continue // unexpected, and counted as such
		}
		f := s.fates[m.Sequence]
		if f.state == acked && (f.partition != at.Partition || f.offset >= 0 && f.offset != at.Offset) {
			v.misplaced++
			v.violate(topic, m, "at %d/%d, but acked for %d/%d", at.Partition, at.Offset, f.partition, f.offset)
		}
		if f.state == acked {
			here := lane{caller: s.caller, partition: at.Partition, worker: int(f.worker)}
			ofCaller, sameCall := last.behind(here, f)
			here.of = s
			ofStream, _ := last.behind(here, f)
			switch {
			case ofStream || ofCaller && !sameCall:
				v.reordered++
				v.violate(topic, m, "behind a later one of its caller in partition %d, worker %d", at.Partition, f.worker)
			case ofCaller:
				v.shuffled++
			}
		}
		if !s.keyed || !s.caller.source.choice.keyed {
			continue
		}
		if late, _ := last.behind(lane{caller: s.caller, partition: at.Partition, worker: anyWorker, of: s}, f); late {
			v.reordered++
			v.violate(topic, m, "behind a later one of its key in partition %d", at.Partition)
		}
		if old, known := home[s]; known && old != at.Partition && !r.grown[topic] {
			v.moved++
			v.violate(topic, m, "in partition %d, earlier ones of its key in %d", at.Partition, old)
		}
		home[s] = at.Partition
	}
}

// lanes know the latest message, by the caller's order, of each lane.
type lanes map[lane]fate

// behind reports whether a message comes behind one that was made later, and if
// so, whether both were of one call. The same message again is a duplicate, and
// counted as such.
func (l lanes) behind(here lane, f fate) (behind, sameCall bool) {
	before, any := l[here]
	if !any || before.made < f.made {
		l[here] = f
		return false, false
	}
	return before.made > f.made, before.call == f.call
}

// around is how much of the timeline a history shows before and after.
const around = 3 * time.Second

// maxMomentsShown bounds a history; the middle is left out.
const maxMomentsShown = 60

// histories tells all that is known of the messages of a topic's first violations.
func (r *chaosRun) histories(v *verdict, topic string, log *judge.Log) {
	shown := 0
	for _, one := range v.violations {
		if shown++; one.topic != topic || shown > maxHistories {
			continue
		}
		s := r.ledger.streams[streamName{one.message.Producer, one.message.Key}]
		r.line.say("VIOLATION: %v of %s: %s", one.message, one.topic, one.what)
		if s == nil || one.message.Sequence >= int64(len(s.fates)) {
			r.line.say("  nobody sent it")
			continue
		}
		r.history(s, one.message.Sequence, log)
	}
}

func (r *chaosRun) history(s *stream, sequence int64, log *judge.Log) {
	f := s.fates[sequence]
	called, settled := time.Duration(f.called)*time.Millisecond, time.Duration(f.settled)*time.Millisecond
	one := s.caller.source
	r.line.say("  producer %d: %v", one.number, one.choice)
	r.line.say("  %v", moment{called, fmt.Sprintf("call %s, message %d of its caller", s.caller.verbs[f.verb].name, f.made)})
	r.line.say("  %s", r.ledger.describe(f))
	seen := 0
	for at, m := range log.Messages {
		if m == s.message(sequence) {
			seen++
			r.line.say("  seen at partition %d offset %d, producer id %d", at.Partition, at.Offset, at.ProducerID)
		}
	}
	if seen == 0 {
		r.line.say("  seen nowhere")
	}
	if f.state == acked {
		r.neighbours(s.topic, f, log)
	}
	if f.state == open {
		settled = called
	}
	moments := r.line.between(called-around, settled+around)
	if len(moments) > maxMomentsShown {
		moments = slices.Concat(moments[:maxMomentsShown/2], moments[len(moments)-maxMomentsShown/2:])
	}
	for _, m := range moments {
		r.line.say("  | %v", m)
	}
}

// neighbours shows what lies where a message should.
func (r *chaosRun) neighbours(topic string, f fate, log *judge.Log) {
	if f.offset < 0 {
		return
	}
	for at, m := range log.Messages {
		if at.Partition == f.partition && f.offset-2 <= at.Offset && at.Offset <= f.offset+2 {
			r.line.say("  %s %d/%d holds %v, producer id %d", topic, at.Partition, at.Offset, m, at.ProducerID)
		}
	}
}
