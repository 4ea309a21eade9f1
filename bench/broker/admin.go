package broker

import (
	"fmt"
	"net"
	"strconv"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// spoken lists what ApiVersions announces. The last two are never served, see
// the package comment.
var spoken = []struct {
	key      kmsg.Key
	min, max int16
}{
	{kmsg.Produce, 3, 13},
	{kmsg.Metadata, 0, 12},
	{kmsg.ApiVersions, 0, 4},
	{kmsg.InitProducerID, 0, 5},
	{kmsg.Fetch, 4, 11},
	{kmsg.ListOffsets, 1, 5},
}

func serves(key, version int16) bool {
	for _, s := range spoken {
		if int16(s.key) == key {
			return s.min <= version && version <= s.max
		}
	}
	return false
}

// admin serves every request but Produce. These are rare, so they go through
// kmsg and may allocate.
func (c *conn) admin(h header) error {
	if h.key == int16(kmsg.ApiVersions) && !serves(h.key, h.version) {
		return c.refuseVersion(h)
	}
	req := kmsg.RequestForKey(h.key)
	if req == nil || !serves(h.key, h.version) {
		return fmt.Errorf("cannot serve request %d v%d", h.key, h.version)
	}
	req.SetVersion(h.version)
	if req.IsFlexible() {
		c.f.tags()
	}
	if c.f.left > maxAdminFrame {
		return fmt.Errorf("cannot serve request %d of %d bytes", h.key, c.f.left)
	}
	body := c.grow(c.f.left)
	c.f.copyTo(body)
	if c.f.err != nil {
		return c.f.err
	}
	if err := req.ReadFrom(body); err != nil {
		return fmt.Errorf("cannot read request %d v%d: %w", h.key, h.version, err)
	}
	var resp kmsg.Response
	switch req := req.(type) {
	case *kmsg.ApiVersionsRequest:
		resp = c.apiVersions(req)
	case *kmsg.MetadataRequest:
		resp = c.metadata(req)
	case *kmsg.InitProducerIDRequest:
		resp = c.initProducerID(req)
	default:
		return fmt.Errorf("cannot serve request %d", h.key)
	}
	// The ApiVersions answer keeps the old header in all versions (KIP-511),
	// so that a client can read it before it knows what the broker speaks.
	if resp.IsFlexible() && h.key != int16(kmsg.ApiVersions) {
		c.out = append(c.out, 0)
	}
	c.out = resp.AppendTo(c.out)
	return nil
}

// refuseVersion answers an ApiVersions request of the future with v0 and code
// 35, from which clients learn to ask again (KIP-511).
func (c *conn) refuseVersion(h header) error {
	c.f.skip(c.f.left)
	resp := kmsg.NewPtrApiVersionsResponse()
	resp.ErrorCode = errUnsupportedVersion
	resp.ApiKeys = announced()
	c.out = resp.AppendTo(c.out)
	return nil
}

func announced() []kmsg.ApiVersionsResponseApiKey {
	keys := make([]kmsg.ApiVersionsResponseApiKey, 0, len(spoken))
	for _, s := range spoken {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MinVersion, k.MaxVersion = int16(s.key), s.min, s.max
		keys = append(keys, k)
	}
	return keys
}

func (c *conn) apiVersions(req *kmsg.ApiVersionsRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.ApiVersionsResponse)
	resp.ApiKeys = announced()
	return resp
}

func (c *conn) initProducerID(req *kmsg.InitProducerIDRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.InitProducerIDResponse)
	resp.ProducerID = c.b.nextPID.Add(1)
	resp.ProducerEpoch = 0
	return resp
}

func (c *conn) metadata(req *kmsg.MetadataRequest) kmsg.Response {
	resp := req.ResponseKind().(*kmsg.MetadataResponse)
	broker := kmsg.NewMetadataResponseBroker()
	broker.NodeID = 1
	broker.Host, broker.Port = address(c.c.LocalAddr())
	resp.Brokers = append(resp.Brokers, broker)
	resp.ClusterID = kmsg.StringPtr("ekaf-bench")
	resp.ControllerID = 1
	d := c.b.directory.Load()
	// Before v1 an empty list meant all topics; since then a null list does.
	if req.Topics == nil || req.Version == 0 && len(req.Topics) == 0 {
		for _, t := range d.byName {
			resp.Topics = append(resp.Topics, describe(t))
		}
		return resp
	}
	for _, want := range req.Topics {
		if want.Topic != nil {
			if t := d.byName[*want.Topic]; t != nil {
				resp.Topics = append(resp.Topics, describe(t))
				continue
			}
		} else if t := d.byID[want.TopicID]; t != nil {
			resp.Topics = append(resp.Topics, describe(t))
			continue
		}
		unknown := kmsg.NewMetadataResponseTopic()
		unknown.Topic, unknown.TopicID, unknown.ErrorCode = want.Topic, want.TopicID, errUnknownTopic
		if want.Topic == nil {
			unknown.ErrorCode = errUnknownTopicID
		}
		resp.Topics = append(resp.Topics, unknown)
	}
	return resp
}

func describe(t *topic) kmsg.MetadataResponseTopic {
	m := kmsg.NewMetadataResponseTopic()
	m.Topic, m.TopicID = kmsg.StringPtr(t.name), t.id
	one := []int32{1}
	for i := range t.partitions {
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.Leader, p.LeaderEpoch = int32(i), 1, 0
		p.Replicas, p.ISR = one, one
		m.Partitions = append(m.Partitions, p)
	}
	return m
}

// address splits where the client reached us; what has no port, as an
// in-memory connection, gets a made-up one.
func address(a net.Addr) (host string, port int32) {
	host, p, err := net.SplitHostPort(a.String())
	if err != nil {
		return "broker", 9092
	}
	n, err := strconv.ParseInt(p, 10, 32)
	if err != nil {
		return host, 9092
	}
	return host, int32(n)
}
