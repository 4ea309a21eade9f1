package ekaftest

import (
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/twmb/franz-go/pkg/kfake"
)

var errStopped = errors.New("the cluster is closed")

// core guards one kfake cluster. kfake's administrative calls wait for its
// main loop without end once it is closed, so they are made under the read
// lock, and closing takes the write lock.
type core struct {
	ups []*upstream // by broker id

	mu     sync.RWMutex
	closed bool
	fake   *kfake.Cluster
}

// newCore starts kfake behind in-memory listeners. advertised answers the
// address clients are told for a broker.
func newCore(cfg *config, advertised func(broker int32) string) (*core, error) {
	k := &core{}
	for id := range cfg.brokers {
		k.ups = append(k.ups, newUpstream(func() string { return advertised(int32(id)) }))
	}
	next := 0
	opts := []kfake.Opt{
		kfake.NumBrokers(cfg.brokers),
		kfake.DefaultNumPartitions(cfg.autoPartitions),
		kfake.BrokerConfigs(cfg.brokerConfigs),
		kfake.ClusterID("ekaftest"),
		kfake.ListenFn(func(string, string) (net.Listener, error) {
			next++
			return k.ups[next-1], nil
		}),
	}
	if cfg.autoCreate {
		opts = append(opts, kfake.AllowAutoTopicCreation())
	}
	fake, err := kfake.NewCluster(opts...)
	if err != nil {
		return nil, fmt.Errorf("cannot start the embedded cluster: %w", err)
	}
	k.fake = fake
	for _, t := range cfg.topics {
		if err := k.createTopic(t); err != nil {
			k.close()
			return nil, err
		}
	}
	return k, nil
}

func (k *core) close() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.closed = true
	k.fake.Close()
}

// do runs one administrative call.
func (k *core) do(fn func(*kfake.Cluster) error) error {
	k.mu.RLock()
	defer k.mu.RUnlock()
	if k.closed {
		return errStopped
	}
	return fn(k.fake)
}

func (k *core) partition(topic string, partition int32) *kfake.PartitionInfo {
	var info *kfake.PartitionInfo
	k.do(func(f *kfake.Cluster) error { info = f.PartitionInfo(topic, partition); return nil })
	return info
}

func (k *core) partitions(topic string) []*kfake.PartitionInfo {
	var infos []*kfake.PartitionInfo
	k.do(func(f *kfake.Cluster) error { infos = f.PartitionInfos(topic); return nil })
	return infos
}

func (k *core) topic(name string) *kfake.TopicInfo {
	var info *kfake.TopicInfo
	k.do(func(f *kfake.Cluster) error { info = f.TopicInfo(name); return nil })
	return info
}

func (k *core) topicByID(id [16]byte) *kfake.TopicInfo {
	var info *kfake.TopicInfo
	k.do(func(f *kfake.Cluster) error { info = f.TopicIDInfo(id); return nil })
	return info
}

// createTopic creates a topic and spreads its leaders evenly; kfake draws them
// at random, and a test wants to know who leads what.
func (k *core) createTopic(t topicSpec) error {
	return k.do(func(f *kfake.Cluster) error {
		if err := f.CreateTopic(t.name, t.partitions, t.configs); err != nil {
			return fmt.Errorf("cannot create topic %q: %w", t.name, err)
		}
		return spreadLeaders(f, t.name, 0, t.partitions, int32(len(k.ups)))
	})
}

func spreadLeaders(f *kfake.Cluster, topic string, from, to, brokers int32) error {
	for p := from; p < to; p++ {
		if f.LeaderFor(topic, p) == p%brokers {
			continue
		}
		if err := f.MoveTopicPartition(topic, p, p%brokers); err != nil {
			return fmt.Errorf("cannot lead partition %d of topic %q by broker %d: %w", p, topic, p%brokers, err)
		}
	}
	return nil
}

// upstream is the listener kfake accepts one broker's connections on; dial is
// its other side. Its address is the advertised one, which kfake copies into
// Metadata and FindCoordinator answers.
type upstream struct {
	address func() string
	conns   chan net.Conn
	closed  chan struct{}
	once    sync.Once
}

func newUpstream(address func() string) *upstream {
	return &upstream{address: address, conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (u *upstream) dial() (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case u.conns <- theirs:
		return ours, nil
	case <-u.closed:
		ours.Close()
		theirs.Close()
		return nil, errStopped
	}
}

// Accept implements [net.Listener].
func (u *upstream) Accept() (net.Conn, error) {
	select {
	case conn := <-u.conns:
		return conn, nil
	case <-u.closed:
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (u *upstream) Close() error {
	u.once.Do(func() { close(u.closed) })
	return nil
}

// Addr implements [net.Listener].
func (u *upstream) Addr() net.Addr { return address(u.address()) }

// address is a host:port as a [net.Addr].
type address string

func (a address) Network() string { return "tcp" }
func (a address) String() string  { return string(a) }
