package cluster

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// believeAfter is how many times in a row, and believeSpan over how long, an answer that goes back
	// behind what is known must be given to be believed: longer than a broker lags behind the
	// controller, shorter than anyone wants to wait for a cluster that really was restored from an
	// older state. Both, as an eager Refresh makes five answers come within a quarter of a second.
	believeAfter = 5
	believeSpan  = 2 * time.Second

	// returnSpan is believeSpan for the return of a topic id that another one has taken the place of. A
	// topic's id never comes back, but for a cluster that was restored; a broker may lag for long.
	returnSpan = 30 * time.Second

	// formerKept is how many such ids of a topic are remembered.
	formerKept = 8

	// maxPartition is the highest partition id that is taken for one. Kafka sets no limit, but a
	// million partitions is far beyond what a cluster carries, and bounds what a lying answer can
	// make us allocate.
	maxPartition = 1_000_000
)

// interest is what the refresh loop remembers about one wanted topic between answers.
type interest struct {
	asked   bool            // some answer spoke of it
	settled bool            // the last answer left nothing open: no need to ask before the periodic refresh
	unknown doubt           // of the absence of a topic that was known
	former  [][16]byte      // ids that the topic had before, the newest last
	older   doubt           // of one of these
	doubts  map[int32]doubt // per partition: of answers that go back behind what is known
}

// doubt counts answers in a row which are not believed yet.
type doubt struct {
	answers int
	since   time.Time
}

// again counts one more, and tells whether it now is to be believed.
func (d *doubt) again(now time.Time) bool { return d.lasts(now, believeSpan) }

// lasts is again for a doubt that takes longer to overcome.
func (d *doubt) lasts(now time.Time, span time.Duration) bool {
	if d.answers == 0 {
		d.since = now
	}
	d.answers++
	return d.answers >= believeAfter && now.Sub(d.since) >= span
}

// doubted is again for one partition.
func (in *interest) doubted(partition int32, now time.Time) bool {
	if in.doubts == nil {
		in.doubts = make(map[int32]doubt)
	}
	d := in.doubts[partition]
	believed := d.again(now)
	in.doubts[partition] = d
	return believed
}

// merge makes the snapshot that follows old out of an answer which spoke of the topics in book. Malformed
// topics keep what was known of them; err then says what was wrong, and the snapshot is good all the same.
// It changes the interests in book, and nothing of old.
func merge(old *Snapshot, source string, resp *kmsg.MetadataResponse, book map[string]*interest, now time.Time) (*Snapshot, error) {
	s := &Snapshot{
		Controller: resp.ControllerID, Topics: maps.Clone(old.Topics),
		Brokers: brokersOf(resp), Taken: now, Source: source,
	}
	if resp.ClusterID != nil {
		s.ClusterID = *resp.ClusterID
	}
	if resp.Version < 1 {
		s.Controller = -1
	}
	var errs []error
	for i := range resp.Topics {
		got := &resp.Topics[i]
		if got.Topic == nil || book[*got.Topic] == nil {
			continue // not asked for (any more), or Metadata v0, which answers everything
		}
		m := topicMerge{in: book[*got.Topic], was: old.Topics[*got.Topic], got: got, old: old, next: s}
		t, err := m.merge()
		if err != nil {
			errs = append(errs, err)
		}
		if t != nil {
			s.Topics[t.Name] = t
		}
	}
	keepUnasked(old, s, book)
	return s, errors.Join(errs...)
}

// keepUnasked makes the topics the answer did not speak of fit the new snapshot: where one of their
// leaders is no longer among the brokers, its address is kept, and the topic is to be asked for soon.
func keepUnasked(old, next *Snapshot, book map[string]*interest) {
	vanished := false
	for id := range old.Brokers {
		_, ok := next.Brokers[id]
		vanished = vanished || !ok
	}
	if !vanished {
		return
	}
	dead := maps.Clone(old.Brokers)
	maps.DeleteFunc(dead, func(id int32, _ Broker) bool { _, ok := next.Brokers[id]; return ok })
	for name, t := range next.Topics {
		if t != old.Topics[name] {
			continue
		}
		for _, p := range t.Partitions {
			if b, ok := dead[p.Leader]; ok {
				next.Brokers[p.Leader] = b
				if in := book[name]; in != nil {
					in.settled = false
				}
			}
		}
	}
}

// brokersOf takes the brokers of an answer, without those no one could connect to.
func brokersOf(resp *kmsg.MetadataResponse) map[int32]Broker {
	brokers := make(map[int32]Broker, len(resp.Brokers))
	for _, b := range resp.Brokers {
		if b.NodeID < 0 || b.Host == "" || b.Port < 1 || b.Port > 65535 {
			continue
		}
		broker := Broker{ID: b.NodeID, Host: b.Host, Port: b.Port}
		if b.Rack != nil {
			broker.Rack = *b.Rack
		}
		brokers[b.NodeID] = broker
	}
	return brokers
}

