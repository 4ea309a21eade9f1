package realkafka

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/ekaf-go/ekaf/conformance/judge"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start starts a cluster and says how long that took.
func start(t *testing.T, config Config) *Cluster {
	t.Helper()
	SkipUnlessEnabled(t)
	began := time.Now()
	c := StartT(t, config)
	t.Logf("%d broker(s) of %s started in %v", len(c.Brokers()), c.Version(), time.Since(began).Round(time.Millisecond))
	return c
}

// limit is the test's context with an end: brokers that hang must not hang CI.
func limit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// topicWith creates a topic.
func topicWith(t *testing.T, c *Cluster, name string, partitions int) {
	t.Helper()
	if err := c.CreateTopic(limit(t), name, partitions, -1, nil); err != nil {
		t.Fatal(err)
	}
}

// produce sends count messages of one stream with kgo, a record for each, and
// waits for their acks.
func produce(t *testing.T, c *Cluster, topic, key string, count int64, opts ...kgo.Opt) {
	t.Helper()
	if !c.release.atLeast(0, 11) {
		opts = append(opts, kgo.DisableIdempotentWrite())
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var records []*kgo.Record
	for sequence := range count {
		value := judge.AppendValue(nil, judge.Message{Key: key, Sequence: sequence}, 50)
		records = append(records, &kgo.Record{Topic: topic, Key: []byte(key), Value: value})
	}
	if err := client.ProduceSync(limit(t), records...).FirstErr(); err != nil {
		t.Fatalf("cannot produce to %v: %v", c, err)
	}
}

// verify judges that a topic holds count messages of the stream and no others.
func verify(t *testing.T, c *Cluster, topic, key string, count int64, addrs []string, opts ...kgo.Opt) {
	t.Helper()
	log, err := judge.Consume(limit(t), addrs, topic, opts...)
	if err != nil {
		t.Fatalf("cannot consume from %v: %v", c, err)
	}
	var e judge.Expectation
	e.AckedAll(0, key, count)
	if err := judge.Verify(log, &e).Err(); err != nil {
		t.Error(err)
	}
}

func TestEveryVersionStartsAndServes(t *testing.T) {
	for _, version := range Versions {
		t.Run(version, func(t *testing.T) {
			c := start(t, Config{Version: version})
			topicWith(t, c, "events", 3)
			produce(t, c, "events", "k", 100, c.ClientOpts()...)
			verify(t, c, "events", "k", 100, c.Addrs(), c.ClientOpts()...)
			records, err := c.ConsumeWithKafka(limit(t), "events", 100)
			if err != nil {
				t.Fatal(err)
			}
			if len(records) != 100 {
				t.Fatalf("Kafka's consumer read %d records, want 100", len(records))
			}
			for i, r := range records {
				want := judge.AppendValue(nil, judge.Message{Key: "k", Sequence: int64(i)}, 50)
				if string(r.Key) != "k" || string(r.Value) != string(want) || r.Offset != int64(i) {
					t.Fatalf("Kafka's consumer read %+v at %d, want the value %q", r, i, want)
				}
			}
		})
	}
}

func TestTopicsGrowAndGo(t *testing.T) {
	for _, version := range Versions {
		t.Run(version, func(t *testing.T) {
			c := start(t, Config{Version: version})
			topicWith(t, c, "events", 1)
			if err := c.AddPartitions(limit(t), "events", 4); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Leader(limit(t), "events", 3); err != nil {
				t.Fatal(err)
			}
			if err := c.DeleteTopic(limit(t), "events"); err != nil {
				t.Fatal(err)
			}
			topicWith(t, c, "events", 2)
			produce(t, c, "events", "k", 10, c.ClientOpts()...)
			verify(t, c, "events", "k", 10, c.Addrs(), c.ClientOpts()...)
		})
	}
}

func TestBrokerSurvivesKillAndStop(t *testing.T) {
	for _, version := range Versions {
		t.Run(version, func(t *testing.T) {
			c := start(t, Config{Version: version})
			topicWith(t, c, "events", 1)
			produce(t, c, "events", "k", 10, c.ClientOpts()...)
			for _, end := range []struct {
				name string
				do   func() error
			}{{"kill", c.Broker(1).Kill}, {"stop", c.Broker(1).Stop}} {
				if err := end.do(); err != nil {
					t.Fatal(err)
				}
				if c.Broker(1).Running() {
					t.Fatalf("the broker runs after %s", end.name)
				}
				began := time.Now()
				if err := c.Broker(1).Start(limit(t)); err != nil {
					t.Fatal(err)
				}
				t.Logf("started after %s in %v", end.name, time.Since(began).Round(time.Millisecond))
				verify(t, c, "events", "k", 10, c.Addrs(), c.ClientOpts()...)
			}
		})
	}
}

func TestPausedBrokerIsSilentUntilResumed(t *testing.T) {
	c := start(t, Config{})
	topicWith(t, c, "events", 1)
	if err := c.Broker(1).Pause(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := judge.Consume(ctx, c.Addrs(), "events"); err == nil {
		t.Error("a paused broker answered")
	}
	if err := c.Broker(1).Resume(); err != nil {
		t.Fatal(err)
	}
	produce(t, c, "events", "k", 10, c.ClientOpts()...)
	verify(t, c, "events", "k", 10, c.Addrs())
}

func TestThreeBrokersMoveLeaders(t *testing.T) {
	for _, version := range []string{"4.4.0", "3.9.1", "2.8.2"} {
		t.Run(version, func(t *testing.T) {
			c := start(t, Config{Version: version, Brokers: 3})
			topicWith(t, c, "events", 1)
			produce(t, c, "events", "k", 10, c.ClientOpts()...)
			for _, id := range []int{1, 2, 3} {
				if err := c.MoveLeader(limit(t), "events", 0, id); err != nil {
					t.Fatal(err)
				}
				if leader, err := c.Leader(limit(t), "events", 0); err != nil || leader != id {
					t.Fatalf("the leader is %d (%v), want %d", leader, err, id)
				}
			}
			if err := c.Broker(3).Kill(); err != nil {
				t.Fatal(err)
			}
			produce(t, c, "events", "k2", 10, c.ClientOpts()...) // as soon as another leads
			if leader, err := c.Leader(limit(t), "events", 0); err != nil || leader == 3 {
				t.Fatalf("the leader is %d (%v) after 3 was killed", leader, err)
			}
			if err := c.Broker(3).Start(limit(t)); err != nil {
				t.Fatal(err)
			}
			log, err := judge.Consume(limit(t), c.Addrs(), "events")
			if err != nil {
				t.Fatal(err)
			}
			var e judge.Expectation
			e.AckedAll(0, "k", 10)
			e.AckedAll(0, "k2", 10)
			if err := judge.Verify(log, &e).Err(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestCloseLeavesNothing(t *testing.T) {
	SkipUnlessEnabled(t)
	c, err := Start(limit(t), Config{})
	if err != nil {
		t.Fatal(err)
	}
	process := c.Broker(1).process
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if process.alive() {
		t.Error("the broker's process lives")
	}
	if _, err := os.Stat(c.dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory is still there: %v", err)
	}
}

func TestStartReportsWhyABrokerExited(t *testing.T) {
	SkipUnlessEnabled(t)
	_, err := Start(limit(t), Config{Properties: map[string]string{"num.io.threads": "none"}})
	if err == nil {
		t.Fatal("a broker with a broken setting started")
	}
	const want = "Invalid value none for configuration num.io.threads"
	if !contains(err, want) {
		t.Errorf("the error does not hold %q:\n%v", want, err)
	}
}
