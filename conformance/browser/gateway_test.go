package browser

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ekaf-go/ekaf/ekaftest"
)

// program is "ekaf serve" in a process of its own.
type program struct {
	t    *testing.T
	url  string
	cmd  *exec.Cmd
	said sync.WaitGroup
}

// serve builds the program and starts it.
func serve(t *testing.T, args ...string) *program {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ekaf")
	if out, err := exec.Command("go", "build", "-o", file, "../../cmd/ekaf").CombinedOutput(); err != nil {
		t.Fatalf("cannot build the program: %v\n%s", err, out)
	}
	p := &program{t: t, cmd: exec.Command(file, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)}
	p.cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "EKAF_") }) // they are the program's flags
	errOut, err := p.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(errOut)
	for p.url == "" && lines.Scan() {
		t.Log(lines.Text())
		_, p.url, _ = strings.Cut(lines.Text(), "listening on ")
	}
	p.said.Go(func() {
		for lines.Scan() {
		}
	})
	t.Cleanup(p.end)
	if p.url == "" {
		t.Fatal("the program does not listen")
	}
	return p
}

// end ends the program in order, whoever still watches.
func (p *program) end() {
	if p.cmd.ProcessState != nil {
		return
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	p.said.Wait()
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("the program ended with %v", err)
	}
}

// post sends a message, and gives the status.
func (p *program) post(path, body string) int {
	answer, err := http.Post(p.url+path, "application/json", strings.NewReader(body))
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body) // the status is what counts
	return answer.StatusCode
}

// traffic posts messages until the test, or the function that it gives, ends it.
func (p *program) traffic(topics ...string) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			p.post("/async/"+topics[i%len(topics)], fmt.Sprintf(`{"n":%d}`, i))
			time.Sleep(3 * time.Millisecond)
		}
	})
	stop = func() {
		cancel()
		running.Wait()
	}
	p.t.Cleanup(stop)
	return stop
}

// found waits until a consumer, which is not of this library, has found messages
// of a key and a value in a topic.
func found(t *testing.T, c *ekaftest.Cluster, topic, key, value string, times int) {
	t.Helper()
	consumer, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	n := 0
	for n < times {
		fetched := consumer.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("a consumer found the message %d times, want %d", n, times)
		}
		fetched.EachRecord(func(r *kgo.Record) {
			if string(r.Key) == key && string(r.Value) == value {
				n++
			}
		})
	}
	if n != times {
		t.Errorf("a consumer found the message %d times, want %d", n, times)
	}
}
