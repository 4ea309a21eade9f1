package dashboard

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/ekaf-go/ekaf"
)

// Bounds of a frame: a producer may have thousands of topics and partitions, and
// a page is not where one reads them all.
const (
	maxTopics     = 50
	maxPartitions = 50  // of one topic
	maxShown      = 200 // partitions of all topics
	maxWorkers    = 16  // of one partition
	maxBrokers    = 100
)

// States as the page knows them.
const (
	brokerUp   = "up"
	brokerDown = "down"
	brokerIdle = "idle" // no connection, and nothing that needs one
)

var (
	topicReady    = ekaf.TopicReady.String()
	topicDowntime = ekaf.TopicDowntime.String()
)

// workerDowntime is the name of a worker's state that its broker is to blame for.
const workerDowntime = "downtime"

// state is what the page shows beside the plots. What is left out of a frame has
// not changed.
type state struct {
	Seq    uint64          `json:"seq"`
	Row    json.RawMessage `json:"row"`
	Totals totals          `json:"totals"`
	Error  string          `json:"error,omitempty"`
	Topics topicList       `json:"topics"`
	Broker []broker        `json:"brokers"`
	Hidden int             `json:"brokers_hidden"`
	Failed []reason        `json:"failed"`
	Refuse []reason        `json:"refused"`
	Kinds  []kind          `json:"kinds,omitempty"`
	Recent []happening     `json:"recent,omitempty"`
	Faults []fault         `json:"faults,omitempty"`
}

// totals are counted since the producer was made.
type totals struct {
	Acked    int64 `json:"acked"`
	Failed   int64 `json:"failed"`
	Refused  int64 `json:"refused"`
	Retries  int64 `json:"retries"`
	Batches  int64 `json:"batches"`
	Messages int64 `json:"messages"`
	Limit    int64 `json:"limit"` // of the buffer, bytes
	Workers  int   `json:"workers"`
	Down     int   `json:"workers_down"`
}

// reason is why messages failed or were refused, and what to do about it.
type reason struct {
	Name   string `json:"name"`
	Count  int64  `json:"count"`
	Advice string `json:"advice"`
}

// topicList is some topics, and how many there are of each state.
type topicList struct {
	Total  int            `json:"total"`
	Hidden int            `json:"hidden"`
	States map[string]int `json:"states"`
	List   []topic        `json:"list"`
}

type topic struct {
	Name       string      `json:"name"`
	State      string      `json:"state"`
	Rate       float64     `json:"rate"`
	Acked      int64       `json:"acked"`
	Failed     int64       `json:"failed"`
	Refused    int64       `json:"refused"`
	Retries    int64       `json:"retries"`
	Waiting    int         `json:"waiting"`
	Bytes      int64       `json:"bytes"`
	InFlight   int         `json:"in_flight"`
	Partitions int         `json:"partitions"`
	Hidden     int         `json:"hidden"`
	List       []partition `json:"list"`
}

type partition struct {
	ID        int32    `json:"id"`
	Leader    int32    `json:"leader"`
	Acked     int64    `json:"acked"`
	Waiting   int      `json:"waiting"`
	InFlight  int      `json:"in_flight"`
	Retries   int64    `json:"retries"`
	RoundTrip float64  `json:"round_trip"`
	Hidden    int      `json:"hidden"` // workers
	Workers   []worker `json:"workers"`
}

type worker struct {
	ID      int    `json:"id"`
	State   string `json:"state"`
	Waiting int    `json:"waiting"`
}

type broker struct {
	ID         int32   `json:"id"`
	Addr       string  `json:"addr"`
	State      string  `json:"state"`
	Partitions int     `json:"partitions"`
	Waiting    int     `json:"waiting"`
	InFlight   int     `json:"in_flight"`
	RoundTrip  float64 `json:"round_trip"`
}

// renderFrame tells what the latest tick found. Under the board's lock.
func (b *Board) renderFrame() []byte {
	s := b.state()
	if version := b.ledger.current(); version != b.sent {
		b.tell(&s)
	}
	return event("frame", mustJSON(s))
}

// renderWhole tells all that is known, for a viewer that knows nothing. Under the
// board's lock.
func (b *Board) renderWhole() []byte {
	s := b.state()
	// The frame that comes next must tell what this one did to those who did not get it.
	sent := b.sent
	b.tell(&s)
	b.sent = sent
	return event("whole", mustJSON(struct {
		Version  string          `json:"version"`
		Span     int64           `json:"span"`
		Interval int64           `json:"interval"`
		Columns  []string        `json:"columns"`
		Rows     json.RawMessage `json:"rows"`
		state
	}{ekaf.Version, span.Milliseconds(), interval.Milliseconds(), columns, b.history.appendRows(nil), s}))
}

// tell adds what the ledger has.
func (b *Board) tell(s *state) { s.Kinds, s.Recent, s.Faults, b.sent = b.ledger.view() }

