package ekaf_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// TestFault: a topic that does not exist is told from one of which nothing is
// known, and appears again.
func TestFault(t *testing.T) {
	for _, autoCreate := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			c, p := inMemory(t, 1, nil, ekaf.AutoCreateTopics(autoCreate), ekaf.UnknownTopicTimeout(5*time.Second))
			h, err := p.Topic("late")
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Fault(); err != nil {
				t.Errorf("before any answer: %v", err)
			}
			if err := h.Known(t.Context()); !errors.Is(err, ekaf.ErrUnknownTopic) {
				t.Errorf("Known answered %v", err)
			}
			for range 3 { // past UnknownTopicTimeout, after which the producer starts anew
				if err := h.Fault(); !errors.Is(err, ekaf.ErrUnknownTopic) {
					t.Errorf("Fault answered %v", err)
				}
				time.Sleep(4 * time.Second)
			}
			if err := c.CreateTopic("late", 1); err != nil {
				t.Fatal(err)
			}
			for h.Fault() != nil {
				time.Sleep(time.Second)
			}
			if err := h.Known(t.Context()); err != nil {
				t.Error(err)
			}
			if _, err := p.ProduceSync(t.Context(), "late", ekaf.Value("x")); err != nil {
				t.Error(err)
			}
			if err := p.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if err := h.Known(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNoPermissionIsNotUnknown: brokers that say "not permitted" of a topic do not
// say that it does not exist, and no event claims it.
func TestNoPermissionIsNotUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dropped := make(chan error, 10)
		c, p := inMemory(t, 1, []ekaftest.Option{ekaftest.Topic("events", 1)}, ekaf.OnEvent(func(e ekaf.Event) {
			switch e.Kind {
			case ekaf.EventTopicUnknown:
				t.Errorf("topic_unknown: %v", e.Err)
			case ekaf.EventDropped:
				dropped <- e.Err
			}
		}))
		refused := c.Inject(ekaftest.Fault{API: kmsg.Metadata, Topic: "events", Code: kerr.TopicAuthorizationFailed.Code, Times: -1})
		for range 2 {
			if err := p.ProduceAsync(t.Context(), "events", ekaf.Value("x")); err != nil {
				t.Fatal(err)
			}
			if err := <-dropped; !errors.Is(err, ekaf.ErrNotPermitted) || errors.Is(err, ekaf.ErrUnknownTopic) {
				t.Errorf("dropped for %v", err)
			}
		}
		refused.Remove()
		if _, err := p.ProduceSync(t.Context(), "events", ekaf.Value("x")); err != nil {
			t.Error(err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestKnownEndsWithItsContext: while no broker answers, nothing is said against
// a topic; Known waits, and Close ends it.
func TestKnownEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, p := inMemory(t, 1, nil)
		c.Stop()
		h, err := p.Topic("events")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := h.Known(ctx); !errors.Is(err, context.DeadlineExceeded) || h.Fault() != nil {
			t.Errorf("Known answered %v, Fault %v", err, h.Fault())
		}
		time.AfterFunc(time.Minute, func() { _ = p.Close(t.Context()) })
		if err := h.Known(t.Context()); !errors.Is(err, ekaf.ErrClosed) {
			t.Errorf("Known answered %v", err)
		}
	})
}

// TestEachRefusalHasItsCause: RefusedError tells why for each message.
func TestEachRefusalHasItsCause(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	p := newProducer(t, c, ekaf.BatchBytes(1000))
	if err := p.Prepare(t.Context(), "events"); err != nil {
		t.Fatal(err)
	}
	err := p.ProduceAsync(t.Context(), "events", ekaf.Value(make([]byte, 5000)), ekaf.Value("fine"), ekaf.Value("x").OnPartition(7))
	refused, ok := errors.AsType[*ekaf.RefusedError](err)
	if !ok || !slices.Equal(refused.Refused, []int{0, 2}) || len(refused.Errs) != 2 ||
		!errors.Is(refused.Errs[0], ekaf.ErrTooLarge) || !errors.Is(refused.Errs[1], ekaf.ErrUnknownPartition) {
		t.Errorf("got %+v", err)
	}
}

// TestDescribe tells of the cluster and its topics, and begins with none.
func TestDescribe(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Brokers(2), ekaftest.Topic("a", 2), ekaftest.Topic("b", 1), ekaftest.AutoCreate(1))
	p := newProducer(t, c)
	all, err := p.Describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if all.ClusterID == "" || len(all.Brokers) != 2 || all.Brokers[1].Addr != c.Addrs()[1] || len(all.Topics) != 2 {
		t.Errorf("got %+v", all)
	}
	a := all.Topics[0]
	if a.Topic != "a" || len(a.Partitions) != 2 || a.Partitions[1].LeaderAddr != c.Addrs()[a.Partitions[1].Leader] ||
		len(a.Partitions[0].Replicas) == 0 || len(a.Partitions[0].InSync) == 0 {
		t.Errorf("topic %+v", a)
	}
	some, err := p.Describe(t.Context(), "b", "nothing")
	if err != nil || len(some.Topics) != 2 || some.Topics[0].Err != nil || !errors.Is(some.Topics[1].Err, ekaf.ErrUnknownTopic) {
		t.Errorf("got %+v (%v)", some, err)
	}
	if stats := p.Stats(); len(stats.Topics) != 0 {
		t.Errorf("the producer began with %v", stats.Topics)
	}
	if names, err := c.Topics(); err != nil || len(names) != 2 {
		t.Errorf("the cluster has %v (%v)", names, err)
	}
	if _, err := p.Describe(t.Context(), "no/topic"); !errors.Is(err, ekaf.ErrInvalidTopic) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	c.Stop()
	if _, err := newProducer(t, c).Describe(ctx); err == nil {
		t.Error("a cluster that is away was described")
	}
}
