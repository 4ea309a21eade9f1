package cluster

import (
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// saying is an answer about topic "t", by a cluster of brokers 1 to 3.
func saying(topics ...kmsg.MetadataResponseTopic) *kmsg.MetadataResponse {
	resp := kmsg.NewPtrMetadataResponse()
	resp.Version = 13
	for _, b := range []Broker{b1, b2, b3} {
		resp.Brokers = append(resp.Brokers, kmsg.MetadataResponseBroker{NodeID: b.ID, Host: b.Host, Port: b.Port})
	}
	resp.Topics = topics
	return resp
}

func unknownTopic(code int16) kmsg.MetadataResponseTopic {
	t := kmsg.NewMetadataResponseTopic()
	t.Topic, t.ErrorCode = kmsg.StringPtr("t"), code
	return t
}

// learn merges answers one after the other, as the refresh loop does.
func learn(t *testing.T, book map[string]*interest, s *Snapshot, answers ...*kmsg.MetadataResponse) *Snapshot {
	t.Helper()
	for _, a := range answers {
		// Half a second between two answers: five of them make believeSpan.
		next, err := merge(s, "one:9092", a, book, s.Taken.Add(believeSpan/(believeAfter-1)))
		if err != nil {
			t.Fatal(err)
		}
		s = next
	}
	return s
}

func repeat(a *kmsg.MetadataResponse, n int) (all []*kmsg.MetadataResponse) {
	for range n {
		all = append(all, a)
	}
	return all
}

// view is a partition without its number: leader and epoch.
type view struct{ leader, epoch int32 }

func TestMergeBelief(t *testing.T) {
	known := saying(topicAnswer("t", 1, 5, 1, 2, 3))
	for _, tc := range []struct {
		name    string
		answers []*kmsg.MetadataResponse
		id      byte
		want    []view
		settled bool
		err     error
	}{
		{"the first answer", nil, 1, []view{{1, 5}, {2, 5}, {3, 5}}, true, nil},
		{"newer epoch", repeat(saying(topicAnswer("t", 1, 6, 2, 2, 2)), 1), 1, []view{{2, 6}, {2, 6}, {2, 6}}, true, nil},
		{"same epoch, other leader", repeat(saying(topicAnswer("t", 1, 5, 2, 2, 2)), 1), 1, []view{{2, 5}, {2, 5}, {2, 5}}, true, nil},
		{"older epoch, said four times", repeat(saying(topicAnswer("t", 1, 4, 2, 2, 2)), 4), 1, []view{{1, 5}, {2, 5}, {3, 5}}, false, nil},
		{"older epoch, said five times", repeat(saying(topicAnswer("t", 1, 4, 2, 2, 2)), 5), 1, []view{{2, 4}, {2, 4}, {2, 4}}, true, nil},
		{"older epoch, with the newer between", append(append(repeat(saying(topicAnswer("t", 1, 4, 2, 2, 2)), 4), known),
			repeat(saying(topicAnswer("t", 1, 4, 2, 2, 2)), 4)...), 1, []view{{1, 5}, {2, 5}, {3, 5}}, false, nil},
		{"no epochs", repeat(saying(topicAnswer("t", 1, -1, 2, 2, 2)), 1), 1, []view{{2, -1}, {2, -1}, {2, -1}}, true, nil},
		{"growth", repeat(saying(topicAnswer("t", 1, 5, 1, 2, 3, 1)), 1), 1, []view{{1, 5}, {2, 5}, {3, 5}, {1, 5}}, true, nil},
		{"fewer, said four times", repeat(saying(topicAnswer("t", 1, 5, 1)), 4), 1, []view{{1, 5}, {2, 5}, {3, 5}}, false, nil},
		{"fewer, said ten times", repeat(saying(topicAnswer("t", 1, 5, 1)), 10), 1, []view{{1, 5}, {-1, -1}, {-1, -1}}, false, nil},
		{"no leader", repeat(saying(topicAnswer("t", 1, 6, 1, -1, 3)), 1), 1, []view{{1, 6}, {-1, 6}, {3, 6}}, false, nil},
		{"a leader that is no broker", repeat(saying(topicAnswer("t", 1, 6, 1, 9, 3)), 1), 1, []view{{1, 6}, {-1, 6}, {3, 6}}, false, nil},
		{"recreated, smaller, epoch lower", repeat(saying(topicAnswer("t", 2, 0, 3)), 1), 2, []view{{3, 0}}, true, nil},
		{"recreated, and the old id again, said four times", append(repeat(saying(topicAnswer("t", 2, 0, 3)), 1),
			repeat(saying(topicAnswer("t", 1, 6, 1, 2, 3)), 4)...), 2, []view{{3, 0}}, false, nil},
		{"recreated, and the old id again, for half a minute", append(repeat(saying(topicAnswer("t", 2, 0, 3)), 1),
			repeat(saying(topicAnswer("t", 1, 6, 1, 2, 3)), int(returnSpan/time.Second)*2+1)...), 1, []view{{1, 6}, {2, 6}, {3, 6}}, true, nil},
		{"recreated, and the old id again, with the new one between", append(append(repeat(saying(topicAnswer("t", 2, 0, 3)), 1),
			repeat(saying(topicAnswer("t", 1, 6, 1, 2, 3)), 50)...), append(repeat(saying(topicAnswer("t", 2, 0, 3)), 1),
			repeat(saying(topicAnswer("t", 1, 6, 1, 2, 3)), 50)...)...), 2, []view{{3, 0}}, false, nil},
		{"recreated again and again", append(append(repeat(saying(topicAnswer("t", 2, 0, 3)), 1), repeat(saying(topicAnswer("t", 3, 0, 2)), 1)...),
			repeat(saying(topicAnswer("t", 4, 0, 1)), 1)...), 4, []view{{1, 0}}, true, nil},
		{"a broker without ids", repeat(saying(topicAnswer("t", 0, 5, 1, 2, 3)), 1), 1, []view{{1, 5}, {2, 5}, {3, 5}}, true, nil},
		{"unknown, said four times", repeat(saying(unknownTopic(3)), 4), 1, []view{{1, 5}, {2, 5}, {3, 5}}, false, nil},
		{"deleted", repeat(saying(unknownTopic(3)), 5), 1, []view{{-1, -1}, {-1, -1}, {-1, -1}}, false, kerr.UnknownTopicOrPartition},
		{"deleted and back under the id", append(repeat(saying(unknownTopic(3)), 5), saying(topicAnswer("t", 1, 0, 1))), 1,
			[]view{{1, 0}, {-1, -1}, {-1, -1}}, false, nil},
		{"deleted and back without ids", append(repeat(saying(unknownTopic(3)), 5), saying(topicAnswer("t", 0, 0, 1))), 0,
			[]view{{1, 0}}, true, nil},
		{"a passing error, many times", repeat(saying(unknownTopic(5)), 20), 1, []view{{1, 5}, {2, 5}, {3, 5}}, false, nil},
		{"no more allowed", repeat(saying(unknownTopic(29)), 1), 1, []view{{1, 5}, {2, 5}, {3, 5}}, true, kerr.TopicAuthorizationFailed},
		{"allowed again, by a broker that lags", append(repeat(saying(unknownTopic(29)), 1), saying(topicAnswer("t", 1, 4, 1))), 1,
			[]view{{1, 5}, {2, 5}, {3, 5}}, false, nil},
		{"not in the answer", repeat(saying(), 1), 1, []view{{1, 5}, {2, 5}, {3, 5}}, true, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			book := map[string]*interest{"t": {}}
			s := learn(t, book, emptySnapshot(), append([]*kmsg.MetadataResponse{known}, tc.answers...)...)
			got := s.Topics["t"]
			if got.ID != [16]byte{tc.id} || got.Err != tc.err || len(got.Partitions) != len(tc.want) || book["t"].settled != tc.settled {
				t.Fatalf("got id %v, %d partitions, error %v, settled %v", got.ID, len(got.Partitions), got.Err, book["t"].settled)
			}
			for i, p := range got.Partitions {
				if p.ID != int32(i) || (view{p.Leader, p.LeaderEpoch}) != tc.want[i] || (p.Leader < 0) != (p.Err != nil) {
					t.Errorf("partition %d: got %+v, want %+v", i, p, tc.want[i])
				}
			}
		})
	}
}

