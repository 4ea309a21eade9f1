package realkafka

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Broker is one broker of a cluster, running or not. It keeps its id, its ports
// and its data over restarts. Its methods may be called from several goroutines.
type Broker struct {
	cluster        *Cluster
	id             int
	dir            string
	port           int // PLAINTEXT
	securePort     int // Security.Protocol
	controllerPort int // KRaft

	mu      sync.Mutex // guards the following
	process *process   // the newest one; nil before the first start
	paused  bool
}

// ID is the broker's id in Kafka.
func (b *Broker) ID() int { return b.id }

// Addr is the PLAINTEXT address.
func (b *Broker) Addr() string { return address(b.port) }

// SecureAddr is the address of the second listener; empty without Security.
func (b *Broker) SecureAddr() string {
	if !b.cluster.config.Security.enabled() {
		return ""
	}
	return address(b.securePort)
}

// Running reports whether the broker's process exists. A paused one does.
func (b *Broker) Running() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.process != nil && b.process.alive()
}

// Kill ends the broker as kill -9 does and waits until it is gone. Killing one
// that is down does nothing.
func (b *Broker) Kill() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process == nil {
		return nil
	}
	b.paused = false
	return b.process.kill()
}

// Stop ends the broker in order (SIGTERM): it hands its leaders over and closes
// its logs. After half a minute it is killed, and the error says so. A paused
// broker is resumed, for it could not hear the signal.
func (b *Broker) Stop() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process == nil || !b.process.alive() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	if b.paused {
		if err := b.process.resume(); err != nil {
			return err
		}
		b.paused = false
	}
	return b.process.terminate(ctx)
}

// Pause freezes the broker (SIGSTOP): connections stay open and nothing answers,
// like a machine that hangs.
func (b *Broker) Pause() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process == nil || !b.process.alive() {
		return fmt.Errorf("cannot pause broker %d: it is not running", b.id)
	}
	if err := b.process.pause(); err != nil {
		return err
	}
	b.paused = true
	return nil
}

// Resume undoes Pause.
func (b *Broker) Resume() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process == nil || !b.process.alive() {
		return fmt.Errorf("cannot resume broker %d: it is not running", b.id)
	}
	if err := b.process.resume(); err != nil {
		return err
	}
	b.paused = false
	return nil
}

// Start starts a broker that was stopped or killed, on the same ports and data,
// and waits until it serves. It does nothing to a running one.
//
// After a kill the cluster takes the broker for alive until its session ends, 4 s
// here. KRaft's brokers wait for that themselves. ZooKeeper's exit, and one of 0.8
// never gets a controller again: it sees its elder self's election end before its
// own scheduler runs, and fails to hold another. So those start after the session.
func (b *Broker) Start(ctx context.Context) error {
	if b.Running() {
		return nil
	}
	if !b.cluster.release.kraft() {
		if err := b.cluster.awaitUnregistered(ctx, b.id); err != nil {
			return fmt.Errorf("cannot start broker %d: %w", b.id, err)
		}
	}
	if err := b.launch(); err != nil {
		return err
	}
	if err := b.awaitReady(ctx, 1); err != nil {
		return err
	}
	return b.awaitTopics(ctx)
}

// awaitTopics waits until the broker knows every topic it has data of. In KRaft
// it does before it listens; with ZooKeeper the controller tells it only after,
// and until then it calls them unknown.
func (b *Broker) awaitTopics(ctx context.Context) error {
	if b.cluster.release.kraft() {
		return nil
	}
	entries, err := os.ReadDir(b.dataDir())
	if err != nil {
		return fmt.Errorf("cannot list the data of broker %d: %w", b.id, err)
	}
	for _, entry := range entries {
		name, partition, ok := cutLast(entry.Name(), "-")
		index, err := strconv.Atoi(partition)
		// Others are files and the directories of deleted topics.
		if !ok || err != nil || !entry.IsDir() {
			continue
		}
		if err := b.awaitOwnPartition(ctx, name, index); err != nil {
			return err
		}
	}
	return nil
}

// cutLast is strings.Cut around the last separator.
func cutLast(s, separator string) (before, after string, found bool) {
	if i := strings.LastIndex(s, separator); i >= 0 {
		return s[:i], s[i+len(separator):], true
	}
	return s, "", false
}

// awaitOwnPartition waits until the broker names a leader for a partition. A
// topic deleted while the broker was down never turns up, and one whose other
// replicas are down has no leader; so it gives up, without an error, in time.
func (b *Broker) awaitOwnPartition(ctx context.Context, topic string, partition int) error {
	client, err := kgo.NewClient(b.cluster.clientOpts(b.Addr())...)
	if err != nil {
		return fmt.Errorf("cannot make a client for broker %d: %w", b.id, err)
	}
	defer client.Close()
	patience, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	err = b.pollTopic(patience, client, topic, onePartition(partition, func(p kmsg.MetadataResponseTopicPartition) error {
		if p.Leader < 0 {
			return errors.New("it has no leader")
		}
		return nil
	}))
	if err != nil && ctx.Err() != nil {
		return err
	}
	return nil
}

