package ekaftest

import (
	"slices"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Request is one client request as a broker received it.
type Request struct {
	Broker     int32        // the broker that received it
	Connection int64        // counts the broker's connections from 1
	ClientID   string       // as the client names itself
	Body       kmsg.Request // decoded; not to be changed
}

// API is the request's key.
func (r Request) API() kmsg.Key { return kmsg.Key(r.Body.Key()) }

// Names tells whether the request carries the topic, and any of the partitions
// (none given: whichever). Only Produce, Metadata, Fetch, ListOffsets and
// DescribeProducers requests are looked into. Topics given by id count by the
// name they have now.
func (r Request) Names(topic string, partitions ...int32) bool {
	any := func(p int32) bool { return len(partitions) == 0 || slices.Contains(partitions, p) }
	switch req := r.Body.(type) {
	case *kmsg.ProduceRequest:
		for _, t := range req.Topics {
			for _, p := range t.Partitions {
				if t.Topic == topic && any(p.Partition) {
					return true
				}
			}
		}
	case *kmsg.MetadataRequest:
		for _, t := range req.Topics {
			if t.Topic != nil && *t.Topic == topic {
				return true
			}
		}
	case *kmsg.FetchRequest:
		for _, t := range req.Topics {
			for _, p := range t.Partitions {
				if t.Topic == topic && any(p.Partition) {
					return true
				}
			}
		}
	case *kmsg.ListOffsetsRequest:
		for _, t := range req.Topics {
			for _, p := range t.Partitions {
				if t.Topic == topic && any(p.Partition) {
					return true
				}
			}
		}
	case *kmsg.DescribeProducersRequest:
		for _, t := range req.Topics {
			for _, p := range t.Partitions {
				if t.Topic == topic && any(p) {
					return true
				}
			}
		}
	}
	return false
}

// Traffic is what the brokers received since the cluster started.
type Traffic struct {
	Requests   map[kmsg.Key]int // by API
	Partitions int              // partitions named in Produce requests
	Bytes      int64            // record bytes in Produce requests
}

// Traffic answers a snapshot of what all brokers received so far.
func (c *Cluster) Traffic() Traffic {
	c.trafficMu.Lock()
	defer c.trafficMu.Unlock()
	t := c.traffic
	t.Requests = make(map[kmsg.Key]int, len(c.traffic.Requests))
	for k, n := range c.traffic.Requests {
		t.Requests[k] = n
	}
	return t
}

// Requests answers how many requests of an API the brokers received so far.
func (c *Cluster) Requests(api kmsg.Key) int {
	c.trafficMu.Lock()
	defer c.trafficMu.Unlock()
	return c.traffic.Requests[api]
}

// Connections answers how many connections a broker accepted so far, and how
// many of them are open. A broker that does not exist has none.
func (c *Cluster) Connections(broker int32) (accepted, open int) {
	b, err := c.broker(broker)
	if err != nil {
		return 0, 0
	}
	return int(b.accepted.Load()), len(b.net.wires())
}

// OnRequest calls fn for each request before it is carried out, from the
// connection's goroutine: fn may block that connection, and calls for several
// connections come at once. It replaces the function set before; nil ends it.
func (c *Cluster) OnRequest(fn func(Request)) {
	c.trafficMu.Lock()
	defer c.trafficMu.Unlock()
	c.onRequest = fn
}

func (c *Cluster) observe(r Request) {
	c.trafficMu.Lock()
	c.traffic.Requests[r.API()]++
	if req, ok := r.Body.(*kmsg.ProduceRequest); ok {
		for _, t := range req.Topics {
			c.traffic.Partitions += len(t.Partitions)
			for _, p := range t.Partitions {
				c.traffic.Bytes += int64(len(p.Records))
			}
		}
	}
	fn := c.onRequest
	c.trafficMu.Unlock()
	if fn != nil {
		fn(r)
	}
}
