package realkafka

import (
	"fmt"
	"strconv"
	"strings"
)

// Versions lists the Kafka versions this package is tested with, newest first.
// Others work as long as their jars are published under the same coordinates.
var Versions = []string{"4.4.0", "3.9.1", "2.8.2", "0.11.0.3", "0.10.2.2", "0.8.2.2"}

// Newest is the version used when Config.Version is empty.
const Newest = "4.4.0"

// release is a parsed Kafka version. Kafka before 1.0 counts 0.major.minor.patch;
// we drop the leading zero and remember it in era, so that 0.11 sorts below 1.0.
type release struct {
	version string
	numbers [3]int // 4.4.0 -> {4 4 0}; 0.11.0.3 -> {0 11 0}
}

func parseRelease(version string) (release, error) {
	parts := strings.Split(version, ".")
	if len(parts) < 3 || len(parts) > 4 {
		return release{}, fmt.Errorf("cannot read Kafka version %q: want the form 4.4.0 or 0.11.0.3", version)
	}
	r := release{version: version}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil {
			return release{}, fmt.Errorf("cannot read Kafka version %q: %q is no number", version, part)
		}
		if i < len(r.numbers) {
			r.numbers[i] = int(n)
		}
	}
	return r, nil
}

// atLeast compares the first two numbers: 0.10.2 is atLeast(0, 10).
func (r release) atLeast(major, minor int) bool {
	if r.numbers[0] != major {
		return r.numbers[0] > major
	}
	return r.numbers[1] >= minor
}

// kraft reports whether brokers run without ZooKeeper. KRaft existed from 2.8
// on but was declared ready for production in 3.3.
func (r release) kraft() bool { return r.atLeast(3, 3) }

// scala is the Scala version in the artifact's name: the newest one that was
// published for this release of Kafka.
func (r release) scala() string {
	switch {
	case r.atLeast(2, 4):
		return "2.13"
	case r.atLeast(0, 11), r.numbers[0] == 0 && r.numbers[1] == 10 && r.numbers[2] >= 2:
		return "2.12"
	default:
		return "2.11"
	}
}

// topicsByProtocol reports whether CreateTopics and DeleteTopics exist
// (KIP-4, 0.10.1); before it, topics were written to ZooKeeper by a script.
func (r release) topicsByProtocol() bool {
	return r.atLeast(0, 11) || r.numbers[0] == 0 && r.numbers[1] == 10 && r.numbers[2] >= 1
}

// coordinates are the Maven artifacts a broker's class path is made of. Kafka's
// own artifact names no logging back end (it ships one in the tarball only), and
// the oldest releases use a package that left the JDK after Java 8.
func (r release) coordinates() []string {
	list := []string{"org.apache.kafka:kafka_" + r.scala() + ":" + r.version}
	switch {
	case r.atLeast(4, 0):
		list = append(list, "org.slf4j:slf4j-simple:1.7.36")
	case r.atLeast(1, 0):
		list = append(list, "org.slf4j:slf4j-reload4j:1.7.36")
	case r.atLeast(0, 10):
		list = append(list, "javax.xml.bind:jaxb-api:2.3.1", "org.slf4j:slf4j-log4j12:1.7.36")
	default:
		list = append(list, "org.slf4j:slf4j-log4j12:1.7.36")
	}
	return list
}
