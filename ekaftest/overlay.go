package ekaftest

import (
	"bytes"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// restoreIdentities puts back, in a Fetch answer, what was taken off the
// batches before kfake stored them.
func (s *session) restoreIdentities(r kmsg.Response) {
	c := s.b.c
	resp := r.(*kmsg.FetchResponse)
	for i := range resp.Topics {
		t := &resp.Topics[i]
		if t.Topic == "" {
			if info := c.kafka().topicByID(t.TopicID); info != nil {
				t.Topic = info.Topic
			}
		}
		for j := range t.Partitions {
			p := &t.Partitions[j]
			if c.isLeaderless(t.Topic, p.Partition) {
				p.ErrorCode, p.RecordBatches = kerr.NotLeaderForPartition.Code, []byte{}
				continue
			}
			p.RecordBatches = c.restore(t.Topic, p.Partition, p.RecordBatches)
		}
	}
}

// restore patches the batches of one partition; raw may end in part of one.
func (c *Cluster) restore(topic string, partition int32, raw []byte) []byte {
	l := c.known(topic, partition)
	if l == nil || len(raw) == 0 {
		return raw
	}
	raw = bytes.Clone(raw)
	for rest := raw; ; {
		b, err := parseBatch(rest)
		if err != nil {
			return raw
		}
		if a, ok := l.at(b.baseOffset); ok {
			if a.producerID >= 0 {
				setIdentity(b.raw, a.identity)
			}
			if a.appendTime >= 0 {
				setAppendTime(b.raw, a.appendTime)
			}
			fixCRC(b.raw)
		}
		rest = rest[len(b.raw):]
	}
}

// describeProducers adds the idempotent producers to kfake's answer, which
// knows the transactional ones.
func (s *session) describeProducers(r kmsg.Response) {
	c := s.b.c
	resp := r.(*kmsg.DescribeProducersResponse)
	for i := range resp.Topics {
		t := &resp.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			if p.ErrorCode == 0 && c.isLeaderless(t.Topic, p.Partition) {
				p.ErrorCode = kerr.NotLeaderForPartition.Code
			}
			if l := c.known(t.Topic, p.Partition); l != nil && p.ErrorCode == 0 {
				p.ActiveProducers = append(p.ActiveProducers, c.activeProducers(l, s.b.id)...)
			}
		}
	}
}

// describeExpiry adds to kfake's answer the broker config that ekaftest keeps itself.
func (c *Cluster) describeExpiry(req *kmsg.DescribeConfigsRequest, resp *kmsg.DescribeConfigsResponse) {
	const name = "producer.id.expiration.ms"
	for i := range resp.Resources {
		r := &resp.Resources[i]
		asked := i < len(req.Resources) && (req.Resources[i].ConfigNames == nil || slices.Contains(req.Resources[i].ConfigNames, name))
		if !asked || r.ErrorCode != 0 || r.ResourceType != kmsg.ConfigResourceTypeBroker || r.ResourceName == "" {
			continue
		}
		config := kmsg.NewDescribeConfigsResponseResourceConfig()
		config.Name = name
		config.Value = kmsg.StringPtr(strconv.FormatInt(c.cfg.expiry.after.Milliseconds(), 10))
		config.Source, config.ReadOnly = kmsg.ConfigSourceStaticBrokerConfig, true
		config.ConfigType = kmsg.ConfigTypeInt
		r.Configs = append(r.Configs, config)
	}
}

func (c *Cluster) activeProducers(l *partitionLog, broker int32) []kmsg.DescribeProducersResponseTopicPartitionActiveProducer {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.replicas[broker]
	r.expire(time.Now(), c.cfg.expiry)
	var list []kmsg.DescribeProducersResponseTopicPartitionActiveProducer
	for id, p := range r.producers {
		a := kmsg.NewDescribeProducersResponseTopicPartitionActiveProducer()
		a.ProducerID, a.ProducerEpoch = id, int32(p.epoch)
		a.LastSequence, a.LastTimestamp = p.last().lastSequence, p.last().timestamp
		a.CoordinatorEpoch, a.CurrentTxnStartOffset = -1, -1
		list = append(list, a)
	}
	return list
}

