package suite

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/conformance/judge"
	"github.com/ekaf-go/ekaf/conformance/realkafka"
)

// bigKeys is how many keys the messages of TestBig have.
const bigKeys = 1000

// TestBig pipes keyed messages through the command line into three real brokers
// (replication 3, min.insync.replicas 2) of which one is killed midway and
// started again: each message must be there once, in order by key. It sends
// 100,000; with EKAF_BIG=1 a million.
func TestBig(t *testing.T) {
	realkafka.SkipUnlessEnabled(t)
	count := 100_000
	if os.Getenv("EKAF_BIG") != "" {
		count = 1_000_000
	}
	kafka := startReal(t, realkafka.Config{Brokers: 3, Properties: map[string]string{"min.insync.replicas": "2"}})
	trial := newTrial(t, kafka)
	topic := trial.topic(12, map[string]string{"min.insync.replicas": "2"})
	command := exec.CommandContext(trial.ctx, buildCommand(t), "produce", "--brokers", strings.Join(kafka.Addrs(), ","),
		"--topic", topic, "--key-delim", "\t", "--acks", "all")
	var said bytes.Buffer
	command.Stderr = &said
	lines, err := command.StdinPipe()
	trial.check(err)
	began := time.Now()
	trial.check(command.Start())
	trial.check(writeLines(lines, count, map[int]func() error{
		count / 3:     func() error { return kafka.Stop(trial.ctx, 2, true) },
		2 * count / 3: func() error { return kafka.Start(trial.ctx, 2) },
	}))
	if err := command.Wait(); err != nil {
		t.Fatalf("ekaf produce: %v\n%s", err, said.Bytes())
	}
	reported := lastLine(t, said.Bytes())
	if reported.Acked != count || reported.Failed != 0 {
		t.Errorf("ekaf produce says %+v", reported)
	}
	var expected judge.Expectation
	for key := range bigKeys {
		expected.AckedAll(1, bigKey(key), int64((count+bigKeys-1-key)/bigKeys))
	}
	report := judge.Verify(trial.log(topic), &expected)
	t.Logf("%v; %.1f s in all, %.1f s by the command's own count", report, time.Since(began).Seconds(), reported.Seconds)
	trial.check(report.Err())
}

func bigKey(i int) string { return fmt.Sprint("key-", i) }

// writeLines writes keyed lines, and does what is due at a line before that line.
// The file is closed at the end.
func writeLines(to io.WriteCloser, count int, due map[int]func() error) error {
	buffered := bufio.NewWriterSize(to, 64<<10)
	var line []byte
	for i := range count {
		if do := due[i]; do != nil {
			if err := buffered.Flush(); err != nil {
				return err
			}
			if err := do(); err != nil {
				return err
			}
		}
		m := judge.Message{Producer: 1, Key: bigKey(i % bigKeys), Sequence: int64(i / bigKeys)}
		line = append(append(line[:0], m.Key...), '\t')
		line = append(judge.AppendValue(line, m, 100), '\n')
		if _, err := buffered.Write(line); err != nil {
			return err
		}
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	return to.Close()
}

// buildCommand builds the ekaf command.
func buildCommand(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "ekaf")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/ekaf-go/ekaf/cmd/ekaf").CombinedOutput(); err != nil {
		t.Fatalf("cannot build ekaf: %v\n%s", err, out)
	}
	return path
}

// commandReport is the last line that `ekaf produce` writes to standard error.
type commandReport struct {
	Acked   int     `json:"acked"`
	Failed  int     `json:"failed"`
	Seconds float64 `json:"seconds"`
}

func lastLine(t *testing.T, said []byte) (r commandReport) {
	said = bytes.TrimSpace(said)
	last := said[bytes.LastIndexByte(said, '\n')+1:]
	if err := json.Unmarshal(last, &r); err != nil {
		t.Fatalf("the last line is no report: %v\n%s", err, said)
	}
	return r
}
