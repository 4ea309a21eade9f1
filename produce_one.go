package ekaf

import "github.com/ekaf-go/ekaf/internal/batch"

// produceOne is produce for a call of one message, where nothing stands in its
// way: the topic's partitions are known and can be reached, and its worker has
// room. Else it does nothing and is not ok; produce then finds what it is.
//
// A program that publishes from its request path makes this call and no other, so
// it does without what only lists, refusals and waiting need. shared hears of the
// outcome, besides the message's own callback; drain: it is a caller that waits, and
// may write the request itself.
func (t *topic) produceOne(m *Message, shared batch.Completer, immediate, drain bool) (b Buffered, ok bool) {
	v := t.view.Load()
	if v == nil || t.down.Load() || t.check(m) != nil {
		return b, false
	}
	c, err := t.route(v, m, 1, len(m.Key)+len(m.Value)+16)
	if err != nil {
		return b, false
	}
	arg := int32(0)
	if !drain {
		arg = batch.OwnPlace
	}
	done, also := completers(m, shared, drain)
	lane := c.partition.Lane(c.worker)
	b.Partition, b.Worker = c.partition.ID, c.worker
	if len(m.Headers) == 0 && m.Timestamp.IsZero() && also == nil {
		if b.Messages, ok = lane.PutPlain(c.generation, m.Key, m.Value, done, arg, immediate, drain); ok {
			return b, true
		}
	}
	bm := batch.Message{Key: m.Key, Value: m.Value, Headers: batchHeaders(m.Headers), Also: also}
	if !m.Timestamp.IsZero() {
		bm.Time, bm.Timed = m.Timestamp.UnixMilli(), true
	}
	b.Messages, ok = lane.PutOne(c.generation, &bm, done, arg, immediate, drain)
	return b, ok
}
