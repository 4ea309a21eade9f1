package dashboard

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
)

// many is a producer's snapshot of n topics of p partitions of w workers each.
func many(n, p, w int) ekaf.Stats {
	s := ekaf.Stats{Topics: map[string]ekaf.TopicStats{}, Brokers: map[int32]ekaf.BrokerStats{}}
	for i := range n {
		t := ekaf.TopicStats{State: topicReady, Counters: ekaf.Counters{Acked: int64(i)}}
		for j := range p {
			part := ekaf.PartitionStats{Partition: int32(j), Leader: int32(j % 3)}
			for k := range w {
				part.Workers = append(part.Workers, ekaf.WorkerStats{Worker: k, State: "ready"})
			}
			t.Partitions = append(t.Partitions, part)
		}
		s.Topics[fmt.Sprintf("topic-%05d", i)] = t
	}
	return s
}

// TestThousandsOfTopics are not shown, and it is said how many are not.
func TestThousandsOfTopics(t *testing.T) {
	s := many(5000, 2, 1)
	for name, state := range map[string]string{"topic-00003": topicDowntime, "topic-00001": "bootstrapping"} {
		one := s.Topics[name]
		one.State = state
		s.Topics[name] = one
	}
	list := topicsOf(&snapshot{}, &snapshot{at: noon, stats: s})
	if list.Total != 5000 || len(list.List) != maxTopics || list.Hidden != 5000-maxTopics {
		t.Fatalf("%d of %d topics, %d hidden", len(list.List), list.Total, list.Hidden)
	}
	if list.States[topicReady] != 4998 || list.States[topicDowntime] != 1 || list.States["bootstrapping"] != 1 {
		t.Errorf("states %v", list.States)
	}
	for i, want := range []string{"topic-00003", "topic-00001", "topic-04999", "topic-04998"} {
		if list.List[i].Name != want {
			t.Errorf("topic %d is %s, want %s: trouble first, then what sent most", i, list.List[i].Name, want)
		}
	}
	b := newBoard(t)
	b.take(noon, s)
	if size := len(b.renderFrame()); size > 512<<10 {
		t.Errorf("a frame has %d bytes", size)
	}
}

// TestManyPartitions and workers: the room is shared out in the order of the topics.
func TestManyPartitions(t *testing.T) {
	list := topicsOf(&snapshot{}, &snapshot{at: noon, stats: many(10, 100, 40)})
	shown := 0
	for _, v := range list.List {
		shown += len(v.List)
		if v.Partitions != 100 || v.Hidden != 100-len(v.List) || len(v.List) > maxPartitions {
			t.Errorf("%s shows %d of %d partitions, %d hidden", v.Name, len(v.List), v.Partitions, v.Hidden)
		}
		for _, p := range v.List {
			if len(p.Workers) != maxWorkers || p.Hidden != 40-maxWorkers {
				t.Errorf("%d workers, %d hidden", len(p.Workers), p.Hidden)
			}
		}
	}
	if shown != maxShown {
		t.Errorf("%d partitions are shown, want %d", shown, maxShown)
	}
}

// TestPartitionsInTroubleComeFirst where not all are shown.
func TestPartitionsInTroubleComeFirst(t *testing.T) {
	one := many(1, 100, 2).Topics["topic-00000"]
	one.Partitions[77].Workers[1].State = workerDowntime
	list := partitionsOf(&one, 10)
	if len(list) != 10 || list[0].ID != 77 || list[1].ID != 0 {
		t.Errorf("shown are %+v", list)
	}
	if list = partitionsOf(&one, 100); list[0].ID != 0 || list[77].ID != 77 {
		t.Error("where all are shown, they are in order")
	}
}

func TestRateOfATopic(t *testing.T) {
	before, now := snapshot{noon, many(2, 1, 1)}, snapshot{noon.Add(2 * time.Second), many(2, 1, 1)}
	one := now.stats.Topics["topic-00001"]
	one.Acked += 500
	now.stats.Topics["topic-00001"] = one
	if list := topicsOf(&before, &now).List; list[0].Rate != 250 || list[1].Rate != 0 {
		t.Errorf("%+v", list)
	}
}

// TestStatesOfBrokers: no connection is trouble only where one is needed.
func TestStatesOfBrokers(t *testing.T) {
	s := many(1, 3, 1)
	s.Topics["topic-00000"].Partitions[1].Workers[0].State = workerDowntime
	s.Brokers = map[int32]ekaf.BrokerStats{
		0: {Connected: true}, 1: {}, 2: {}, 3: {Counters: ekaf.Counters{Buffered: 1}}, 4: {},
	}
	var got []string
	for _, b := range brokersOf(&s) {
		got = append(got, fmt.Sprintf("%d %s leads %d", b.ID, b.State, b.Partitions))
	}
	if want := "0 up leads 1, 1 down leads 1, 2 idle leads 1, 3 down leads 0, 4 idle leads 0"; strings.Join(got, ", ") != want {
		t.Errorf("%s, want %s", strings.Join(got, ", "), want)
	}
	h := newHistory(2)
	h.add(noon, &s)
	if r := h.rows[0]; r[colUp] != 1 || r[colDown] != 2 {
		t.Errorf("the row says %v up, %v down", r[colUp], r[colDown])
	}
}
