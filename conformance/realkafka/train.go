package realkafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// train makes the class archives (AppCDS) of a version, once: it runs one broker
// for a moment with the JVM recording which classes were loaded, and stops it in
// order. Later starts map the archive instead of parsing thousands of classes,
// which halves their time or better.
//
// Archives only save time, so a failure is told to the progress writer and
// otherwise forgotten; the next Start tries again.
func (s *store) train(ctx context.Context) {
	if s.trained() {
		return
	}
	lock, err := lockFile(ctx, s.archive(brokerClass)+".lock")
	if err != nil {
		return // ctx ended: the start itself will say so
	}
	defer lock.Close()
	if s.trained() {
		return
	}
	fmt.Fprintf(s.progress, "making class archives for Kafka %s\n", s.release.version)
	if err := s.record(ctx); err != nil {
		fmt.Fprintf(s.progress, "cannot make class archives, starts will be slower: %v\n", err)
	}
}

func (s *store) servers() []string {
	if s.release.kraft() {
		return []string{brokerClass}
	}
	return []string{brokerClass, zookeeperClass}
}

func (s *store) trained() bool {
	for _, class := range s.servers() {
		if !exists(s.archive(class)) {
			return false
		}
	}
	return true
}

// record runs the training cluster. Each JVM writes its archive as it exits.
func (s *store) record(ctx context.Context) error {
	config, _, err := Config{Version: s.release.version, Progress: io.Discard}.withDefaults()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	c, err := s.launch(ctx, config, makeArchive)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := c.CreateTopic(ctx, "training", 1, 1, nil); err != nil {
		return err
	}
	if err := c.produce(ctx, "training"); err != nil {
		return err
	}
	err = c.brokers[0].process.terminate(ctx)
	if c.zookeeper != nil {
		err = errors.Join(err, c.zookeeper.terminate(ctx))
	}
	for _, class := range s.servers() {
		archive := s.archive(class)
		err = errors.Join(err, os.Rename(archive+".making", archive))
	}
	return err
}
