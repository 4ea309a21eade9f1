package cluster

import (
	"bytes"
	"context"
	"encoding/binary"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf/internal/conn"
)

// How a scripted broker treats those who come.
const (
	answers  = iota // as a broker does
	refuses         // nothing listens
	swallows        // the dial gets no answer: a firewall that drops
	mute            // accepts, reads, and never says anything after ApiVersions
)

// script is an in-memory Kafka cluster whose answers are written in the test.
type script struct {
	mu       sync.Mutex
	manner   map[string]int // by address; those not listed refuse
	metadata *kmsg.MetadataResponse
	others   map[int16]func(addr string, req kmsg.Request) kmsg.Response // nil response: the connection is cut
	byAddr   map[string]func() *kmsg.MetadataResponse                    // in place of metadata
	dials    []string
	asked    []kmsg.Request
	conns    map[string][]net.Conn
}

func newScript(brokers ...Broker) *script {
	s := &script{
		manner: make(map[string]int), others: make(map[int16]func(string, kmsg.Request) kmsg.Response),
		byAddr: make(map[string]func() *kmsg.MetadataResponse), conns: make(map[string][]net.Conn),
	}
	s.metadata = kmsg.NewPtrMetadataResponse()
	s.metadata.ClusterID = kmsg.StringPtr("one")
	s.brokers(brokers...)
	return s
}

// brokers makes these the cluster's brokers, all of them up.
func (s *script) brokers(list ...Broker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := *s.metadata
	m.Brokers = nil
	for _, b := range list {
		m.Brokers = append(m.Brokers, kmsg.MetadataResponseBroker{NodeID: b.ID, Host: b.Host, Port: b.Port})
		s.manner[b.Addr()] = answers
	}
	s.metadata = &m
}

// topic sets what is said of a topic: one leader per partition.
func (s *script) topic(name string, id byte, epoch int32, leaders ...int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := *s.metadata
	m.Topics = slices.DeleteFunc(slices.Clone(m.Topics), func(t kmsg.MetadataResponseTopic) bool { return *t.Topic == name })
	m.Topics = append(m.Topics, topicAnswer(name, id, epoch, leaders...))
	s.metadata = &m
}

func (s *script) dropTopics() {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := *s.metadata
	m.Topics = nil
	s.metadata = &m
}

func topicAnswer(name string, id byte, epoch int32, leaders ...int32) kmsg.MetadataResponseTopic {
	t := kmsg.NewMetadataResponseTopic()
	t.Topic, t.TopicID = &name, [16]byte{id}
	for i, leader := range leaders {
		p := kmsg.NewMetadataResponseTopicPartition()
		p.Partition, p.Leader, p.LeaderEpoch = int32(i), leader, epoch
		if leader < 0 {
			p.ErrorCode = 5
		}
		t.Partitions = append(t.Partitions, p)
	}
	return t
}

func (s *script) set(addr string, manner int) {
	s.mu.Lock()
	s.manner[addr] = manner
	conns := s.conns[addr]
	s.conns[addr] = nil
	s.mu.Unlock()
	if manner == refuses {
		for _, nc := range conns {
			_ = nc.Close()
		}
	}
}

func (s *script) on(key int16, f func(addr string, req kmsg.Request) kmsg.Response) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.others[key] = f
}

// count is how many requests of one api have come.
func (s *script) count(key int16) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, req := range s.asked {
		if req.Key() == key {
			n++
		}
	}
	return n
}

func (s *script) dialed() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.dials)
}

// start makes a Cluster on the script.
func (s *script) start(t *testing.T, cfg Config, seeds ...string) *Cluster {
	cfg.Seeds = seeds
	cfg.Conn = conn.Config{Dial: s.dial}
	c := New(cfg)
	t.Cleanup(c.Close)
	return c
}

