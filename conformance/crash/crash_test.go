// Package crash proves the command line against a cluster whose brokers die: keyed
// lines go through `ekaf produce` into three real brokers, one of which is killed
// with -9 on the way and started again; an independent consumer counts.
package crash

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/conformance/judge"
	"github.com/ekaf-go/ekaf/conformance/realkafka"
)

const (
	keys    = 1000
	padding = 100 // bytes of a value
	topic   = "crash"
)

// lines is how many messages go through: a million with EKAF_BIG=1.
func lines() int64 {
	if os.Getenv("EKAF_BIG") == "1" {
		return 1_000_000
	}
	return 200_000
}

func TestProduceThroughAKilledBroker(t *testing.T) {
	cluster := realkafka.StartT(t, realkafka.Config{Version: "4.4.0", Brokers: 3})
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	if err := cluster.CreateTopic(ctx, topic, 12, 3, map[string]string{"min.insync.replicas": "2"}); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "ekaf")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/ekaf-go/ekaf/cmd/ekaf").CombinedOutput(); err != nil {
		t.Fatalf("cannot build ekaf: %v\n%s", err, out)
	}
	input, feed := io.Pipe()
	produce := exec.CommandContext(ctx, program, "produce", "--brokers", cluster.Addrs()[0]+","+cluster.Addrs()[1], "--topic", topic, "--key-delim", "\t")
	var said bytes.Buffer
	produce.Stdin, produce.Stderr = input, &said
	if err := produce.Start(); err != nil {
		t.Fatal(err)
	}
	expected := &judge.Expectation{}
	feeding := make(chan error, 1)
	go func() { feeding <- feedThroughACrash(ctx, cluster, feed) }()
	if err := <-feeding; err != nil {
		t.Fatal(err)
	}
	if err := produce.Wait(); err != nil {
		t.Fatalf("ekaf produce: %v\n%s", err, said.String())
	}
	checkSummary(t, said.Bytes())
	for k := range keys {
		expected.AckedAll(0, key(k), lines()/keys)
	}
	log, err := judge.Consume(ctx, cluster.Addrs(), topic)
	if err != nil {
		t.Fatal(err)
	}
	report := judge.Verify(log, expected)
	t.Log(report)
	if err := report.Err(); err != nil {
		t.Fatal(err)
	}
}

func key(k int) string { return fmt.Sprintf("key%d", k) }

// feedThroughACrash writes the lines. A third on the way a broker is killed, a
// third later it is started again, while the lines go on.
func feedThroughACrash(ctx context.Context, cluster *realkafka.Cluster, feed *io.PipeWriter) error {
	defer feed.Close()
	victim := cluster.Broker(2)
	restarted := make(chan error, 1)
	var line []byte
	for i := range lines() {
		switch i {
		case lines() / 3:
			if err := victim.Kill(); err != nil {
				return err
			}
		case 2 * lines() / 3:
			go func() { restarted <- victim.Start(ctx) }()
		}
		if i%2000 == 0 {
			time.Sleep(20 * time.Millisecond) // a steady stream, so that the crash falls into it
		}
		m := judge.Message{Key: key(int(i % keys)), Sequence: i / keys}
		line = append(append(line[:0], m.Key...), '\t')
		line = append(judge.AppendValue(line, m, padding), '\n')
		if _, err := feed.Write(line); err != nil {
			return err
		}
	}
	return <-restarted
}

// checkSummary reads the last line that `ekaf produce` printed.
func checkSummary(t *testing.T, said []byte) {
	t.Helper()
	said = bytes.TrimSpace(said)
	last := said[bytes.LastIndexByte(said, '\n')+1:]
	t.Logf("%s", said)
	var summary struct{ Acked, Failed int64 }
	if err := json.Unmarshal(last, &summary); err != nil {
		t.Fatalf("the last line is no JSON: %v\n%s", err, last)
	}
	if summary.Acked != lines() || summary.Failed != 0 {
		t.Fatalf("acked %d, failed %d, of %d", summary.Acked, summary.Failed, lines())
	}
}