// LogTail is the end of the broker's log over all its starts, a few KiB.
func (b *Broker) LogTail() string { return tailOf(b.logPath()) }

func (b *Broker) dataDir() string { return filepath.Join(b.dir, "data") }
func (b *Broker) logPath() string { return filepath.Join(b.dir, "broker.log") }

// layOut writes the broker's directory: settings and, for KRaft, storage.
func (b *Broker) layOut(ctx context.Context) error {
	if err := os.MkdirAll(b.dataDir(), 0o755); err != nil {
		return fmt.Errorf("cannot make a broker's directory: %w", err)
	}
	if b.cluster.release.kraft() {
		if err := b.layOutStorage(ctx); err != nil {
			return err
		}
	}
	return errors.Join(
		log4jProperties.write(filepath.Join(b.dir, logSettings)),
		b.cluster.brokerProperties(b).write(filepath.Join(b.dir, "server.properties")))
}

// layOutStorage copies the formatted template and makes it this broker's own:
// only meta.properties says whose storage it is.
func (b *Broker) layOutStorage(ctx context.Context) error {
	template, err := b.cluster.store.formatted(ctx)
	if err != nil {
		return err
	}
	err = filepath.WalkDir(template, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == template {
			return err
		}
		name, err := filepath.Rel(template, path)
		if err != nil {
			return err
		}
		target := filepath.Join(b.dataDir(), name)
		if entry.IsDir() {
			return os.MkdirAll(target, 0o755)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(target, content, 0o644)
	})
	if err != nil {
		return fmt.Errorf("cannot copy the storage template: %w", err)
	}
	return properties{
		"version": "1", "node.id": strconv.Itoa(b.id),
		"cluster.id": b.cluster.id, "directory.id": newUUID(),
	}.write(filepath.Join(b.dataDir(), "meta.properties"))
}

// launch starts the process and does not wait for it to serve.
func (b *Broker) launch() error {
	c := b.cluster
	command, err := c.store.server(brokerClass, filepath.Join(b.dir, "server.properties"),
		c.config.HeapMB, c.archiving, c.config.JVMFlags)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.process != nil && b.process.alive() {
		return fmt.Errorf("cannot start broker %d: it is running", b.id)
	}
	b.process, err = startProcess(command, b.logPath())
	return err
}

// awaitReady waits until the broker answers for a cluster of at least members
// live brokers, itself among them.
func (b *Broker) awaitReady(ctx context.Context, members int) error {
	b.mu.Lock()
	process := b.process
	b.mu.Unlock()
	if err := b.awaitListening(ctx, process); err != nil {
		return err
	}
	if !b.cluster.release.atLeast(0, 9) {
		// Kafka 0.8 names no brokers at all before there is a topic.
		return b.poll(ctx, process, func() error {
			if !process.printed("started (kafka.server.KafkaServer)") {
				return errors.New("it has not said that it started")
			}
			return nil
		})
	}
	client, err := kgo.NewClient(b.cluster.clientOpts(b.Addr())...)
	if err != nil {
		return fmt.Errorf("cannot make a client for broker %d: %w", b.id, err)
	}
	defer client.Close()
	return b.poll(ctx, process, func() error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		return b.checkMembers(ctx, client, members)
	})
}

func (b *Broker) awaitListening(ctx context.Context, process *process) error {
	return b.poll(ctx, process, func() error {
		conn, err := net.DialTimeout("tcp", b.Addr(), time.Second)
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

func (b *Broker) checkMembers(ctx context.Context, client *kgo.Client, members int) error {
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{} // none: brokers only
	answer, err := client.SeedBrokers()[0].Request(ctx, request)
	if err != nil {
		return err
	}
	metadata, ok := answer.(*kmsg.MetadataResponse)
	if !ok {
		return fmt.Errorf("broker %d answered %T to a metadata request", b.id, answer)
	}
	self := false
	for _, member := range metadata.Brokers {
		self = self || int(member.NodeID) == b.id
	}
	if !self || len(metadata.Brokers) < members {
		return fmt.Errorf("broker %d sees %d of %d brokers (itself: %v)", b.id, len(metadata.Brokers), members, self)
	}
	return nil
}

// poll repeats check until it succeeds, the process exits or ctx ends.
func (b *Broker) poll(ctx context.Context, process *process, check func() error) error {
	for {
		err := check()
		if err == nil {
			return nil
		}
		select {
		case <-process.done:
			return fmt.Errorf("broker %d exited while starting (%v); its log ends:\n%s", b.id, process.waitErr, process.tail())
		case <-ctx.Done():
			return fmt.Errorf("broker %d does not serve (%w): %w; its log ends:\n%s", b.id, err, ctx.Err(), process.tail())
		case <-time.After(50 * time.Millisecond):
		}
	}
}
