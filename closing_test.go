package ekaf_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// What makes no sense after Close says so, also of a topic that was known.
func TestWhatComesAfterCloseIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p := inMemory(t, 1, []ekaftest.Option{ekaftest.Topic("known", 1)})
		ctx := t.Context()
		if err := p.Prepare(ctx, "known"); err != nil {
			t.Fatal(err)
		}
		if err := p.Close(ctx); err != nil {
			t.Fatal(err)
		}
		for _, topic := range []string{"known", "new"} {
			picked := make(chan error, 1)
			p.PickAsync(ctx, topic, nil, func(_ ekaf.Worker, err error) { picked <- err })
			_, pick := p.Pick(topic, nil)
			_, handle := p.Topic(topic)
			_, metadata := p.Metadata(ctx, topic)
			for name, err := range map[string]error{
				"PickAsync": <-picked, "Pick": pick, "Topic": handle, "Metadata": metadata, "Prepare": p.Prepare(ctx, topic),
			} {
				if !errors.Is(err, ekaf.ErrClosed) {
					t.Errorf("%s of the topic %s after Close: %v", name, topic, err)
				}
			}
		}
	})
}

// Waits that nothing can end any more end with Close.
func TestCloseEndsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := inMemory(t, 1, []ekaftest.Option{ekaftest.Topic("led", 1), ekaftest.Topic("leaderless", 1)})
		if err := c.RemoveLeader("leaderless", 0); err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 3)
		go func() { ended <- p.Prepare(t.Context(), "leaderless") }()
		go func() { ended <- p.Prepare(t.Context(), "missing") }()
		p.PickAsync(t.Context(), "missing", nil, func(_ ekaf.Worker, err error) { ended <- err })
		time.Sleep(time.Second)
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range cap(ended) {
			if err := <-ended; !errors.Is(err, ekaf.ErrClosed) {
				t.Errorf("a wait ended with %v", err)
			}
		}
	})
}

// Close waits for what waits in PickAsync, and a PickAsync may come at any moment
// of it: what it would wait in must not begin once Close counts who is left.
func TestPickAsyncBesideClose(t *testing.T) {
	for range 50 {
		p, err := ekaf.New(ekaf.Brokers("127.0.0.1:1"))
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		stop := make(chan struct{})
		for range 4 {
			all.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					told := make(chan error, 1)
					ctx, cancel := context.WithCancel(t.Context())
					p.PickAsync(ctx, "events", nil, func(_ ekaf.Worker, err error) { told <- err })
					cancel()
					if err := <-told; err == nil {
						t.Error("picked a worker without brokers")
					}
				}
			})
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.Close(ended); err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		close(stop)
		all.Wait()
	}
}

// Flush returns as soon as the last outcome is told, and says that all is done
// also to who has no time left.
func TestFlushReturnsWithTheLastOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, p := inMemory(t, 1, []ekaftest.Option{ekaftest.Topic("events", 3)})
		abandon(t, p)
		if err := p.Prepare(t.Context(), "events"); err != nil {
			t.Fatal(err)
		}
		for range 100 {
			var told time.Time
			m := ekaf.Value("x").Then(func(ekaf.Ack, error) { told = time.Now() })
			if _, err := p.ProduceAsyncBatched(t.Context(), "events", m); err != nil {
				t.Fatal(err)
			}
			flush(t, p)
			if late := time.Since(told); late != 0 {
				t.Fatalf("Flush returned %v after the callback, by the bubble's clock", late)
			}
		}
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		for range 1000 {
			if err := p.Flush(ended); err != nil {
				t.Fatal(err)
			}
		}
	})
}
