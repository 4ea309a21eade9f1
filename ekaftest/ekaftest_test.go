package ekaftest_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func client(t *testing.T, c *ekaftest.Cluster, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	opts = append([]kgo.Opt{
		kgo.SeedBrokers(c.Addrs()...),
		kgo.Dialer(c.Dialer()),
		kgo.MetadataMinAge(10 * time.Millisecond),
		kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }),
	}, opts...)
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.Close)
	return cl
}

// tlsDialer makes TLS of what the cluster's own dialer answers.
func tlsDialer(c *ekaftest.Cluster, config *tls.Config) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := c.Dialer()(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		own := config.Clone()
		own.ServerName, _, _ = net.SplitHostPort(addr)
		secured := tls.Client(conn, own)
		if err := secured.HandshakeContext(ctx); err != nil {
			conn.Close()
			return nil, err
		}
		return secured, nil
	}
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func produce(t *testing.T, cl *kgo.Client, topic string, from, to int) {
	t.Helper()
	var records []*kgo.Record
	for i := from; i < to; i++ {
		records = append(records, &kgo.Record{Topic: topic, Key: fmt.Appendf(nil, "k%d", i), Value: fmt.Appendf(nil, "v%d", i)})
	}
	if err := cl.ProduceSync(within(t, 20*time.Second), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

// seenOnce fails unless the topic holds v0 .. v(n-1), each exactly once.
func seenOnce(t *testing.T, c *ekaftest.Cluster, topic string, n int) []ekaftest.Message {
	t.Helper()
	seen, err := c.WaitFor(within(t, 10*time.Second), topic, n)
	if err != nil {
		t.Fatal(err)
	}
	count := make(map[string]int)
	for _, m := range seen {
		count[string(m.Value)]++
	}
	for i := range n {
		if got := count[fmt.Sprintf("v%d", i)]; got != 1 {
			t.Fatalf("v%d is there %d times", i, got)
		}
	}
	if len(seen) != n {
		t.Fatalf("there are %d messages, want %d", len(seen), n)
	}
	return seen
}

func networks(t *testing.T, test func(t *testing.T, opts ...ekaftest.Option)) {
	t.Run("tcp", func(t *testing.T) { test(t) })
	t.Run("memory", func(t *testing.T) { test(t, ekaftest.InMemory()) })
}

func TestProduceAndConsume(t *testing.T) {
	networks(t, func(t *testing.T, opts ...ekaftest.Option) {
		c := ekaftest.Start(t, append(opts, ekaftest.Brokers(3), ekaftest.Topic("events", 4))...)
		cl := client(t, c)
		produce(t, cl, "events", 0, 500)
		seen := seenOnce(t, c, "events", 500)
		for i, m := range seen {
			if m.ProducerID < 0 || m.Sequence < 0 || m.ProducerEpoch != 0 {
				t.Fatalf("message %d lost its identity: %+v", i, m)
			}
			if i > 0 && seen[i-1].Partition == m.Partition && seen[i-1].Offset+1 != m.Offset {
				t.Fatalf("offset %d follows %d", m.Offset, seen[i-1].Offset)
			}
		}

		consumer := client(t, c, kgo.ConsumeTopics("events"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		got := 0
		for got < 500 {
			fetches := consumer.PollFetches(within(t, 10*time.Second))
			if err := fetches.Err(); err != nil {
				t.Fatal(err)
			}
			fetches.EachRecord(func(r *kgo.Record) {
				got++
				if r.ProducerID < 0 {
					t.Errorf("record %s has no producer id", r.Value)
				}
			})
		}
		if n := c.Requests(kmsg.Produce); n == 0 {
			t.Error("no Produce request was counted")
		}
	})
}

func TestRestartKeepsPortAndData(t *testing.T) {
	networks(t, func(t *testing.T, opts ...ekaftest.Option) {
		c := ekaftest.Start(t, append(opts, ekaftest.Brokers(2), ekaftest.Topic("events", 2))...)
		addrs := fmt.Sprint(c.Addrs())
		cl := client(t, c)
		produce(t, cl, "events", 0, 10)
		c.Stop()
		for _, addr := range c.Addrs() {
			if conn, err := c.Dialer()(t.Context(), "tcp", addr); err == nil {
				conn.Close()
				t.Fatalf("%s is stopped but accepts connections", addr)
			}
		}
		if err := c.Restart(); err != nil {
			t.Fatal(err)
		}
		produce(t, cl, "events", 10, 20)
		seenOnce(t, c, "events", 20)
		if err := c.RestartEmpty(); err != nil {
			t.Fatal(err)
		}
		if seen, err := c.Consume("events"); err != nil || len(seen) != 0 {
			t.Fatalf("after RestartEmpty there are %d messages, %v", len(seen), err)
		}
		if got := fmt.Sprint(c.Addrs()); got != addrs {
			t.Fatalf("addresses changed from %s to %s", addrs, got)
		}
	})
}

func TestLostAnswersAreNotWrittenTwice(t *testing.T) {
	networks(t, func(t *testing.T, opts ...ekaftest.Option) {
		c := ekaftest.Start(t, append(opts, ekaftest.Topic("events", 1))...)
		cl := client(t, c)
		lost := c.LoseAnswers(3)
		produce(t, cl, "events", 0, 10)
		if lost.Hits() != 3 {
			t.Fatalf("%d answers were lost, want 3", lost.Hits())
		}
		seenOnce(t, c, "events", 10)
	})
}

func TestInjectedCodes(t *testing.T) {
	for _, code := range []int16{6, 7, 19, 20} {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d/after=%v", code, after), func(t *testing.T) {
				c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1))
				cl := client(t, c)
				f := c.Inject(ekaftest.Fault{Code: code, AfterWrite: after, Topic: "events", Times: 2})
				produce(t, cl, "events", 0, 5)
				if f.Hits() != 2 {
					t.Fatalf("%d requests were hit, want 2", f.Hits())
				}
				seenOnce(t, c, "events", 5)
			})
		}
	}
}