func (b *Board) state() state {
	stats := &b.latest.stats
	s := state{
		Seq: b.seq, Row: b.history.appendLast(nil),
		Totals: totals{
			Acked: stats.Acked, Failed: total(stats.Dropped), Refused: total(stats.Refused), Retries: stats.Retries,
			Batches: stats.Batches, Messages: stats.Messages, Limit: stats.BufferLimit,
		},
		Topics: topicsOf(&b.before, &b.latest), Broker: brokersOf(stats),
		Failed: reasons(stats.Dropped), Refuse: reasons(stats.Refused),
	}
	if stats.Err != nil {
		s.Error = cut(stats.Err.Error())
	}
	for _, t := range stats.Topics {
		for i := range t.Partitions {
			s.Totals.Workers += len(t.Partitions[i].Workers)
			s.Totals.Down += workersDown(&t.Partitions[i])
		}
	}
	addresses := b.ledger.addresses()
	for i := range s.Broker {
		s.Broker[i].Addr = addresses[s.Broker[i].ID]
	}
	if s.Hidden = max(len(s.Broker)-maxBrokers, 0); s.Hidden > 0 {
		s.Broker = s.Broker[:maxBrokers]
	}
	return s
}

func workersDown(p *ekaf.PartitionStats) (n int) {
	for _, w := range p.Workers {
		if w.State == workerDowntime {
			n++
		}
	}
	return n
}

func reasons(counts map[string]int64) []reason {
	list := make([]reason, 0, len(counts))
	for name, n := range counts {
		list = append(list, reason{cut(name), n, adviceOf(name)})
	}
	slices.SortFunc(list, func(a, b reason) int { return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Name, b.Name)) })
	return list[:min(len(list), maxFaults)]
}

// rank is what a topic's place in the list depends on: a snapshot of one is large.
type rank struct {
	standing int
	acked    int64
	name     string
}

// topicsOf chooses the topics to show: those in trouble, then those that have
// sent most.
func topicsOf(before, now *snapshot) topicList {
	list := topicList{Total: len(now.stats.Topics), States: map[string]int{}, List: []topic{}}
	ranks := make([]rank, 0, len(now.stats.Topics))
	for name, t := range now.stats.Topics {
		list.States[t.State]++
		ranks = append(ranks, rank{standing(t.State), t.Acked, name})
	}
	slices.SortFunc(ranks, func(a, b rank) int {
		return cmp.Or(cmp.Compare(a.standing, b.standing), cmp.Compare(b.acked, a.acked), cmp.Compare(a.name, b.name))
	})
	list.Hidden = max(len(ranks)-maxTopics, 0)
	room := maxShown
	for _, r := range ranks[:len(ranks)-list.Hidden] {
		name, t := r.name, now.stats.Topics[r.name]
		v := topic{
			Name: name, State: t.State, Acked: t.Acked, Failed: total(t.Dropped), Refused: total(t.Refused), Retries: t.Retries,
			Waiting: t.Buffered, Bytes: t.BufferedBytes, InFlight: t.InFlight, Partitions: len(t.Partitions),
		}
		if passed := now.at.Sub(before.at).Seconds(); !before.at.IsZero() && passed > 0 {
			v.Rate = float64(max(t.Acked-before.stats.Topics[name].Acked, 0)) / passed
		}
		v.List = partitionsOf(&t, min(room, maxPartitions))
		v.Hidden = v.Partitions - len(v.List)
		room -= len(v.List)
		list.List = append(list.List, v)
	}
	return list
}

// standing is where topics of a state stand in the list.
func standing(state string) int {
	return max(slices.Index([]string{topicDowntime, ekaf.TopicBootstrapping.String(), topicReady}, state), 0)
}

func partitionsOf(t *ekaf.TopicStats, room int) []partition {
	shown := t.Partitions
	if len(shown) > room {
		// Those in trouble first; else by number.
		shown = slices.Clone(shown)
		slices.SortStableFunc(shown, func(a, b ekaf.PartitionStats) int { return cmp.Compare(workersDown(&b), workersDown(&a)) })
		shown = shown[:room]
	}
	list := make([]partition, 0, len(shown))
	for i := range shown {
		p := &shown[i]
		v := partition{
			ID: p.Partition, Leader: p.Leader, Acked: p.Acked, Waiting: p.Buffered, InFlight: p.InFlight, Retries: p.Retries,
			RoundTrip: milliseconds(p.RoundTrip), Hidden: max(len(p.Workers)-maxWorkers, 0), Workers: []worker{},
		}
		for _, w := range p.Workers[:len(p.Workers)-v.Hidden] {
			v.Workers = append(v.Workers, worker{w.Worker, w.State, w.Buffered})
		}
		list = append(list, v)
	}
	return list
}

// brokersOf says of each broker whether it can be reached. One without a
// connection is down only if something waits for it: idle connections are closed.
func brokersOf(s *ekaf.Stats) []broker {
	led, lost := map[int32]int{}, map[int32]bool{}
	for _, t := range s.Topics {
		for i := range t.Partitions {
			p := &t.Partitions[i]
			led[p.Leader]++
			lost[p.Leader] = lost[p.Leader] || workersDown(p) > 0
		}
	}
	list := make([]broker, 0, len(s.Brokers))
	for id, b := range s.Brokers {
		v := broker{
			ID: id, State: brokerIdle, Partitions: led[id], Waiting: b.Buffered, InFlight: b.InFlight, RoundTrip: milliseconds(b.RoundTrip),
		}
		switch {
		case b.Connected:
			v.State = brokerUp
		case lost[id] || b.Buffered > 0:
			v.State = brokerDown
		}
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b broker) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// mustJSON writes what can always be written: numbers that are finite, and texts.
func mustJSON(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return text
}
