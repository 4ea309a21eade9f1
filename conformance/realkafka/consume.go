package realkafka

import (
	"context"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The consumers are Java source run as it is; each version's own client library
// is on the class path.
var (
	//go:embed Consume.java
	consumeSource string
	//go:embed ConsumeOld.java
	consumeOldSource string
)

// Record is a record as Kafka's own consumer saw it.
type Record struct {
	Partition int
	Offset    int64
	Time      time.Time // zero where the format has no timestamp (before 0.10)
	Key       []byte    // nil: null
	Value     []byte    // nil: null
	Headers   []Header
}

// Header is one header of a Record.
type Header struct {
	Key   string
	Value []byte // nil: null
}

// ConsumeWithKafka reads a topic from its start with Kafka's own consumer of the
// cluster's version. It returns when at least n records came and every partition
// was read to its end; so records beyond the n-th, such as duplicates, are not
// missed. It starts a Java process, which takes some seconds, and holds all
// records in memory: for many, use the judge. Compacted topics will not do.
func (c *Cluster) ConsumeWithKafka(ctx context.Context, topic string, n int) ([]Record, error) {
	name, source := "Consume.java", consumeSource
	if !c.release.atLeast(0, 10) {
		name, source = "ConsumeOld.java", consumeOldSource
	}
	dir, err := os.MkdirTemp(c.dir, "consume-")
	if err != nil {
		return nil, fmt.Errorf("cannot make a directory for the consumer: %w", err)
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, name)
	if err := os.WriteFile(file, []byte(source), 0o644); err != nil {
		return nil, fmt.Errorf("cannot write the consumer: %w", err)
	}
	classes, err := c.store.classPath()
	if err != nil {
		return nil, err
	}
	output, err := run(ctx, dir, c.store.java.path, "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", classes, file,
		strings.Join(c.Addrs(), ","), topic, strconv.Itoa(n))
	if err != nil {
		return nil, fmt.Errorf("cannot read topic %s with Kafka's consumer: %w", topic, err)
	}
	var records []Record
	for line := range strings.Lines(output) {
		record, err := parseRecord(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, err
		}
		records = append(records, record)
	}
	return records, nil
}

// parseRecord reads one line of Consume.java.
func parseRecord(line string) (Record, error) {
	fields := strings.Split(line, "\t")
	if len(fields) < 5 || len(fields)%2 == 0 {
		return Record{}, fmt.Errorf("cannot read the consumer's line %.200q: it has %d fields", line, len(fields))
	}
	partition, err1 := strconv.Atoi(fields[0])
	offset, err2 := strconv.ParseInt(fields[1], 10, 64)
	millis, err3 := strconv.ParseInt(fields[2], 10, 64)
	blobs := make([][]byte, len(fields)-3)
	faults := []error{err1, err2, err3}
	for i, field := range fields[3:] {
		if field == "-" {
			continue
		}
		blob, err := base64.StdEncoding.DecodeString(field)
		blobs[i], faults = blob, append(faults, err)
	}
	if err := errors.Join(faults...); err != nil {
		return Record{}, fmt.Errorf("cannot read the consumer's line %.200q: %w", line, err)
	}
	record := Record{Partition: partition, Offset: offset, Key: blobs[0], Value: blobs[1]}
	if millis >= 0 {
		record.Time = time.UnixMilli(millis)
	}
	for i := 2; i < len(blobs); i += 2 {
		record.Headers = append(record.Headers, Header{Key: string(blobs[i]), Value: blobs[i+1]})
	}
	return record, nil
}
