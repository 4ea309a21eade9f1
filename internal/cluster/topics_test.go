package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestUnknownTopicAppearsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1)
		c := s.start(t, Config{}, "one:9092")
		_, err := c.Wait(within(t, 30*time.Second), "orders")
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, kerr.UnknownTopicOrPartition) {
			t.Fatalf("got %v", err)
		}
		if n := s.count(3); n < 25 || n > 50 {
			t.Errorf("%d Metadata requests in 30 s: the back-off reaches 1 s", n)
		}
		if got := c.Snapshot().Topics["orders"]; got == nil || got.Err != kerr.UnknownTopicOrPartition {
			t.Errorf("got %+v", got)
		}
		s.topic("orders", 1, 0, 1, 1)
		topic, err := c.Wait(within(t, 3*time.Second), "orders")
		if err != nil || len(topic.Partitions) != 2 {
			t.Errorf("got %+v, %v", topic, err)
		}
		before := s.count(3)
		time.Sleep(50 * time.Second)
		if got := s.count(3) - before; got != 0 {
			t.Errorf("%d requests although nothing is open", got)
		}
		time.Sleep(20 * time.Second)
		if got := s.count(3) - before; got != 1 {
			t.Errorf("%d requests in 70 s, want the periodic one", got)
		}
	})
}

func TestWantsAreCoalesced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1)
		c := s.start(t, Config{}, "one:9092")
		for i := range 1000 {
			s.topic(fmt.Sprint("t", i), byte(i), 0, 1)
		}
		// No virtual time passes during the loops below, so the first request is under way throughout.
		s.on(3, func(_ string, req kmsg.Request) kmsg.Response {
			time.Sleep(10 * time.Millisecond)
			return pick(s.metadata, req.(*kmsg.MetadataRequest))
		})
		for i := range 1000 {
			c.Want(fmt.Sprint("t", i))
			c.Want("t0")
		}
		time.Sleep(30 * time.Millisecond)
		if n := len(c.Snapshot().Topics); n != 1000 {
			t.Errorf("%d topics known", n)
		}
		if n := s.count(3); n > 2 {
			t.Errorf("%d requests for 1000 topics", n)
		}
		for range 1000 {
			c.Refresh()
		}
		time.Sleep(time.Second)
		if n := s.count(3); n > 4 {
			t.Errorf("%d requests after 1000 calls of Refresh", n)
		}
		for range 100 {
			c.Refresh()
			time.Sleep(time.Millisecond)
		}
		time.Sleep(time.Second)
		if n := s.count(3); n > 8 {
			t.Errorf("%d requests: Refresh does not keep the back-off's distance", n)
		}
	})
}

func TestOnlyWantedTopicsAreAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1)
		s.topic("a", 1, 0, 1)
		c := s.start(t, Config{}, "one:9092")
		c.Refresh()
		synctest.Wait()
		c.Want("a")
		synctest.Wait()
		c.Want(strings.Repeat("x", 40_000))
		c.Want("")
		time.Sleep(2 * time.Second)
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, req := range s.asked {
			if m, ok := req.(*kmsg.MetadataRequest); ok && (m.Topics == nil || len(m.Topics) > 1) {
				t.Errorf("asked for %v", m.Topics)
			}
		}
		if got := c.Snapshot().Topics[""]; got == nil || got.Err != kerr.InvalidTopicException {
			t.Errorf("the empty topic: got %+v", got)
		}
	})
}

func TestForget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1)
		s.topic("a", 1, 0, 1)
		c := s.start(t, Config{}, "one:9092")
		c.Want("a")
		synctest.Wait()
		c.Forget("a")
		c.Forget("a")
		if _, ok := c.Snapshot().Topics["a"]; ok {
			t.Error("still in the snapshot")
		}
		c.Hint("a", 0, 1, 99, nil)
		c.Refresh()
		time.Sleep(2 * time.Minute)
		if _, ok := c.Snapshot().Topics["a"]; ok {
			t.Error("came back")
		}
	})
}

func TestDeletedAndRecreated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1)
		s.topic("orders", 1, 7, 1, 1, 1)
		c := s.start(t, Config{}, "one:9092")
		if _, err := c.Wait(within(t, time.Second), "orders"); err != nil {
			t.Fatal(err)
		}
		s.dropTopics()
		c.Refresh()
		time.Sleep(200 * time.Millisecond)
		if got := c.Snapshot().Topics["orders"]; got.Err != nil {
			t.Errorf("one or two answers are no proof of a deletion: %+v", got)
		}
		time.Sleep(5 * time.Second)
		got := c.Snapshot().Topics["orders"]
		if got.Err != kerr.UnknownTopicOrPartition || got.ID != [16]byte{1} || len(got.Partitions) != 3 || got.Partitions[2].Leader != -1 {
			t.Errorf("after the deletion: %+v", got)
		}
		s.topic("orders", 2, 0, 1)
		topic, err := c.Wait(within(t, 3*time.Second), "orders")
		if err != nil || topic.ID != [16]byte{2} || len(topic.Partitions) != 1 {
			t.Errorf("recreated: got %+v, %v", topic, err)
		}
	})
}

