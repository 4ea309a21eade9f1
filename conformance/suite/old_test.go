package suite

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/conformance/realkafka"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// TestBrokerWithoutProduce: a broker that offers no version of Produce (the embedded
// one has no message sets, so as Kafka 0.10 it has none) gets nothing and ends
// nothing; callers are told by their own contexts.
func TestBrokerWithoutProduce(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.KafkaVersion("0.10.2"), ekaftest.Brokers(2), ekaftest.Topic("events", 4))
	p, err := ekaf.New(ekaf.Brokers(c.Addrs()...), ekaf.Acks(ekaf.AcksLeader),
		ekaf.Workers(3), ekaf.ConnectionsPer(ekaf.PerWorker), ekaf.Strategy(ekaf.StrictRoundRobin()),
		ekaf.Backoff(time.Millisecond, time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	for range 12 { // a message and a connection for each worker
		if err := p.ProduceAsync(ctx, "events", ekaf.Value("v")); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.ProduceSync(ctx, "events", ekaf.Value("v")); err == nil {
		t.Error("a broker without Produce took a message")
	}
	_ = p.Close(ctx) // nothing is left to deliver, or the context is over
	if seen, err := c.Consume("events"); err != nil || len(seen) != 0 {
		t.Errorf("the topic holds %d messages, %v", len(seen), err)
	}
}

// TestBrokerThatHangsUp: to a broker that ends the connection at the first request,
// as those before 0.10 do, messages wait, and the error names the option.
func TestBrokerThatHangsUp(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		for {
			wire, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = wire.Read(make([]byte, 4))
			_ = wire.Close()
		}
	}()
	failed := make(chan error, 100)
	p, err := ekaf.New(ekaf.Brokers(listener.Addr().String()), ekaf.OnEvent(func(e ekaf.Event) {
		if e.Kind == ekaf.EventMetadataFailed {
			select {
			case failed <- e.Err:
			default:
			}
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.ProduceAsync(t.Context(), "events", ekaf.Value("v")); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !strings.Contains(err.Error(), "BrokerVersion") {
		t.Errorf("the event says: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	_ = p.Close(ctx) // the message cannot be delivered
}

// TestBefore011 asks those of the versions named that have no record batches: what
// they cannot hold fails alone and clearly, and Kafka's own consumer of the same
// release reads the rest.
func TestBefore011(t *testing.T) {
	realkafka.SkipUnlessEnabled(t)
	for _, version := range versions() {
		if atLeast(version, "0.11") {
			continue
		}
		t.Run(version, func(t *testing.T) {
			trial := newTrial(t, startReal(t, realkafka.Config{Version: version}))
			if atLeast(version, "0.10") { // older ones must be named with BrokerVersion, and then New says it
				trial.each("Idempotence", idempotenceRefused)
			}
			trial.each("Headers", headersRefused)
			trial.each("Codecs", readByKafka)
			trial.each("Nudge", nudged)
		})
	}
}

// idempotenceRefused: with the default options the message fails at once, with an
// error that says what to set.
func idempotenceRefused(t *Trial) {
	topic := t.topic(1, nil)
	p := t.producer(ekaf.Idempotence(true))
	for range 2 {
		_, err := p.ProduceSync(t.ctx, topic, ekaf.Value("v"))
		failure, ok := errors.AsType[*ekaf.DeliveryError](err)
		if !ok || !errors.Is(err, ekaf.ErrIdempotenceUnsupported) || failure.MaybeWritten || !strings.Contains(err.Error(), "Idempotence(false)") {
			t.Fatalf("produced with %v", err)
		}
	}
	if n := p.Stats().Dropped[ekaf.ErrIdempotenceUnsupported.Error()]; n != 2 {
		t.Errorf("%d messages are counted as failed for it, want 2: %v", n, p.Stats().Dropped)
	}
}

// headersRefused: a message with headers fails alone.
func headersRefused(t *Trial) {
	topic := t.topic(1, nil)
	p := t.producer()
	headed := ekaf.Message{Value: []byte("headed"), Headers: []ekaf.Header{{Key: "k", Value: []byte("v")}}}
	acked, err := p.ProduceSync(t.ctx, topic, ekaf.Value("0"), headed, ekaf.Value("1"))
	if !errors.Is(err, ekaf.ErrHeadersUnsupported) {
		t.Errorf("the call answers %v", err)
	}
	for i, offset := range []int64{0, -1, 1} {
		if ack := acked.At(i); ack.Offset != offset || (ack.Err != nil) != (i == 1) {
			t.Errorf("message %d: %+v, want offset %d", i, ack, offset)
		}
	}
	if records := t.read(topic); len(records) != 2 {
		t.Errorf("the topic holds %d records, want 2", len(records))
	}
}

// TestNudge is nudged on the embedded broker.
func TestNudge(t *testing.T) {
	nudged(newTrial(t, openEmbedded(t)))
}

// nudged: a message that is appended beside a flow, to move the end of the log that
// consumers see, is there, and no fault of the flow.
func nudged(t *Trial) {
	f := newFlow(t, t.topic(2, nil))
	p := t.producer()
	f.feed(p, 0, verbs[0], 20)
	t.flush(p)
	f.nudge(0)
	f.verify(rules{offsets: true})
	if seen := len(t.read(f.topic)); f.nudges == 0 || seen != f.issued+f.nudges {
		t.Errorf("the topic holds %d messages: %d of the flow, %d beside it", seen, f.issued, f.nudges)
	}
}

// readByKafka: batches of each codec, and tombstones, read by the release's own consumer.
func readByKafka(t *Trial) {
	topic := t.topic(1, nil)
	var want []string
	for _, codec := range codecs {
		p := t.producer(ekaf.Compression(codec))
		for i := range 300 {
			key, value := fmt.Sprint("key-", i%9), fmt.Sprint("value ", i, " of a text that compresses with ", codec)
			want = append(want, key+" "+value)
			_, err := p.ProduceSyncBatched(t.ctx, topic, ekaf.KeyValue(key, value))
			t.check(err)
		}
		_, err := p.ProduceSync(t.ctx, topic, ekaf.Tombstone("gone"))
		t.check(err)
		want = append(want, "gone ")
	}
	records, err := t.Cluster.(real).ConsumeWithKafka(t.ctx, topic, len(want))
	t.check(err)
	var got []string
	for _, r := range records {
		got = append(got, string(r.Key)+" "+string(r.Value))
	}
	if !slices.Equal(got, want) {
		t.Errorf("Kafka's consumer reads %d messages, want %d", len(got), len(want))
	}
}
