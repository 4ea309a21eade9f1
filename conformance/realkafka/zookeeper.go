package realkafka

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// startZooKeeper runs the one ZooKeeper that Kafka before 3.3 keeps its metadata
// in. It stays up while brokers come and go.
func (c *Cluster) startZooKeeper(ctx context.Context) error {
	dir := filepath.Join(c.dir, "zookeeper")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("cannot make ZooKeeper's directory: %w", err)
	}
	config := filepath.Join(dir, "zookeeper.properties")
	settings := properties{
		"dataDir":                filepath.Join(dir, "data"),
		"clientPort":             strconv.Itoa(c.zookeeperPort),
		"clientPortAddress":      "127.0.0.1",
		"admin.enableServer":     "false",
		"maxClientCnxns":         "0",
		"tickTime":               "1000",
		"forceSync":              "no",
		"4lw.commands.whitelist": "*",
	}
	if err := settings.write(config); err != nil {
		return err
	}
	if err := log4jProperties.write(filepath.Join(dir, logSettings)); err != nil {
		return err
	}
	command, err := c.store.server(zookeeperClass, config, 128, c.archiving, nil)
	if err != nil {
		return err
	}
	if c.zookeeper, err = startProcess(command, filepath.Join(dir, "zookeeper.log")); err != nil {
		return err
	}
	for {
		conn, err := net.DialTimeout("tcp", address(c.zookeeperPort), time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-c.zookeeper.done:
			return fmt.Errorf("ZooKeeper exited while starting (%v); its log ends:\n%s", c.zookeeper.waitErr, c.zookeeper.tail())
		case <-ctx.Done():
			return fmt.Errorf("ZooKeeper does not listen: %w; its log ends:\n%s", ctx.Err(), c.zookeeper.tail())
		case <-time.After(25 * time.Millisecond):
		}
	}
}
