package sender

import (
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// Throttle_time_ms mutes the sender as a whole; what gathers meanwhile goes at
// its end (KIP-219).
func TestThrottleIsObeyed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, nil)
		lanes := sc.lanes(2, sc.topic("t", nil))
		sc.confirm(lanes...)
		sc.put(lanes[0], true, "a")
		a := sc.one()
		resp := a.response()
		resp.ThrottleMillis = 700
		a.answer(resp)
		sc.acked(1)
		sc.put(lanes[0], true, "b")
		sc.put(lanes[1], true, "c")
		time.Sleep(699 * time.Millisecond)
		sc.none()
		time.Sleep(time.Millisecond)
		b := sc.one()
		if got := sent(t, b); !slices.Equal(got, []string{"b", "c"}) {
			t.Errorf("after the pause: %v", got)
		}
		b.ok()
		sc.acked(3)
		if !slices.Equal(sc.pauses, []time.Duration{700 * time.Millisecond}) {
			t.Errorf("the host heard of pauses %v", sc.pauses)
		}
		sc.put(lanes[0], true, "d")
		sc.one().ok()
		sc.acked(4)
	})
}

// Of several throttled answers in a row the pause that ends last counts, not the
// one that was answered last.
func TestLongestThrottleCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, nil)
		l := sc.lanes(1, sc.topic("t", nil))[0]
		sc.confirm(l)
		sc.backlog(l, 3)
		list := sc.settled()
		for i, millis := range []int32{10, 5000, 20} {
			resp := list[i].response()
			resp.ThrottleMillis = millis
			list[i].answer(resp)
		}
		sc.put(l, true, "after")
		time.Sleep(4999 * time.Millisecond)
		sc.none()
		time.Sleep(time.Millisecond)
		sc.one().ok()
		sc.acked(4)
	})
}

func TestHintsArePassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		sc := newScene(t, func(sc *scene) { sc.broker.gate = gate })
		for i, name := range []string{"alpha", "beta"} {
			cfg := sc.topic(name, nil)
			cfg.ID.Store(topicIDOf(byte(i)))
			for _, l := range sc.lanes(2, cfg) {
				sc.put(l, true, name)
			}
		}
		synctest.Wait()
		close(gate)
		a := sc.one()
		resp := a.response()
		for i, leader := range []int32{7, 9} {
			p := &resp.Topics[i].Partitions[1]
			p.ErrorCode, p.BaseOffset = 6, -1
			p.CurrentLeader.LeaderID, p.CurrentLeader.LeaderEpoch = leader, 40+leader
		}
		resp.Brokers = fullResponse(topicIDFrom).Brokers // 9 and 8
		a.answer(resp)
		synctest.Wait()
		want := []toldHint{
			{"alpha", LeaderHint{Partition: 1, Leader: 7, Epoch: 47}},
			{"beta", LeaderHint{Partition: 1, Leader: 9, Epoch: 49, Host: "nine.test", Port: 9092, Rack: "r1"}},
		}
		sc.mu.Lock()
		defer sc.mu.Unlock()
		if !slices.Equal(sc.hints, want) {
			t.Errorf("hints %+v, want %+v", sc.hints, want)
		}
		if len(sc.results) != 2 || sc.refreshes == 0 {
			t.Errorf("%d batches were acked, and metadata was asked for %d times; want 2, and at least once", len(sc.results), sc.refreshes)
		}
	})
}

