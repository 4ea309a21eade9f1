package suite

import (
	"time"

	"github.com/ekaf-go/ekaf"
)

// createTime: a message keeps its own timestamp, to the millisecond, also where
// those of one batch go back and forth; without one it gets the time of the call.
func createTime(t *Trial) {
	topic := t.topic(1, map[string]string{"message.timestamp.type": "CreateTime"})
	p := t.producer()
	began := time.Now()
	var msgs []ekaf.Message
	var want []time.Time
	for _, ago := range []time.Duration{time.Hour, 0, 30 * 24 * time.Hour, time.Millisecond, 90 * time.Minute} {
		at := began.Add(-ago)
		want = append(want, at.Truncate(time.Millisecond))
		msgs = append(msgs, ekaf.Value("v").At(at))
	}
	acked, err := p.ProduceSync(t.ctx, topic, msgs...)
	t.check(err)
	unstamped, err := p.ProduceSync(t.ctx, topic, ekaf.Value("now"))
	t.check(err)
	records := t.read(topic)
	if len(records) != len(want)+1 {
		t.Fatalf("the topic holds %d records", len(records))
	}
	for i, ack := range acked.All() {
		if !records[i].Timestamp.Equal(want[i]) || !ack.Timestamp.Equal(want[i]) {
			t.Errorf("message %d has %v, its ack %v, want %v", i, records[i].Timestamp, ack.Timestamp, want[i])
		}
	}
	now := records[len(want)].Timestamp
	// The producer's clock is read every few milliseconds.
	if now.Before(began.Add(-time.Second)) || now.After(time.Now().Add(time.Second)) || !unstamped.Timestamp.Equal(now) {
		t.Errorf("a message without timestamp got %v, its ack %v; it was made after %v", now, unstamped.Timestamp, began)
	}
}

// logAppendTime: on topics that stamp by the broker's clock, acks tell its time.
func logAppendTime(t *Trial) {
	topic := t.topic(1, map[string]string{"message.timestamp.type": "LogAppendTime"})
	p := t.producer()
	old := time.Now().Add(-48 * time.Hour)
	acked, err := p.ProduceSync(t.ctx, topic, ekaf.Value("a").At(old), ekaf.Value("b").At(old))
	t.check(err)
	records := t.read(topic)
	if len(records) != 2 {
		t.Fatalf("the topic holds %d records, want 2", len(records))
	}
	for i, ack := range acked.All() {
		if got := records[i].Timestamp; !ack.Timestamp.Equal(got) || got.Before(old.Add(24*time.Hour)) {
			t.Errorf("message %d has %v, its ack %v", i, got, ack.Timestamp)
		}
	}
}
