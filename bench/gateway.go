package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ekaf-go/ekaf/bench/broker"
	"github.com/ekaf-go/ekaf/bench/clients"
	"github.com/ekaf-go/ekaf/bench/load"
	"github.com/ekaf-go/ekaf/bench/usage"
)

// Servers, which are asked by HTTP.
const (
	ekafServe = "ekaf-serve"
	bareHTTP  = "bare"
)

// server is a program that answers HTTP requests. Where it listens it says on
// standard error, as the gateway does.
type server struct {
	clients.Entry
	command func(ctx context.Context, t *tools, job Job) (*exec.Cmd, error)
	kafka   bool // what it accepts must arrive at the broker; else nothing may
}

var servers = []server{
	{
		Entry:   clients.Entry{Name: ekafServe, Note: "`ekaf serve` as users run it; CPU, allocations and memory are those of its whole process, until Kafka has all messages"},
		command: serveCommand, kafka: true,
	},
	{
		Entry:   clients.Entry{Name: bareHTTP, Note: "a handler of net/http that reads the body and answers 200 with the same bytes; messages go nowhere"},
		command: bareCommand,
	},
}

func findServer(name string) (server, bool) {
	i := slices.IndexFunc(servers, func(s server) bool { return s.Name == name })
	if i < 0 {
		return server{}, false
	}
	return servers[i], true
}

func serveCommand(ctx context.Context, t *tools, job Job) (*exec.Cmd, error) {
	path, err := findEkaf(ctx, t)
	if err != nil {
		return nil, err
	}
	args := []string{"serve", "--brokers", job.Broker, "--listen", "127.0.0.1:0", "--debug-listen", "127.0.0.1:0", "--grace", "60s"}
	if job.Row.Buffer > 0 {
		args = append(args, "--buffer-bytes", strconv.Itoa(job.Row.Buffer))
	}
	return exec.CommandContext(ctx, path, args...), nil
}

func bareCommand(ctx context.Context, _ *tools, job Job) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot find this program: %w", err)
	}
	return exec.CommandContext(ctx, self, "bare", "-answer", acceptedBy(job.Row)), nil
}

// acceptedBy is what the gateway answers to a request of the row.
func acceptedBy(r load.Row) string {
	if r.Lines > 1 {
		return fmt.Sprintf(`{"accepted":%d}`, r.Lines)
	}
	return `{"ok":1}`
}

// Served is a server which runs.
type Served struct {
	URL   string
	Debug string // of its figures and profiles
	PID   int
}

// runServer measures a server once: it is started, asked by another process,
// and told to end, which it must do well.
func (h *harness) runServer(ctx context.Context, sv server, job Job) (Sample, error) {
	ctx, cancel := context.WithTimeout(ctx, job.Timeout+20*time.Second)
	defer cancel()
	cmd, err := sv.command(ctx, &h.tools, job)
	if err != nil {
		return Sample{}, err
	}
	said, err := cmd.StderrPipe()
	if err != nil {
		return Sample{}, fmt.Errorf("cannot start %s: %w", sv.Name, err)
	}
	if err := start(cmd, roleClient, job.Row.CPUs, h.pin); err != nil {
		return Sample{}, fmt.Errorf("cannot start %s: %w", sv.Name, err)
	}
	lines := bufio.NewScanner(said)
	job.Server, err = whereItServes(lines)
	job.Server.PID = cmd.Process.Pid
	last := make(chan string, 1)
	go func() { // what it says later must not fill the pipe
		text := ""
		for lines.Scan() {
			text = lines.Text()
		}
		last <- text
	}()
	var s Sample
	if err == nil {
		s, err = measureIn(ctx, job, roleBroker, h.pin)
	}
	err = errors.Join(err, cmd.Process.Signal(syscall.SIGTERM))
	text := <-last
	if ended := cmd.Wait(); ended != nil {
		err = errors.Join(err, fmt.Errorf("%s ended badly: %w: %s", sv.Name, ended, text))
	}
	s.PeakRSS = max(s.PeakRSS, usage.PeakOf(cmd.ProcessState))
	return s, err
}

// whereItServes reads what a server says until it listens.
func whereItServes(lines *bufio.Scanner) (at Served, err error) {
	text := ""
	for lines.Scan() {
		text = lines.Text()
		if url, found := strings.CutPrefix(text, "figures and profiles on "); found {
			at.Debug = url
		}
		if url, found := strings.CutPrefix(text, "listening on "); found {
			at.URL, _, _ = strings.Cut(url, " ")
			return at, nil
		}
	}
	return at, fmt.Errorf("the server ended before it listened: %s", text)
}

// check holds what a server claimed against what the broker counted.
func (sv server) check(s Sample, row load.Row, counted broker.Counters, verify bool) error {
	var errs []error
	if row.Measure != load.Away && s.Acked != row.Total() {
		errs = append(errs, fmt.Errorf("%d records accepted of %d", s.Acked, row.Total()))
	}
	if !sv.kafka {
		s.Acked, s.Sum = 0, 0 // it says yes, and sends nothing
	}
	if counted.Records != int64(s.Acked) {
		errs = append(errs, fmt.Errorf("the broker counted %d records, and 2xx were given for %d", counted.Records, s.Acked))
	}
	return errors.Join(append(errs, sound(s, counted, verify))...)
}
