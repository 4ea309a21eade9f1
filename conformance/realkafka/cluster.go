package realkafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kversion"
)

// stopTimeout is how long Close and Stop let a broker end by itself. Kafka moves
// its leaders away and closes its logs in that time.
const stopTimeout = 30 * time.Second

// Cluster is a running Kafka cluster. Its methods may be called from several
// goroutines at once.
type Cluster struct {
	config        Config
	release       release
	store         *store
	archiving     archiving
	dir           string
	dirLock       *os.File // held: sweep must not remove dir
	id            string
	ports         *portLease
	zookeeperPort int
	zookeeper     *process // nil in KRaft mode
	authority     *authority
	brokers       []*Broker
	closing       sync.Once
	closeErr      error
}

// Start fetches what is needed, starts the cluster and answers when every broker
// knows every other one. Cancelling ctx gives up; it has no say once Start has
// returned. The caller must Close the cluster; where it dies without, Linux and
// the BSDs kill the brokers with it.
func Start(ctx context.Context, config Config) (*Cluster, error) {
	config, r, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	s, err := openStore(ctx, r, config.Progress)
	if err != nil {
		return nil, err
	}
	s.train(ctx)
	return s.launch(ctx, config, useArchive)
}

// launch starts a cluster from a filled store.
func (s *store) launch(ctx context.Context, config Config, mode archiving) (*Cluster, error) {
	c := &Cluster{config: config, release: s.release, store: s, archiving: mode, id: newUUID()}
	err := c.layOut(ctx)
	if err == nil {
		err = c.run(ctx)
	}
	if err != nil {
		err = fmt.Errorf("cannot start Kafka %s: %w", config.Version, errors.Join(err, ctx.Err()))
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// layOut takes ports and writes every file the cluster starts from.
func (c *Cluster) layOut(ctx context.Context) (err error) {
	if c.dir, c.dirLock, err = newClusterDir(); err != nil {
		return err
	}
	// Three for each broker (plain, secure, controller), one for ZooKeeper.
	if c.ports, err = leasePorts(3*c.config.Brokers + 1); err != nil {
		return err
	}
	if c.config.Security.tls() {
		if c.authority, err = newAuthority(c.dir); err != nil {
			return err
		}
	}
	c.zookeeperPort = c.ports.take()
	for id := 1; id <= c.config.Brokers; id++ {
		c.brokers = append(c.brokers, &Broker{
			cluster: c, id: id, dir: filepath.Join(c.dir, fmt.Sprintf("broker-%d", id)),
			port: c.ports.take(), securePort: c.ports.take(), controllerPort: c.ports.take(),
		})
	}
	for _, b := range c.brokers {
		if err := b.layOut(ctx); err != nil {
			return err
		}
	}
	return nil
}

// run starts all processes and waits until they form a cluster.
func (c *Cluster) run(ctx context.Context) error {
	if !c.release.kraft() {
		if err := c.startZooKeeper(ctx); err != nil {
			return err
		}
	}
	for _, b := range c.brokers {
		if err := b.launch(); err != nil {
			return err
		}
	}
	for _, b := range c.brokers {
		if err := b.awaitReady(ctx, len(c.brokers)); err != nil {
			return err
		}
	}
	return c.createUsers(ctx)
}

// Close stops every process at once, without order, and removes the cluster's
// directory and certificates. It may be called more than once.
func (c *Cluster) Close() error {
	c.closing.Do(func() {
		var errs []error
		for _, b := range c.brokers {
			errs = append(errs, b.Kill())
		}
		if c.zookeeper != nil {
			errs = append(errs, c.zookeeper.kill())
		}
		if c.ports != nil {
			c.ports.release()
		}
		if c.dir != "" {
			errs = append(errs, os.RemoveAll(c.dir))
			c.dirLock.Close()
		}
		c.closeErr = errors.Join(errs...)
	})
	return c.closeErr
}

// Version is the Kafka version the cluster runs.
func (c *Cluster) Version() string { return c.config.Version }

// Addrs are the PLAINTEXT addresses of all brokers, running or not, by id.
func (c *Cluster) Addrs() []string {
	var list []string
	for _, b := range c.brokers {
		list = append(list, b.Addr())
	}
	return list
}

// SecureAddrs are the addresses of the brokers' second listeners; nil without
// Security.
func (c *Cluster) SecureAddrs() []string {
	var list []string
	for _, b := range c.brokers {
		if addr := b.SecureAddr(); addr != "" {
			list = append(list, addr)
		}
	}
	return list
}

// Broker answers the broker with Kafka's id for it, 1 to Config.Brokers, so that
// the leader named by metadata can be passed in as it is. Other ids panic.
func (c *Cluster) Broker(id int) *Broker { return c.brokers[id-1] }

// Brokers answers all brokers by id.
func (c *Cluster) Brokers() []*Broker { return slices.Clone(c.brokers) }

// LogTail is the end of a broker's log, a few KiB, for reports of failures.
func (c *Cluster) LogTail(id int) string { return c.Broker(id).LogTail() }

// ClientOpts are the kgo options for the cluster's PLAINTEXT listener: its
// addresses and, for Kafka before 0.10, which cannot tell what it speaks
// (KIP-35), the versions to use.
func (c *Cluster) ClientOpts() []kgo.Opt { return c.clientOpts(c.Addrs()...) }

func (c *Cluster) clientOpts(addrs ...string) []kgo.Opt {
	opts := []kgo.Opt{kgo.SeedBrokers(addrs...)}
	switch {
	case c.release.atLeast(0, 10):
	case c.release.atLeast(0, 9):
		opts = append(opts, kgo.MaxVersions(kversion.V0_9_0()), kgo.WithDecompressor(newOldLZ4()))
	default:
		opts = append(opts, kgo.MaxVersions(kversion.V0_8_2()), kgo.WithDecompressor(newOldLZ4()))
	}
	return opts
}

// withAdmin runs do with a client which lives no longer than the call.
func (c *Cluster) withAdmin(do func(*kadm.Client) error) error {
	client, err := kgo.NewClient(c.ClientOpts()...)
	if err != nil {
		return fmt.Errorf("cannot make an admin client: %w", err)
	}
	defer client.Close()
	return do(kadm.NewClient(client))
}

// clusterDirPrefix begins the names of all clusters' directories.
const clusterDirPrefix = "ekaf-realkafka-cluster-"

// newClusterDir makes a directory and holds its lock. Directories whose lock
// nobody holds belong to tests that were killed, and are removed on the way.
func newClusterDir() (string, *os.File, error) {
	const lockName = "lock"
	stale, _ := filepath.Glob(filepath.Join(os.TempDir(), clusterDirPrefix+"*"))
	for _, dir := range stale {
		// Opened only if it exists: between MkdirTemp and tryLock below another
		// process's new directory has no lock file yet, and is no corpse.
		if !exists(filepath.Join(dir, lockName)) {
			continue
		}
		if lock, err := tryLock(filepath.Join(dir, lockName)); err == nil {
			os.RemoveAll(dir)
			lock.Close()
		}
	}
	dir, err := os.MkdirTemp("", clusterDirPrefix)
	if err != nil {
		return "", nil, fmt.Errorf("cannot make the cluster's directory: %w", err)
	}
	lock, err := tryLock(filepath.Join(dir, lockName))
	if err != nil {
		return "", nil, fmt.Errorf("cannot lock the cluster's directory: %w", err)
	}
	return dir, lock, nil
}

// String names the cluster and its addresses.
func (c *Cluster) String() string {
	return fmt.Sprintf("Kafka %s at %s", c.config.Version, strings.Join(c.Addrs(), ","))
}

// oldLZ4 reads what brokers before 0.10 store with lz4: frames whose header has a
// checksum over the wrong bytes (KIP-57), which kgo's own reader refuses.
type oldLZ4 struct{ kgo.Decompressor }

func newOldLZ4() oldLZ4 { return oldLZ4{kgo.DefaultDecompressor()} }

// The only header that Kafka's writers make, with the wrong checksum and the right one.
var (
	oldLZ4Header   = []byte("\x04\x22\x4d\x18\x60\x40\x1a")
	rightLZ4Header = []byte("\x04\x22\x4d\x18\x60\x40\x82")
)

// Decompress implements kgo.Decompressor.
func (d oldLZ4) Decompress(src []byte, codec kgo.CompressionCodecType) ([]byte, error) {
	if codec == kgo.CodecLz4 && bytes.HasPrefix(src, oldLZ4Header) {
		src = slices.Concat(rightLZ4Header, src[len(oldLZ4Header):])
	}
	return d.Decompressor.Decompress(src, codec)
}