// topicMerge merges what an answer says of one topic.
type topicMerge struct {
	in   *interest
	was  *Topic // nil: nothing known
	got  *kmsg.MetadataResponseTopic
	old  *Snapshot
	next *Snapshot // under construction; receives brokers only the older facts know
	open bool      // something is left that should be asked again soon
}

// merge answers the topic's new state, nil to know nothing of it still.
func (m *topicMerge) merge() (*Topic, error) {
	m.in.asked = true
	t, err := m.decide()
	m.in.settled = !m.open
	return t, err
}

func (m *topicMerge) decide() (*Topic, error) {
	if err := kerr.ErrorForCode(m.got.ErrorCode); err != nil {
		return m.refused(err), nil
	}
	if len(m.got.Partitions) == 0 {
		// A topic in the middle of its creation. Kafka has none without partitions.
		return m.refused(kerr.LeaderNotAvailable), nil
	}
	m.in.unknown = doubt{}
	if m.returns() {
		m.open = true
		m.keepBrokers(m.was.Partitions)
		return m.was, nil
	}
	m.in.older = doubt{}
	was := m.was
	if !m.stands() {
		m.in.replaced(was)
		was = nil // none of the older facts count
		m.in.doubts = nil
	}
	parts, err := m.partitions(was)
	if err != nil {
		m.open = true
		return m.was, err
	}
	t := &Topic{Name: *m.got.Topic, ID: m.got.TopicID, Partitions: parts}
	if t.ID == [16]byte{} && was != nil {
		t.ID = was.ID // an older broker of a mixed cluster does not tell
	}
	return t, nil
}

// stands tells whether the answer speaks of the very topic that is known. Without ids, one that was taken
// for deleted and is there now must be a new one.
func (m *topicMerge) stands() bool {
	none := [16]byte{}
	switch {
	case m.was == nil:
		return false
	case m.was.ID != none && m.got.TopicID != none:
		return m.was.ID == m.got.TopicID
	default:
		return m.was.Err == nil || denied(m.was.Err)
	}
}

// returns tells whether the answer gives an id that the topic had before the one that is known, and is not
// believed (yet). A broker that lags would make a topic that was deleted and created again go back and forth.
func (m *topicMerge) returns() bool {
	return m.was != nil && m.was.ID != m.got.TopicID && slices.Contains(m.in.former, m.got.TopicID) &&
		!m.in.older.lasts(m.next.Taken, returnSpan)
}

// replaced notes the id of a topic that another one has taken the place of.
func (in *interest) replaced(t *Topic) {
	if t == nil || t.ID == [16]byte{} {
		return
	}
	in.former = append(in.former, t.ID)
	in.former = in.former[max(len(in.former)-formerKept, 0):]
}

// refused handles a topic for which the answer has an error instead of partitions.
//
// A known topic is not given up for one such answer: a broker that has just started, or lags, does not
// know topics that are there. Only when it is said again and again is the topic taken for deleted.
func (m *topicMerge) refused(err error) *Topic {
	// What an administrator must change is not asked for in haste.
	m.open = !errors.Is(err, kerr.InvalidTopicException) && !denied(err)
	if m.was == nil || len(m.was.Partitions) == 0 {
		return &Topic{Name: *m.got.Topic, ID: m.got.TopicID, Err: err}
	}
	if m.was.Err == nil && m.open && !(errors.Is(err, kerr.UnknownTopicOrPartition) && m.in.unknown.again(m.next.Taken)) {
		m.keepBrokers(m.was.Partitions)
		return m.was
	}
	if denied(err) {
		// The topic is as it was; only we may not look. What is known may be of use still.
		m.keepBrokers(m.was.Partitions)
		return &Topic{Name: m.was.Name, ID: m.was.ID, Partitions: m.was.Partitions, Err: err}
	}
	gone := make([]Partition, len(m.was.Partitions))
	for i := range gone {
		gone[i] = Partition{ID: int32(i), Leader: -1, LeaderEpoch: -1, Err: err}
	}
	return &Topic{Name: m.was.Name, ID: m.was.ID, Partitions: gone, Err: err}
}

