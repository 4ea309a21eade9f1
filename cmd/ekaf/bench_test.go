package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/cmd/ekaf/internal/load"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// benchJSON runs `ekaf bench --json` and reads its answer.
func benchJSON(t *testing.T, code int, args ...string) load.Result {
	t.Helper()
	r := ekafRun(t, "", append([]string{"bench", "--json"}, args...)...)
	if r.code != code {
		t.Fatalf("exit code %d:\n%s%s", r.code, r.out, r.errOut)
	}
	var result load.Result
	if err := json.Unmarshal([]byte(r.out), &result); err != nil {
		t.Fatalf("%v in %q", err, r.out)
	}
	return result
}

func countIn(t *testing.T, c *ekaftest.Cluster, topic string) int {
	t.Helper()
	messages, err := c.Consume(topic)
	if err != nil {
		t.Fatal(err)
	}
	return len(messages)
}

func TestBenchDeliversWhatItSays(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 3))
	sent := 0
	for _, verb := range load.Verbs() {
		r := benchJSON(t, exitDone, "-b", c.Addrs()[0], "-t", "events", "--verb", verb, "-n", "1003", "--per-call", "10",
			"--callers", "3", "--keys", "5", "--size", "33", "--linger", "1ms", "--compression", "lz4")
		sent += 1003
		if r.Acked != 1003 || r.Failed != 0 || r.Embedded || r.Partitions != 3 || r.Topic != "events" || r.Seconds <= 0 || r.PerSecond <= 0 {
			t.Errorf("%s: %+v", verb, r)
		}
		l := r.Latency
		if order := []float64{l.Min, l.P50, l.P90, l.P99, l.P999, l.Max}; l.Min <= 0 || !slices.IsSorted(order) {
			t.Errorf("%s: quantiles are %v", verb, order)
		}
		counted := int64(0)
		for _, b := range r.Histogram {
			counted += b.Count
		}
		if counted != r.Acked {
			t.Errorf("%s: the histogram holds %d", verb, counted)
		}
	}
	messages, err := c.Consume("events")
	if err != nil || len(messages) != sent {
		t.Fatalf("the broker holds %d of %d, %v", len(messages), sent, err)
	}
	keys := map[string]bool{}
	for _, m := range messages {
		keys[string(m.Key)] = true
		if len(m.Value) != 33 || len(m.Key) != 16 {
			t.Fatalf("a message is %q, %q", m.Key, m.Value)
		}
	}
	if len(keys) != 5 {
		t.Errorf("%d keys", len(keys))
	}
}

func TestBenchMakesItsOwnTopicAndTakesItAway(t *testing.T) {
	c := ekaftest.Start(t)
	r := benchJSON(t, exitDone, "-b", c.Addrs()[0], "-n", "100", "--partitions", "7")
	if r.Partitions != 7 || r.Acked != 100 || !strings.HasPrefix(r.Topic, "ekaf-bench-") {
		t.Errorf("%+v", r)
	}
	topics, err := c.Topics()
	if err != nil || slices.Contains(topics, r.Topic) {
		t.Errorf("topics left are %v, %v", topics, err)
	}
	benchJSON(t, exitDone, "-b", c.Addrs()[0], "-n", "100", "-t", "mine", "--partitions", "2")
	if n := countIn(t, c, "mine"); n != 100 {
		t.Errorf("a topic that was named holds %d", n)
	}
}

func TestBenchWithoutBrokersSaysWhatItMeasures(t *testing.T) {
	r := ekafRun(t, "", "bench", "-n", "500", "--rate", "50000", "--linger", "1ms")
	if r.code != exitDone {
		t.Fatalf("exit code %d:\n%s", r.code, r.errOut)
	}
	for _, want := range []string{"broker embedded in this program", "give --brokers", "12 partitions", "500 acked, 0 failed", "with the clock and counts of this command", "from when each was due", "p99.9", "###"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is missing from\n%s", want, r.out)
		}
	}
	if r := benchJSON(t, exitDone, "-n", "10"); !r.Embedded {
		t.Errorf("%+v", r)
	}
}

func TestBenchCountsFailures(t *testing.T) {
	for _, verb := range load.Verbs() {
		r := benchJSON(t, exitSome, "-n", "30", "--per-call", "3", "--size", "2000000", "--verb", verb)
		if r.Failed != 30 || r.Acked != 0 || r.Errors["too_large"] != 30 || len(r.Histogram) != 0 {
			t.Errorf("%s: %+v", verb, r)
		}
	}
	r := ekafRun(t, "", "bench", "-n", "3", "--size", "2000000")
	if r.code != exitSome || !strings.Contains(r.out, "too_large: 3") {
		t.Errorf("exit code %d:\n%s", r.code, r.out)
	}
}

func TestBenchEndsWithItsTime(t *testing.T) {
	r := benchJSON(t, exitDone, "--duration", "100ms", "--rate", "1000", "--verb", "async")
	if r.Acked == 0 || r.Acked > 100 || r.Failed != 0 { // no more than were due
		t.Errorf("%+v", r)
	}
}

// The run is interrupted while its callers still have an hour to go.
func TestAnInterruptEndsABenchAndLosesNothing(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	ctx, interrupt := context.WithCancel(t.Context())
	done := make(chan result)
	go func() {
		done <- ekafWith(ctx, strings.NewReader(""), "bench", "--json", "-b", c.Addrs()[0], "-t", "events", "-d", "1h", "-r", "2000", "--linger", "1ms")
	}()
	for countIn(t, c, "events") == 0 {
		time.Sleep(5 * time.Millisecond)
	}
	interrupt()
	r := <-done
	var said load.Result
	if err := json.Unmarshal([]byte(r.out), &said); err != nil || r.code != exitDone {
		t.Fatalf("exit code %d, %v:\n%s%s", r.code, err, r.out, r.errOut)
	}
	if n := countIn(t, c, "events"); said.Acked != int64(n) || said.Failed != 0 {
		t.Errorf("the broker holds %d, %+v", n, said)
	}
}

func TestBenchSaysWhenNobodyAnswers(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	r := ekafWith(ctx, strings.NewReader(""), "bench", "-b", "127.0.0.1:1")
	if r.code != exitSome || !strings.Contains(r.errOut, "127.0.0.1:1") {
		t.Errorf("exit code %d:\n%s", r.code, r.errOut)
	}
}
