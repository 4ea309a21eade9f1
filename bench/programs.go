package main

import (
	"bufio"
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ekaf-go/ekaf/bench/clients"
	"github.com/ekaf-go/ekaf/bench/load"
	"github.com/ekaf-go/ekaf/bench/usage"
)

// Programs, which are measured from outside.
const (
	ekafProduce  = "ekaf-produce"
	kcat         = "kcat"
	javaProducer = "java"
)

// program is a client that is a command of its own.
type program struct {
	clients.Entry
	does func(load.Row) bool
	// command makes the command that does a job; path is where find found it.
	command func(ctx context.Context, t *tools, path string, job Job) *exec.Cmd
	// find says where the program is, or why it is not here.
	find func(ctx context.Context, t *tools) (string, error)
	// read takes what the program says of itself out of its output.
	read func(job Job, out, errs string, s *Sample) error
}

func onPipe(r load.Row) bool { return r.Measure == load.Pipe }

func onKafka(r load.Row) bool {
	return r.Cluster == load.Kafka && r.Measure == load.Throughput && r.Call == load.Callback && r.Placement == load.Unkeyed && r.Goroutines == 1
}

var programs = []program{
	{
		Entry: clients.Entry{Name: ekafProduce, Note: "`ekaf produce`, its defaults but for linger and buffer; start and end of the process count"},
		does:  onPipe, find: findEkaf, command: ekafCommand, read: readEkaf,
	},
	{
		Entry: clients.Entry{Name: kcat, Note: "kcat -P on librdkafka, idempotent, with the same linger and buffer; start and end of the process count"},
		does:  onPipe, find: findKcat, command: kcatCommand,
		read: func(job Job, _, _ string, s *Sample) error { s.Acked = job.Row.Total(); return nil }, // its exit code says so
	},
	{
		Entry: clients.Entry{Name: javaProducer, Note: "Java's producer in the loop of kafka-producer-perf-test, measured after its warm-up"},
		does:  onKafka, find: findJava, command: javaCommand, read: readJava,
	},
}

// here reports whether this machine can run it. What is built comes later.
func (p program) here() bool {
	if p.Name == ekafProduce {
		return true
	}
	var t tools
	defer t.close()
	_, err := p.find(context.Background(), &t)
	return err == nil
}

func findProgram(name string) (program, bool) {
	i := slices.IndexFunc(programs, func(p program) bool { return p.Name == name })
	if i < 0 {
		return program{}, false
	}
	return programs[i], true
}

// tools are the programs which the command line names, or which are found.
type tools struct {
	ekafPath string // empty: built from the module beside this one
	javaLibs string // directory of Kafka's jars; empty: where the conformance suite keeps them
	dir      string // of what was made for the run; removed by close
}

// make names a file of the run's own directory.
func (t *tools) make(name string) (string, error) {
	if t.dir == "" {
		dir, err := os.MkdirTemp("", "ekaf-bench-")
		if err != nil {
			return "", fmt.Errorf("cannot make %s: %w", name, err)
		}
		t.dir = dir
	}
	return filepath.Join(t.dir, name), nil
}

// findEkaf builds the command line program once.
func findEkaf(ctx context.Context, t *tools) (string, error) {
	if t.ekafPath != "" {
		return t.ekafPath, nil
	}
	module, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "github.com/ekaf-go/ekaf").Output()
	if err != nil {
		return "", fmt.Errorf("cannot find the module of ekaf, run this from bench/ or give -ekaf: %w", err)
	}
	path, err := t.make("ekaf.exe") // a suffix hurts nowhere
	if err != nil {
		return "", err
	}
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/ekaf")
	build.Dir = strings.TrimSpace(string(module))
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("cannot build ekaf: %w: %s", err, lastLine(string(out)))
	}
	t.ekafPath = path
	return path, nil
}

func findKcat(context.Context, *tools) (string, error) { return exec.LookPath("kcat") }

//go:embed java/Producer.java
var javaSource []byte

// findJava writes Java's driver into a file and finds the jars of the newest Kafka.
func findJava(_ context.Context, t *tools) (string, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return "", err
	}
	if err := t.findJars(); err != nil {
		return "", err
	}
	path, err := t.make("Producer.java")
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(path, javaSource, 0o600); err != nil {
		return "", fmt.Errorf("cannot write Java's driver: %w", err)
	}
	return path, nil
}

func (t *tools) findJars() error {
	if t.javaLibs != "" {
		return nil
	}
	cache := os.Getenv("EKAF_KAFKA_CACHE")
	if cache == "" {
		home, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("cannot find Kafka's jars, give -java-libs: %w", err)
		}
		cache = filepath.Join(home, "ekaf-realkafka")
	}
	found, err := filepath.Glob(filepath.Join(cache, "*", "libs-*", "kafka-clients-[4-9]*.jar"))
	if err != nil || len(found) == 0 {
		return errors.New("cannot find Kafka's jars, give -java-libs")
	}
	t.javaLibs = filepath.Dir(slices.Max(found))
	return nil
}