// partitions builds the dense array: as long as the longer one of what is known and what is said.
func (m *topicMerge) partitions(was *Topic) ([]Partition, error) {
	n, err := m.count()
	if err != nil {
		return nil, err
	}
	said := make([]*kmsg.MetadataResponseTopicPartition, n)
	for i := range m.got.Partitions {
		p := &m.got.Partitions[i]
		said[p.Partition] = p
	}
	var known []Partition
	if was != nil {
		known = was.Partitions
	}
	parts := make([]Partition, max(n, len(known)))
	for i := range parts {
		id := int32(i)
		var before *Partition
		if i < len(known) {
			before = &known[i]
		}
		var now *kmsg.MetadataResponseTopicPartition
		if i < n {
			now = said[i]
		}
		parts[i] = m.partition(id, before, now)
		m.open = m.open || parts[i].Leader < 0
	}
	m.keepBrokers(parts)
	return parts, nil
}

// count checks the partition ids and answers how many partitions they make. Kafka numbers without gaps;
// some are allowed for brokers that leave out what they cannot see, but not so many that the array costs
// much more than the answer did.
func (m *topicMerge) count() (int, error) {
	highest := int32(0)
	for i := range m.got.Partitions {
		id := m.got.Partitions[i].Partition
		if id < 0 || id > maxPartition {
			return 0, fmt.Errorf("cannot believe the metadata of topic %q: it names a partition %d", *m.got.Topic, id)
		}
		highest = max(highest, id)
	}
	if n := len(m.got.Partitions); int(highest) >= 2*n+16 {
		return 0, fmt.Errorf("cannot believe the metadata of topic %q: it names %d partitions, one of them %d", *m.got.Topic, n, highest)
	}
	return int(highest) + 1, nil
}

// partition merges one partition. before is nil when nothing is known of it, now when the answer leaves
// it out; one of them is set, or the answer has a gap.
func (m *topicMerge) partition(id int32, before *Partition, now *kmsg.MetadataResponseTopicPartition) Partition {
	stale := now == nil || (before != nil && now.LeaderEpoch >= 0 && now.LeaderEpoch < before.LeaderEpoch)
	if !stale {
		delete(m.in.doubts, id)
		return m.believe(now)
	}
	if before != nil && !m.in.doubted(id, m.next.Taken) {
		// Ask again soon, or the doubt is never resolved.
		m.open = true
		return *before
	}
	if now == nil {
		// The array does not shrink: callers have indexed it.
		return Partition{ID: id, Leader: -1, LeaderEpoch: -1, Err: kerr.UnknownTopicOrPartition}
	}
	delete(m.in.doubts, id)
	return m.believe(now)
}

// believe takes a partition's facts from the answer. Before Metadata v7 its leader epoch is -1.
func (m *topicMerge) believe(now *kmsg.MetadataResponseTopicPartition) Partition {
	p := Partition{ID: now.Partition, Leader: now.Leader, LeaderEpoch: now.LeaderEpoch}
	if _, live := m.next.Brokers[p.Leader]; live {
		// A leader is a leader, whatever is said of the replicas (REPLICA_NOT_AVAILABLE).
		return p
	}
	p.Leader = -1
	p.Err = kerr.ErrorForCode(now.ErrorCode)
	if p.Err == nil {
		p.Err = kerr.LeaderNotAvailable
	}
	return p
}

// keepBrokers carries over the address of a leader that only the older facts, or a hint, know: the
// answer of a lagging broker leaves out both the new leader and its address.
func (m *topicMerge) keepBrokers(parts []Partition) {
	for _, p := range parts {
		if _, ok := m.next.Brokers[p.Leader]; ok || p.Leader < 0 {
			continue
		}
		if b, ok := m.old.Brokers[p.Leader]; ok {
			m.next.Brokers[p.Leader] = b
		}
	}
}

// hinted answers old with the new leader of one partition (KIP-951); nil if the hint says nothing new,
// or names a leader whose address is not known.
func hinted(old *Snapshot, topic string, partition, leader, epoch int32, endpoint *Broker) *Snapshot {
	t := old.Topics[topic]
	if t == nil || partition < 0 || int(partition) >= len(t.Partitions) || leader < 0 || epoch <= t.Partitions[partition].LeaderEpoch {
		return nil
	}
	s := *old
	if endpoint != nil && endpoint.ID == leader && endpoint.Host != "" && endpoint.Port > 0 && endpoint.Port <= 65535 {
		s.Brokers = maps.Clone(old.Brokers)
		s.Brokers[leader] = *endpoint
	} else if _, ok := old.Brokers[leader]; !ok {
		return nil
	}
	next := *t
	next.Partitions = slices.Clone(t.Partitions)
	next.Partitions[partition] = Partition{ID: partition, Leader: leader, LeaderEpoch: epoch}
	s.Topics = maps.Clone(old.Topics)
	s.Topics[topic] = &next
	return &s
}
