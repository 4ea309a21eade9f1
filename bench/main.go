package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ekaf-go/ekaf/bench/broker"
	"github.com/ekaf-go/ekaf/bench/clients"
	"github.com/ekaf-go/ekaf/bench/load"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "broker":
			os.Exit(broker.Main(flag.NewFlagSet("bench broker", flag.ContinueOnError), os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
		case "measure":
			if err := measureMain(ctx, os.Stdin, os.Stdout); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		}
	}
	if err := run(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		os.Exit(1)
	}
}

// plan is what the command line asks for.
type plan struct {
	tasks   []assignment
	rounds  int
	verify  bool
	pin     bool
	timeout time.Duration
	results string
	profile string
}

// assignment is a row with all that is known of how to run it.
type assignment struct {
	row     load.Row
	clients []clients.Entry
	rounds  int
}

func parse(args []string) (plan, error) {
	var p plan
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	suite := fs.String("suite", "quick", "rows to run: "+strings.Join(suiteNames(), ", "))
	quick := fs.Bool("quick", false, "the same as -suite quick")
	only := fs.String("clients", "", "comma separated; default: those of the suite (all: every one of this build)")
	match := fs.String("row", "", "only rows whose name contains this")
	scale := fs.Float64("scale", 1, "times the records of each row, warm-up included")
	buffer := fs.Int("buffer", 0, "MiB that each client may buffer; default: the row's own, 64")
	fs.IntVar(&p.rounds, "rounds", 3, "times each client does a row; 3 or more for a median")
	fs.BoolVar(&p.verify, "verify", false, "check every CRC and record in the broker; times mean nothing then")
	fs.BoolVar(&p.pin, "pin", true, "give client and broker a CPU each, where the platform can")
	fs.DurationVar(&p.timeout, "timeout", 2*time.Minute, "for one sample")
	fs.StringVar(&p.results, "results", "results", "directory for the samples as JSON lines; empty: none")
	fs.StringVar(&p.profile, "cpuprofile", "", "directory for a CPU profile of each sample; times are a little worse then")
	if err := fs.Parse(args); err != nil {
		return p, err
	}
	if *quick {
		*suite = "quick"
	}
	s, ok := suites[*suite]
	if !ok {
		return p, fmt.Errorf("cannot run suite %q: there are %s", *suite, strings.Join(suiteNames(), ", "))
	}
	var asked []string
	if *only != "" {
		asked = strings.Split(*only, ",")
	}
	for _, t := range s.tasks() {
		if !strings.Contains(t.row.Name(), *match) {
			continue
		}
		t.row.Records = max(1, int(float64(t.row.Records)**scale))
		t.row.Warmup = int(float64(t.row.Warmup) * *scale)
		if *buffer > 0 {
			t.row.Buffer = *buffer << 20
		}
		a, err := p.assign(t, s.clients, asked)
		if err != nil {
			return p, err
		}
		if len(a.clients) > 0 {
			p.tasks = append(p.tasks, a)
		}
	}
	if len(p.tasks) == 0 || p.rounds < 1 {
		return p, errors.New("cannot run: no row is left, or no round")
	}
	return p, nil
}

// assign finds who does a task: the clients asked for on the command line, else
// the task's own, else the suite's.
func (p *plan) assign(t task, ofSuite, asked []string) (assignment, error) {
	a := assignment{row: t.row, rounds: p.rounds}
	if p.rounds >= 3 { // who asks for fewer wants to be quick
		a.rounds = max(p.rounds, t.rounds)
	}
	names := ofSuite
	if len(t.clients) > 0 {
		names = slices.DeleteFunc(slices.Clone(t.clients), func(name string) bool {
			_, ok := clients.Find(name)
			return !ok && name != "all" // not in this build
		})
	}
	if len(asked) > 0 {
		names = asked
	}
	var err error
	a.clients, err = pick(names)
	return a, err
}

// pick finds clients by name; "all" means every one of this build.
func pick(names []string) ([]clients.Entry, error) {
	var found []clients.Entry
	add := func(e clients.Entry) {
		if !slices.ContainsFunc(found, func(f clients.Entry) bool { return f.Name == e.Name }) {
			found = append(found, e)
		}
	}
	for _, name := range names {
		if name == "all" {
			for _, e := range clients.All() {
				add(e)
			}
			continue
		}
		e, ok := clients.Find(name)
		if !ok {
			return nil, fmt.Errorf("cannot run client %q: it is not in this build (confluent needs -tags confluent)", name)
		}
		add(e)
	}
	return found, nil
}

func run(ctx context.Context, args []string) error {
	p, err := parse(args)
	if err != nil {
		return err
	}
	record, err := newRecorder(p.results)
	if err != nil {
		return err
	}
	defer record.close()
	b, err := startBroker(ctx, p.pin)
	if err != nil {
		return err
	}
	defer b.stop()
	printHead(os.Stdout, p)
	voids := 0
	for _, a := range p.tasks {
		cells, err := runRow(ctx, p, b, a, record)
		if err != nil {
			return err
		}
		printRow(os.Stdout, a.row, cells)
		for _, c := range cells {
			if c.void != nil {
				voids++
			}
		}
	}
	printLegend(os.Stdout, p)
	if voids > 0 {
		return fmt.Errorf("%d cells are void", voids)
	}
	return record.err
}

// recorder appends samples to a file of JSON lines.
type recorder struct {
	f   *os.File
	err error // the first
}

func newRecorder(dir string) (*recorder, error) {
	if dir == "" {
		return &recorder{}, nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("cannot keep results: %w", err)
	}
	f, err := os.Create(filepath.Join(dir, time.Now().UTC().Format("20060102-150405")+".jsonl"))
	if err != nil {
		return nil, fmt.Errorf("cannot keep results: %w", err)
	}
	return &recorder{f: f}, nil
}

func (r *recorder) add(s Sample) {
	if r.f == nil {
		return
	}
	if err := json.NewEncoder(r.f).Encode(s); err != nil && r.err == nil {
		r.err = fmt.Errorf("cannot keep results: %w", err)
	}
}

func (r *recorder) close() {
	if r.f != nil {
		r.f.Close()
	}
}
