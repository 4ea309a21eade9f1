package realkafka

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// consoleVersion is the newest release whose console consumer is part of the
// broker's own artifact; later ones ship it in a package of tools that is not
// published for every release. Its protocol is served by brokers from 0.10 on.
const consoleVersion = "2.8.2"

// ConsoleConsume reads the first n messages of a topic from its start with
// Kafka's own console consumer, and answers its output: a line for each message,
// key and value parted by a tab, null printed as "null". Messages must hold no
// newline. It ends with ctx where there are fewer.
func (c *Cluster) ConsoleConsume(ctx context.Context, topic string, n int) ([]string, error) {
	r, err := parseRelease(consoleVersion)
	if err != nil {
		return nil, err
	}
	s, err := openStore(ctx, r, c.config.Progress)
	if err != nil {
		return nil, err
	}
	classes, err := s.classPath()
	if err != nil {
		return nil, err
	}
	// Nothing but messages may come to standard output.
	quiet := filepath.Join(c.dir, "console-log4j.properties")
	if err := os.WriteFile(quiet, []byte("log4j.rootLogger=OFF\n"), 0o600); err != nil {
		return nil, fmt.Errorf("cannot silence the console consumer: %w", err)
	}
	out, err := run(ctx, c.dir, s.java.path, "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx128m",
		"-Dlog4j.configuration=file:"+quiet, "-cp", classes, "kafka.tools.ConsoleConsumer",
		"--bootstrap-server", strings.Join(c.Addrs(), ","), "--topic", topic, "--from-beginning",
		"--max-messages", strconv.Itoa(n), "--property", "print.key=true")
	if err != nil {
		return nil, fmt.Errorf("cannot consume topic %s with Kafka's console consumer: %w", topic, err)
	}
	return strings.Split(strings.TrimSuffix(out, "\n"), "\n"), nil
}