func (t *tools) close() {
	if t.dir != "" {
		os.RemoveAll(t.dir)
	}
}

func ekafCommand(ctx context.Context, _ *tools, path string, job Job) *exec.Cmd {
	return exec.CommandContext(ctx, path, "produce", "--brokers", job.Broker, "--topic", job.Topic,
		"--linger", job.Row.Linger.String(), "--buffer-bytes", strconv.Itoa(job.Row.Buffer))
}

func kcatCommand(ctx context.Context, _ *tools, path string, job Job) *exec.Cmd {
	args := []string{"-P", "-b", job.Broker, "-t", job.Topic}
	for _, property := range []string{
		"enable.idempotence=true", fmt.Sprintf("linger.ms=%d", job.Row.Linger.Milliseconds()),
		"batch.size=1000000", "batch.num.messages=100000", "queue.buffering.max.messages=10000000",
		fmt.Sprintf("queue.buffering.max.kbytes=%d", job.Row.Buffer>>10),
	} {
		args = append(args, "-X", property)
	}
	return exec.CommandContext(ctx, path, args...)
}

// javaCommand runs the source file as a script (JEP 330).
func javaCommand(ctx context.Context, t *tools, path string, job Job) *exec.Cmd {
	args := []string{"-Xmx512m", "-cp", filepath.Join(t.javaLibs, "*"), path, job.Topic,
		strconv.Itoa(job.Row.ValueBytes), strconv.Itoa(job.Row.Warmup), strconv.Itoa(job.Row.Records),
		"bootstrap.servers=" + job.Broker, "acks=all", "enable.idempotence=true", "compression.type=" + job.Row.Codec,
		fmt.Sprintf("linger.ms=%d", job.Row.Linger.Milliseconds()), "batch.size=1000000",
		fmt.Sprintf("buffer.memory=%d", job.Row.Buffer),
	}
	return exec.CommandContext(ctx, "java", args...)
}

// readEkaf reads the JSON on the last line of standard error.
func readEkaf(_ Job, _, errs string, s *Sample) error {
	var said struct{ Acked int }
	if err := json.Unmarshal([]byte(lastLine(errs)), &said); err != nil {
		return fmt.Errorf("cannot read what ekaf produce says: %w", err)
	}
	s.Acked = said.Acked
	return nil
}

// readJava takes the program's own figures, which leave its start out.
func readJava(job Job, out, _ string, s *Sample) error {
	var said struct {
		Acked int
		CPU   float64 `json:"cpu_ns"`
		Took  float64 `json:"took_ns"`
	}
	if err := json.Unmarshal([]byte(lastLine(out)), &said); err != nil {
		return fmt.Errorf("cannot read what Java's producer says: %w", err)
	}
	n := float64(job.Row.Records)
	s.Acked, s.CPUPerRecord, s.RecordsPerS = said.Acked, said.CPU/n, n/(said.Took/1e9)
	return nil
}

// runProgram runs a program once, and feeds it lines where the row says so.
func (h *harness) runProgram(ctx context.Context, p program, job Job) (Sample, error) {
	path, err := p.find(ctx, &h.tools)
	if err != nil {
		return Sample{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, job.Timeout)
	defer cancel()
	cmd := p.command(ctx, &h.tools, path, job)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var lines io.WriteCloser
	if onPipe(job.Row) {
		if lines, err = cmd.StdinPipe(); err != nil {
			return Sample{}, fmt.Errorf("cannot start %s: %w", p.Name, err)
		}
	}
	l := load.New(job.Row, job.Broker, job.Topic)
	began := time.Now()
	if err := start(cmd, roleClient, job.Row.CPUs, h.pin); err != nil {
		return Sample{}, fmt.Errorf("cannot start %s: %w", p.Name, err)
	}
	var fed error
	if lines != nil {
		fed = feed(lines, l)
	}
	if err := errors.Join(cmd.Wait(), fed); err != nil {
		return Sample{}, fmt.Errorf("%s: %w: %s", p.Name, err, lastLine(errs.String()))
	}
	s := Sample{CPUs: max(job.Row.CPUs, 1), Machine: machine(), Sum: l.Sum(l.Total())}
	s.PeakRSS = usage.PeakOf(cmd.ProcessState)
	n := float64(job.Row.Records)
	s.RecordsPerS = n / time.Since(began).Seconds()
	s.CPUPerRecord = float64(cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()) / n
	return s, p.read(job, out.String(), errs.String(), &s)
}

// feed writes all values as lines and ends the input.
func feed(in io.WriteCloser, l *load.Load) error {
	w := bufio.NewWriterSize(in, 64<<10)
	for i := range l.Total() {
		w.Write(l.Value(i))
		w.WriteByte('\n') // Flush tells of any error
	}
	return errors.Join(w.Flush(), in.Close())
}
