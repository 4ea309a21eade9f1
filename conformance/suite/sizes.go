package suite

import (
	"bytes"
	"errors"
	"strings"

	"github.com/ekaf-go/ekaf"
)

// large: messages of nearly 1 MB arrive; one above BatchBytes is refused at once.
func large(t *Trial) {
	topic := t.topic(1, nil)
	p := t.producer()
	value := bytes.Repeat([]byte("0123456789abcdef"), 990_000/16)
	for range 3 {
		_, err := p.ProduceSync(t.ctx, topic, ekaf.KeyValue("k", value), ekaf.Value("small"))
		t.check(err)
	}
	if _, err := p.ProduceSync(t.ctx, topic, ekaf.Value(make([]byte, 1_000_001))); !errors.Is(err, ekaf.ErrTooLarge) {
		t.Errorf("a message above BatchBytes: got %v", err)
	}
	records := t.read(topic)
	if len(records) != 6 {
		t.Fatalf("the topic holds %d records, want 6", len(records))
	}
	for i := 0; i < 6; i += 2 {
		if !bytes.Equal(records[i].Value, value) || string(records[i+1].Value) != "small" {
			t.Errorf("record %d has %d bytes, record %d %d", i, len(records[i].Value), i+1, len(records[i+1].Value))
		}
	}
}

// split: a batch that the topic's max.message.bytes does not take is split until
// it fits, and all of it arrives in order.
func split(t *Trial) {
	f := newFlow(t, t.topic(1, map[string]string{"max.message.bytes": "10000"}))
	f.size = 700
	p := t.producer()
	acked, err := p.ProduceSync(t.ctx, f.topic, f.messages(1, "k", 100)...)
	t.check(err)
	if acked.Len() != 100 {
		t.Errorf("%d acks for 100 messages", acked.Len())
	}
	f.verify(rules{keyed: true, offsets: true})
}

// tooLargeAlone: a message that the topic does not take fails alone; its
// neighbours in the batch, and what comes after them, arrive.
func tooLargeAlone(t *Trial) {
	topic := t.topic(1, map[string]string{"max.message.bytes": "10000"})
	p := t.producer()
	acked, err := p.ProduceSync(t.ctx, topic,
		ekaf.Value("before"), ekaf.Value(strings.Repeat("x", 50_000)), ekaf.Value("after"))
	if !errors.Is(err, ekaf.ErrTooLarge) || acked.Len() != 3 {
		t.Fatalf("got %d acks and %v", acked.Len(), err)
	}
	for i, ack := range acked.All() {
		if large := i == 1; large != errors.Is(ack.Err, ekaf.ErrTooLarge) || large != (ack.Err != nil) {
			t.Errorf("message %d: %v", i, ack.Err)
		}
		if d, ok := errors.AsType[*ekaf.DeliveryError](ack.Err); ok && d.MaybeWritten {
			t.Errorf("message %d was refused and is said to be written, maybe", i)
		}
	}
	_, err = p.ProduceSync(t.ctx, topic, ekaf.Value("later"))
	t.check(err)
	var got []string
	for _, r := range t.read(topic) {
		got = append(got, string(r.Value))
	}
	if strings.Join(got, " ") != "before after later" {
		t.Errorf("the topic holds %.80q", got)
	}
}

// massage: MassageBuffer rewrites a closed batch N to M, here all into one.
func massage(t *Trial) {
	topic := t.topic(1, nil)
	p := t.producer(ekaf.MassageBuffer(func(_ string, messages []ekaf.Message) []ekaf.Message {
		var values []string
		for _, m := range messages {
			values = append(values, string(m.Value))
		}
		return []ekaf.Message{ekaf.KeyValue("merged", strings.Join(values, ","))}
	}))
	acked, err := p.ProduceSync(t.ctx, topic, ekaf.Values("a", "b", "c")...)
	t.check(err)
	if acked.Len() != 3 {
		t.Errorf("got %d acks", acked.Len())
	}
	for i, ack := range acked.All() {
		if ack.Offset != acked.Offset {
			t.Errorf("message %d has offset %d, the record that holds it %d", i, ack.Offset, acked.Offset)
		}
	}
	if r := t.one(topic); string(r.Key) != "merged" || string(r.Value) != "a,b,c" || r.Offset != acked.Offset {
		t.Errorf("got key %q value %q at %d", r.Key, r.Value, r.Offset)
	}
}
