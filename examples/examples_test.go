// Package examples_test runs every example as its own process against an
// embedded broker, and looks at what a consumer sees.
package examples_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/ekaftest"
)

// build compiles all examples into a folder.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	command := exec.CommandContext(t.Context(), "go", "build", "-o", dir+string(filepath.Separator), "./...")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("the examples do not compile: %v\n%s", err, out)
	}
	return dir
}

// command is an example about to run, with its environment.
func command(t *testing.T, dir, name string, environment ...string) *exec.Cmd {
	t.Helper()
	path := filepath.Join(dir, name)
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	c := exec.CommandContext(t.Context(), path)
	c.Env = append(os.Environ(), environment...)
	return c
}

// run runs an example to its end.
func run(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("%s: %v\n%s", filepath.Base(c.Path), err, out)
	}
}

func TestExamples(t *testing.T) {
	dir := build(t)
	messages := map[string]int{
		"fire-and-forget": 100, "callbacks": 4, "sync": 4, "batch": 1000, "topics": 1000, "keyed": 400, "workers": 6, "massage": 4,
	}
	for name, want := range messages {
		t.Run(name, func(t *testing.T) {
			kafka := ekaftest.Start(t, ekaftest.Topic("events", 1))
			run(t, command(t, dir, name, "EKAF_BROKERS="+kafka.Addrs()[0]))
			if seen := consume(t, kafka); len(seen) != want {
				t.Errorf("a consumer sees %d messages, want %d", len(seen), want)
			}
		})
	}
	t.Run("statsd", func(t *testing.T) { statsd(t, dir) })
	t.Run("secure", func(t *testing.T) { secure(t, dir) })
	t.Run("http", func(t *testing.T) { serve(t, dir) })
}

func consume(t *testing.T, kafka *ekaftest.Cluster) []ekaftest.Message {
	t.Helper()
	seen, err := kafka.Consume("events")
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// statsd listens where the metrics go.
func statsd(t *testing.T, dir string) {
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	kafka := ekaftest.Start(t, ekaftest.Topic("events", 1))
	run(t, command(t, dir, "statsd", "EKAF_BROKERS="+kafka.Addrs()[0], "STATSD_ADDR="+server.LocalAddr().String()))

	if err := server.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 2048)
	for _, want := range []string{"events.worker_up.broker0.0:1|c", "events.flush.broker0.0:1|g", "events.flushed_replied.broker0.0.diff:"} {
		for got := ""; !strings.HasPrefix(got, want); {
			n, _, err := server.ReadFrom(buffer)
			if err != nil {
				t.Fatalf("%s never came: %v", want, err)
			}
			got = string(buffer[:n])
		}
	}
}

func secure(t *testing.T, dir string) {
	kafka := ekaftest.Start(t, ekaftest.Topic("events", 1), ekaftest.TLS(), ekaftest.SASL("SCRAM-SHA-512", "app", "secret"))
	authority := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(authority, kafka.CAPEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, command(t, dir, "secure", "EKAF_BROKERS="+kafka.Addrs()[0], "KAFKA_CA="+authority, "KAFKA_USER=app", "KAFKA_PASSWORD=secret"))
	if seen := consume(t, kafka); len(seen) != 1 {
		t.Errorf("a consumer sees %d messages, want 1", len(seen))
	}
}

// serve posts to the HTTP example while Kafka is away, and ends it once Kafka is
// back: what it accepted must arrive.
func serve(t *testing.T, dir string) {
	kafka := ekaftest.Start(t, ekaftest.Topic("events", 1))
	kafka.Stop()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	server := command(t, dir, "http", "EKAF_BROKERS="+kafka.Addrs()[0], "LISTEN="+address)
	server.Stderr = t.Output()
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for accepted := 0; accepted < 3; {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/events", strings.NewReader("login"))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		switch {
		case ctx.Err() != nil:
			t.Fatal("the server never came up")
		case err != nil: // not up yet
			time.Sleep(10 * time.Millisecond)
			continue
		}
		response.Body.Close()
		if response.StatusCode != http.StatusAccepted {
			t.Fatalf("status %s", response.Status)
		}
		accepted++
	}
	if err := kafka.Restart(); err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "windows" { // has no signal to end a process in order
		if _, err := kafka.WaitFor(ctx, "events", 3); err != nil {
			t.Error(err)
		}
		_ = server.Process.Kill()
		_ = server.Wait()
		return
	}
	if err := server.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil {
		t.Error(err)
	}
	if seen := consume(t, kafka); len(seen) != 3 {
		t.Errorf("a consumer sees %d messages, want 3", len(seen))
	}
}
