package ekaftest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestFaultSelectsPartitions(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 3))
	cl := client(t, c, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.RecordRetries(0))
	f := c.Inject(ekaftest.Fault{Topic: "events", Partitions: []int32{1}, Code: kerr.TopicAuthorizationFailed.Code, Times: -1})
	for p := range int32(3) {
		err := cl.ProduceSync(within(t, 5*time.Second), &kgo.Record{Topic: "events", Partition: p, Value: []byte("v")}).FirstErr()
		if denied := errors.Is(err, kerr.TopicAuthorizationFailed); denied != (p == 1) {
			t.Errorf("partition %d: %v", p, err)
		}
	}
	if f.Hits() != 1 {
		t.Errorf("the fault hit %d requests, want 1", f.Hits())
	}
	f.Remove()
	if err := cl.ProduceSync(within(t, 5*time.Second), &kgo.Record{Topic: "events", Partition: 1, Value: []byte("v")}).FirstErr(); err != nil {
		t.Errorf("after Remove: %v", err)
	}
}

func TestFaultSkipsAndCounts(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1))
	c.Inject(ekaftest.Fault{Code: kerr.MessageTooLarge.Code, Skip: 1, Times: 2})
	cl := client(t, c)
	var codes []int16
	for range 5 {
		codes = append(codes, produceRaw(t, cl, 9, batch("v")).ErrorCode)
	}
	if got := fmt.Sprint(codes); got != "[0 10 10 0 0]" {
		t.Errorf("the answers were %s, want [0 10 10 0 0]", got)
	}
}

func TestFaultOnOtherAPIs(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1))
	init := c.Inject(ekaftest.Fault{API: kmsg.InitProducerID, Code: kerr.CoordinatorNotAvailable.Code, Times: 2, Skip: 1})
	meta := c.Inject(ekaftest.Fault{API: kmsg.Metadata, Topic: "events", Code: kerr.LeaderNotAvailable.Code, Times: 2})
	fetch := c.Inject(ekaftest.Fault{API: kmsg.Fetch, Code: kerr.UnknownServerError.Code, Times: -1})
	cl := client(t, c)
	produce(t, cl, "events", 0, 3)
	seenOnce(t, c, "events", 3) // our own reading is spared
	if meta.Hits() != 2 || fetch.Hits() != 0 {
		t.Errorf("Metadata was hit %d times, Fetch %d; want 2, 0", meta.Hits(), fetch.Hits())
	}
	for range 3 {
		req := kmsg.NewPtrInitProducerIDRequest()
		if _, err := cl.Request(within(t, 5*time.Second), req); err != nil {
			t.Fatal(err)
		}
	}
	if err := init.Wait(within(t, 5*time.Second), 2); err != nil {
		t.Errorf("InitProducerId was hit %d times, want 2", init.Hits())
	}
	init.Remove()
}

func TestFaultWhen(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Brokers(2), ekaftest.Topic("events", 2))
	f := c.Inject(ekaftest.Fault{
		Code: kerr.NotLeaderForPartition.Code, Times: 3,
		When: func(r ekaftest.Request) bool { return r.Broker == 1 && r.Names("events", 1) },
	})
	produce(t, client(t, c, kgo.RecordPartitioner(kgo.RoundRobinPartitioner())), "events", 0, 20)
	if err := f.Wait(within(t, 5*time.Second), 3); err != nil {
		t.Errorf("hit %d requests, want 3", f.Hits())
	}
	seenOnce(t, c, "events", 20)
}

func TestFaultDelayAndSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := ekaftest.Start(t, ekaftest.InMemory())
		c.Inject(ekaftest.Fault{API: kmsg.ApiVersions, Delay: time.Hour})
		conn := dialBroker(t, c, 0)
		began := time.Now()
		request(conn)
		if _, err := answer(conn); err != nil || time.Since(began) != time.Hour {
			t.Errorf("answered after %v: %v", time.Since(began), err)
		}
		c.Inject(ekaftest.Fault{API: kmsg.ApiVersions, Lose: ekaftest.LoseAnswer})
		request(conn)
		conn.SetReadDeadline(time.Now().Add(time.Hour))
		if n, err := answer(conn); err == nil || n > 0 {
			t.Error("a lost answer came")
		}
		f := c.Inject(ekaftest.Fault{API: kmsg.ApiVersions, Lose: ekaftest.LoseRequest, HangUp: true})
		conn = dialBroker(t, c, 0)
		request(conn)
		if _, err := answer(conn); err == nil {
			t.Error("a lost request was answered")
		}
		if err := f.Wait(t.Context(), 1); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := f.Wait(ctx, 2); err == nil {
			t.Error("a fault that hits once was awaited twice")
		}
	})
}

func TestLoseRequestWritesNothing(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1))
	c.Inject(ekaftest.Fault{Lose: ekaftest.LoseRequest, HangUp: true})
	if err := tryProduceOn(t, c, batch("v")); err == nil {
		t.Error("a lost request was answered")
	}
	if seen, err := c.Consume("events"); err != nil || len(seen) != 0 {
		t.Errorf("%d messages are there, %v", len(seen), err)
	}
}

func TestFirstMatchingFaultGivesTheCode(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1))
	c.Inject(ekaftest.Fault{Code: 19, Message: "first"})
	c.Inject(ekaftest.Fault{Code: 20, AfterWrite: true})
	got := produceRaw(t, client(t, c), 9, batch("v"))
	if got.ErrorCode != 19 || got.ErrorMessage == nil || *got.ErrorMessage != "first" {
		t.Errorf("got %+v, want code 19 and its message", got)
	}
	if got := c.Requests(kmsg.Produce); got != 1 {
		t.Errorf("%d Produce requests were counted, want 1", got)
	}
	if traffic := c.Traffic(); traffic.Partitions != 1 || traffic.Bytes == 0 || traffic.Requests[kmsg.Produce] != 1 {
		t.Errorf("traffic is %+v", traffic)
	}
}
