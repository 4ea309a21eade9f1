//go:build unix

package main

import (
	"bufio"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// developing is "ekaf dev" in a process of its own, with what it printed first.
type developing struct {
	*served
	banner, kafka string
	curls         []string
	rest          chan string // standard output after the banner, once it has ended
}

func startDev(t *testing.T, args ...string) *developing {
	t.Helper()
	d := &developing{rest: make(chan string, 1)}
	c := prepareChild(t, append([]string{"dev", "--listen", "127.0.0.1:0", "--kafka-listen", "127.0.0.1:0"}, args...)...)
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.start()
	lines := bufio.NewReader(out)
	for !strings.Contains(d.banner, "\n\ntry:\n") || !strings.HasSuffix(d.banner, "\n\n") {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatalf("%v after\n%s", err, d.banner)
		}
		d.banner += line
	}
	go func() {
		text, _ := io.ReadAll(lines) // as far as it goes
		d.rest <- string(text)
	}()
	d.served = &served{child: c, url: regexp.MustCompile(`gateway +(\S+)`).FindStringSubmatch(d.banner)[1]}
	d.kafka = regexp.MustCompile(`kafka +(\S+), `).FindStringSubmatch(d.banner)[1]
	d.curls = regexp.MustCompile(`(?m)^  curl .*$`).FindAllString(d.banner, -1)
	return d
}

// TestDev: the lines that it prints work as they stand, another Kafka client sees
// what they sent, and the end is one in order.
func TestDev(t *testing.T) {
	d := startDev(t, "--print", "--topic", "events:3")
	pages := regexp.MustCompile(`http://\S+(/|/metrics|/openapi\.json)\n`).FindAllString(d.banner, -1)
	if len(pages) != 3 {
		t.Errorf("the pages are %q", pages)
	}
	for _, url := range pages {
		answer, err := http.Get(strings.TrimSpace(url))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s is answered with %d", url, answer.StatusCode)
		}
	}
	if len(d.curls) != 3 {
		t.Fatalf("%d lines of curl in\n%s", len(d.curls), d.banner)
	}
	for i, want := range []string{`{"ok":1}`, `[{"ok":true,`, `{"topic":"events",`} {
		if got := d.asPrinted(d.curls[i]); !strings.HasPrefix(got, want) {
			t.Errorf("%s\nanswered %s", d.curls[i], got)
		}
	}
	// A topic that nobody has created.
	if status, body := d.post("/sync/made.up", "another"); status != 200 {
		t.Errorf("answered %d %s", status, body)
	}
	consumer, err := kgo.NewClient(kgo.SeedBrokers(d.kafka), kgo.ConsumeTopics("events", "made.up"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer consumer.Close()
	seen := map[string]int{}
	for n := 0; n < 4; {
		fetches := consumer.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { seen[r.Topic+" "+string(r.Key)+" "+string(r.Value)]++ })
		n += fetches.NumRecords()
	}
	if len(seen) != 3 || seen[`events  {"hello":"world"}`] != 2 || seen["events alice any bytes"] != 1 || seen["made.up  another"] != 1 {
		t.Errorf("a consumer sees %v", seen)
	}
	if status, _ := d.post("/async/events", "the last one"); status != 200 {
		t.Errorf("answered %d", status)
	}
	d.signal(syscall.SIGINT)
	rest := <-d.rest
	if code := d.wait(); code != exitDone {
		t.Errorf("exit code %d\n%s", code, d.errOut.String())
	}
	for _, want := range []string{`"{\"hello\":\"world\"}"`, `{"alice","any bytes"}`, `"another"`, "topic made.up partition 0", `"the last one"`} {
		if !strings.Contains(rest, want) {
			t.Errorf("%s was not printed:\n%s", want, rest)
		}
	}
}

// asPrinted runs a line as a shell does, with curl if it is there and else with
// the little of it that the test knows.
func (d *developing) asPrinted(line string) string {
	d.t.Helper()
	if _, err := exec.LookPath("curl"); err == nil {
		out, err := exec.CommandContext(d.t.Context(), "sh", "-c", strings.Replace(line, "curl ", "curl -sS ", 1)).Output()
		if err != nil {
			d.t.Fatalf("%s: %v", line, err)
		}
		return string(out)
	}
	_, body, _ := strings.Cut(d.curl(shellWords(d.t, strings.ReplaceAll(line, d.url, "localhost:8080"))[1:]), " ")
	return body
}

// TestDevSaysWhatIsWrong with its flags, and when a port is taken.
func TestDevSaysWhatIsWrong(t *testing.T) {
	d := startDev(t)
	address := strings.TrimPrefix(d.url, "http://")
	for _, c := range []struct {
		args, want string
		code       int
	}{
		{"--kafka-listen 9092", "--kafka-listen must be HOST:PORT", exitUsage},
		{"--kafka-listen 127.0.0.1:x", "--kafka-listen must end in a port", exitUsage},
		{"--partitions 0", "--partitions is from 1", exitUsage},
		{"--topic a:0", "--topic must be NAME:PARTITIONS", exitUsage},
		{"--kafka-listen 127.0.0.1:0 --listen " + address, "cannot listen on " + address, exitUsage},
		{"--listen 127.0.0.1:0 --kafka-listen " + d.kafka, "cannot start the broker on " + d.kafka, exitSome},
	} {
		r := ekafRun(t, "", append([]string{"dev"}, strings.Fields(c.args)...)...)
		if r.code != c.code || !strings.Contains(r.errOut, c.want) {
			t.Errorf("%s: exit code %d, %s", c.args, r.code, r.errOut)
		}
	}
	r := ekafRun(t, "", "dev", "--help")
	if r.code != exitDone || !strings.Contains(r.out, "ekaf dev --print") || !strings.Contains(r.out, "EKAF_KAFKA_LISTEN") {
		t.Errorf("the help: %+v", r)
	}
	d.signal(syscall.SIGTERM)
	if code := d.wait(); code != exitDone {
		t.Errorf("exit code %d\n%s", code, d.errOut.String())
	}
	if rest := <-d.rest; rest != "" {
		t.Errorf("without --print it prints %s", rest)
	}
}

// TestDevEndsWithClientsConnected: a connection that idles does not keep it.
func TestDevEndsWithClientsConnected(t *testing.T) {
	d := startDev(t)
	client := &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}
	answer, err := client.Get(d.url + "/healthz") // and stays connected
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	d.signal(syscall.SIGINT)
	if code := d.wait(); code != exitDone {
		t.Errorf("exit code %d\n%s", code, d.errOut.String())
	}
}
