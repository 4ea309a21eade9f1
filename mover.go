package ekaf

import (
	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// mover gives messages that waited unassigned to their workers.
type mover struct {
	topic  *topic
	view   *view
	lane   *worker.Lane
	choice choice
	run    run
}

// put hands on one message, whatever the limits.
func (mv *mover) put(m *batch.Message, r run, done batch.Completer, arg int32) {
	msg := Message{Key: m.Key, Value: m.Value, partition: r.partition}
	stays := mv.lane != nil && mv.run == r && m.Key == nil
	if !stays {
		mv.commit()
		c, err := mv.topic.route(mv.view, &msg, int(r.count), len(m.Value)+16)
		if err != nil {
			mv.topic.producer.completeOne(mv.topic, done, arg, err)
			return
		}
		mv.choice, mv.run = c, r
		mv.lane = c.partition.Lane(c.worker)
		for {
			ok, stopped := mv.lane.Begin(mv.choice.generation)
			if ok {
				break
			}
			if stopped {
				mv.lane = nil
				mv.topic.producer.completeOne(mv.topic, done, arg, ErrClosed)
				return
			}
			_, mv.choice.generation = mv.choice.partition.Choice()
		}
	}
	mv.lane.PutAnyway(m, done, arg)
}

func (mv *mover) commit() {
	if mv.lane != nil {
		mv.lane.Commit(mv.run.immediate)
		mv.lane = nil
	}
}
