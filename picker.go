package ekaf

import (
	"fmt"
	"math"
	"slices"

	"github.com/ekaf-go/ekaf/internal/batch"
)

// What stands beside the partitions that a Picker may answer, and AnyPartition.
const (
	notAsked    = math.MinInt32
	pickerPanic = math.MinInt32 + 1
)

// ask asks the topic's Picker. It is the program's code: a panic of it costs its
// message and no more. So it is never asked with a lock held.
func (t *topic) ask(key, value []byte, partitions int) (pick int32) {
	defer func() {
		if v := recover(); v != nil {
			t.producer.emit(t, Event{Kind: EventCallbackPanicked, Err: panicError{v}})
			pick = pickerPanic
		}
	}()
	id := t.settings.keyed.pick(t.name, key, value, partitions)
	return int32(max(pickerPanic+1, min(id, math.MaxInt32)))
}

// place is the choice of a worker for a message whose partition was picked.
func (t *topic) place(v *view, pick int32, key []byte, n, size int) (choice, error) {
	switch {
	case pick == AnyPartition:
		return t.spread(v, t.settings.unkeyed, n, size)
	case pick == pickerPanic:
		err := fmt.Errorf("%w: the strategy panicked", ErrUnknownPartition)
		return choice{}, &DeliveryError{Topic: t.name, Partition: -1, Err: err}
	case pick < 0 || int(pick) >= len(v.partitions):
		return choice{}, t.unknownPartition(pick)
	}
	return t.workerIn(v.partitions[pick], key), nil
}

// asker asks for the messages of one call, which stay together if they have no key.
type asker struct {
	topic      *topic
	partitions int
	unkeyed    int32
}

func (a *asker) pick(explicit int32, key, value []byte) int32 {
	switch {
	case explicit != 0:
		return notAsked
	case key != nil:
		return a.topic.ask(key, value, a.partitions)
	case a.unkeyed == notAsked:
		a.unkeyed = a.topic.ask(nil, value, a.partitions)
	}
	return a.unkeyed
}

// pickAll asks for a call's messages before they are parked; 0 partitions: they
// are not known, and it will be asked later.
func (t *topic) pickAll(msgs []Message, partitions int) (picks []int32) {
	if partitions == 0 {
		return nil
	}
	a := asker{t, partitions, notAsked}
	for i := range msgs {
		picks = append(picks, a.pick(msgs[i].partition, msgs[i].Key, msgs[i].Value))
	}
	return picks
}

// pickParked asks the topic's Picker, if there is one, for all messages that wait
// unassigned, before they are moved under the topic's lock. It would never end while callers
// bring more than it asks for; so from its beginning on they ask for theirs themselves.
func (t *topic) pickParked(partitions int) {
	if t.settings.keyed.kind != selectCustom || t.view.Load() != nil {
		return
	}
	t.mu.Lock()
	t.parked.partitions = partitions
	for {
		at := slices.IndexFunc(t.parked.pages, func(pg *page) bool { return pg.picks == nil })
		if at < 0 {
			t.mu.Unlock()
			return
		}
		// A copy, as what waits may be withdrawn or dropped meanwhile; nothing is added
		// to the page until it has its picks.
		pg := t.parked.pages[at]
		messages := pg.copies()
		t.mu.Unlock()
		picks := make([]int32, 0, len(messages))
		for _, r := range pg.runs {
			a := asker{t, partitions, notAsked}
			for _, m := range messages[r.first : r.first+r.count] {
				picks = append(picks, a.pick(r.partition, m.Key, m.Value))
			}
		}
		t.mu.Lock()
		pg.picks = picks
	}
}

// copies are the keys and values of a page's messages, those withdrawn included.
func (pg *page) copies() []batch.Message {
	messages := make([]batch.Message, 0, pg.batch.Count())
	memory := make([]byte, 0, pg.batch.Size())
	keep := func(b []byte) []byte {
		if b == nil {
			return nil
		}
		at := len(memory)
		memory = append(memory, b...)
		return memory[at:len(memory):len(memory)]
	}
	pg.batch.Each(func(m *batch.Message) {
		messages = append(messages, batch.Message{Key: keep(m.Key), Value: keep(m.Value)})
	})
	return messages
}
