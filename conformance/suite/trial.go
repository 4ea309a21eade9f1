package suite

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/conformance/judge"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Trial is one run of a scenario on one cluster.
type Trial struct {
	*testing.T
	Cluster Cluster
	ctx     context.Context
}

func newTrial(t *testing.T, c Cluster) *Trial {
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	t.Cleanup(cancel)
	return &Trial{T: t, Cluster: c, ctx: ctx}
}

// check fails the trial at once if err is set.
func (t *Trial) check(err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// each runs a part of the trial under a name of its own.
func (t *Trial) each(name string, run func(*Trial)) {
	t.Run(name, func(sub *testing.T) { run(newTrial(sub, t.Cluster)) })
}

// pause waits a moment, and reports whether the trial has time left.
func (t *Trial) pause() bool {
	select {
	case <-time.After(20 * time.Millisecond):
		return true
	case <-t.ctx.Done():
		return false
	}
}

// until waits for a condition.
func (t *Trial) until(what string, done func() bool) {
	t.Helper()
	for !done() {
		if !t.pause() {
			t.Fatalf("%s: it did not come to that", what)
		}
	}
}

// name makes a topic name that nobody used, for clusters that outlive the test.
func (t *Trial) name() string { return "ekaf-" + rand.Text()[:10] }

// topic creates a topic for this trial and deletes it when the trial ends.
func (t *Trial) topic(partitions int, configs map[string]string) string {
	t.Helper()
	name := t.name()
	t.create(name, partitions, configs)
	return name
}

func (t *Trial) create(name string, partitions int, configs map[string]string) {
	t.Helper()
	t.check(t.Cluster.CreateTopic(t.ctx, name, partitions, 0, configs))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := t.Cluster.DeleteTopic(ctx, name); err != nil {
			t.Logf("the topic stays behind: %v", err)
		}
	})
}

// producer makes one that is closed, with all delivered, when the trial ends.
func (t *Trial) producer(options ...ekaf.Option) *ekaf.Producer {
	t.Helper()
	p, err := ekaf.New(append(t.Cluster.Options(), options...)...)
	t.check(err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := p.Close(ctx); err != nil {
			t.Errorf("cannot close: %v", err)
		}
	})
	return p
}

// flush waits until everything has its outcome.
func (t *Trial) flush(p *ekaf.Producer) {
	t.Helper()
	t.check(p.Flush(t.ctx))
}

// read is all a consumer sees of a topic, by partition in offset order.
func (t *Trial) read(topic string) (records []*kgo.Record) {
	t.Helper()
	addrs, opts := t.Cluster.Consumer()
	t.check(judge.ConsumeFunc(t.ctx, addrs, topic, func(r *kgo.Record) { records = append(records, r) }, opts...))
	return records
}

// one reads a topic that must hold exactly one record.
func (t *Trial) one(topic string) *kgo.Record {
	t.Helper()
	records := t.read(topic)
	if len(records) != 1 {
		t.Fatalf("the topic holds %d records, want 1", len(records))
	}
	return records[0]
}

func (t *Trial) log(topic string) *judge.Log {
	t.Helper()
	addrs, opts := t.Cluster.Consumer()
	log, err := judge.Consume(t.ctx, addrs, topic, opts...)
	t.check(err)
	return log
}
