package judge

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
)

// Report is the verdict. All counts are of messages unless said otherwise.
type Report struct {
	Acked      int // said to be delivered
	Read       int // records of the judge's form in the topic
	Lost       int // acked and not in the topic
	Duplicated int // in the topic again, beyond the first time
	Reordered  int // first seen after a later one of the same stream
	Moved      int // streams in more than one partition, with PerKey
	Unexpected int // in the topic though neither acked nor left open
	Foreign    int // records not of the judge's form
	WrongKey   int // records whose key is not the one in their value
	// Maybe counts messages left open which are in the topic. No fault.
	Maybe int
	// Samples names some of the faults, at most 20.
	Samples []string
	// Concerned are the messages of those samples that concern one which was lost,
	// duplicated, reordered, moved or unexpected.
	Concerned []Message
}

// Err is nil if nothing was lost, duplicated, reordered or otherwise wrong.
func (r Report) Err() error {
	if r.Lost+r.Duplicated+r.Reordered+r.Moved+r.Unexpected+r.Foreign+r.WrongKey == 0 {
		return nil
	}
	return errors.New(r.String() + "\n  " + strings.Join(r.Samples, "\n  "))
}

// String is all counts on one line.
func (r Report) String() string {
	return fmt.Sprintf("acked %d, read %d: lost %d, duplicated %d, reordered %d, moved %d, unexpected %d, foreign %d, wrong key %d (left open and there: %d)",
		r.Acked, r.Read, r.Lost, r.Duplicated, r.Reordered, r.Moved, r.Unexpected, r.Foreign, r.WrongKey, r.Maybe)
}

func (r *Report) sample(m Message, format string, args ...any) {
	if len(r.Samples) < maxSamples {
		r.Samples = append(r.Samples, fmt.Sprintf(format, args...))
		r.Concerned = append(r.Concerned, m)
	}
}

// lane is within what one stream's sequence numbers must rise. Fields an Order
// does not look at are zero.
type lane struct {
	stream     uint32
	producerID int64
}

// Verify compares what the topic held with what was expected of it. No message
// may be noted in e while Verify runs.
func Verify(log *Log, e *Expectation) Report {
	report := Report{Foreign: log.foreign, WrongKey: log.mismatched, Samples: append([]string(nil), log.samples...)}
	e.mu.Lock()
	defer e.mu.Unlock()
	seen := make([]set, len(log.names))
	homes := make([]int32, len(log.names)) // partition of a stream, from 1; 0: none yet; -1: several
	for partition, entries := range log.partitions {
		highest := map[lane]int64{} // a partition's lanes are its own
		for _, entry := range entries {
			name := log.names[entry.stream]
			message := Message{Producer: name.producer, Key: name.key, Sequence: int64(entry.sequence)}
			report.Read++
			if seen[entry.stream].has(message.Sequence) {
				report.Duplicated++
				report.sample(message, "duplicated: %v at partition %d offset %d", message, partition, entry.offset)
				continue
			}
			seen[entry.stream].add(message.Sequence)
			report.expect(message, e.streams[name], partition, entry.offset)
			report.order(message, e.Order, highest, entry, partition)
			report.home(message, e.Order, &homes[entry.stream], partition)
		}
	}
	report.countLost(log, e, seen)
	return report
}

// expect asks whether the message had any business in the topic.
func (r *Report) expect(m Message, f *fate, partition int, offset int64) {
	switch {
	case f != nil && f.acked.has(m.Sequence):
	case f != nil && f.maybe.has(m.Sequence):
		r.Maybe++
	default:
		r.Unexpected++
		r.sample(m, "unexpected: %v at partition %d offset %d", m, partition, offset)
	}
}

// order asks whether the message comes after all earlier ones of its lane.
func (r *Report) order(m Message, order Order, highest map[lane]int64, e entry, partition int) {
	if order == Unordered {
		return
	}
	of := lane{stream: e.stream}
	if order == PerLane {
		of.producerID = e.producerID
	}
	if before, any := highest[of]; any && m.Sequence < before {
		r.Reordered++
		r.sample(m, "reordered: %v at partition %d offset %d comes after sequence %d", m, partition, e.offset, before)
		return
	}
	highest[of] = m.Sequence
}

// home counts a stream once when it turns up in a second partition.
func (r *Report) home(m Message, order Order, home *int32, partition int) {
	if order != PerKey {
		return
	}
	switch here := int32(partition) + 1; *home {
	case 0:
		*home = here
	case here, -1:
	default:
		r.Moved++
		r.sample(m, "moved: %v is in partition %d, earlier ones are in %d", m, partition, *home-1)
		*home = -1
	}
}

func (r *Report) countLost(log *Log, e *Expectation, seen []set) {
	for name, f := range e.streams {
		var there set
		if id, known := log.streams[name]; known {
			there = seen[id]
		}
		for i, word := range f.acked {
			r.Acked += bits.OnesCount64(word)
			missing := word
			if i < len(there) {
				missing &^= there[i]
			}
			for ; missing != 0; missing &= missing - 1 {
				r.Lost++
				m := Message{name.producer, name.key, int64(i*64 + bits.TrailingZeros64(missing))}
				r.sample(m, "lost: %v", m)
			}
		}
	}
}
