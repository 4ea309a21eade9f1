package ekaf

import (
	"fmt"

	"github.com/ekaf-go/ekaf/internal/hash"
)

// AnyPartition is what a Picker answers for a message that it leaves to the
// strategy for messages without a key.
const AnyPartition = -1

// Picker chooses a partition from 0 to partitions-1, or AnyPartition. It is
// called once for each message with a key, and once for those of a call without
// one; again where the first answer could not be followed. It runs on the calling
// goroutine, at times on many at once; for messages that waited for the topic's
// partitions on one of the producer's, which learns nothing of any topic until it
// returns. So it may ask the producer, and produce, but must not wait. Key and value
// are not to be kept. A message whose Picker answers out of range, or panics (event
// callback_panicked), fails with ErrUnknownPartition.
type Picker func(topic string, key, value []byte, partitions int) int

type selectorKind uint8

const (
	selectAdaptive selectorKind = iota
	selectRandom
	selectSticky
	selectStrict
	selectByKey
	selectCustom
)

// Selector is a strategy: it chooses the partition of a message, and the worker inside it.
type Selector struct {
	kind selectorKind
	name string
	n    int
	pick Picker
}

func (s Selector) String() string { return s.name }

// byKey reports whether the selector looks at keys.
func (s Selector) byKey() bool { return s.kind == selectByKey || s.kind == selectCustom }

// ByKey sends all messages of one key to one partition, by murmur2 as the Java
// client does, and to one worker inside it. The default for messages with a key.
func ByKey() Selector { return Selector{kind: selectByKey, name: "ByKey"} }

// Adaptive fills a batch for one partition, then turns to another, more often to
// those whose leaders keep up and never to one that cannot be reached (KIP-794).
// The default for messages without a key.
func Adaptive() Selector { return Selector{kind: selectAdaptive, name: "Adaptive"} }

// Random sends each call to a random worker of a random partition.
func Random() Selector { return Selector{kind: selectRandom, name: "Random"} }

// StickyRoundRobin sends n messages to one worker before it turns to the next.
// n of 0 or less means the original's 1000.
func StickyRoundRobin(n int) Selector {
	if n <= 0 {
		n = 1000
	}
	return Selector{kind: selectSticky, name: fmt.Sprintf("StickyRoundRobin(%d)", n), n: n}
}

// StrictRoundRobin sends each call to the next worker: all workers of a
// partition one after another, then those of the next partition.
func StrictRoundRobin() Selector { return Selector{kind: selectStrict, name: "StrictRoundRobin"} }

// Custom asks a function for the partition. Messages of one key that the
// function sends to one partition also share a worker, so their order holds.
func Custom(pick Picker) Selector { return Selector{kind: selectCustom, name: "Custom", pick: pick} }

// Phash2 is the original ekaf's own picker, erlang:phash2(Key) rem Partitions:
// with it the keys of a migrating program stay in their partitions.
func Phash2() Selector {
	return Selector{kind: selectCustom, name: "Phash2", pick: func(_ string, key, _ []byte, partitions int) int {
		if key == nil {
			return AnyPartition
		}
		return int(hash.Phash2(key)) % partitions
	}}
}

// setStrategies takes the arguments of the option Strategy.
func (t *topicSettings) setStrategies(selectors []Selector) {
	switch {
	case len(selectors) == 1 && selectors[0].byKey():
		t.keyed, t.unkeyed = selectors[0], Adaptive()
	case len(selectors) == 1:
		t.keyed, t.unkeyed = selectors[0], selectors[0]
	case len(selectors) == 2:
		t.keyed, t.unkeyed = selectors[0], selectors[1]
	default:
		t.keyed, t.unkeyed = Selector{name: "invalid"}, Selector{name: "invalid"}
	}
}
