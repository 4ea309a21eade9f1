package cluster

import (
	"maps"
	"net"
	"strconv"
	"time"
)

// Broker is one live broker, as the metadata describes it: the address is the one the broker advertises.
type Broker struct {
	ID   int32
	Host string
	Port int32
	Rack string
}

// Addr is the broker's host:port, ready for a dialer; IPv6 hosts are put in brackets.
func (b Broker) Addr() string {
	return net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
}

// Partition is what is known of one partition.
type Partition struct {
	ID          int32
	Leader      int32 // the leader's broker id, which the same Snapshot's Brokers holds; -1: none
	LeaderEpoch int32 // -1: the cluster is too old to tell (before Metadata v7)
	Err         error // why there is no leader (a *kerr.Error), else nil
}

// Topic is what is known of one topic. Its partitions are dense and ordered: Partitions[i].ID == i.
// While the topic's ID stands, their number only grows.
type Topic struct {
	Name       string
	ID         [16]byte // all zero where the cluster knows no topic ids (before Metadata v10, KIP-516)
	Partitions []Partition

	// Err is nil, or the *kerr.Error the cluster answered for the whole topic, such as
	// UNKNOWN_TOPIC_OR_PARTITION, TOPIC_AUTHORIZATION_FAILED or INVALID_TOPIC_EXCEPTION.
	// A topic which was known and has been deleted has Err set, keeps its last ID, and its partitions
	// are all without leader.
	Err error
}

// Snapshot is what the cluster looked like when it was taken. It is immutable: nothing reachable from it
// is changed after it was published, so it may be read by any goroutine and kept for any time.
type Snapshot struct {
	ClusterID  string // empty before the first answer, and where the cluster has none (before Metadata v2)
	Controller int32  // broker id, -1 if unknown
	Brokers    map[int32]Broker
	Topics     map[string]*Topic // the wanted topics about which something is known, errors included
	Taken      time.Time         // zero: nothing was learnt yet
	Source     string            // the host:port whose answer this is: who says where the brokers are
}

// emptySnapshot is the snapshot before the first answer.
func emptySnapshot() *Snapshot {
	return &Snapshot{Controller: -1, Brokers: map[int32]Broker{}, Topics: map[string]*Topic{}}
}

// Leader answers the broker that leads a partition, and the leader epoch; false if none is known.
func (s *Snapshot) Leader(topic string, partition int32) (Broker, int32, bool) {
	t := s.Topics[topic]
	if t == nil || partition < 0 || int(partition) >= len(t.Partitions) {
		return Broker{}, -1, false
	}
	p := t.Partitions[partition]
	b, ok := s.Brokers[p.Leader]
	return b, p.LeaderEpoch, ok
}

// DialError explains why a connection to broker id failed, for an error met when dialing the address
// this snapshot gives. A user who sees "connection refused" for an address never configured needs to
// know where it comes from: an advertised listener that cannot be reached from here is the commonest
// mistake of all. An err that shows that the address was reached (TLS, SASL) comes back unchanged.
func (s *Snapshot) DialError(id int32, err error) error {
	b, ok := s.Brokers[id]
	if !ok || !unreachable(err) {
		return err
	}
	return &AdvertisedError{Broker: b, Source: s.Source, Err: err}
}

// usable tells whether records can be routed: the topic exists and has partitions.
func (t *Topic) usable() bool {
	return t != nil && t.Err == nil && len(t.Partitions) > 0
}

// partition answers what is known of one partition; nil: nothing.
func (s *Snapshot) partition(topic string, partition int32) *Partition {
	t := s.Topics[topic]
	if t == nil || partition < 0 || int(partition) >= len(t.Partitions) {
		return nil
	}
	return &t.Partitions[partition]
}

// withTopic and withoutTopic answer copies that differ in one topic.
func (s *Snapshot) withTopic(t *Topic) *Snapshot {
	next := *s
	next.Topics = maps.Clone(s.Topics)
	next.Topics[t.Name] = t
	return &next
}

func (s *Snapshot) withoutTopic(name string) *Snapshot {
	next := *s
	next.Topics = maps.Clone(s.Topics)
	delete(next.Topics, name)
	return &next
}