func (s *script) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	s.mu.Lock()
	s.dials = append(s.dials, addr)
	manner, listed := s.manner[addr]
	s.mu.Unlock()
	if !listed || manner == refuses {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	}
	if manner == swallows {
		<-ctx.Done()
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: context.Cause(ctx)}
	}
	ours, theirs := net.Pipe()
	s.mu.Lock()
	s.conns[addr] = append(s.conns[addr], theirs)
	s.mu.Unlock()
	go s.serve(addr, theirs)
	return ours, nil
}

// serve answers one connection. Requests are answered in order; a nil response cuts the connection.
func (s *script) serve(addr string, nc net.Conn) {
	defer nc.Close()
	for {
		req, correlation, err := readRequest(nc)
		if err != nil {
			return
		}
		s.mu.Lock()
		s.asked = append(s.asked, req)
		manner := s.manner[addr]
		s.mu.Unlock()
		if manner == mute && req.Key() != 18 {
			continue
		}
		resp := s.answer(addr, req)
		if resp == nil {
			return
		}
		resp.SetVersion(req.GetVersion())
		out := binary.BigEndian.AppendUint32(make([]byte, 4), uint32(correlation))
		if req.IsFlexible() && req.Key() != 18 {
			out = append(out, 0)
		}
		out = resp.AppendTo(out)
		binary.BigEndian.PutUint32(out, uint32(len(out)-4))
		if _, err := nc.Write(out); err != nil {
			return
		}
	}
}

func (s *script) answer(addr string, req kmsg.Request) kmsg.Response {
	s.mu.Lock()
	other, special, all := s.others[req.Key()], s.byAddr[addr], s.metadata
	s.mu.Unlock()
	switch {
	case req.Key() == 18:
		resp := kmsg.NewPtrApiVersionsResponse()
		for key, most := range map[int16]int16{0: 12, 1: 13, 2: 8, 3: 13, 17: 1, 18: 3, 22: 5, 32: 4, 36: 2, 61: 0} {
			resp.ApiKeys = append(resp.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: key, MaxVersion: most})
		}
		return resp
	case other != nil:
		return other(addr, req)
	case req.Key() == 3 && special != nil:
		return pick(special(), req.(*kmsg.MetadataRequest))
	case req.Key() == 3:
		return pick(all, req.(*kmsg.MetadataRequest))
	case req.Key() == 22:
		resp := kmsg.NewPtrInitProducerIDResponse()
		resp.ProducerID = 77
		return resp
	}
	return nil
}

// pick answers for the topics asked for only.
func pick(all *kmsg.MetadataResponse, req *kmsg.MetadataRequest) *kmsg.MetadataResponse {
	resp := *all
	resp.Topics = nil
	for _, want := range req.Topics {
		i := slices.IndexFunc(all.Topics, func(t kmsg.MetadataResponseTopic) bool { return *t.Topic == *want.Topic })
		if i >= 0 {
			resp.Topics = append(resp.Topics, all.Topics[i])
			continue
		}
		t := kmsg.NewMetadataResponseTopic()
		t.Topic, t.ErrorCode = want.Topic, 3
		resp.Topics = append(resp.Topics, t)
	}
	return &resp
}

func readRequest(r io.Reader) (kmsg.Request, int32, error) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, 0, err
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(r, b); err != nil {
		return nil, 0, err
	}
	req := kmsg.RequestForKey(int16(binary.BigEndian.Uint16(b)))
	req.SetVersion(int16(binary.BigEndian.Uint16(b[2:])))
	correlation := int32(binary.BigEndian.Uint32(b[4:]))
	clientID := max(0, int(int16(binary.BigEndian.Uint16(b[8:]))))
	body := b[10+clientID:]
	if req.IsFlexible() {
		body = body[1:]
	}
	return req, correlation, req.ReadFrom(bytes.Clone(body))
}

// within gives a context of virtual time.
func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

var (
	b1 = Broker{ID: 1, Host: "one", Port: 9092}
	b2 = Broker{ID: 2, Host: "two", Port: 9092}
	b3 = Broker{ID: 3, Host: "three", Port: 9092}
)
