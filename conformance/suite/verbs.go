package suite

import (
	"context"
	"fmt"

	"github.com/ekaf-go/ekaf"
)

// verb is a way to hand messages over. Outcomes go to the messages' callbacks.
type verb struct {
	name string
	call func(ctx context.Context, p *ekaf.Producer, topic string, msgs []ekaf.Message) error
}

// verbs are all of a producer's, and the same through the handle of a topic.
var verbs = []verb{
	{"ProduceSync", func(ctx context.Context, p *ekaf.Producer, topic string, msgs []ekaf.Message) error {
		acked, err := p.ProduceSync(ctx, topic, msgs...)
		if err == nil && acked.Len() != len(msgs) {
			err = fmt.Errorf("%d messages got %d acks", len(msgs), acked.Len())
		}
		return err
	}},
	{"ProduceAsync", func(ctx context.Context, p *ekaf.Producer, topic string, msgs []ekaf.Message) error {
		return p.ProduceAsync(ctx, topic, msgs...)
	}},
	{"ProduceSyncBatched", func(ctx context.Context, p *ekaf.Producer, topic string, msgs []ekaf.Message) error {
		receipt, err := p.ProduceSyncBatched(ctx, topic, msgs...)
		return checkReceipt(receipt, err)
	}},
	{"ProduceAsyncBatched", func(ctx context.Context, p *ekaf.Producer, topic string, msgs []ekaf.Message) error {
		_, err := p.ProduceAsyncBatched(ctx, topic, msgs...)
		return err
	}},
	{"ProduceAsyncFunc", func(ctx context.Context, p *ekaf.Producer, topic string, msgs []ekaf.Message) error {
		bare, done := byCall(msgs)
		return p.ProduceAsyncFunc(ctx, topic, done, bare...)
	}},
	{"ProduceAsyncBatchedFunc", func(ctx context.Context, p *ekaf.Producer, topic string, msgs []ekaf.Message) error {
		bare, done := byCall(msgs)
		_, err := p.ProduceAsyncBatchedFunc(ctx, topic, done, bare...)
		return err
	}},
	{"Publish", func(ctx context.Context, p *ekaf.Producer, topic string, msgs []ekaf.Message) error {
		return p.Publish(ctx, topic, msgs...)
	}},
	{"Batch", func(ctx context.Context, p *ekaf.Producer, topic string, msgs []ekaf.Message) error {
		receipt, err := p.Batch(ctx, topic, msgs...)
		return checkReceipt(receipt, err)
	}},
	{"Topic.ProduceSync", func(ctx context.Context, p *ekaf.Producer, topic string, msgs []ekaf.Message) error {
		h, err := p.Topic(topic)
		if err == nil {
			_, err = h.ProduceSync(ctx, msgs...)
		}
		return err
	}},
	{"Topic.ProduceAsyncBatched", func(ctx context.Context, p *ekaf.Producer, topic string, msgs []ekaf.Message) error {
		h, err := p.Topic(topic)
		if err == nil {
			_, err = h.ProduceAsyncBatched(ctx, msgs...)
		}
		return err
	}},
}

// checkReceipt: a sync batched verb has waited for the partitions, so it names them.
func checkReceipt(receipt ekaf.Receipt, err error) error {
	for b := range receipt.All() {
		if err == nil && (b.Partition < 0 || b.Messages < 1) {
			err = fmt.Errorf("the receipt names partition %d with %d messages", b.Partition, b.Messages)
		}
	}
	return err
}

// byCall moves the messages' callbacks into one for the call.
func byCall(msgs []ekaf.Message) (bare []ekaf.Message, done func(ekaf.Acked, error)) {
	for _, m := range msgs {
		bare = append(bare, m.Then(nil))
	}
	return bare, func(acked ekaf.Acked, _ error) {
		for i, ack := range acked.All() {
			msgs[i].Callback(ack, ack.Err)
		}
	}
}

// everyVerb: messages handed over by each verb, one or several to a call, arrive.
func everyVerb(t *Trial) {
	topic := t.topic(3, nil)
	f := newFlow(t, topic)
	p := t.producer()
	for i, v := range verbs {
		f.feed(p, i, v, 40)
	}
	t.flush(p)
	f.verify(rules{keyed: true, offsets: true})
}

// feed produces n messages by one verb, in calls of one, two, three ... messages,
// of several keys and without.
func (f *flow) feed(p *ekaf.Producer, producer int, v verb, n int) {
	f.t.Helper()
	keys := []string{"red", "", "green", "blue", ""}
	for made, call := 0, 0; made < n; call++ {
		var msgs []ekaf.Message
		for range min(1+call%4, n-made) {
			msgs = append(msgs, f.message(producer, keys[made%len(keys)]))
			made++
		}
		if err := v.call(f.t.ctx, p, f.topic, msgs); err != nil {
			f.t.Fatalf("%s: %v", v.name, err)
		}
	}
}