func TestHint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1, b2)
		s.topic("orders", 1, 5, 1, 1)
		var mu sync.Mutex
		var seen []*Snapshot
		c := s.start(t, Config{OnSnapshot: func(s *Snapshot) { mu.Lock(); seen = append(seen, s); mu.Unlock() }}, "one:9092")
		if _, err := c.Wait(within(t, time.Second), "orders"); err != nil {
			t.Fatal(err)
		}
		before := c.Snapshot()
		for _, stale := range [][4]int32{{1, 2, 5, 0}, {1, 2, 4, 0}, {2, 2, 9, 0}, {-1, 2, 9, 0}, {1, -1, 9, 0}} {
			c.Hint("orders", stale[0], stale[1], stale[2], &b2)
		}
		c.Hint("other", 0, 2, 9, &b2)
		if c.Snapshot() != before {
			t.Error("a stale or senseless hint was believed")
		}
		c.Hint("orders", 1, 2, 6, nil)
		c.Hint("orders", 0, 3, 6, &b3)
		now := c.Snapshot()
		if p := now.Topics["orders"].Partitions; p[1].Leader != 2 || p[0].Leader != 3 || now.Brokers[3] != b3 {
			t.Errorf("got %+v of %+v", p, now.Brokers)
		}
		if before.Topics["orders"].Partitions[1].Leader != 1 || len(before.Brokers) != 2 {
			t.Error("the older snapshot was changed")
		}
		synctest.Wait()
		mu.Lock()
		if len(seen) != 3 || seen[2] != now || seen[0] != before {
			t.Errorf("%d snapshots were told", len(seen))
		}
		mu.Unlock()
		// The metadata lags: it does not know the new leaders, nor where broker 3 is.
		c.Refresh()
		time.Sleep(100 * time.Millisecond)
		if b, epoch, ok := c.Snapshot().Leader("orders", 0); !ok || b != b3 || epoch != 6 {
			t.Errorf("a lagging broker was believed: %+v, %d", b, epoch)
		}
		requests := s.count(3)
		c.Hint("orders", 0, 9, 8, nil)
		time.Sleep(time.Second)
		if s.count(3) == requests {
			t.Error("a leader whose address is unknown calls for a refresh")
		}
	})
}

func TestCallbacksMayBeSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1)
		s.topic("orders", 1, 0, 1)
		release := make(chan struct{})
		var mu sync.Mutex
		var epochs []int32
		c := s.start(t, Config{OnSnapshot: func(s *Snapshot) {
			<-release
			mu.Lock()
			defer mu.Unlock()
			epochs = append(epochs, s.Topics["orders"].Partitions[0].LeaderEpoch)
		}}, "one:9092")
		if _, err := c.Wait(within(t, time.Second), "orders"); err != nil {
			t.Fatal(err)
		}
		for epoch := range int32(1000) {
			c.Hint("orders", 0, 1, epoch+1, nil)
		}
		close(release)
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(epochs) > maxNotes+1 || !slices.IsSorted(epochs) || epochs[len(epochs)-1] != 1000 {
			t.Errorf("told %v", epochs)
		}
	})
}

func TestAnOpenTopicDoesNotDelayTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1, b2)
		s.topic("orders", 1, 0, 1)
		c := s.start(t, Config{}, "one:9092")
		c.Want("missing")
		if _, err := c.Wait(within(t, time.Second), "orders"); err != nil {
			t.Fatal(err)
		}
		s.topic("orders", 1, 1, 2)
		time.Sleep(62 * time.Second)
		if b, _, _ := c.Snapshot().Leader("orders", 0); b != b2 {
			t.Errorf("after RefreshEvery the leader is still %+v", b)
		}
	})
}

func TestNotesKeepTheNewest(t *testing.T) {
	c := New(Config{OnSnapshot: func(*Snapshot) {}, OnFailure: func(error) {}})
	defer c.Close()
	c.mu.Lock()
	c.delivering = true // so that nothing is taken out meanwhile
	last := emptySnapshot()
	for range maxNotes + 9 {
		c.noteLocked(note{snapshot: last})
	}
	for range 3 * maxNotes {
		c.noteLocked(note{failure: ErrClosed})
	}
	if len(c.notes) != maxNotes || c.notes[0].snapshot != last || c.notes[1].snapshot != nil {
		t.Errorf("%d notes, the first two %+v", len(c.notes), c.notes[:2])
	}
	c.noteLocked(note{snapshot: emptySnapshot()})
	if countSnapshots(c.notes) != 1 || len(c.notes) != maxNotes {
		t.Errorf("%d notes, %d of them snapshots", len(c.notes), countSnapshots(c.notes))
	}
	c.mu.Unlock()
}
