package realkafka

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// properties is a Java properties file.
type properties map[string]string

// write puts the properties into a file, in order of their names. Values are
// written with Java's escapes, for a password may hold what they need.
func (p properties) write(path string) error {
	var b strings.Builder
	escape := strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`)
	for _, name := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&b, "%s=%s\n", name, escape.Replace(p[name]))
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}

// newUUID is a random identifier as Kafka prints them: 22 characters of base64.
// Kafka's command line tools take one that begins with a dash for a flag.
func newUUID() string {
	var raw [16]byte
	for {
		rand.Read(raw[:])
		if id := base64.RawURLEncoding.EncodeToString(raw[:]); id[0] != '-' {
			return id
		}
	}
}

// brokerProperties is the server.properties of b.
func (c *Cluster) brokerProperties(b *Broker) properties {
	p := properties{
		"log.dirs": b.dataDir(),
		// Small: a test starts several clusters on a small machine.
		"num.network.threads":                          "2",
		"num.io.threads":                               "4",
		"log.cleaner.dedupe.buffer.size":               "4194304",
		"offsets.topic.num.partitions":                 "1",
		"transaction.state.log.num.partitions":         "1",
		"share.coordinator.state.topic.num.partitions": "1",
		"group.initial.rebalance.delay.ms":             "0",
		// A topic is there when the test made it and not otherwise.
		"auto.create.topics.enable": "false",
		"delete.topic.enable":       "true",
		// A test that kills a broker should not wait long for its leaders to move.
		"zookeeper.session.timeout.ms": "4000",
		"broker.session.timeout.ms":    "4000",
		"broker.heartbeat.interval.ms": "500",
	}
	c.setReplication(p)
	c.setListeners(p, b)
	if c.release.kraft() {
		p["process.roles"] = "broker,controller"
		p["node.id"] = strconv.Itoa(b.id)
		p["controller.quorum.voters"] = c.voters()
	} else {
		p["broker.id"] = strconv.Itoa(b.id)
		p["zookeeper.connect"] = address(c.zookeeperPort)
	}
	c.setSecurity(p)
	maps.Copy(p, c.config.Properties)
	return p
}

// setReplication gives topics as many replicas as the cluster bears, and a
// durability that outlives one broker.
func (c *Cluster) setReplication(p properties) {
	replicas := strconv.Itoa(min(3, c.config.Brokers))
	inSync := strconv.Itoa(max(1, min(2, c.config.Brokers-1)))
	p["default.replication.factor"] = replicas
	p["min.insync.replicas"] = inSync
	p["offsets.topic.replication.factor"] = replicas
	p["transaction.state.log.replication.factor"] = replicas
	p["transaction.state.log.min.isr"] = inSync
	p["share.coordinator.state.topic.replication.factor"] = replicas
	p["share.coordinator.state.topic.min.isr"] = inSync
}

func (c *Cluster) setListeners(p properties, b *Broker) {
	if !c.release.atLeast(0, 9) {
		p["host.name"], p["port"] = "127.0.0.1", strconv.Itoa(b.port)
		p["advertised.host.name"], p["advertised.port"] = p["host.name"], p["port"]
		return
	}
	advertised := "PLAINTEXT://" + address(b.port)
	protocols := "PLAINTEXT:PLAINTEXT"
	if protocol := string(c.config.Security.Protocol); protocol != "" {
		advertised += "," + protocol + "://" + address(b.securePort)
		protocols += "," + protocol + ":" + protocol
	}
	p["listeners"], p["advertised.listeners"] = advertised, advertised
	if c.release.kraft() {
		p["listeners"] += ",CONTROLLER://" + address(b.controllerPort)
		p["controller.listener.names"] = "CONTROLLER"
		protocols += ",CONTROLLER:PLAINTEXT"
	}
	if c.release.atLeast(1, 0) {
		p["listener.security.protocol.map"] = protocols
	}
}

// voters lists the controllers: every broker is one.
func (c *Cluster) voters() string {
	var list []string
	for _, b := range c.brokers {
		list = append(list, strconv.Itoa(b.id)+"@"+address(b.controllerPort))
	}
	return strings.Join(list, ",")
}

func address(port int) string { return "127.0.0.1:" + strconv.Itoa(port) }
