package realkafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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

// awaitUnregistered waits until the session of a broker's former process is over.
func (c *Cluster) awaitUnregistered(ctx context.Context, id int) error {
	for {
		sessions, err := c.askZooKeeper("dump")
		if err == nil && !strings.Contains(sessions, "/brokers/ids/"+strconv.Itoa(id)+"\n") {
			return nil
		}
		if err == nil {
			err = errors.New("its former session still lives")
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", err, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// askZooKeeper runs one of ZooKeeper's four-letter commands; dump lists the
// sessions and the ephemeral nodes of each.
func (c *Cluster) askZooKeeper(command string) (string, error) {
	conn, err := net.DialTimeout("tcp", address(c.zookeeperPort), 5*time.Second)
	if err != nil {
		return "", fmt.Errorf("cannot reach ZooKeeper: %w", err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, command); err != nil {
		return "", fmt.Errorf("cannot ask ZooKeeper: %w", err)
	}
	answer, err := io.ReadAll(io.LimitReader(conn, 1<<20))
	if err != nil {
		return "", fmt.Errorf("cannot read ZooKeeper's answer: %w", err)
	}
	return string(answer), nil
}
