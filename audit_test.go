package ekaf_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/ekaf-go/ekaf/internal/batch"
)

// auditor looks at every Produce request that the brokers get.
type auditor struct {
	t *testing.T

	mu       sync.Mutex
	numbers  map[string]string // what each sequence number was sent with
	requests []audited
}

// audited is one Produce request.
type audited struct {
	broker     int32
	acks       int16
	connection int64
	batches    []auditedBatch
}

type auditedBatch struct {
	topic     string
	partition int32
	header    batch.Header
	values    []string
}

// audit fails the test at a request with two batches of a partition, with bytes
// that no broker can read, or with a number used for two records.
func audit(t *testing.T, c *ekaftest.Cluster) *auditor {
	a := &auditor{t: t, numbers: map[string]string{}}
	c.OnRequest(a.look)
	return a
}

func (a *auditor) look(r ekaftest.Request) {
	req, ok := r.Body.(*kmsg.ProduceRequest)
	if !ok {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	one := audited{broker: r.Broker, acks: req.Acks, connection: r.Connection}
	partitions := map[string]bool{}
	for _, t := range req.Topics {
		name := t.Topic
		if name == "" {
			name = fmt.Sprintf("%x", t.TopicID)
		}
		for _, p := range t.Partitions {
			key := fmt.Sprint(name, "/", p.Partition)
			if partitions[key] {
				a.t.Errorf("a request holds two batches of partition %s", key)
			}
			partitions[key] = true
			b := auditedBatch{topic: name, partition: p.Partition}
			h, cursor, err := batch.OpenBatch(p.Records, 1<<26)
			if err != nil || h.Size() != len(p.Records) {
				a.t.Errorf("partition %s: %d bytes: %v", key, len(p.Records), err)
				continue
			}
			b.header = h
			for cursor.Next() {
				b.values = append(b.values, string(cursor.Record().Value))
			}
			a.number(key, h, b.values)
			one.batches = append(one.batches, b)
		}
	}
	a.requests = append(a.requests, one)
}

func (a *auditor) number(key string, h batch.Header, values []string) {
	if h.ProducerID < 0 {
		return
	}
	for i, v := range values {
		at := fmt.Sprint(key, " id ", h.ProducerID, " epoch ", h.ProducerEpoch, " sequence ", h.BaseSequence+int32(i))
		if was, ok := a.numbers[at]; ok && was != v {
			a.t.Errorf("%s was sent with %q and is sent with %q", at, was, v)
		}
		a.numbers[at] = v
	}
}

func (a *auditor) seen() []audited {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]audited(nil), a.requests...)
}

// stream is a caller that numbers its messages, and what became of them.
type stream struct {
	mu       sync.Mutex
	outcomes map[int][]error
	n        int
}

// send produces the next n messages of the stream, each with a callback.
func (s *stream) send(t *testing.T, p *ekaf.Producer, n int, messages ...func(ekaf.Message) ekaf.Message) {
	t.Helper()
	for range n {
		i := s.n
		s.n++
		m := ekaf.Value(strconv.Itoa(i)).Then(func(_ ekaf.Ack, err error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			if s.outcomes == nil {
				s.outcomes = map[int][]error{}
			}
			s.outcomes[i] = append(s.outcomes[i], err)
		})
		for _, change := range messages {
			m = change(m)
		}
		if err := p.ProduceAsync(t.Context(), "events", m); err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
	}
}

// failed lists the messages that failed, and fails the test if one has not
// exactly one outcome.
func (s *stream) failed(t *testing.T) map[int]*ekaf.DeliveryError {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	failed := map[int]*ekaf.DeliveryError{}
	for i := range s.n {
		if len(s.outcomes[i]) != 1 {
			t.Fatalf("message %d has %d outcomes", i, len(s.outcomes[i]))
		}
		if err := s.outcomes[i][0]; err != nil {
			d, ok := errors.AsType[*ekaf.DeliveryError](err)
			if !ok {
				t.Fatalf("message %d failed with a %T: %v", i, err, err)
			}
			failed[i] = d
		}
	}
	return failed
}

// expectOnce fails unless the topic holds each message of the stream that was
// acked once, in order in each partition, and none that surely failed.
func (s *stream) expectOnce(t *testing.T, c *ekaftest.Cluster) {
	t.Helper()
	failed := s.failed(t)
	seen, err := c.Consume("events")
	if err != nil {
		t.Fatal(err)
	}
	count := map[int]int{}
	last := map[int32]int{}
	for _, m := range seen {
		i, err := strconv.Atoi(string(m.Value))
		if err != nil {
			t.Fatalf("%q is in the topic", m.Value)
		}
		count[i]++
		if before, ok := last[m.Partition]; ok && before >= i && count[i] == 1 {
			t.Errorf("message %d is behind %d in partition %d", i, before, m.Partition)
		}
		last[m.Partition] = i
	}
	for i := range s.n {
		f := failed[i]
		switch {
		case f == nil && count[i] != 1:
			t.Errorf("message %d was acked and is there %d times", i, count[i])
		case f != nil && !f.MaybeWritten && count[i] != 0:
			t.Errorf("message %d failed (%v) and is there %d times", i, f, count[i])
		case count[i] > 1:
			t.Errorf("message %d is there %d times", i, count[i])
		}
	}
}

// bubble runs a test in virtual time, with a cluster and a producer, and ends
// with what must hold always: nothing is held, and Close leaves nothing behind.
func bubble(t *testing.T, brokers int, cluster []ekaftest.Option, options []ekaf.Option, test func(t *testing.T, c *ekaftest.Cluster, p *ekaf.Producer)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		if cluster == nil {
			cluster = []ekaftest.Option{ekaftest.Topic("events", 1)}
		}
		c, p := inMemory(t, brokers, cluster, options...)
		audit(t, c)
		defer c.Close()
		defer func() {
			c.OnRequest(nil)
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			if err := p.Close(ctx); err != nil {
				t.Errorf("Close: %v", err)
			}
			if held := p.Stats().BufferedBytes; held != 0 {
				t.Errorf("%d bytes are still held", held)
			}
		}()
		test(t, c, p)
	})
}

// flush waits for all outcomes, for at most an hour of virtual time.
func flush(t *testing.T, p *ekaf.Producer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	if err := p.Flush(ctx); err != nil {
		t.Fatal(err)
	}
}