func TestMergeFirstAnswerIsAnError(t *testing.T) {
	for code, settled := range map[int16]bool{3: false, 5: false, 17: true, 29: true, 38: false} {
		book := map[string]*interest{"t": {}}
		s := learn(t, book, emptySnapshot(), saying(unknownTopic(code)))
		if got := s.Topics["t"]; got.Err != kerr.ErrorForCode(code) || len(got.Partitions) != 0 || book["t"].settled != settled {
			t.Errorf("code %d: got %+v, settled %v", code, got, book["t"].settled)
		}
	}
}

// An answer about one topic must not lose the address of another's leader.
func TestMergeKeepsLeadersOfTopicsNotAskedFor(t *testing.T) {
	book := map[string]*interest{"t": {}, "u": {}}
	s := learn(t, book, emptySnapshot(), saying(topicAnswer("t", 1, 0, 3), topicAnswer("u", 2, 0, 1)))
	less := saying(topicAnswer("u", 2, 0, 1))
	less.Brokers = less.Brokers[:1]
	s = learn(t, book, s, less)
	if b, _, ok := s.Leader("t", 0); !ok || b != b3 || book["t"].settled {
		t.Errorf("leader %+v, settled %v", b, book["t"].settled)
	}
	if _, ok := s.Brokers[2]; ok {
		t.Error("broker 2 leads nothing and is gone")
	}
}