// Answers are matched by name, in whatever order they come; those for partitions
// that were not asked are passed over.
func TestAnswersInAnotherOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		sc := newScene(t, func(sc *scene) { sc.broker.gate = gate })
		for _, name := range []string{"alpha", "beta"} {
			for _, l := range sc.lanes(3, sc.topic(name, nil)) {
				sc.put(l, true, name)
			}
		}
		synctest.Wait()
		close(gate)
		a := sc.one()
		resp := a.response()
		stray := resp.Topics[0].Partitions[0]
		stray.Partition, stray.ErrorCode = 77, 3
		slices.Reverse(resp.Topics)
		for i := range resp.Topics {
			partitions := resp.Topics[i].Partitions
			for j := range partitions {
				partitions[j].BaseOffset = int64(1000*i + int(partitions[j].Partition))
			}
			slices.Reverse(partitions)
			twice := partitions[0] // said again, with an error: it was answered before
			twice.ErrorCode = 3
			resp.Topics[i].Partitions = append(partitions, stray, twice)
		}
		a.answer(resp)
		sc.acked(6)
		sc.none()
		for _, r := range sc.results {
			if r.BaseOffset%1000 != int64(r.Partition) {
				t.Errorf("partition %d was given offset %d", r.Partition, r.BaseOffset)
			}
		}
	})
}

// Of a partition that the answer leaves out nothing is known: its batch is sent
// again, under its number.
func TestOmittedPartitionIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		sc := newScene(t, func(sc *scene) { sc.broker.gate = gate })
		for _, l := range sc.lanes(3, sc.topic("t", nil)) {
			sc.put(l, true, "m")
		}
		synctest.Wait()
		close(gate)
		a := sc.one()
		omitted := a.req.Topics[0].Partitions[1]
		resp := a.response()
		resp.Topics[0].Partitions = slices.Delete(resp.Topics[0].Partitions, 1, 2)
		a.answer(resp)
		list := sc.waitFor(5 * time.Second)
		if len(list) != 1 || list[0].connection != a.connection {
			t.Fatalf("%d requests followed", len(list))
		}
		again := list[0].req.Topics[0].Partitions
		if len(again) != 1 || again[0].Partition != 1 || !slices.Equal(again[0].Records, omitted.Records) {
			t.Errorf("sent again: %d batches, want the same bytes of partition 1", len(again))
		}
		list[0].ok()
		sc.acked(3)
	})
}

// A response that cannot be read ends the connection; each batch it should have
// answered is sent again, as it was, on the next one.
func TestGarbageEndsTheConnection(t *testing.T) {
	garbage := map[string][]byte{
		"empty":            {},
		"count of topics":  {0xff, 0xff, 0xff, 0xff, 7},
		"negative lengths": {0x7f, 0xff, 0xff, 0xff, 0xff, 0xff},
		"zeros":            make([]byte, 3),
	}
	for name, body := range garbage {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				sc := newScene(t, nil)
				lanes := sc.lanes(2, sc.topic("t", nil))
				sc.confirm(lanes...)
				sc.backlog(lanes[0], 2)
				list := sc.settled()
				first := list[0].req.Topics[0].Partitions[0].Records
				list[0].write(body)
				again := sc.waitFor(time.Second)
				if len(again) != 1 || again[0].connection != 2 {
					t.Fatalf("%d requests followed", len(again))
				}
				if !slices.Equal(again[0].req.Topics[0].Partitions[0].Records, first) {
					t.Error("the batch sent again is not the one that was sent")
				}
				again[0].ok()
				sc.one().ok()
				sc.acked(2)
				if len(sc.disconnected) != 1 || !errors.Is(sc.disconnected[0], errCutShort) {
					t.Errorf("the host heard %v, want %v", sc.disconnected, errCutShort)
				}
			})
		})
	}
}

// A frame with a foreign correlation id is garbage as well.
func TestForeignAnswerEndsTheConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, nil)
		l := sc.lanes(1, sc.topic("t", nil))[0]
		sc.put(l, true, "m")
		a := sc.one()
		_, _ = a.wire.Write(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 4}, uint32(a.correlation+5)))
		list := sc.waitFor(time.Second)
		if len(list) != 1 || list[0].connection != 2 {
			t.Fatalf("%d requests followed", len(list))
		}
		list[0].ok()
		sc.acked(1)
	})
}
