package ekaftest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestTopics(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Brokers(3), ekaftest.Topic("events", 4))
	for p, want := range []int32{0, 1, 2, 0} {
		if got := c.Leader("events", int32(p)); got != want {
			t.Errorf("partition %d is led by broker %d, want %d", p, got, want)
		}
	}
	if err := c.CreateTopic("more", 2); err != nil {
		t.Fatal(err)
	}
	if err := c.AddPartitions("more", 3); err != nil {
		t.Fatal(err)
	}
	if got := c.Partitions("more"); got != 5 || c.Leader("more", 4) != 1 {
		t.Errorf("there are %d partitions, the last led by %d; want 5, 1", got, c.Leader("more", 4))
	}
	if names, err := c.Topics(); err != nil || fmt.Sprint(names) != "[events more]" {
		t.Errorf("topics are %v, %v", names, err)
	}
	if err := c.DeleteTopic("more"); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"delete":   c.DeleteTopic("more"),
		"recreate": c.RecreateTopic("more"),
		"grow":     c.AddPartitions("more", 1),
		"move":     c.MoveLeader("events", 0, 7),
		"remove":   c.RemoveLeader("more", 0),
		"records":  c.DeleteRecords("more", 0, -1),
		"create":   c.CreateTopic("events", 1),
		"failover": c.FailOver(9),
	} {
		if err == nil {
			t.Errorf("no error: %s", what)
		}
	}
	if _, err := c.Consume("more"); !errors.Is(err, kerr.UnknownTopicOrPartition) {
		t.Errorf("consuming a deleted topic: %v", err)
	}
}

func TestNamesThatNoTopicHas(t *testing.T) {
	c := ekaftest.Start(t)
	for _, name := range []string{"", ".", "..", "a b", "a/b", "é", "a\n", strings.Repeat("x", 250)} {
		if err := c.CreateTopic(name, 1); !errors.Is(err, kerr.InvalidTopicException) {
			t.Errorf("CreateTopic(%q) answers %v", name, err)
		}
		if c, err := ekaftest.New(ekaftest.Topic(name, 1)); !errors.Is(err, kerr.InvalidTopicException) {
			t.Errorf("a cluster with topic %q: %v, %v", name, c, err)
		}
	}
	if err := c.CreateTopic(strings.Repeat("x", 249), 1); err != nil {
		t.Error(err)
	}
}

func TestAutoCreate(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.AutoCreate(3))
	produce(t, client(t, c, kgo.AllowAutoTopicCreation()), "new", 0, 5)
	seenOnce(t, c, "new", 5)
	if got := c.Partitions("new"); got != 3 {
		t.Errorf("there are %d partitions, want 3", got)
	}
}

func TestLeadersMove(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Brokers(3), ekaftest.Topic("events", 1))
	cl := client(t, c)
	produce(t, cl, "events", 0, 5)
	if err := c.MoveLeader("events", 0, 2); err != nil {
		t.Fatal(err)
	}
	produce(t, cl, "events", 5, 10)
	if err := c.StopBroker(2); err != nil {
		t.Fatal(err)
	}
	if err := c.FailOver(2); err != nil {
		t.Fatal(err)
	}
	produce(t, cl, "events", 10, 15)
	if got := c.Leader("events", 0); got == 2 {
		t.Errorf("a stopped broker leads")
	}
	seenOnce(t, c, "events", 15)
}

// A broker that was down when a log began catches up with its producers.
func TestLateReplicaKnowsProducers(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Brokers(2), ekaftest.Topic("events", 1))
	if err := c.StopBroker(1); err != nil {
		t.Fatal(err)
	}
	cl := client(t, c)
	produce(t, cl, "events", 0, 3)
	if err := c.StartBroker(1); err != nil {
		t.Fatal(err)
	}
	if err := c.MoveLeader("events", 0, 1); err != nil {
		t.Fatal(err)
	}
	c.LoseAnswers(1)
	produce(t, cl, "events", 3, 6)
	seenOnce(t, c, "events", 6)
}

func TestWithoutLeader(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Brokers(2), ekaftest.Topic("events", 1))
	cl := client(t, c)
	produce(t, cl, "events", 0, 1)
	if err := c.RemoveLeader("events", 0); err != nil {
		t.Fatal(err)
	}
	if got := produceRaw(t, cl, 9, batch("v")); got.ErrorCode != 6 {
		t.Errorf("the old leader answers %d, want 6", got.ErrorCode)
	}
	if p := metadata(t, cl).Topics[0].Partitions[0]; p.Leader != -1 || p.ErrorCode != 5 {
		t.Errorf("Metadata says leader %d, code %d; want -1, 5", p.Leader, p.ErrorCode)
	}
	if err := c.MoveLeader("events", 0, 1); err != nil {
		t.Fatal(err)
	}
	produce(t, cl, "events", 1, 2)
	seenOnce(t, c, "events", 2)
}