// overlayMetadata changes what kfake's metadata says: hidden brokers,
// partitions without a leader, and the test's own changes.
func (s *session) overlayMetadata(r kmsg.Response) {
	c := s.b.c
	resp := r.(*kmsg.MetadataResponse)
	c.settingsMu.Lock()
	hidden, rewrite := c.hidden, c.onMetadata
	resp.Brokers = slices.DeleteFunc(resp.Brokers, func(b kmsg.MetadataResponseBroker) bool { return hidden[b.NodeID] })
	for i := range resp.Topics {
		t := &resp.Topics[i]
		for j := range t.Partitions {
			p := &t.Partitions[j]
			if t.Topic != nil && (c.leaderless[topicPartition{*t.Topic, p.Partition}] || hidden[p.Leader]) {
				p.Leader, p.ErrorCode = -1, kerr.LeaderNotAvailable.Code
			}
		}
	}
	c.settingsMu.Unlock()
	if rewrite != nil {
		rewrite(s.b.id, resp)
	}
}

// OnMetadata lets fn change each Metadata answer before it is sent: stale
// leaders, missing topics, whatever a cluster may say. fn is called from
// several connections at once and must not call the cluster. nil ends it.
func (c *Cluster) OnMetadata(fn func(broker int32, resp *kmsg.MetadataResponse)) {
	c.settingsMu.Lock()
	defer c.settingsMu.Unlock()
	c.onMetadata = fn
}

// Advertise changes the host:port clients are told for a broker, for example
// the address of a proxy before it. "" restores the listener's own.
func (c *Cluster) Advertise(broker int32, addr string) error {
	if _, err := c.broker(broker); err != nil {
		return err
	}
	if addr != "" {
		if _, port, err := net.SplitHostPort(addr); err != nil {
			return err
		} else if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return err
		}
	}
	c.settingsMu.Lock()
	defer c.settingsMu.Unlock()
	c.advertised[broker] = addr
	return nil
}

func (c *Cluster) advertisedAddr(broker int32) string {
	c.settingsMu.Lock()
	addr := c.advertised[broker]
	c.settingsMu.Unlock()
	if addr == "" {
		addr = c.brokers[broker].addr
	}
	return addr
}

// HideBroker removes a broker from Metadata answers, or shows it again. The
// partitions it leads are then said to have no leader, as when a controller
// has noticed that the only replica is gone.
func (c *Cluster) HideBroker(broker int32, hide bool) error {
	if _, err := c.broker(broker); err != nil {
		return err
	}
	c.settingsMu.Lock()
	defer c.settingsMu.Unlock()
	c.hidden[broker] = hide
	return nil
}

// leaderOf answers the leader of a partition, -1 if it was taken away.
func (c *Cluster) leaderOf(topic string, info *kfake.PartitionInfo) int32 {
	if c.isLeaderless(topic, info.Partition) {
		return -1
	}
	return info.Leader
}

func (c *Cluster) isLeaderless(topic string, partition int32) bool {
	c.settingsMu.Lock()
	defer c.settingsMu.Unlock()
	return c.leaderless[topicPartition{topic, partition}]
}

// endpoints is where the brokers are, for answers that name a new leader
// (KIP-951).
func (c *Cluster) endpoints() []kmsg.ProduceResponseBroker {
	list := []kmsg.ProduceResponseBroker{}
	for _, b := range c.brokers {
		host, port, err := net.SplitHostPort(c.advertisedAddr(b.id))
		n, perr := strconv.ParseUint(port, 10, 16)
		if err != nil || perr != nil {
			continue
		}
		e := kmsg.NewProduceResponseBroker()
		e.NodeID, e.Host, e.Port = b.id, host, int32(n)
		list = append(list, e)
	}
	return list
}
