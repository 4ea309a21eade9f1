package ekaf

import (
	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// mover gives messages that waited unassigned to their workers.
type mover struct {
	topic   *topic
	view    *view
	lane    *worker.Lane
	choice  choice
	run     run
	unkeyed choice // of the run's messages without a key, which stay together
}

// put hands on one message, whatever the limits. pick is what a Picker chose for it.
func (mv *mover) put(m *batch.Message, r run, pick int32, done batch.Completer, arg int32) {
	if mv.run != r {
		mv.commit()
		mv.run, mv.unkeyed = r, choice{}
	}
	if mv.lane == nil || m.Key != nil || mv.choice != mv.unkeyed {
		mv.commit()
		if err := mv.turn(m, pick); err != nil {
			mv.fail(m, done, arg, err)
			return
		}
	}
	mv.lane.PutAnyway(m, done, arg)
}

// turn chooses a message's worker and locks it.
func (mv *mover) turn(m *batch.Message, pick int32) error {
	c, err := mv.unkeyed, error(nil)
	if m.Key != nil || c.partition == nil {
		c, err = mv.choose(m, pick)
	}
	if err != nil {
		return err
	}
	lane := c.partition.Lane(c.worker)
	for {
		ok, stopped := lane.Begin(c.generation)
		if ok {
			break
		}
		if stopped {
			return ErrClosed
		}
		_, c.generation = c.partition.Choice()
	}
	mv.lane, mv.choice = lane, c
	if m.Key == nil {
		mv.unkeyed = c
	}
	return nil
}

func (mv *mover) choose(m *batch.Message, pick int32) (choice, error) {
	n, size := int(mv.run.count), len(m.Value)+16
	if pick != notAsked {
		return mv.topic.place(mv.view, pick, m.Key, n, size)
	}
	return mv.topic.route(mv.view, &Message{Key: m.Key, Value: m.Value, partition: mv.run.partition}, n, size)
}

// fail tells those who hear of a message that no partition takes it.
func (mv *mover) fail(m *batch.Message, done batch.Completer, arg int32, err error) {
	mv.topic.producer.completeOne(mv.topic, done, arg, err)
	mv.topic.producer.completeOne(mv.topic, m.Also, batch.OwnPlace, err)
}

func (mv *mover) commit() {
	if mv.lane != nil {
		mv.lane.Commit(mv.run.immediate)
		mv.lane = nil
	}
}
