package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ekaf-go/ekaf"
)

// verb is a way to hand messages over.
type verb struct {
	name string
	// unkeyed: only for messages without a key.
	unkeyed bool
	// waits: the call waits for the network, so it is given a deadline at times.
	waits bool
	// call hands messages over whose callbacks note outcomes. told is the number
	// of messages whose outcomes were told before it returned, by their callbacks
	// or in its answer: all or none.
	call func(ctx context.Context, p *ekaf.Producer, topic string, msgs []ekaf.Message) (told int, err error)
}

func (v verb) title() string { return v.name }

// verbs lists the four, and their kin.
func verbs() []verb {
	return []verb{
		{name: "ProduceSync", waits: true, call: func(ctx context.Context, p *ekaf.Producer, topic string, msgs []ekaf.Message) (int, error) {
			answer, err := p.ProduceSync(ctx, topic, msgs...)
			return answer.Len(), err
		}},
		{name: "ProduceAsync", call: func(ctx context.Context, p *ekaf.Producer, topic string, msgs []ekaf.Message) (int, error) {
			return 0, p.ProduceAsync(ctx, topic, msgs...)
		}},
		{name: "ProduceSyncBatched", waits: true, call: func(ctx context.Context, p *ekaf.Producer, topic string, msgs []ekaf.Message) (int, error) {
			_, err := p.ProduceSyncBatched(ctx, topic, msgs...)
			return 0, err
		}},
		{name: "ProduceAsyncBatched", call: func(ctx context.Context, p *ekaf.Producer, topic string, msgs []ekaf.Message) (int, error) {
			_, err := p.ProduceAsyncBatched(ctx, topic, msgs...)
			return 0, err
		}},
		{name: "ProduceSync.Acked", waits: true, call: func(ctx context.Context, p *ekaf.Producer, topic string, msgs []ekaf.Message) (int, error) {
			bare, done := byCall(msgs)
			answer, err := p.ProduceSync(ctx, topic, bare...)
			done(answer, err)
			return answer.Len(), err
		}},
		{name: "ProduceAsyncFunc", call: func(ctx context.Context, p *ekaf.Producer, topic string, msgs []ekaf.Message) (int, error) {
			bare, done := byCall(msgs)
			return 0, p.ProduceAsyncFunc(ctx, topic, done, bare...)
		}},
		{name: "ProduceAsyncBatchedFunc", call: func(ctx context.Context, p *ekaf.Producer, topic string, msgs []ekaf.Message) (int, error) {
			bare, done := byCall(msgs)
			_, err := p.ProduceAsyncBatchedFunc(ctx, topic, done, bare...)
			return 0, err
		}},
		{name: "Worker.Produce", unkeyed: true, call: byHand(ekaf.Worker.Produce)},
		{name: "Worker.ProduceBatched", unkeyed: true, call: byHand(ekaf.Worker.ProduceBatched)},
	}
}

// byCall moves the messages' callbacks into one for the call.
func byCall(msgs []ekaf.Message) (bare []ekaf.Message, done func(ekaf.Acked, error)) {
	msgs = slices.Clone(msgs)
	for _, m := range msgs {
		bare = append(bare, m.Then(nil))
	}
	return bare, func(answer ekaf.Acked, _ error) {
		for i, ack := range answer.All() {
			msgs[i].Callback(ack, ack.Err)
		}
	}
}

// byHand picks a worker and hands it the messages. Keys are not sent that way:
// a worker picked is that of a key only until the partitions change.
func byHand(produce func(ekaf.Worker, context.Context, ...ekaf.Message) error) func(context.Context, *ekaf.Producer, string, []ekaf.Message) (int, error) {
	return func(ctx context.Context, p *ekaf.Producer, topic string, msgs []ekaf.Message) (int, error) {
		worker, err := p.Pick(topic, nil)
		if err != nil {
			return 0, err
		}
		return 0, produce(worker, ctx, msgs...)
	}
}

// refusedBy lists the messages of a call which its error says were not accepted.
// told is what the verb answered.
func refusedBy(err error, told, messages int) (indexes []int, fault error) {
	switch partly, ok := errors.AsType[*ekaf.RefusedError](err); {
	case told != 0 && told != messages:
		return nil, fmt.Errorf("%d outcomes for the %d messages of a call", told, messages)
	case err == nil || told > 0:
		return nil, nil // those not accepted had their outcome
	case ok:
		return partly.Refused, nil
	default:
		for i := range messages {
			indexes = append(indexes, i)
		}
		return indexes, nil
	}
}
