package ekaf_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// A topic that does not exist is given up after UnknownTopicTimeout: its messages
// fail and its brokers are not asked any more, until somebody wants it anew. Who
// comes in the midst of it must not be left with a topic that nobody asks for.

// onLog runs a function for the first record of a name, inside whatever logged it:
// the producer logs its events where they happen.
type onLog struct {
	slog.Handler
	name string
	run  func()
}

func (h *onLog) Enabled(context.Context, slog.Level) bool { return true }
func (h *onLog) Handle(_ context.Context, r slog.Record) error {
	if run := h.run; r.Message == h.name && run != nil {
		h.run = nil
		run()
	}
	return nil
}
func (h *onLog) WithAttrs([]slog.Attr) slog.Handler { return h }

// fails produces a message to a topic that does not exist, and answers where its outcome comes.
func fails(t *testing.T, p *ekaf.Producer) (outcome chan error) {
	outcome = make(chan error, 1)
	message := ekaf.Value("x").Then(func(_ ekaf.Ack, err error) { outcome <- err })
	if err := p.ProduceAsync(t.Context(), "missing", message); err != nil {
		t.Error(err)
	}
	return outcome
}

// unknown waits for an outcome as long as no program should have to.
func unknown(t *testing.T, outcome chan error, who string) {
	t.Helper()
	select {
	case err := <-outcome:
		if !errors.Is(err, ekaf.ErrUnknownTopic) {
			t.Errorf("%s: %v", who, err)
		}
	case <-time.After(time.Minute):
		t.Errorf("%s got no outcome in a minute", who)
	}
}

func closeInAMinute(t *testing.T, p *ekaf.Producer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	if err := p.Close(ctx); err != nil {
		t.Error(err)
	}
}

func TestAMessageWhileItsTopicIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log := &onLog{name: ekaf.EventDropped.String()}
		_, p := inMemory(t, 1, nil, ekaf.AutoCreateTopics(false), ekaf.UnknownTopicTimeout(time.Second), ekaf.Logger(slog.New(log)))
		defer closeInAMinute(t, p)
		var second chan error
		log.run = func() { second = fails(t, p) }
		unknown(t, fails(t, p), "the first")
		synctest.Wait()
		unknown(t, second, "the second")
	})
}

// Who waits for room has wanted the topic long before, and gets the room that the
// messages leave which are given up with it.
func TestACallThatWaitsForRoomWhileItsTopicIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p := inMemory(t, 1, nil, ekaf.AutoCreateTopics(false), ekaf.UnknownTopicTimeout(time.Second),
			ekaf.BufferMessages(1), ekaf.WhenFull(ekaf.Block))
		defer closeInAMinute(t, p)
		first, second := fails(t, p), make(chan chan error)
		go func() { second <- fails(t, p) }()
		unknown(t, first, "the first")
		unknown(t, <-second, "the second")
	})
}

// Who waits for a topic's partitions, and began to just as it was refused for good,
// hears of that.
func TestAWaitForPartitionsWhileTheTopicIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const denied = 29 // TOPIC_AUTHORIZATION_FAILED
		log := &onLog{name: "brokers refuse the topic"}
		c, p := inMemory(t, 1, []ekaftest.Option{ekaftest.Topic("missing", 1)}, ekaf.Logger(slog.New(log)))
		defer closeInAMinute(t, p)
		c.OnMetadata(func(_ int32, r *kmsg.MetadataResponse) {
			for i := range r.Topics {
				r.Topics[i].ErrorCode, r.Topics[i].Partitions = denied, nil
			}
		})
		answers := make(chan error, 2)
		ask := func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			_, err := p.Metadata(ctx, "missing")
			answers <- err
		}
		log.run = func() {
			go ask()
			synctest.Wait() // it waits by now
		}
		ask()
		for range 2 {
			if err := <-answers; !errors.Is(err, ekaf.ErrNotPermitted) || errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		}
	})
}