func TestMergeRefusesNonsense(t *testing.T) {
	for name, ids := range map[string][]int32{"negative": {-1}, "beyond all bounds": {0, 1 << 30}, "sparse": {0, 1, 999_999}} {
		book := map[string]*interest{"t": {}, "u": {}}
		before := learn(t, book, emptySnapshot(), saying(topicAnswer("t", 1, 0, 1, 2)))
		bad := topicAnswer("t", 1, 1)
		for _, id := range ids {
			p := kmsg.NewMetadataResponseTopicPartition()
			p.Partition, p.Leader = id, 1
			bad.Partitions = append(bad.Partitions, p)
		}
		s, err := merge(before, "one:9092", saying(bad, topicAnswer("u", 2, 0, 1)), book, time.Unix(2, 0))
		if err == nil || !strings.Contains(err.Error(), "cannot believe") {
			t.Errorf("%s: got error %v", name, err)
		}
		if s.Topics["t"] != before.Topics["t"] || s.Topics["u"] == nil {
			t.Errorf("%s: got %+v", name, s.Topics)
		}
	}
	resp := saying()
	resp.Brokers = append(resp.Brokers, kmsg.MetadataResponseBroker{NodeID: 4, Host: "four", Port: 70_000},
		kmsg.MetadataResponseBroker{NodeID: 5, Port: 1}, kmsg.MetadataResponseBroker{NodeID: -7, Host: "x", Port: 1})
	if n := len(brokersOf(resp)); n != 3 {
		t.Errorf("%d brokers with an address", n)
	}
}

// Whatever a broker sends, merging neither panics nor breaks what a Snapshot promises.
func FuzzMerge(f *testing.F) {
	for _, version := range []int16{0, 1, 5, 9, 13} {
		for _, a := range []*kmsg.MetadataResponse{saying(topicAnswer("t", 1, 5, 1, 2, -1)), saying(unknownTopic(3)), saying(topicAnswer("t", 2, 4, 9))} {
			a.Version = version
			f.Add(version, a.AppendTo(nil))
		}
	}
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		resp := kmsg.NewPtrMetadataResponse()
		resp.SetVersion(version & 15)
		if version&15 > 13 || resp.ReadFrom(body) != nil {
			return
		}
		book := map[string]*interest{"t": {}}
		s := learn(t, book, emptySnapshot(), saying(topicAnswer("t", 1, 5, 1, 2, 3)))
		for range believeAfter + 1 {
			s, _ = merge(s, "one:9092", resp, book, s.Taken.Add(believeSpan/(believeAfter-1)))
			for i, p := range s.Topics["t"].Partitions {
				_, live := s.Brokers[p.Leader]
				if p.ID != int32(i) || live == (p.Leader < 0) || live == (p.Err != nil) {
					t.Fatalf("partition %d: %+v", i, p)
				}
			}
		}
	})
}

// Five answers that follow each other closely may all come from one broker that lags.
func TestMergeBeliefTakesTime(t *testing.T) {
	now := time.Unix(1, 0)
	var d doubt
	for range 100 {
		if d.again(now); d.again(now.Add(believeSpan - 1)) {
			t.Fatal("believed too early")
		}
	}
	if !d.again(now.Add(believeSpan)) {
		t.Error("not believed in the end")
	}
}