func metadata(t *testing.T, cl *kgo.Client) *kmsg.MetadataResponse {
	t.Helper()
	req := kmsg.NewPtrMetadataRequest()
	topic := kmsg.NewMetadataRequestTopic()
	topic.Topic = kmsg.StringPtr("events")
	req.Topics = append(req.Topics, topic)
	resp, err := cl.Broker(0).Request(within(t, 5*time.Second), req)
	if err != nil {
		t.Fatal(err)
	}
	return resp.(*kmsg.MetadataResponse)
}

func TestWhatMetadataSays(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Brokers(2), ekaftest.Topic("events", 2))
	cl := client(t, c)
	if err := c.Advertise(1, "proxy.example:1234"); err != nil {
		t.Fatal(err)
	}
	if c.Advertise(1, "nonsense") == nil || c.Advertise(5, "a:1") == nil {
		t.Error("nonsense can be advertised")
	}
	if b := metadata(t, cl).Brokers[1]; b.Host != "proxy.example" || b.Port != 1234 {
		t.Errorf("broker 1 is at %s:%d", b.Host, b.Port)
	}
	if c.ListenAddr(1) == c.Addrs()[1] || c.ListenAddr(2) != "" {
		t.Errorf("broker 1 listens on %q and advertises %q", c.ListenAddr(1), c.Addrs()[1])
	}
	if err := c.Advertise(1, ""); err != nil || c.Addrs()[1] == "proxy.example:1234" {
		t.Errorf("the listener's own address did not return: %v, %v", c.Addrs(), err)
	}
	if err := c.HideBroker(1, true); err != nil {
		t.Fatal(err)
	}
	resp := metadata(t, cl)
	if len(resp.Brokers) != 1 {
		t.Errorf("%d brokers show, want 1", len(resp.Brokers))
	}
	for _, p := range resp.Topics[0].Partitions {
		if leaderless := p.Leader == -1; leaderless != (p.Partition == 1) {
			t.Errorf("partition %d has leader %d", p.Partition, p.Leader)
		}
	}
	c.OnMetadata(func(_ int32, resp *kmsg.MetadataResponse) { resp.ClusterID = kmsg.StringPtr("other") })
	if id := metadata(t, cl).ClusterID; id == nil || *id != "other" {
		t.Error("OnMetadata did not change the answer")
	}
}

func TestThrottle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1))
		c.Throttle(time.Minute)
		conn := dialBroker(t, c, 0)
		began := time.Now()
		if got := throttled(t, conn); got != time.Minute || time.Since(began) != 0 {
			t.Errorf("the answer says %v after %v, want 1m at once", got, time.Since(began))
		}
		c.Throttle(0)
		if got := throttled(t, conn); got != 0 || time.Since(began) != time.Minute {
			t.Errorf("the next answer says %v after %v, want 0s after the connection was mute for 1m", got, time.Since(began))
		}
	})
}

func TestWaitForGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1))
		produceOn(t, c, batch("a", "b"))
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		seen, err := c.WaitFor(ctx, "events", 3)
		if len(seen) != 2 || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %d messages, %v; want 2 and the deadline", len(seen), err)
		}
		var late sync.WaitGroup
		defer late.Wait()
		late.Go(func() {
			time.Sleep(time.Second)
			if err := tryProduceOn(t, c, batch("c")); err != nil {
				t.Error(err)
			}
		})
		if seen, err = c.WaitFor(t.Context(), "events", 3); len(seen) != 3 || err != nil {
			t.Errorf("got %d messages, %v", len(seen), err)
		}
	})
}

func TestTransactions(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1))
	cl := client(t, c, kgo.TransactionalID("tx"))
	for _, end := range []kgo.TransactionEndTry{kgo.TryAbort, kgo.TryCommit} {
		if err := cl.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		produce(t, cl, "events", 0, 2)
		if err := cl.EndTransaction(within(t, 5*time.Second), end); err != nil {
			t.Fatal(err)
		}
	}
	seen, err := c.WaitFor(within(t, 5*time.Second), "events", 4)
	if err != nil || len(seen) != 4 {
		t.Errorf("read uncommitted: %d messages, %v; want 4", len(seen), err)
	}
	reader := client(t, c, kgo.ConsumeTopics("events"), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	got := 0
	for got < 2 {
		fetches := reader.PollFetches(within(t, 5*time.Second))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		got += fetches.NumRecords()
	}
	if got != 2 {
		t.Errorf("read committed: %d messages, want 2", got)
	}
}
